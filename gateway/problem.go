// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/token"
)

// problem is an error on its way out, in the form of RFC 9457.
type problem struct {
	client.Problem
	// Azure is the same for clients of another service.
	Azure *azureFault `json:"error,omitempty"`
	// header goes with it: what to show instead, or when to come again.
	header http.Header
}

// Error implements error.
func (p *problem) Error() string {
	return p.Unwrap().Error()
}

// Unwrap lets the kind be found.
func (p *problem) Unwrap() error { return &rats.Error{Kind: p.Kind, Detail: p.Detail} }

// GetHeaders implements [huma.HeadersError].
func (p *problem) GetHeaders() http.Header { return p.header }

// GetStatus implements [huma.StatusError].
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements [huma.ContentTypeFilter].
func (p *problem) ContentType(string) string { return problemType }

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// problemOf returns the outward form of err. Of an internal error it keeps
// nothing but the kind.
func problemOf(err error) *problem {
	var refused *refusedTx
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	e := rats.AsError(err)
	out := newProblem(e.Kind, e.Kind.HTTPStatus())
	if e.Kind == rats.Internal {
		return out
	}
	out.Check, out.Detail = e.Check, e.Detail
	if e.Kind == rats.QuotaExceeded {
		out.header = http.Header{"Retry-After": {retryAfter(err)}}
	}
	if errors.As(err, &refused) {
		out.Result = refused.result.Result
		if e.Kind == rats.Replayed {
			out.Record = hex.EncodeToString(refused.result.RecordID[:])
			out.Tx = hex.EncodeToString(refused.result.Earlier[:])
		}
	}
	return out
}

func newProblem(kind rats.Kind, status int) *problem {
	return &problem{Problem: client.Problem{
		Type:   "urn:attesteer:kind:" + kind.String(),
		Title:  strings.ReplaceAll(kind.String(), "_", " "),
		Status: status, Kind: kind,
	}}
}

// retryAfter returns the whole seconds after which a call that went over a quota
// may be made again (RFC 9110 section 10.2.3). Quotas of the ledger are those of
// a block, and the next one is near.
func retryAfter(err error) string {
	var over *token.QuotaError
	if !errors.As(err, &over) {
		return "1"
	}
	return strconv.FormatInt(int64((over.After+time.Second-1)/time.Second), 10)
}

// setHeader adds to an answer what goes with a problem.
func (p *problem) setHeader(h http.Header) {
	for name, values := range p.header {
		h[name] = values
	}
}

// statusProblem is a problem whose status HTTP demands, beside the kind's own.
func statusProblem(kind rats.Kind, status int, detail string) *problem {
	p := newProblem(kind, status)
	p.Detail = detail
	return p
}

// refusedTx is the error of a transaction that the ledger refused.
type refusedTx struct {
	result registry.TxResult
}

func (e *refusedTx) Error() string { return e.result.Err.Error() }

func (e *refusedTx) Unwrap() error { return e.result.Err }

// writeProblem answers outside huma.
func writeProblem(w http.ResponseWriter, p *problem) {
	p.setHeader(w.Header())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	b, err := json.Marshal(p)
	if err != nil {
		return // the status says enough
	}
	_, _ = w.Write(b) // a caller that went away needs no answer
}

// problemOfModel turns an error that huma found by itself into one of ours.
// Huma's message about unexpected errors is dropped: it quotes them.
func problemOfModel(m *huma.ErrorModel) *problem {
	detail := m.Detail
	if len(m.Errors) > 0 && m.Errors[0] != nil {
		detail = m.Errors[0].Message
		if at := m.Errors[0].Location; at != "" {
			detail = at + ": " + detail
		}
	}
	// What is quoted of the input stays short.
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	switch m.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return statusProblem(rats.Malformed, http.StatusBadRequest, detail)
	case http.StatusRequestTimeout:
		return statusProblem(rats.Malformed, m.Status, detail)
	case http.StatusUnauthorized, http.StatusForbidden:
		return statusProblem(rats.Unauthorized, m.Status, detail)
	case http.StatusTooManyRequests:
		return statusProblem(rats.QuotaExceeded, m.Status, detail)
	case http.StatusRequestEntityTooLarge:
		return statusProblem(rats.TooLarge, m.Status, detail)
	default:
		return newProblem(rats.Internal, http.StatusInternalServerError)
	}
}

// maxDetail bounds what an answer says about a caller's mistake.
const maxDetail = 300
