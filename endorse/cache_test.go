// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestManyWhoAskAtOnceWaitForOneCall(t *testing.T) {
	s := serve(t, usual(t), nil)
	gate := make(chan struct{})
	s.Break("", pcstest.Hanging(gate))
	needs := simulatedNeeds(t)
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			got, err := s.client.Endorsements(t.Context(), needs, at())
			if err != nil || len(got) != 4 {
				t.Errorf("%d, %v", len(got), err)
			}
		})
	}
	for len(s.Calls("")) < 5 {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	callers.Wait()
	calls := s.Calls("")
	slices.Sort(calls)
	if len(calls) != 5 || len(slices.Compact(calls)) != 5 {
		t.Errorf("calls: %v, want one for each of five documents", calls)
	}
	if _, err := s.client.Endorsements(t.Context(), needs, at()); err != nil || len(s.Calls("")) != 5 {
		t.Errorf("asked again: %v, %d calls", err, len(s.Calls("")))
	}
}

// document is the one that tests of keeping use.
func document() endorse.Document {
	return endorse.Document{Kind: rats.TCBInfo, TEE: rats.SGX, FMSPC: [6]byte{0x00, 0xa5, 0x1e}}
}

// fetch gets the document, and waits for the calls that this began.
func fetch(t *testing.T, s *service) *endorse.Fetched {
	t.Helper()
	got, err := s.client.Fetch(t.Context(), document())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantCalls waits until so many calls were made, and reported.
func wantCalls(t *testing.T, s *service, n int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); len(s.said()) < n && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := len(s.Calls("")); got != n {
		t.Errorf("%d calls, want %d", got, n)
	}
}

func TestAnAnswerIsKeptForADayAndThenRenewedBehindItsUsers(t *testing.T) {
	s := serve(t, usual(t), nil)
	first := fetch(t, s)
	s.clock.advance(24*time.Hour - time.Second)
	fetch(t, s)
	wantCalls(t, s, 1)

	if err := s.Set(vendor(t, at().Add(24*time.Hour), 20, simtee.Faults{})...); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	s.Break("", pcstest.Hanging(gate))
	s.clock.advance(time.Second)
	if got := fetch(t, s); got.Info.SHA256 != first.Info.SHA256 {
		t.Error("the new answer is there before the service gave it")
	}
	close(gate)
	wantCalls(t, s, 2)
	if got := fetch(t, s); !got.Info.Issued.After(first.Info.Issued) {
		t.Error("the answer was not renewed")
	}
	wantCalls(t, s, 2)
}

func TestAnAnswerIsRenewedAfterTwoThirdsOfItsLifeOrALittleEarlier(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 12 * time.Hour, 0.5: 12*time.Hour - 36*time.Minute} {
		s := serve(t, vendor(t, at().Add(-19*24*time.Hour), 20, simtee.Faults{}), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) {
			cfg.Random = func() float64 { return random }
		})
		fetch(t, s) // issued at the start of a day, 19.5 days ago, for 30 days
		s.clock.advance(want - time.Second)
		fetch(t, s)
		wantCalls(t, s, 1)
		s.clock.advance(time.Second)
		fetch(t, s)
		wantCalls(t, s, 2)
	}
}

func TestAnAnswerOutlivesItsService(t *testing.T) {
	s := serve(t, usual(t), nil)
	fetch(t, s)
	s.Break("", pcstest.Down())
	for range 29 {
		s.clock.advance(24 * time.Hour)
		if got := fetch(t, s); got.Stale(s.clock.Now()) {
			t.Fatalf("stale on %s", s.clock.Now())
		}
	}
	s.clock.advance(2 * 24 * time.Hour)
	got, err := s.client.Fetch(t.Context(), document())
	if rats.KindOf(err) != rats.EndorsementUnavailable || got == nil || !got.Stale(s.clock.Now()) {
		t.Errorf("after its end: %+v, %v; want the stale one and why there is none newer", got, err)
	}
	items, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), s.clock.Now())
	wantShortage(t, s, err, "TCB info for SGX")
	if len(items) != 1 {
		t.Errorf("%d endorsements beside the error, want the stale one", len(items))
	}
}

