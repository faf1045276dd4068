// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// withVendor opens a node that gets endorsements from a stand-in service alone.
func withVendor(t *testing.T) (*house, *pcstest.PCS) {
	t.Helper()
	pcs, err := pcstest.New(nil, endorsements(t, time.Now())...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pcs)
	t.Cleanup(server.Close)
	vendor, err := endorse.NewPCS(endorse.PCSConfig{
		Base: server.URL, RootCRL: server.URL + "/IntelSGXRootCA.der", Roots: []rats.TrustRoot{simtee.Root()}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vendor.Close)
	return open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Source, gc.Vendor = nil, vendor }), pcs
}

func TestEndorsementsThatTheLedgerLacksAreFetchedAndPublishedFirst(t *testing.T) {
	h, pcs := withVendor(t)
	c := h.client("secret-word")
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.ListEndorsements(t.Context(), nil)
	if err != nil || len(list.Endorsements) != 4 {
		t.Errorf("%+v, %v", list, err)
	}
	want := make(map[string]bool)
	for _, e := range endorsements(t, time.Now()) {
		digest := e.Digest()
		want[hex.EncodeToString(digest[:])] = true
	}
	for _, e := range list.Endorsements {
		if !want[e.SHA256] {
			t.Errorf("%s is not what the service gave", e.Kind)
		}
	}
	if got.Height == 0 || len(pcs.Calls("")) != 5 {
		t.Errorf("height %d after %d calls", got.Height, len(pcs.Calls("")))
	}

	// From here on the ledger has them: the service may be down.
	pcs.Break("", pcstest.Down())
	h.lives(t, 2)
	if n := len(pcs.Calls("")); n != 5 {
		t.Errorf("%d calls, though nothing is lacking", n)
	}
}

func TestOneFetchServesManyCallers(t *testing.T) {
	h, pcs := withVendor(t)
	gate := make(chan struct{})
	pcs.Break("", pcstest.Hanging(gate))
	var callers sync.WaitGroup
	for n := range uint64(20) {
		evidence := quote(t, n, simtee.Enclave{})
		callers.Go(func() {
			if _, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: evidence}); err != nil {
				t.Error(err)
			}
		})
	}
	for len(pcs.Calls("")) < 5 {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	callers.Wait()
	if n := len(pcs.Calls("")); n != 5 {
		t.Errorf("%d calls, want one for each of five documents", n)
	}
}

// hasty is a source of which somebody else has published the answer before its
// caller can.
type hasty struct {
	endorse.Source
	publish func([]rats.Endorsement)
}

func (s *hasty) Endorsements(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
	items, err := s.Source.Endorsements(ctx, needs, at)
	s.publish(items)
	return items, err
}

func TestEvidenceIsDecidedThoughSomebodyElsePublishedWhatItLackedMeanwhile(t *testing.T) {
	vendor := &hasty{Source: simtee.Source{}}
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Source, gc.Vendor = nil, vendor })
	vendor.publish = func(items []rats.Endorsement) {
		if err := h.gateway.Publish(t.Context(), items); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})}); err != nil {
		t.Error(err)
	}
}

func TestAServiceThatIsDownMakesEvidenceUndecidedAndSaysWhatIsMissing(t *testing.T) {
	h, pcs := withVendor(t)
	pcs.Break("", pcstest.Down())
	body := `{"evidence":"` + base64.StdEncoding.EncodeToString(quote(t, 1, simtee.Enclave{})) + `"}`
	for _, words := range [][]string{
		{"TCB info for SGX of FMSPC 00a51e000000", "QE identity for SGX", "revocation list of the root CA", "127.0.0.1:"},
		{"TCB info for SGX of FMSPC 00a51e000000", "is down"},
	} {
		r := h.post(t, "/v1/evidence", "secret-word", body)
		p := as[client.Problem](t, r.body)
		if r.status != http.StatusFailedDependency || p.Kind != rats.EndorsementUnavailable {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, word := range words {
			if !strings.Contains(p.Detail, word) {
				t.Errorf("the detail does not say %q: %s", word, p.Detail)
			}
		}
	}
	// Another way in hears the same.
	r := h.post(t, "/v1/attesteer/forward_dcap_quote", "secret-word", `{"quote":"`+hex.EncodeToString(quote(t, 2, simtee.Enclave{}))+`"}`)
	if !bytes.Contains(r.body, []byte(`"error_code":12`)) || !bytes.Contains(r.body, []byte("endorsement_unavailable: ")) {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestWhatOneDocumentLacksIsNamedAlone(t *testing.T) {
	h, pcs := withVendor(t)
	pcs.Break("/tcb?", pcstest.Status(http.StatusNotFound))
	_, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	if rats.KindOf(err) != rats.EndorsementUnavailable || !strings.Contains(err.Error(), "FMSPC 00a51e000000") ||
		!strings.Contains(err.Error(), "does not have it (404)") || strings.Contains(err.Error(), "revocation list") {
		t.Errorf("%v", err)
	}
}

func TestForgedEvidenceHasNobodyAsked(t *testing.T) {
	h, pcs := withVendor(t)
	forged := quote(t, 1, simtee.Enclave{})
	forged[100] ^= 1
	_, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: forged})
	if rats.KindOf(err) != rats.BadSignature {
		t.Errorf("%v", err)
	}
	if calls := pcs.Calls(""); len(calls) != 0 {
		t.Errorf("asked %v", calls)
	}
}

func TestForgedEndorsementsOfAServiceCountForNothing(t *testing.T) {
	h, pcs := withVendor(t)
	pcs.Break("/tcb?", pcstest.Forged())
	_, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	if rats.KindOf(err) != rats.EndorsementUnavailable || !strings.Contains(err.Error(), "bad_signature") {
		t.Errorf("%v", err)
	}
	for _, e := range h.node.Registry().Endorsements() {
		if e.Key.Kind == rats.TCBInfo {
			t.Error("it is on the ledger")
		}
	}
}

func TestWhatIsPublishedIsOnTheLedgerOnce(t *testing.T) {
	h := empty(t)
	items := endorsements(t, time.Now())
	if err := h.gateway.Publish(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if n := len(h.node.Registry().Endorsements()); n != len(items) {
		t.Errorf("%d endorsements, want %d", n, len(items))
	}
	height := h.node.Registry().Height()
	if err := h.gateway.Publish(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if h.node.Registry().Height() > height+1 { // the block that proves the last
		t.Error("a block was made for what was known")
	}
}
