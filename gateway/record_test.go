// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// TestEvidenceBecomesARecordThatCanBeLookedUpAndProven drives every call of the
// API proper through the client.
func TestEvidenceBecomesARecordThatCanBeLookedUpAndProven(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	raw := quote(t, 1, simtee.Enclave{})
	const where = "https://my.enclave.example"
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw, URL: where, ValidFor: "30d", Format: rats.SGXQuoteV3})
	if err != nil {
		t.Fatal(err)
	}
	id := got.Record.ID
	if got.Result == nil || !got.Result.Accepted || got.Tx != got.Record.Tx || got.Height != got.Record.Height || got.Height == 0 {
		t.Errorf("recorded %+v", got)
	}
	if r := got.Record; r.URL == nil || *r.URL != where || r.State != record.Active || r.Expires-r.FirstAttested != 30*24*3600*1000 {
		t.Errorf("record %+v", r)
	}

	t.Run("and is found again", func(t *testing.T) {
		view, err := c.Get(t.Context(), "0X"+strings.ToUpper(id))
		if err != nil || view.ID != id || view.Tx != got.Tx {
			t.Errorf("%+v, %v", view, err)
		}
		page, err := c.List(t.Context(), url.Values{"url": {where}, "tier": {"affirming"}})
		if err != nil || len(page.Enclaves) != 1 || page.Enclaves[0].ID != id || page.NextCursor != nil {
			t.Errorf("%+v, %v", page, err)
		}
		if page, err = c.List(t.Context(), url.Values{"state": {"expired"}}); err != nil || page.Enclaves == nil || len(page.Enclaves) != 0 {
			t.Errorf("%+v, %v", page, err)
		}
	})
	t.Run("with its history", func(t *testing.T) {
		past, err := c.History(t.Context(), id)
		if err != nil || len(past.Events) != 1 {
			t.Fatalf("%+v, %v", past, err)
		}
		if e := past.Events[0]; e.Event != record.Recorded || e.Tx != got.Tx || e.Height != got.Height || e.Record.ID != id || e.Time == 0 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("with all that it rests on", func(t *testing.T) {
		ev, err := c.Evidence(t.Context(), id)
		if err != nil || !bytes.Equal(ev.Evidence, raw) || len(ev.Endorsements) != 4 {
			t.Fatalf("%v, %d bytes, %d endorsements", err, len(ev.Evidence), len(ev.Endorsements))
		}
		if sum := sha256.Sum256(raw); ev.SHA256 != hex.EncodeToString(sum[:]) || ev.SHA256 != got.Record.EvidenceSHA256 {
			t.Errorf("sha256 %s", ev.SHA256)
		}
		// What the node gives out suffices to come to the same verdict elsewhere.
		var items []rats.Endorsement
		for _, e := range ev.Endorsements {
			items = append(items, rats.Endorsement{Kind: e.Kind, Body: e.Body, Issuers: e.Issuers})
		}
		en, err := attesteer.ParseEndorsements(items...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := attesteer.Verify(attesteer.Evidence{Raw: ev.Evidence}, en, attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}, got.Result.VerifiedAt)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(again)
		b, _ := json.Marshal(got.Result)
		if !bytes.Equal(a, b) {
			t.Errorf("verdicts differ:\n%s\n%s", a, b)
		}
	})
	t.Run("with its proof in both spellings", func(t *testing.T) {
		trust := trustOf(t, h)
		asJSON, err := c.Proof(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		cbor := h.get(t, "/v1/enclaves/"+id+"/proof", "Accept", "application/cbor")
		if cbor.status != 200 || cbor.header.Get("Content-Type") != "application/cbor" || json.Valid(cbor.body) {
			t.Errorf("%d %s", cbor.status, cbor.header)
		}
		for accept, want := range map[string]string{
			"": "application/json", "*/*": "application/json", "text/html": "application/json",
			"application/json, application/cbor;q=0.5": "application/json", "application/json;q=0.5, application/CBOR": "application/cbor",
		} {
			if r := h.get(t, "/v1/enclaves/"+id+"/proof", "Accept", accept); r.header.Get("Content-Type") != want {
				t.Errorf("Accept %q: %s", accept, r.header.Get("Content-Type"))
			}
		}
		for _, bundle := range [][]byte{asJSON, cbor.body} {
			if v := verify(t, bundle, trust); !v.Present || v.Record == nil || hex.EncodeToString(v.ID[:]) != id {
				t.Errorf("%+v", v)
			}
		}
		absent, err := c.Proof(t.Context(), strings.Repeat("0f", 32))
		if err != nil {
			t.Fatal(err)
		}
		if v := verify(t, absent, trust); v.Present {
			t.Errorf("%+v", v)
		}
	})
	t.Run("and the ledger says where it stands", func(t *testing.T) {
		l, err := c.Ledger(t.Context())
		if err != nil || l.Network != "dev" || l.Height < got.Height || len(l.Validators) != 1 || l.Validators[0].Power <= 0 ||
			len(l.AppHash) != 64 || len(l.Validators[0].PublicKey) != 64 || l.ChainID != h.node.Registry().ChainID() || l.Time == 0 {
			t.Errorf("%+v, %v", l, err)
		}
		ch, err := c.Challenge(t.Context())
		if err != nil || len(ch.Hash) != 64 || ch.Height == 0 || ch.Time == 0 {
			t.Errorf("%+v, %v", ch, err)
		}
		for path, want := range map[string]string{"/healthz": `{"status":"ok"}`, "/readyz": `{"status":"ok","reasons":[]}`} {
			if r := h.get(t, path); r.status != 200 || string(r.body) != want {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

func trustOf(t testing.TB, h *house) proof.Trust {
	t.Helper()
	genesis, err := os.ReadFile(filepath.Join(h.home, "config", "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := proof.ParseGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func verify(t testing.TB, bundle []byte, trust proof.Trust) *proof.Verdict {
	t.Helper()
	b, err := proof.Decode(bundle)
	if err != nil {
		t.Fatal(err)
	}
	v, err := proof.Verify(b, trust)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheSameEvidenceAgainNamesTheRecordItMade(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	raw := quote(t, 1, simtee.Enclave{})
	first, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	if err != nil {
		t.Fatal(err)
	}
	// Padding makes other bytes of it, not other evidence.
	for name, again := range map[string][]byte{"the same": raw, "padded": append(bytes.Clone(raw), 0, 0)} {
		_, err = c.SubmitEvidence(t.Context(), client.Submission{Evidence: again})
		var refusal *client.Refusal
		if !errors.As(err, &refusal) || !errors.Is(err, rats.Replayed) {
			t.Errorf("%s: %v, want replayed", name, err)
			continue
		}
		if refusal.Status != http.StatusConflict || refusal.Record != first.Record.ID || refusal.Tx != first.Tx {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}

func TestARefusalComesWithTheVerdict(t *testing.T) {
	h := open(t, "test", nil)
	c := h.client("secret-word")
	_, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	var refusal *client.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, rats.UntrustedRoot) || refusal.Status != 422 {
		t.Fatalf("a simulated enclave on a test network: %v", err)
	}
	if refusal.Err.Check == "" || refusal.Result == nil || refusal.Result.Accepted || len(refusal.Result.Checks) == 0 {
		t.Errorf("%+v", refusal)
	}
}

func TestWithoutEndorsementsNothingIsDecided(t *testing.T) {
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Source = nil })
	c := h.client("any")
	raw := quote(t, 1, simtee.Enclave{})
	_, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	var refusal *client.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, rats.EndorsementUnavailable) || refusal.Status != 424 {
		t.Fatalf("%v", err)
	}
	items, err := simtee.Endorsements(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PushEndorsements(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw}); err != nil {
		t.Errorf("after they were pushed: %v", err)
	}
}

// TestARealQuoteIsRecordedWithRealEndorsements takes a whole folder of them,
// more than one transaction holds.
func TestARealQuoteIsRecordedWithRealEndorsements(t *testing.T) {
	dir := vectors(t)
	at := time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)
	folder, err := endorse.ReadFolder(t.Context(), filepath.Join(dir, "dcap", "collateral"), attesteer.Roots())
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, "dev", func(lc *ledger.Config, gc *gateway.Config) { lc.Clock, gc.Source = at, folder })
	c := h.client("any")
	for name, format := range map[string]rats.Format{"quote.bin": rats.SGXQuoteV3, "oe_report.bin": rats.OEReport} {
		raw, err := os.ReadFile(filepath.Join(dir, "seed", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
		if errors.Is(err, rats.Replayed) {
			continue // the report may hold the same quote
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Record.Status != rats.OutOfDate || got.Record.BuildMode != rats.Debug || got.Result.Format != format || got.Record.TrustRoot != "intel" {
			t.Errorf("%s: %+v", name, got.Record)
		}
	}
}

func TestPagesAreServedBesideTheAPI(t *testing.T) {
	h := open(t, "dev", nil)
	for _, path := range []string{"/", "/enclaves/abc", "/assets/style.css"} {
		if r := h.get(t, path); r.status != 200 || string(r.body) != "page "+path {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := h.post(t, "/enclaves/abc", "any", "{}"); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestNeitherEvidenceNorTokensAreLogged(t *testing.T) {
	h := open(t, "test", nil)
	raw := quote(t, 1, simtee.Enclave{})
	_, _ = h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	_, _ = h.client("wrong-word").SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	log := h.logged.String()
	if !strings.Contains(log, "evidence was not recorded") || !strings.Contains(log, "untrusted_root") {
		t.Errorf("the refusal is not logged: %s", log)
	}
	for _, secret := range []string{"secret-word", "wrong-word", hex.EncodeToString(raw[48:80])} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}
