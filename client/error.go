// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Refusal is a node's answer that it will not do what it was asked. It carries
// a [*rats.Error], which errors.As finds.
type Refusal struct {
	// Err has the kind, the failed check and the node's words.
	Err *rats.Error
	// Status is the HTTP status.
	Status int
	// RetryAfter is how long the node asks to be left alone, up to an hour; zero
	// where it does not.
	RetryAfter time.Duration
	// Record and Tx name, of [rats.Replayed] evidence, the record that it made
	// and the transaction that recorded it; both are empty otherwise.
	Record string
	Tx     string
	// Result is the verdict on evidence that the ledger refused, or nil.
	Result *attesteer.Result
}

// Error returns "kind: detail".
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// refusal reads the answer to a call that did not succeed. A body that is no
// problem, such as that of a proxy in between, gives what the status says.
func refusal(resp *http.Response, body []byte) *Refusal {
	var p struct {
		Kind   string            `json:"kind"` // a newer node may know more kinds
		Check  string            `json:"check"`
		Detail string            `json:"detail"`
		Record string            `json:"record"`
		Tx     string            `json:"tx"`
		Result *attesteer.Result `json:"result"`
	}
	out := &Refusal{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	var kind rats.Kind
	if json.Unmarshal(body, &p) != nil || p.Kind == "" || kind.UnmarshalText([]byte(p.Kind)) != nil {
		out.Err = &rats.Error{Kind: kindOfStatus(resp.StatusCode), Detail: "the node answered " + resp.Status}
		return out
	}
	out.Err = &rats.Error{Kind: kind, Check: p.Check, Detail: p.Detail}
	out.Record, out.Tx, out.Result = p.Record, p.Tx, p.Result
	return out
}

// kindOfStatus returns the kind of the statuses that stand for exactly one.
func kindOfStatus(status int) rats.Kind {
	switch status {
	case http.StatusUnauthorized:
		return rats.Unauthorized
	case http.StatusTooManyRequests:
		return rats.QuotaExceeded
	case http.StatusRequestEntityTooLarge:
		return rats.TooLarge
	default:
		return rats.Internal
	}
}
