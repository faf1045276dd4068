// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// recovering are the evaluations of a vendor that had a TCB recovery: 20 is the
// standard one, 21 leaves platforms as they are, and by 22 the level that was up
// to date is out of date, for a reason that it names.
func recovering(t testing.TB) []rats.Endorsement {
	t.Helper()
	out := vendor(t, simtee.Faults{Numbers: func(n *simtee.EvaluationNumbers) {
		n.Numbers = nil
		for i, event := range []string{"2025-11-11T00:00:00Z", "2026-01-13T00:00:00Z", "2026-02-10T00:00:00Z"} {
			n.Numbers = append([]simtee.EvaluationNumber{{Number: 20 + i, RecoveryEvent: event, Date: event}}, n.Numbers...)
		}
	}}, start())
	twenty1, twenty2 := revised(21), revised(22)
	twenty2.TCBInfo = func(i *simtee.TCBInfo) {
		i.EvaluationDataNumber = 22
		i.Levels[0].Status, i.Levels[0].Advisories = rats.OutOfDate, []string{"SIM-SA-00099"}
	}
	for _, f := range []simtee.Faults{twenty1, twenty2} {
		for _, e := range vendor(t, f, start()) {
			if e.Kind == rats.TCBInfo || e.Kind == rats.QEIdentity {
				out = append(out, e)
			}
		}
	}
	return out
}

func TestAForecastSaysWhatTheNextRecoveryDoesToEachPlatform(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	if err := l.pcs.Set(recovering(t)...); err != nil {
		t.Fatal(err)
	}
	l.pcs.Standard(20)
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	l.pcs.Install(machine(t, 2, simtee.Faults{}))
	if err := l.Register(t.Context(), registration(1), pccs.UpdateStandard); err != nil {
		t.Fatal(err)
	}
	old := registration(2)
	old.CPUSVN, old.PCESVN = rawThird, pceThird
	if err := l.Register(t.Context(), old, pccs.UpdateStandard); err != nil {
		t.Fatal(err)
	}
	// Before anything else is fetched there is what registration fetched.
	f := forecast(t, l)
	if len(f.Platforms) != 2 || len(f.Platforms[0].TEEs) == 0 || len(f.Platforms[0].TEEs[0].Evaluations) != 2 {
		t.Fatalf("of the store alone: %+v", f)
	}
	calls := len(l.pcs.Calls(""))
	if forecast(t, l); len(l.pcs.Calls("")) != calls {
		t.Error("a forecast asked upstream")
	}
	if err := l.FetchForecast(t.Context()); err != nil {
		t.Fatal(err)
	}
	f = forecast(t, l)
	for _, p := range f.Platforms {
		if p.FMSPC != simFMSPC || p.Fault != "" || len(p.TEEs) != 2 {
			t.Fatalf("platform %s: %+v", p.QEID, p)
		}
	}
	for _, one := range f.Platforms[0].TEEs {
		wantEvaluations(t, one, []uint32{20, 21, 22}, []rats.TCBStatus{rats.UpToDate, rats.UpToDate, rats.OutOfDate})
		if one.Falls == nil || one.Falls.Number != 22 || one.Falls.Status != rats.OutOfDate ||
			one.Falls.Binds == nil || !one.Falls.Binds.Equal(time.Date(2026, time.March, 24, 0, 0, 0, 0, time.UTC)) ||
			!slices.Equal(one.Falls.Advisories, []string{"SIM-SA-00099"}) {
			t.Errorf("%s: falls %+v", one.TEE, one.Falls)
		}
		if now := one.Evaluations[0]; now.Binds != nil || now.RecoveryEvent == nil || !slices.Equal(now.Updates, []string{"standard"}) {
			t.Errorf("%s: the standard one is %+v", one.TEE, now)
		}
		if early := one.Evaluations[2]; !slices.Equal(early.Updates, []string{"early"}) || early.TCBDate == nil || early.Stale {
			t.Errorf("%s: the early one is %+v", one.TEE, early)
		}
	}
	// What is out of date already does not fall.
	for _, one := range f.Platforms[1].TEEs {
		wantEvaluations(t, one, []uint32{20, 21, 22}, []rats.TCBStatus{rats.OutOfDate, rats.OutOfDate, rats.OutOfDate})
		if one.Falls != nil || len(one.Lacking) != 0 {
			t.Errorf("%s: falls %+v, lacks %v", one.TEE, one.Falls, one.Lacking)
		}
	}
	if f.Platforms[1].TCBm == f.Platforms[0].TCBm {
		t.Error("both are judged by one TCB")
	}
}

func forecast(t testing.TB, l *lab) *pccs.Forecast {
	t.Helper()
	f, err := l.Forecast(t.Context(), pccs.StandardDelay)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func wantEvaluations(t *testing.T, one pccs.TEEForecast, numbers []uint32, statuses []rats.TCBStatus) {
	t.Helper()
	if len(one.Evaluations) != len(numbers) {
		t.Fatalf("%s: %+v", one.TEE, one.Evaluations)
	}
	for i, e := range one.Evaluations {
		if e.Number != numbers[i] || e.Status != statuses[i] {
			t.Errorf("%s: number %d is %s, want number %d to be %s", one.TEE, e.Number, e.Status, numbers[i], statuses[i])
		}
	}
}

func TestAForecastSaysWhatItLacksAndWhatIsStale(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	if err := l.pcs.Set(recovering(t)...); err != nil {
		t.Fatal(err)
	}
	l.pcs.Standard(20)
	l.pcs.Retire(21)
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	if err := l.Register(t.Context(), registration(1), pccs.UpdateAll); err != nil {
		t.Fatal(err)
	}
	if err := l.FetchForecast(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.clock.advance(60 * 24 * time.Hour)
	for _, one := range forecast(t, l).Platforms[0].TEEs {
		if !slices.Equal(one.Lacking, []uint32{21}) {
			t.Errorf("%s: lacks %v", one.TEE, one.Lacking)
		}
		for _, e := range one.Evaluations {
			if !e.Stale {
				t.Errorf("%s: number %d is not stale", one.TEE, e.Number)
			}
		}
	}
}

func TestNothingIsFetchedForAForecastInModeOffline(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	wantStatus(t, l.FetchForecast(t.Context()), 503)
	if f := forecast(t, l); len(f.Platforms) != 0 || len(l.pcs.Calls("")) != 0 {
		t.Errorf("%+v", f)
	}
}
