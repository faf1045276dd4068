// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// motion signs a governance transaction of the house's own validator.
func (h *house) motion(t testing.TB, change func(*record.Motion)) []byte {
	t.Helper()
	key, err := ledger.LoadGovernanceKey(h.home)
	if err != nil {
		t.Fatal(err)
	}
	m := record.Motion{Version: 1, ChainID: h.node.Registry().ChainID(), NotAfter: h.node.Registry().Time() + 60_000}
	if _, err := rand.Read(m.Nonce[:]); err != nil {
		t.Fatal(err)
	}
	change(&m)
	tx, err := record.SignMotion(key, m)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// governedHouse is a main network, on which little is taken without a token.
func governedHouse(t *testing.T) *house {
	return open(t, "main", func(_ *ledger.Config, c *gateway.Config) { c.Rate = gateway.Rate{} })
}

func TestAValidatorDecidesAboutAMainLedgerWithoutATokenOfTheNode(t *testing.T) {
	h := governedHouse(t)
	c := h.client("")
	before, err := c.Governance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Validators) != 1 || before.StateVersion == 0 || before.Planned != nil || len(before.Proposals) != 0 {
		t.Fatalf("%+v", before)
	}
	p := record.Proposal{Parameters: &before.Parameters, Closes: h.node.Registry().Time() + 3_600_000, Reason: "more of them"}
	// What the API shows is enough to name what is replaced.
	if p.Replaces, err = record.DigestOf(before.Parameters); err != nil {
		t.Fatal(err)
	}
	p.Parameters.MaxListings++
	done, err := c.SubmitMotion(t.Context(), h.motion(t, func(m *record.Motion) { m.Proposal = &p }))
	if err != nil || done.Proposal != 1 || done.Height == 0 || done.Tx == "" {
		t.Fatalf("%+v, %v", done, err)
	}
	after, err := c.Governance(t.Context())
	if err != nil || len(after.Proposals) != 1 {
		t.Fatalf("%+v, %v", after, err)
	}
	got := after.Proposals[0]
	if got.State != record.ProposalEnacted || got.Yes != 10 || got.Total != 10 || got.Tx != done.Tx || after.Parameters != *p.Parameters {
		t.Errorf("%+v", got)
	}
	if _, err := got.Check(); err != nil {
		t.Error(err)
	}
	got.Proposal.Reason = "another"
	if _, err := got.Check(); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("a proposal that is not the ledger's: %v", err)
	}
	if over := h.ask(t, "registry.proposals", ""); over.Error != nil || !strings.Contains(string(over.Result), `"state":"enacted"`) {
		t.Errorf("over JSON-RPC: %+v", over)
	}
}

func TestOnlyGovernanceTransactionsAreTakenWithoutAToken(t *testing.T) {
	h := governedHouse(t)
	key, err := ledger.LoadRegistrarKey(h.home)
	if err != nil {
		t.Fatal(err)
	}
	own, err := record.Sign(key, record.Transaction{
		Version: 1, ChainID: h.node.Registry().ChainID(), NotAfter: h.node.Registry().Time() + 60_000,
		Submission: &record.Submission{Evidence: []byte("evidence")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ballot := func(key []byte) []byte {
		tx, err := record.SignMotion(key, record.Motion{
			Version: 1, ChainID: h.node.Registry().ChainID(), NotAfter: h.node.Registry().Time() + 60_000, Ballot: &record.Ballot{Number: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	tick, err := record.NewTick(record.MillisOf(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tx     []byte
		status int
	}{
		"a registrar's":    {own, http.StatusUnprocessableEntity},
		"a time":           {tick, http.StatusUnprocessableEntity},
		"garbage":          {[]byte("garbage"), http.StatusBadRequest},
		"nothing":          {nil, http.StatusBadRequest},
		"nobody's":         {ballot(key), http.StatusForbidden},
		"about nothing":    {h.motion(t, func(m *record.Motion) { m.Ballot = &record.Ballot{Number: 1} }), http.StatusNotFound},
		"of another chain": {h.motion(t, func(m *record.Motion) { m.Ballot, m.ChainID = &record.Ballot{Number: 1}, "x" }), http.StatusUnprocessableEntity},
	} {
		r := h.post(t, "/v1/ledger/transactions", "", `{"transaction":"`+base64.StdEncoding.EncodeToString(c.tx)+`"}`)
		if r.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, c.status)
		}
	}
}

// TestWhatIsAboutTheLedgerIsNoEventOfARecord has listings and streams pass it over.
func TestWhatIsAboutTheLedgerIsNoEventOfARecord(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	g := h.node.Registry().Governance()
	p := record.Proposal{Policy: &record.NetworkPolicy{AllowDebug: false}, Closes: h.node.Registry().Time() + 3_600_000}
	var err error
	if p.Replaces, err = record.DigestOf(g.Policy); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client("").SubmitMotion(t.Context(), h.motion(t, func(m *record.Motion) { m.Proposal = &p })); err != nil {
		t.Fatal(err)
	}
	h.lives(t, 2)
	events := h.happened(t, client.Follow{After: client.FromStart}, 2)
	if len(events) != 2 || slices.ContainsFunc(events, func(e client.Event) bool { return e.Record.ID == strings.Repeat("00", 32) }) {
		t.Errorf("%+v", events)
	}
	page, err := h.client("").List(t.Context(), nil)
	if err != nil || len(page.Enclaves) != 2 {
		t.Errorf("%d enclaves, %v", len(page.Enclaves), err)
	}
	if _, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 3, simtee.Enclave{Debug: true})}); rats.KindOf(err) != rats.DebugForbidden {
		t.Errorf("a debug enclave: %v", err)
	}
}
