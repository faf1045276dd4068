// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// verdict appraises evidence and returns the result.
func (h *house) verdict(t testing.TB, raw []byte) attesteer.Result {
	t.Helper()
	r := h.appraise(t, raw, "")
	if r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	return as[attesteer.Result](t, r.body)
}

func TestAnAppraisalFetchesWhatTheLedgerLacksAndPublishesNothing(t *testing.T) {
	h, pcs := withVendor(t)
	for n := range uint64(3) {
		if r := h.verdict(t, quote(t, n, simtee.Enclave{})); !r.Accepted || r.Kind != rats.None || len(r.Endorsements) == 0 {
			t.Fatalf("%+v", r)
		}
	}
	if n := len(pcs.Calls("")); n != 5 {
		t.Errorf("%d calls, want one for each of five documents", n)
	}
	if n := len(h.node.Registry().Endorsements()); n != 0 {
		t.Errorf("%d endorsements were published", n)
	}
	if h.node.Registry().EventCount() != 0 {
		t.Error("something was recorded")
	}
}

func TestAnAppraisalTakesWhatASourceAtHandHas(t *testing.T) {
	h := open(t, "dev", nil)
	if r := h.verdict(t, quote(t, 1, simtee.Enclave{})); !r.Accepted || len(h.node.Registry().Endorsements()) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestOneFetchServesManyAppraisals(t *testing.T) {
	h, pcs := withVendor(t)
	gate := make(chan struct{})
	pcs.Break("", pcstest.Hanging(gate))
	var callers sync.WaitGroup
	for n := range uint64(20) {
		evidence := quote(t, n, simtee.Enclave{})
		callers.Go(func() {
			if r := h.verdict(t, evidence); !r.Accepted {
				t.Errorf("%+v", r)
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

func TestAnAppraisalWithAServiceThatIsDownIsUndecidedAndNamesWhatIsMissing(t *testing.T) {
	h, pcs := withVendor(t)
	pcs.Break("", pcstest.Down())
	for range 2 {
		r := h.verdict(t, quote(t, 1, simtee.Enclave{}))
		if r.Accepted || r.Kind != rats.EndorsementUnavailable || r.Tier != rats.TierNone {
			t.Fatalf("%+v", r)
		}
		said := ""
		for _, c := range r.Checks {
			if c.Outcome == rats.Undecided {
				said += c.Detail + "\n"
			}
		}
		if !strings.Contains(said, "could not be fetched: ") || !strings.Contains(said, "TCB info for SGX of FMSPC 00a51e000000") {
			t.Errorf("%s", said)
		}
	}
	// Whoever asks again is answered by what is remembered.
	calls := len(pcs.Calls(""))
	h.verdict(t, quote(t, 2, simtee.Enclave{}))
	if n := len(pcs.Calls("")); n != calls {
		t.Errorf("%d calls more", n-calls)
	}
}

func TestForgedEvidenceHasNobodyAskedForItsAppraisal(t *testing.T) {
	h, pcs := withVendor(t)
	forged := quote(t, 1, simtee.Enclave{})
	forged[100] ^= 1
	if r := h.verdict(t, forged); r.Kind != rats.BadSignature {
		t.Errorf("%+v", r)
	}
	if calls := pcs.Calls(""); len(calls) != 0 {
		t.Errorf("asked %v", calls)
	}
}

func TestForgedEndorsementsOfAServiceDecideNoAppraisal(t *testing.T) {
	h, pcs := withVendor(t)
	pcs.Break("/tcb?", pcstest.Forged())
	if r := h.verdict(t, quote(t, 1, simtee.Enclave{})); r.Accepted || r.Kind != rats.EndorsementUnavailable {
		t.Errorf("%+v", r)
	}
}

// TestWhatTheLedgerHoldsDecidesAlone: nobody is asked where nothing is lacking.
func TestWhatTheLedgerHoldsDecidesAlone(t *testing.T) {
	h, pcs := withVendor(t)
	h.lives(t, 1)
	calls := len(pcs.Calls(""))
	pcs.Break("", pcstest.Down())
	if r := h.verdict(t, quote(t, 2, simtee.Enclave{})); !r.Accepted || len(pcs.Calls("")) != calls {
		t.Errorf("%+v after %d calls", r, len(pcs.Calls(""))-calls)
	}
}

// TestANodeWithoutSourcesSaysWhatTheLedgerLacks, and waits for nobody.
func TestANodeWithoutSourcesSaysWhatTheLedgerLacks(t *testing.T) {
	h := empty(t)
	if r := h.verdict(t, quote(t, 1, simtee.Enclave{})); r.Kind != rats.EndorsementUnavailable {
		t.Errorf("%+v", r)
	}
}
