// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// ReceiptStatus is where a transaction stands that a receipt is about.
type ReceiptStatus string

// The statuses.
const (
	// ReceiptPending: it waits for a block.
	ReceiptPending ReceiptStatus = "pending"
	// ReceiptRecorded: its block is committed, and it made or changed a record.
	ReceiptRecorded ReceiptStatus = "recorded"
	// ReceiptRefused: it counts for nothing.
	ReceiptRefused ReceiptStatus = "refused"
)

// Receipt says that evidence is on its way into the ledger. It is no verdict:
// while it is pending nothing is decided.
type Receipt struct {
	Receipt  string        `json:"receipt" doc:"the receipt's name, which is tx"`
	Tx       string        `json:"tx" doc:"SHA-256 of the transaction"`
	Status   ReceiptStatus `json:"status" enum:"pending,recorded,refused"`
	Location string        `json:"location" doc:"path that says what became of it"`
	// Recorded and Problem are nil but where Status says otherwise. The Result of
	// Recorded is nil where only the ledger remembers the transaction.
	Recorded *Recorded `json:"recorded,omitempty" doc:"what was recorded"`
	Problem  *Problem  `json:"problem,omitempty" doc:"why it counts for nothing"`
}

// Err returns why the transaction of a receipt counts for nothing, as a
// [*Refusal]; nil if it counts, or waits.
func (r *Receipt) Err() error {
	if r.Problem == nil {
		return nil
	}
	return &Refusal{
		Err:    &rats.Error{Kind: r.Problem.Kind, Check: r.Problem.Check, Detail: r.Problem.Detail},
		Status: r.Problem.Status, Record: r.Problem.Record, Tx: r.Problem.Tx, Result: r.Problem.Result,
	}
}

// Idempotent returns a client whose submissions, pushes and withdrawals carry a
// key: the same call with the same key has its effect once, and gets the answer of
// the first for a day. So a call of which the answer was lost can be made again.
// A key is for one call, printable ASCII of 1 to 255 bytes, and best random: with
// another call it is refused, with status 422.
func (c *Client) Idempotent(key string) *Client {
	return c.with("Idempotency-Key", `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)+`"`)
}

// SubmitAsync is [Client.SubmitEvidence] for a caller who does not wait for the
// block: it returns a receipt once the evidence passed what is checked before, or
// what became of it if that is known within wait, of which whole seconds count. A
// receipt is no verdict; [Client.Receipt] and [Client.Await] tell what became of it.
func (c *Client) SubmitAsync(ctx context.Context, s Submission, wait time.Duration) (*Receipt, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	prefer := "respond-async"
	if wait >= time.Second {
		prefer += ", wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
	}
	status, answer, err := c.with("Prefer", prefer).exchange(ctx, http.MethodPost, "/v1/evidence", nil, body)
	if err != nil || status == http.StatusAccepted {
		return read[Receipt](answer, err)
	}
	// The node had no room for a receipt, or no need of one.
	recorded, err := read[Recorded](answer, nil)
	if err != nil {
		return nil, err
	}
	return &Receipt{
		Receipt: recorded.Tx, Tx: recorded.Tx, Status: ReceiptRecorded, Location: receiptPath(recorded.Tx), Recorded: recorded,
	}, nil
}

// Receipt returns what became of a transaction by now: of one for which a receipt
// was given, or of any that made or changed a record. Else it is [rats.NotFound].
func (c *Client) Receipt(ctx context.Context, tx string) (*Receipt, error) {
	return get[Receipt](ctx, c, receiptPath(tx), nil)
}

func receiptPath(tx string) string { return "/v1/receipts/" + url.PathEscape(tx) }

// awaitEvery is how often Await asks.
const awaitEvery = time.Second

// Await asks for a receipt until it is known what became of its transaction: what
// was recorded, or a [*Refusal].
func (c *Client) Await(ctx context.Context, tx string) (*Recorded, error) {
	for {
		r, err := c.Receipt(ctx, tx)
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			return nil, err
		}
		if r.Recorded != nil {
			return r.Recorded, nil
		}
		if r.Status != ReceiptPending {
			return nil, fmt.Errorf("the node's answer: a receipt that is %q", r.Status)
		}
		if sleep(ctx, awaitEvery); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}
