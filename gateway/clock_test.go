// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// resting is a ledger whose last block is a day old until it wakes.
type resting struct {
	gateway.Ledger
	gateway.Registry
	awake     atomic.Bool
	submitted atomic.Int64
}

func (r *resting) Time() record.Millis {
	if r.awake.Load() {
		return r.Registry.Time()
	}
	return r.Registry.Time() - record.Millis(24*time.Hour/time.Millisecond)
}

func (r *resting) Submit(ctx context.Context, tx []byte) (registry.TxResult, error) {
	r.submitted.Add(1)
	return r.Ledger.Submit(ctx, tx)
}

// TestNothingIsSubmittedUntilLedgerTimeRuns: by the time of a block of
// yesterday, today's endorsements are of the future, and a transaction of now
// lives too long.
func TestNothingIsSubmittedUntilLedgerTimeRuns(t *testing.T) {
	h := open(t, "dev", nil)
	ledger := &resting{Ledger: adapter{h.node}, Registry: h.node.Registry()}
	g, err := gateway.New(gateway.Config{
		Ledger: ledger, Registry: ledger, Index: noIndex{}, Source: simtee.Source{},
		Key: registrarKey(t, h), Network: "dev", Tokens: words{},
	})
	if err != nil {
		t.Fatal(err)
	}
	again := &house{url: serve(t, gateway.Server(g))}
	c := again.client("any")
	done := make(chan error, 2)
	go func() {
		_, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
		done <- err
	}()
	items := endorsements(t, time.Now())
	go func() {
		_, err := c.PushEndorsements(t.Context(), items)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("answered at once: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if n := ledger.submitted.Load(); n != 0 {
		t.Errorf("%d transactions were submitted", n)
	}
	if r := again.get(t, "/readyz"); r.status != 503 || string(r.body) != `{"status":"starting"}` {
		t.Errorf("%d %s", r.status, r.body)
	}
	// What is no evidence need not wait.
	again.post(t, "/v1/evidence", "any", evidenceJSON([]byte{1})).wants(t, 400, rats.Malformed)
	ledger.awake.Store(true)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if r := again.get(t, "/readyz"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}
