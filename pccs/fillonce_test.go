// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestWhoLookedBeforeAFlightLandedTakesWhatItBrought has callers who found nothing,
// and come for it when it is there.
func TestWhoLookedBeforeAFlightLandedTakesWhatItBrought(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	for range 2 {
		if err := l.FillLacking(t.Context(), qeKey(rats.SGX, "")); err != nil {
			t.Fatal(err)
		}
	}
	if calls := l.pcs.Calls("/qe/identity"); len(calls) != 1 {
		t.Errorf("upstream was asked %v", calls)
	}
	l.clock.advance(400 * 24 * time.Hour)               // what is stale by now does not serve
	_ = l.FillLacking(t.Context(), qeKey(rats.SGX, "")) // the vendor has none that is newer
	if calls := l.pcs.Calls("/qe/identity"); len(calls) != 2 {
		t.Errorf("stale: upstream was asked %v", calls)
	}
}

func TestWhoLookedBeforeAPlatformWasKnownTakesWhatIsKnownOfIt(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	for range 2 {
		if err := l.FillUnknown(t.Context(), request(1)); err != nil {
			t.Fatal(err)
		}
	}
	if calls := l.pcs.Calls("/pckcert"); len(calls) != 1 {
		t.Errorf("upstream was asked %v", calls)
	}
	if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
		t.Error(err)
	}
}
