// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/simtee"
)

// TestAfterADayOffTheFirstSubmissionWaitsForTheClock starts a node again whose
// last block is a day old: by its time, today's endorsements are of the future.
func TestAfterADayOffTheFirstSubmissionWaitsForTheClock(t *testing.T) {
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
	got, err := again.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 2, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(got.Record.LastAttested.Time()); age > time.Minute {
		t.Errorf("attested %v ago", age)
	}
	if r := again.get(t, "/readyz"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}
