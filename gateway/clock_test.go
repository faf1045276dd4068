// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/simtee"
)

// TestAfterADayOffEvidenceIsRecordedAtOnce starts a node again whose last block
// is a day old: by that time, today's endorsements would be of the future, and
// a transaction of now would live too long.
func TestAfterADayOffEvidenceIsRecordedAtOnce(t *testing.T) {
	yesterday := func() time.Time { return time.Now().AddDate(0, 0, -1) }
	h := open(t, "dev", func(lc *ledger.Config, gc *gateway.Config) { lc.Now, gc.Now = yesterday, yesterday })
	if _, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})}); err != nil {
		t.Fatal(err)
	}
	stopNode(t, h.node)

	n, err := ledger.Start(t.Context(), ledger.Config{Home: h.home, Network: "dev"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNode(t, n) })
	g, err := gateway.New(gateway.Config{
		Ledger: adapter{n}, Registry: n.Registry(), Index: noIndex{}, Source: simtee.Source{},
		Key: registrarKey(t, h), Network: "dev", Tokens: words{},
	})
	if err != nil {
		t.Fatal(err)
	}
	again := &house{url: serve(t, gateway.Server(g))}
	start := time.Now()
	got, err := again.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 2, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	if age := start.Sub(got.Record.LastAttested.Time()); age > time.Minute {
		t.Errorf("attested %v ago", age)
	}
	if took := time.Since(start); took > 25*time.Second { // an idle ledger's own block comes after 30
		t.Errorf("took %v", took)
	}
}

// starting is a ledger that has yet to come up.
type starting struct {
	gateway.Ledger
	state atomic.Int64
}

func (s *starting) Status(ctx context.Context) (gateway.Status, error) {
	switch s.state.Load() {
	case 0:
		return gateway.Status{}, errors.New("not yet")
	case 1:
		return gateway.Status{CatchingUp: true}, nil
	default:
		return s.Ledger.Status(ctx)
	}
}

func TestANodeIsReadyWhenItTakesPartInItsLedger(t *testing.T) {
	h := open(t, "dev", nil)
	s := &starting{Ledger: adapter{h.node}}
	g, err := gateway.New(gateway.Config{
		Ledger: s, Registry: h.node.Registry(), Index: noIndex{}, Key: registrarKey(t, h), Network: "dev", Tokens: words{},
	})
	if err != nil {
		t.Fatal(err)
	}
	again := &house{url: serve(t, gateway.Server(g))}
	for state, want := range []int{503, 503, 200} {
		s.state.Store(int64(state))
		if r := again.get(t, "/readyz"); r.status != want {
			t.Errorf("state %d: %d %s, want %d", state, r.status, r.body, want)
		}
		if r := again.get(t, "/healthz"); r.status != 200 {
			t.Errorf("state %d: it is alive all the same: %d", state, r.status)
		}
	}
}