func TestWhatIsStaleAtItsArrivalIsMarkedAndAskedForAgainSoon(t *testing.T) {
	s := serve(t, vendor(t, at().AddDate(0, -2, 0), 20, simtee.Faults{}), nil)
	got := fetch(t, s)
	if !got.Stale(at()) || !s.events[0].Stale {
		t.Error("not marked")
	}
	items, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
	if err != nil || len(items) != 4 {
		t.Errorf("%d, %v: an appraisal tells stale from missing", len(items), err)
	}
	if err := s.Set(usual(t)...); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(time.Minute)
	if got := fetch(t, s); got.Stale(at()) {
		t.Error("still the stale one")
	}
}

func TestAnOlderAnswerReplacesNothing(t *testing.T) {
	s := serve(t, usual(t), nil)
	newer := fetch(t, s)
	if err := s.Set(vendor(t, at().AddDate(0, 0, -5), 20, simtee.Faults{})...); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(25 * time.Hour)
	fetch(t, s)
	wantCalls(t, s, 2)
	if got := fetch(t, s); got.Info.SHA256 != newer.Info.SHA256 {
		t.Error("a cache on the way that is behind took the newer answer away")
	}
	if said := s.said(); said[1] != endorse.Same {
		t.Errorf("reported %v", said)
	}
}

func TestAnotherEvaluationReplacesTheStandardOne(t *testing.T) {
	s := serve(t, vendor(t, at(), 20, simtee.Faults{}), nil)
	fetch(t, s)
	if err := s.Set(vendor(t, at(), 21, simtee.Faults{})...); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(25 * time.Hour)
	fetch(t, s)
	wantCalls(t, s, 2)
	if n, _ := s.client.Standard(rats.SGX); n != 21 {
		t.Errorf("standard %d", n)
	}
}

func TestWhatAServiceDoesNotHaveIsNotAskedForAgainAtOnce(t *testing.T) {
	s := serve(t, nil, nil)
	for range 3 {
		if _, err := s.client.Fetch(t.Context(), document()); rats.KindOf(err) != rats.EndorsementUnavailable {
			t.Fatal(err)
		}
	}
	wantCalls(t, s, 1)
	if err := s.Set(usual(t)...); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(time.Minute)
	fetch(t, s)
	s.Break("", pcstest.Status(404))
	s.clock.advance(25 * time.Hour)
	fetch(t, s)
	wantCalls(t, s, 3)
	fetch(t, s) // what was had before is not given up for it
}

func TestTheCAOfAPlatformIsLearned(t *testing.T) {
	s := serve(t, usual(t), nil)
	if _, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Calls("ca=processor")); n != 1 {
		t.Errorf("%d calls for the other CA", n)
	}
	s.clock.advance(25 * time.Hour)
	if _, err := s.client.Renew(t.Context(), keysOf(t, s)); err != nil {
		t.Fatal(err)
	}
	if p, o := len(s.Calls("ca=platform")), len(s.Calls("ca=processor")); p != 2 || o != 1 {
		t.Errorf("%d calls for the CA, %d for the other", p, o)
	}
}

// keysOf returns the keys of what a client keeps.
func keysOf(t *testing.T, s *service) []rats.EndorsementKey {
	t.Helper()
	var out []rats.EndorsementKey
	for _, f := range s.client.Kept() {
		out = append(out, f.Info.Key)
	}
	return out
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		s := serve(t, usual(t), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		s.Break("/tcb?", pcstest.Hanging(nil))
		_, _ = s.client.Endorsements(ctx, simulatedNeeds(t), at())
		cancel()
		s.client.Close()
		s.stop()
	}
	for deadline := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", after, before, stacks[:runtime.Stack(stacks, true)])
	}
}
