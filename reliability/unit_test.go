// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
)

func TestATallySaysWhatCameOfAllTries(t *testing.T) {
	tally := newTally()
	for i := range 100 {
		tally.add(time.Duration(i+1)*time.Millisecond, nil)
	}
	tally.add(time.Hour, rats.Errorf(rats.QuotaExceeded, "enough"))
	tally.add(time.Hour, errors.New("reset by peer"))
	got := tally.figures()
	if got.Tries != 102 || got.Failed != 2 || got.P50 != 50 || got.P99 != 99 || got.Max != 100 {
		t.Errorf("%+v", got)
	}
	if s := said(got.Outcomes); s != "ok 100, no answer 1, quota_exceeded 1" {
		t.Error(s)
	}
}

// good is a report in which all aims are kept.
func good() *report {
	calls := figures{Tries: 10, P50: 5, P99: 20, Max: 30, Outcomes: map[string]int{"ok": 10}}
	return &report{
		Lasted: time.Minute, Cores: 2, Submits: calls, Reads: calls, Acknowledged: firstRecords + 10, Peak: 100,
		Before: usage{Memory: 80, Sockets: 4, Goroutines: 60}, After: usage{Memory: 90, Sockets: 4, Goroutines: 60},
		Abuse: []abuseFigures{{Name: "noise", Clients: 1, Tries: 3, Outcomes: map[string]int{"400": 3}}},
	}
}

func TestEachAimCanBeMissed(t *testing.T) {
	if r := good(); !r.Kept() {
		t.Fatalf("%+v", r.aims())
	}
	spoil := map[string]func(*report){
		"good submissions":                            func(r *report) { r.Submits.P99 = 1000 },
		"good submissions that failed":                func(r *report) { r.Submits.Failed = 1 },
		"good reads":                                  func(r *report) { r.Reads.Tries = 0 },
		"good reads that failed":                      func(r *report) { r.Reads.Failed = 1 },
		"records acknowledged, and gone after a kill": func(r *report) { r.Lost = 1 },
		"records that the stream of events left out":  func(r *report) { r.Watcher = errors.New("the stream ended") },
		"resident memory, the most":                   func(r *report) { r.Peak = maxMemory },
		"goroutines before and after":                 func(r *report) { r.After.Goroutines += spare + 1 },
		"sockets before, at most, and after":          func(r *report) { r.After.Sockets += spare + 1 },
	}
	for _, a := range good().aims() {
		change, ok := spoil[a.what]
		if !ok {
			t.Errorf("no way is known to miss: %s", a.what)
			continue
		}
		r := good()
		change(r)
		i := slices.IndexFunc(r.aims(), func(b aim) bool { return b.what == a.what })
		if r.Kept() || r.aims()[i].kept {
			t.Errorf("%s is not missed", a.what)
		}
	}
}

func TestTheTableNamesWhatWasMissed(t *testing.T) {
	r := good()
	r.Lost = 2
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	missed := 0
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "missed") {
			missed++
			if !strings.Contains(line, "2 of 210") {
				t.Error(line)
			}
		}
	}
	if missed != 1 || !strings.Contains(b.String(), "400 3") {
		t.Error(b.String())
	}
}

func TestACommandLineThatCannotBeMeantIsRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"something"}, {"abuse", "-for", "1ms"}, {"abuse", "extra"}, {"abuse", "-no-such-flag"}} {
		var out, errs bytes.Buffer
		if code, err := run(t.Context(), args, &out, &errs); code != exitUsage || err == nil || out.Len() > 0 {
			t.Errorf("%v: exit %d, %v, %q", args, code, err, out.String())
		}
	}
}
