// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/rats"
)

// putCollateral is PUT platformcollateral: what Intel's tool fetched elsewhere.
func (c *call) putCollateral() {
	if !c.allowed(adminToken, c.cfg.Admin) {
		return
	}
	b, err := c.body()
	if err != nil {
		c.refuse(err)
		return
	}
	sent, err := clienttool.Parse(b)
	if err != nil {
		c.refuse(&Refusal{Status: http.StatusBadRequest, Err: rats.AsError(err)})
		return
	}
	ctx, done := c.long()
	defer done()
	report, err := c.service.PutCollateral(ctx, sent, "")
	c.held.forget() // some of it may have been taken
	for _, item := range report.Refused {
		c.log.LogAttrs(ctx, slog.LevelWarn, "part of an import was refused",
			slog.String("part", item.Name), slog.Any("error", item.Err), slog.String("request", c.id))
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "collateral was imported", slog.Int("taken", len(report.Taken)), slog.Int("stale", len(report.Stale)),
		slog.Int("older", len(report.Older)), slog.Int("refused", len(report.Refused)), slog.String("request", c.id))
	if err != nil {
		c.refuse(err)
		return
	}
	c.say(http.StatusOK)
}

// long returns a context for what takes long. It does not end when the caller
// goes away: what was begun is finished.
func (c *call) long() (context.Context, context.CancelFunc) {
	c.allow(adminTime + answerTime)
	return context.WithTimeout(context.WithoutCancel(c.r.Context()), adminTime)
}

// refresh is GET or POST refresh. Without a type it is everything but PCK
// certificates, and with type=certs those of all platforms, or of some FMSPCs.
func (c *call) refresh() {
	if !c.allowed(adminToken, c.cfg.Admin) {
		return
	}
	var request RefreshRequest
	if c.query.get(paramType) != "" {
		if c.query.get(paramType) != "certs" {
			c.refuse(bad("type", "certs is needed, or nothing"))
			return
		}
		list, err := ParseFMSPCs(c.query.get(paramFMSPC))
		if err != nil {
			c.refuse(err)
			return
		}
		request = RefreshRequest{Certs: true, FMSPCs: list}
	}
	if c.route.version == 3 && c.service.Mode() != Offline {
		c.refuse(refuse(http.StatusGone, rats.EndorsementUnavailable, "PCS API v3 has ended: refresh by version 4"))
		return
	}
	ctx, done := c.long()
	defer done()
	report, err := c.service.Refresh(ctx, request)
	c.held.forget()
	for _, item := range report.Items {
		if item.Err != nil {
			c.log.LogAttrs(ctx, slog.LevelWarn, "part of a refresh failed",
				slog.String("part", item.Name), slog.Any("error", item.Err), slog.String("request", c.id))
		}
	}
	if err != nil {
		c.refuse(err)
		return
	}
	c.say(http.StatusOK)
}

// putPolicy is PUT appraisalpolicy.
func (c *call) putPolicy() {
	if !c.allowed(adminToken, c.cfg.Admin) {
		return
	}
	b, err := c.body()
	if err != nil {
		c.refuse(err)
		return
	}
	upload, err := readPolicy(b)
	if err != nil {
		c.refuse(err)
		return
	}
	id, err := c.service.PutPolicy(c.r.Context(), upload)
	if err != nil {
		c.refuse(err)
		return
	}
	c.held.forget()
	c.counts.add(c.route, http.StatusOK)
	c.sentence(http.StatusOK, id)
}

func readPolicy(b []byte) (PolicyUpload, error) {
	var out PolicyUpload
	sent, err := members(b)
	if err != nil {
		return out, err
	}
	if json.Unmarshal(sent["is_default"], &out.Default) != nil {
		return out, bad("is_default", "true or false is needed")
	}
	if out.FMSPC, err = textOf(sent, "fmspc"); err != nil {
		return out, err
	}
	if !isHex(out.FMSPC, fmspcDigits) {
		return out, bad("fmspc", "12 hex digits are needed")
	}
	if out.JWT, err = textOf(sent, "policy"); err != nil {
		return out, err
	}
	if out.JWT == "" {
		return out, bad("policy", "a JWT is needed")
	}
	return out, nil
}

// list answers with JSON and how many there are.
func (c *call) list(body []byte, n int) {
	c.counts.add(c.route, http.StatusOK)
	h := c.w.Header()
	h[headerCount] = []string{strconv.Itoa(n)}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = []string{"no-store"}
	c.head(typeJSON, http.StatusOK)
	_, _ = c.w.Write(body) // a caller that went away needs no answer
}

// queueTime bounds reading the queue, which empties it.
const queueTime = 30 * time.Second
