// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestTheClientTakesReceiptsRepeatsAndAppraises drives what a client can do beside
// a record's own calls.
func TestTheClientTakesReceiptsRepeatsAndAppraises(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	raw := quote(t, 1, simtee.Enclave{})
	keyed := c.Idempotent(`lost "and" found`)
	r, err := keyed.SubmitAsync(t.Context(), client.Submission{Evidence: raw}, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keyed.SubmitAsync(t.Context(), client.Submission{Evidence: raw}, 0)
	if err != nil || again.Tx != r.Tx {
		t.Errorf("%+v, %v", again, err)
	}
	got, err := c.Await(t.Context(), r.Tx)
	if err != nil || got.Tx != r.Tx || got.Record.Tx != r.Tx {
		t.Fatalf("%+v, %v", got, err)
	}
	waited, err := c.SubmitAsync(t.Context(), client.Submission{Evidence: quote(t, 2, simtee.Enclave{})}, patience)
	if err != nil || waited.Status != client.ReceiptRecorded || waited.Recorded == nil || waited.Recorded.Tx != waited.Tx {
		t.Errorf("%+v, %v", waited, err)
	}
	var refusal *client.Refusal
	if _, err = c.SubmitAsync(t.Context(), client.Submission{Evidence: raw}, time.Second); !errors.As(err, &refusal) || refusal.Tx != r.Tx {
		t.Errorf("%v", err)
	}
	if _, err = c.Receipt(t.Context(), strings.Repeat("00", 32)); !errors.Is(err, rats.NotFound) {
		t.Errorf("%v", err)
	}

	a := client.Appraisal{Evidence: quote(t, 3, simtee.Enclave{TCB: rats.OutOfDate})}
	result, err := c.Appraise(t.Context(), a)
	if err != nil || result.Accepted || result.Kind != rats.TCBRejected {
		t.Errorf("%+v, %v", result, err)
	}
	a.Policy = []byte(`{"accept_tcb":["OutOfDate"]}`)
	if result, err = c.Appraise(t.Context(), a); err != nil || !result.Accepted {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err = c.AppraiseSigned(t.Context(), a, client.Wish{Nonce: []byte("12345678")}); !errors.Is(err, rats.Unsupported) {
		t.Errorf("a node without keys: %v", err)
	}
	if n := h.node.Registry().EventCount(); n != 2 {
		t.Errorf("%d events", n)
	}
}
