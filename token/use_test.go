// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// after demands that a call is refused for its quota, and returns for how long.
func after(t testing.TB, err error) time.Duration {
	t.Helper()
	var over *token.QuotaError
	if !errors.As(err, &over) || !errors.Is(err, rats.QuotaExceeded) {
		t.Fatalf("%v, want a quota", err)
	}
	return over.After
}

func TestAQuotaOfAMinuteIsFreeAgainAtTheNext(t *testing.T) {
	s := open(t, t.TempDir())
	m := create(t, s, token.Request{Submissions: token.Quota{PerMinute: 2}})
	at := noon.Add(17*time.Second + 300*time.Millisecond)
	for range 2 {
		if err := s.Use(m.ID, token.Submit, at); err != nil {
			t.Fatal(err)
		}
	}
	wait := after(t, s.Use(m.ID, token.Submit, at))
	if wait != 42*time.Second+700*time.Millisecond {
		t.Errorf("%s", wait)
	}
	if err := s.Use(m.ID, token.Submit, at.Add(wait-1)); !errors.Is(err, rats.QuotaExceeded) {
		t.Errorf("just before: %v", err)
	}
	if err := s.Use(m.ID, token.Submit, at.Add(wait)); err != nil {
		t.Errorf("then: %v", err)
	}
}

func TestReadsAndSubmissionsAreCountedApartAndTokensToo(t *testing.T) {
	s := open(t, t.TempDir())
	q := token.Quota{PerDay: 1}
	a, b := create(t, s, token.Request{Submissions: q, Reads: q}), create(t, s, token.Request{Submissions: q, Reads: q})
	for _, id := range []string{a.ID, b.ID} {
		for _, scope := range []token.Scope{token.Submit, token.Read} {
			if err := s.Use(id, scope, noon); err != nil {
				t.Fatalf("%s: %v", scope, err)
			}
			err := s.Use(id, scope, noon)
			if got := after(t, err); got != 12*time.Hour {
				t.Errorf("%s: %s until midnight", scope, got)
			}
			if want := map[token.Scope]string{token.Submit: "1 submissions of this day", token.Read: "1 reads of this day"}[scope]; !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", scope, err)
			}
		}
		for range 3 {
			if err := s.Use(id, token.Admin, noon); err != nil {
				t.Errorf("admin is not counted: %v", err)
			}
		}
	}
}

// TestQuotasHoldWhateverTheOrder compares with a plain count, on a clock that
// never goes back.
func TestQuotasHoldWhateverTheOrder(t *testing.T) {
	s := open(t, t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		q := token.Quota{PerMinute: rapid.Uint32Range(0, 4).Draw(rt, "minute"), PerDay: rapid.Uint32Range(0, 9).Draw(rt, "day")}
		m := create(t, s, token.Request{Reads: q})
		minutes, days := map[int64]uint32{}, map[int64]uint32{}
		at := noon
		for _, step := range rapid.SliceOfN(rapid.SampledFrom([]time.Duration{0, time.Second, 30 * time.Second, time.Minute, 6 * time.Hour}), 1, 40).Draw(rt, "steps") {
			at = at.Add(step)
			minute, day := at.Unix()/60, at.Unix()/86400
			room := (q.PerMinute == 0 || minutes[minute] < q.PerMinute) && (q.PerDay == 0 || days[day] < q.PerDay)
			err := s.Use(m.ID, token.Read, at)
			if room != (err == nil) {
				rt.Fatalf("room %v, got %v at %s", room, err, at)
			}
			if err == nil {
				minutes[minute]++
				days[day]++
				continue
			}
			wait := after(t, err)
			end := at.Add(wait)
			if full := q.PerDay != 0 && days[day] >= q.PerDay; full && end.Unix() != (day+1)*86400 || !full && end.Unix() != (minute+1)*60 {
				rt.Fatalf("free again at %s", end)
			}
		}
	})
}

func TestAQuotaHoldsAgainstManyAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	m := create(t, s, token.Request{Submissions: token.Quota{PerMinute: 10}})
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if s.Use(m.ID, token.Submit, noon) == nil {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != 10 {
		t.Errorf("%d calls were let in", taken.Load())
	}
}

func TestCallsThatComeALittleLateCountAndAClockThatIsSetBackBeginsAnew(t *testing.T) {
	s := open(t, t.TempDir())
	m := create(t, s, token.Request{Submissions: token.Quota{PerMinute: 1}})
	if err := s.Use(m.ID, token.Submit, noon); err != nil {
		t.Fatal(err)
	}
	if wait := after(t, s.Use(m.ID, token.Submit, noon.Add(-time.Second))); wait != 61*time.Second {
		t.Errorf("a late call: %s", wait)
	}
	if err := s.Use(m.ID, token.Submit, noon.Add(-time.Hour)); err != nil {
		t.Errorf("a clock that was set back: %v", err)
	}
}

func TestTheCountOfADayOutlivesAProcess(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	m := create(t, s, token.Request{Submissions: token.Quota{PerDay: 3}, Reads: token.Quota{PerDay: 1}})
	if err := s.Save(noon); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "data", "token_use.json")); err == nil {
		t.Error("nothing happened, and it was written down")
	}
	at := noon.Add(41 * time.Minute)
	for _, scope := range []token.Scope{token.Submit, token.Submit, token.Read} {
		if err := s.Use(m.ID, scope, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Save(at); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(m.ID, token.Submit, at); err != nil { // is not saved any more
		t.Fatal(err)
	}
	restart := func(at time.Time) *token.Store {
		again, err := token.Open(home, at)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	again := restart(at)
	list, err := again.List(at)
	if err != nil || len(list) != 1 || list[0].LastUsed == nil || !list[0].LastUsed.Equal(noon) {
		t.Errorf("last used to the hour: %+v, %v", list, err)
	}
	if err := again.Use(m.ID, token.Submit, at); err != nil {
		t.Errorf("the third of the day: %v", err)
	}
	if wait := after(t, again.Use(m.ID, token.Submit, at)); wait != 11*time.Hour+19*time.Minute {
		t.Errorf("the fourth: %s", wait)
	}
	after(t, again.Use(m.ID, token.Read, at))

	tomorrow := noon.Add(12 * time.Hour)
	next := restart(tomorrow)
	for range 3 {
		if err := next.Use(m.ID, token.Submit, tomorrow); err != nil {
			t.Errorf("the next day: %v", err)
		}
	}
	if err := next.Save(tomorrow); err != nil {
		t.Fatal(err)
	}
	after(t, restart(tomorrow).Use(m.ID, token.Submit, tomorrow))
	// Saved by a clock that was wrong by years.
	if err := restart(noon.AddDate(-3, 0, 0)).Use(m.ID, token.Submit, noon.AddDate(-3, 0, 0)); err != nil {
		t.Error(err)
	}
}

func TestATokenIsCheckedWithoutBeingCounted(t *testing.T) {
	s := open(t, t.TempDir())
	m := create(t, s, token.Request{Reads: token.Quota{PerDay: 1}, Expires: noon.Add(time.Hour)})
	for range 3 {
		if err := s.Check(m.ID, noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Use(m.ID, token.Read, noon); err != nil {
		t.Errorf("its one read: %v", err)
	}
	if err := s.Check(m.ID, noon.Add(time.Hour)); !errors.Is(err, rats.Unauthorized) {
		t.Errorf("expired: %v", err)
	}
	if _, err := s.Revoke(m.ID, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(m.ID, noon); !errors.Is(err, rats.Unauthorized) {
		t.Errorf("revoked: %v", err)
	}
	if err := s.Check("0123456789ab", noon); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}
