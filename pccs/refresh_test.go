// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// filled returns a service that has one platform and what goes with it.
func filled(t testing.TB, s setup) *lab {
	t.Helper()
	l := newLab(t, s)
	l.pcs.Install(machine(t, 1, s.faults))
	if err := l.Register(t.Context(), registration(1), "all"); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestARefreshBringsWhatIsNewAndKeepsWhatIsNot(t *testing.T) {
	l := filled(t, setup{})
	before := l.must(t, tcbKey(rats.SGX, ""))
	report, err := l.Refresh(t.Context(), pccs.RefreshRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range report.Items {
		if item.Outcome != pccs.Same {
			t.Errorf("%s: %s, though nothing is new", item.Name, item.Outcome)
		}
	}
	l.clock.advance(48 * time.Hour)
	l.renew(t, simtee.Faults{})
	if report, err = l.Refresh(t.Context(), pccs.RefreshRequest{}); err != nil {
		t.Fatal(err)
	}
	if len(report.Items) != len(l.holds(t)) {
		t.Errorf("%d of %d were refreshed", len(report.Items), len(l.holds(t)))
	}
	for _, item := range report.Items {
		if item.Outcome != pccs.Got {
			t.Errorf("%s: %s, though all is new", item.Name, item.Outcome)
		}
	}
	if after := l.must(t, tcbKey(rats.SGX, "")); !after.Issued.After(before.Issued) {
		t.Error("TCB info is as it was")
	}
}

func TestOneFailureOfARefreshUndoesNothingElse(t *testing.T) {
	l := filled(t, setup{})
	l.clock.advance(48 * time.Hour)
	l.renew(t, simtee.Faults{})
	l.pcs.Break("/tdx/certification/v4/tcb", pcstest.Forged())
	report, err := l.Refresh(t.Context(), pccs.RefreshRequest{})
	wantStatus(t, err, 503)
	for _, item := range report.Items {
		if broken := strings.HasPrefix(item.Name, "tcb_info tdx"); broken != (item.Err != nil) {
			t.Errorf("%s: %s, %v", item.Name, item.Outcome, item.Err)
		}
	}
	for _, k := range []store.Key{tcbKey(rats.SGX, ""), qeKey(rats.TDX, ""), rootKey()} {
		if a := l.must(t, k); a.Issued.Before(start().Add(24 * time.Hour)) {
			t.Errorf("%s is as it was", k)
		}
	}
	if a := l.must(t, tcbKey(rats.TDX, "")); a.Issued.After(start()) {
		t.Error("what was forged is kept")
	}
}

func TestPCKCertificatesAreRefreshedByFMSPC(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	elsewhere := simtee.Faults{Extension: func(e *dcap.PCKExtension) { e.FMSPC = [6]byte{0, 0x90, 0x6e, 0xa1, 0, 0} }}
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	l.pcs.Install(machine(t, 2, elsewhere))
	items := append(vendor(t, simtee.Faults{}, start()), vendor(t, simtee.Faults{
		TCBInfo: func(i *simtee.TCBInfo) { i.FMSPC = "00906EA10000" },
	}, start())...)
	if err := l.pcs.Set(items...); err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint32{1, 2} {
		if _, err := l.PCKCert(t.Context(), request(seed)); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]int{
		"": 2, "all": 2, simFMSPC: 1, "00906ea10000": 1, simFMSPC + ",00906EA10000": 2,
		"[" + simFMSPC + ", 00906EA10000]": 2, "[]": 2, "[00906EA10000]": 1, "111111111111": 0,
	} {
		fmspcs, err := pccs.ParseFMSPCs(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		before := len(l.pcs.Calls("/pckcerts"))
		report, err := l.Refresh(t.Context(), pccs.RefreshRequest{Certs: true, FMSPCs: fmspcs})
		if err != nil || len(report.Items) != want || len(l.pcs.Calls("/pckcerts"))-before != want {
			t.Errorf("%q: %d platforms, not %d: %v", text, len(report.Items), want, err)
		}
	}
	for _, bad := range []string{"x", simFMSPC + ",", "[" + simFMSPC, simFMSPC + "]", "00A51E00000", "00A51E000000 00906EA10000"} {
		if _, err := pccs.ParseFMSPCs(bad); status(err) != 400 {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// One that fails undoes nothing of the other.
	l.pcs.Uninstall()
	l.pcs.Install(machine(t, 2, elsewhere))
	report, err := l.Refresh(t.Context(), pccs.RefreshRequest{Certs: true})
	wantStatus(t, err, 503)
	if report.Failed() != 1 || len(report.Items) != 2 {
		t.Errorf("%+v", report)
	}
	if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
		t.Errorf("what could not be refreshed is lost: %v", err)
	}
}

func TestARefreshSelectsAnewForEachRawTCB(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	m := machine(t, 1, simtee.Faults{})
	best := m.Certs[0]
	m.Certs = m.Certs[1:]
	l.pcs.Install(m)
	if got, err := l.PCKCert(t.Context(), request(1)); err != nil || got.TCBm == rawBest+pceBest {
		t.Fatalf("%v, %v", got, err)
	}
	m.Certs = append([]rats.Endorsement{best}, m.Certs...)
	l.pcs.Uninstall()
	l.pcs.Install(m)
	if _, err := l.Refresh(t.Context(), pccs.RefreshRequest{Certs: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.PCKCert(t.Context(), request(1)); err != nil || got.TCBm != rawBest+pceBest {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAnUpstreamThatGoesBackIsNotFollowed(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.clock.advance(72 * time.Hour)
	l.renew(t, simtee.Faults{})
	newest := l.must(t, tcbKey(rats.SGX, ""))
	if err := l.pcs.Set(vendor(t, simtee.Faults{}, start())...); err != nil {
		t.Fatal(err)
	}
	report, err := l.Refresh(t.Context(), pccs.RefreshRequest{})
	wantStatus(t, err, 503)
	for _, item := range report.Items {
		if strings.HasPrefix(item.Name, "tcb_info") && item.Err == nil {
			t.Errorf("%s: %s", item.Name, item.Outcome)
		}
	}
	if a := l.must(t, tcbKey(rats.SGX, "")); a.Digest != newest.Digest {
		t.Error("an older one replaced it")
	}
}

func TestThingsAreRenewedBeforeTheyEndAndNotBeforeTime(t *testing.T) {
	l := filled(t, setup{})
	calls := len(l.pcs.Calls(""))
	l.RenewDue(t.Context())
	if n := len(l.pcs.Calls("")); n != calls {
		t.Fatalf("%d calls at once", n-calls)
	}
	// For forty days, a step at a time, nothing comes near its end.
	for step := range 40 * 3 {
		if step%3 == 0 {
			l.renew(t, simtee.Faults{})
		}
		next := l.RenewDue(t.Context())
		if step := next.Sub(l.clock.Now()); step <= 0 || step > 15*time.Minute {
			t.Fatalf("looks again after %s", step)
		}
		all, err := l.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Left < 25*24*time.Hour {
				t.Fatalf("%s has %s left", one.Key, one.Left)
			}
		}
		l.clock.advance(8 * time.Hour)
	}
	perDay := float64(len(l.pcs.Calls(""))-calls) / 40 / float64(len(l.holds(t)))
	if perDay > 1.5 {
		t.Errorf("%.1f calls a day for each artefact", perDay)
	}
}

func TestReplicasOnOneStoreRenewOnce(t *testing.T) {
	t.Parallel()
	a := filled(t, setup{})
	b := newLab(t, setup{dsn: a.dsn, upstreams: []pccs.Upstream{upstream(t, a.url, setup{})}})
	for _, l := range []*lab{a, b} {
		l.clock.advance(25 * time.Hour)
	}
	a.renew(t, simtee.Faults{})
	a.RenewDue(t.Context())
	calls := len(a.pcs.Calls(""))
	b.RenewDue(t.Context())
	if n := len(a.pcs.Calls("")) - calls; n != 0 {
		t.Errorf("the second renews %d of what the first renewed", n)
	}
	if x, y := a.must(t, rootKey()), b.must(t, rootKey()); x.Digest != y.Digest {
		t.Error("they serve different lists")
	}
}

func TestWhileAnUpstreamIsDownPausesGrow(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.must(t, rootKey())
	l.pcs.Break("", pcstest.Status(404))
	l.clock.advance(25 * time.Hour)
	var tries []time.Time
	for range 24 * 60 {
		before := len(l.pcs.Calls(""))
		l.RenewDue(t.Context())
		if len(l.pcs.Calls("")) > before {
			tries = append(tries, l.clock.Now())
		}
		l.clock.advance(time.Minute)
	}
	if len(tries) < 20 || len(tries) > 40 {
		t.Errorf("%d tries in a day", len(tries))
	}
	if first, last := tries[1].Sub(tries[0]), tries[len(tries)-1].Sub(tries[len(tries)-2]); last < 10*first {
		t.Errorf("pauses of %s at first and %s at last", first, last)
	}
	l.pcs.Mend()
	l.clock.advance(2 * time.Hour)
	l.renew(t, simtee.Faults{})
	l.RenewDue(t.Context())
	if a := l.must(t, rootKey()); a.Issued.Before(start().Add(12 * time.Hour)) {
		t.Error("not renewed when the upstream is up again")
	}
}

func TestRunRenewsAndEndsWithItsContext(t *testing.T) {
	l := filled(t, setup{})
	ctx, cancel := context.WithCancel(t.Context())
	var waits []time.Duration
	l.SetWait(func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		l.clock.advance(26 * time.Hour)
		if err := l.pcs.Set(vendor(t, simtee.Faults{}, l.clock.Now())...); err != nil {
			t.Error(err)
		}
		if len(waits) == 3 {
			cancel()
		}
		return ctx.Err()
	})
	if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ends with %v", err)
	}
	if a := l.must(t, tcbKey(rats.SGX, "")); !a.Issued.After(start().Add(24 * time.Hour)) {
		t.Errorf("issued %s: not renewed", a.Issued)
	}
}

func TestOfflineRunSaysWhatEndsAndFetchesNothing(t *testing.T) {
	t.Parallel()
	filler := filled(t, setup{})
	l := newLab(t, setup{mode: pccs.Offline, dsn: filler.dsn})
	l.clock.advance(31 * 24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	l.SetWait(func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() })
	if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ends with %v", err)
	}
	if n := strings.Count(l.log.String(), "artefact is stale"); n != len(l.holds(t)) {
		t.Errorf("%d lines for %d artefacts", n, len(l.holds(t)))
	}
	if calls := l.pcs.Calls(""); len(calls) > 0 {
		t.Errorf("calls were made: %q", calls)
	}
}

func TestWhatIsStaleIsServedAndMarkedOrRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		mode   pccs.Mode
		policy pccs.StalePolicy
		status int
	}{
		{"LAZY, serve", pccs.Lazy, pccs.ServeStale, 200},
		{"LAZY, refuse", pccs.Lazy, pccs.RefuseStale, 502},
		{"REQ, serve", pccs.Req, pccs.ServeStale, 200},
		{"REQ, refuse", pccs.Req, pccs.RefuseStale, 404},
		{"OFFLINE, serve", pccs.Offline, pccs.ServeStale, 200},
		{"OFFLINE, refuse", pccs.Offline, pccs.RefuseStale, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			filler := filled(t, setup{})
			l := newLab(t, setup{mode: c.mode, stale: c.policy, dsn: filler.dsn})
			if a := l.must(t, tcbKey(rats.SGX, "")); l.Stale(a) {
				t.Error("stale on the first day")
			}
			l.pcs.Break("", pcstest.Status(500))
			l.clock.advance(31 * 24 * time.Hour)
			a, err := l.Artefact(t.Context(), tcbKey(rats.SGX, ""))
			wantStatus(t, err, c.status)
			if c.status == 200 && !l.Stale(a) {
				t.Error("not marked as stale")
			}
			all, err := l.Standing(t.Context())
			if err != nil || slices.ContainsFunc(all, func(s pccs.Standing) bool { return !s.Stale || s.Left >= 0 }) {
				t.Errorf("not all stale in %+v, %v", all, err)
			}
			// Who asks again within the minute does not have the upstream asked.
			calls := len(l.pcs.Calls(""))
			_, err = l.Artefact(t.Context(), tcbKey(rats.SGX, ""))
			wantStatus(t, err, c.status)
			if len(l.pcs.Calls("")) != calls {
				t.Error("the upstream is asked at each request")
			}
			if c.mode != pccs.Lazy {
				return
			}
			l.pcs.Mend()
			l.clock.advance(2 * time.Minute)
			l.renew(t, simtee.Faults{})
			if a := l.must(t, tcbKey(rats.SGX, "")); l.Stale(a) {
				t.Error("stale though there is a newer one")
			}
		})
	}
}
