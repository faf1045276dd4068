// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// receiptsPath is what the names of receipts follow.
const receiptsPath = "/v1/receipts/"

// askAgain is after how many seconds a caller may ask for what becomes of a
// transaction: a block takes less.
const askAgain = "1"

type receiptInput struct {
	Tx string `path:"tx" doc:"SHA-256 of the transaction, 64 hex digits"`
}

type receiptOutput struct {
	RetryAfter string `header:"Retry-After" doc:"while it is pending: seconds after which to ask again"`
	Body       client.Receipt
}

func (g *Gateway) receiptEntries() []entry {
	op := g.operation(http.MethodGet, receiptsPath+"{tx}", "get-receipt", "evidence", "Get what became of a submission")
	op.Description = "A receipt is no verdict: pending says that the evidence waits for a block, and nothing about it. " +
		"Recorded comes with the record, and for a day with the verdict that made it; refused with the problem, for a day. " +
		"What made or changed a record is found here by its transaction for good, whoever submitted it and however."
	return []entry{serve("registry.receipt", g.validated(op, revalidated), g.getReceipt)}
}

func (g *Gateway) getReceipt(ctx context.Context, in *receiptInput) (*receiptOutput, error) {
	sha, err := parseHash("tx", in.Tx)
	if err != nil {
		return nil, err
	}
	tx := record.TxHash(sha)
	if r, ok := g.receipts.find(tx); ok {
		out := &receiptOutput{Body: r}
		if r.Status == client.ReceiptPending {
			out.RetryAfter = askAgain
		}
		return out, nil
	}
	recorded, err := g.recordedAs(ctx, tx)
	switch {
	case errors.Is(err, rats.NotFound):
		return nil, rats.Errorf(rats.NotFound, "no receipt: the node gave none for this transaction, or it is over a day ago that it was refused; and no record rests on it")
	case err != nil:
		return nil, g.fault(ctx, err)
	}
	out := receiptOf(tx)
	out.Status, out.Recorded = client.ReceiptRecorded, recorded
	return &receiptOutput{Body: out}, nil
}

// entering has the ledger take evidence on its way: what waits for a block then
// has a receipt, if there is room for one.
func (g *Gateway) entering(began time.Time) taker {
	return func(ctx context.Context, items []rats.Endorsement, s *record.Submission) (*submitted, error) {
		signed, notAfter, err := g.sign(ctx, record.Transaction{Endorsements: items, Submission: s})
		if err != nil {
			return nil, err
		}
		wait, refused, err := g.cfg.Pool.Enter(ctx, signed)
		switch {
		case err != nil:
			return nil, err
		case refused != nil:
			return nil, &refusedTx{*refused}
		}
		hash := record.HashTx(signed)
		if r, ok := g.receipts.give(signed, hash, notAfter, began, wait); ok {
			return &submitted{tx: signed, receipt: r}, nil
		}
		result, err := wait(ctx)
		return outcomeOf(signed, result, err)
	}
}

// accepted returns what a caller gets who was content with a receipt: what became
// of the evidence if that is known in its patience, and else the receipt.
func (g *Gateway) accepted(ctx context.Context, r *receipt, p preference) (*evidenceOutput, error) {
	patience := time.NewTimer(p.patience())
	defer patience.Stop()
	select {
	case <-r.done:
		if r.problem != nil {
			return nil, &problem{Problem: *r.problem}
		}
		out := recordedOutput(r.recorded)
		out.PreferenceApplied = p.applied()
		return out, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	receipt := receiptOf(r.tx)
	return &evidenceOutput{
		Status: http.StatusAccepted, Location: receipt.Location, RetryAfter: askAgain,
		PreferenceApplied: p.applied(), Vary: preferHeader, Body: receipt,
	}, nil
}

const preferHeader = "Prefer"

// withReceipts describes the answers of a submission.
func (g *Gateway) withReceipts(op huma.Operation) huma.Operation {
	answer := func(description string, schema *huma.Schema, headers ...string) *huma.Response {
		out := &huma.Response{
			Description: description, Content: map[string]*huma.MediaType{jsonType: {Schema: schema}}, Headers: make(map[string]*huma.Param),
		}
		for _, name := range headers {
			out.Headers[name] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		return out
	}
	op.Responses = map[string]*huma.Response{
		"201": answer("Recorded: the block is committed.", g.schemas.Schema(reflect.TypeFor[client.Recorded](), true, ""), "Location", "Preference-Applied"),
		"202": answer("On its way, to a caller who prefers that: a receipt, which is no verdict.", g.schemas.Schema(reflect.TypeFor[client.Receipt](), true, ""),
			"Location", "Preference-Applied", "Retry-After"),
	}
	return op
}
