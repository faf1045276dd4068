// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// listed is a platform as it is given out; in the order of members as Intel's
// service has it.
type listed struct {
	QEID          string `json:"qe_id"`
	PCEID         string `json:"pce_id"`
	CPUSVN        string `json:"cpu_svn"`
	PCESVN        string `json:"pce_svn"`
	EncryptedPPID string `json:"enc_ppid"`
	Manifest      string `json:"platform_manifest"`
	// ID is there where the queue is read without emptying it.
	ID int64 `json:"id,omitempty"`
}

// platforms is GET platforms. With source=reg, which is what nothing means, and
// source=reg_na it hands the queue over and empties it, as Intel's service does:
// if the answer is lost, so is the queue. With keep=1, which is of this project,
// it empties nothing, and each entry has an id by which it is acknowledged. With a
// list of FMSPCs it lists the platforms that are known.
func (c *call) platforms() {
	if !c.allowed(adminToken, c.cfg.Admin) {
		return
	}
	source := c.query.get(paramSource)
	switch {
	case strings.HasPrefix(source, "["):
		c.cached(source)
	case source == "" || source == "reg":
		c.queue(store.New)
	case source == "reg_na":
		c.queue(store.NotAvailable)
	default:
		c.refuse(bad("source", "reg, reg_na or a list of FMSPCs in brackets is needed"))
	}
}

func (c *call) queue(state store.QueueState) {
	keep := c.query.get(paramKeep)
	if keep != "" && keep != "0" && keep != "1" {
		c.refuse(bad("keep", "0 or 1 is needed"))
		return
	}
	// A caller that goes away must not leave the queue half read.
	ctx, done := context.WithTimeout(context.WithoutCancel(c.r.Context()), queueTime)
	defer done()
	read := c.service.TakeQueue
	if keep == "1" || c.r.Method == http.MethodHead {
		// An answer to HEAD holds no queue: whoever asks so cannot have meant to
		// take it.
		read = c.service.Queue
	}
	all, err := read(ctx, state)
	if err != nil {
		c.refuse(err)
		return
	}
	out := make([]listed, 0, len(all))
	for i := range all {
		q := &all[i]
		l := listed{
			QEID: q.QEID, PCEID: q.PCEID, CPUSVN: q.CPUSVN, PCESVN: q.PCESVN,
			// Intel's service writes these two in lower case here.
			EncryptedPPID: hex.EncodeToString(q.EncryptedPPID), Manifest: hex.EncodeToString(q.Manifest),
		}
		if keep == "1" {
			l.ID = q.ID
		}
		out = append(out, l)
	}
	c.listed(out)
}

// cached lists the platforms of some FMSPCs, or of all, each with every raw TCB
// that it is known at.
func (c *call) cached(source string) {
	fmspcs, err := ParseFMSPCs(source)
	if err != nil {
		c.refuse(err)
		return
	}
	all, err := c.service.Cached(c.r.Context(), fmspcs)
	if err != nil {
		c.refuse(err)
		return
	}
	out := make([]listed, 0, len(all))
	for i := range all {
		p := &all[i]
		out = append(out, listed{
			QEID: p.QEID, PCEID: p.PCEID, CPUSVN: p.CPUSVN, PCESVN: p.PCESVN,
			EncryptedPPID: upperHex(p.EncryptedPPID), Manifest: upperHex(p.Manifest),
		})
	}
	c.listed(out)
}

func (c *call) listed(all []listed) {
	b, err := json.Marshal(all)
	if err != nil {
		c.refuse(rats.Errorf(rats.Internal, "list of platforms: %w", err))
		return
	}
	c.list(b, len(all))
}

// maxAcknowledged bounds the entries that are acknowledged by one call.
const maxAcknowledged = 100_000

// acknowledge is POST platforms/acknowledge, which is of this project: it takes
// entries off the queue that were read with keep=1, {"ids":[1,2]}. Those that are
// off already stay so.
func (c *call) acknowledge() {
	if !c.allowed(adminToken, c.cfg.Admin) {
		return
	}
	b, err := c.body()
	if err != nil {
		c.refuse(err)
		return
	}
	sent, err := members(b)
	if err != nil {
		c.refuse(err)
		return
	}
	var ids []int64
	if json.Unmarshal(sent["ids"], &ids) != nil || ids == nil || len(ids) > maxAcknowledged {
		c.refuse(bad("ids", "a list of numbers is needed"))
		return
	}
	if err := c.service.Acknowledge(c.r.Context(), ids); err != nil {
		c.refuse(err)
		return
	}
	c.say(http.StatusOK)
}
