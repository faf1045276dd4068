// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// tally counts what came of what all clients of one kind did.
type tally struct {
	mu sync.Mutex // guards what follows
	// took are the times of what succeeded.
	took []time.Duration
	// outcomes counts by a word.
	outcomes map[string]int
}

func newTally() *tally { return &tally{outcomes: map[string]int{}} }

// add counts one try that succeeded or failed.
func (t *tally) add(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.took = append(t.took, took)
		t.outcomes["ok"]++
		return
	}
	t.outcomes[word(err)]++
}

// note counts one outcome that has no time.
func (t *tally) note(outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes[outcome]++
}

// word is short for an error: its kind, or that no answer came.
func word(err error) string {
	var e *rats.Error
	if errors.As(err, &e) {
		return e.Kind.String()
	}
	return "no answer"
}

// figures is what a tally comes to.
type figures struct {
	Tries    int            `json:"tries"`
	Failed   int            `json:"failed"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`
	Outcomes map[string]int `json:"outcomes"`
}

func (t *tally) figures() figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := figures{Outcomes: maps.Clone(t.outcomes)}
	for outcome, n := range t.outcomes {
		out.Tries += n
		if outcome != "ok" {
			out.Failed += n
		}
	}
	if len(t.took) == 0 {
		return out
	}
	sorted := slices.Sorted(slices.Values(t.took))
	at := func(percent int) float64 { return milliseconds(sorted[(len(sorted)-1)*percent/100]) }
	out.P50, out.P99, out.Max = at(50), at(99), at(100)
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// said lists outcomes, the most frequent first.
func said(outcomes map[string]int) string {
	names := slices.SortedFunc(maps.Keys(outcomes), func(a, b string) int {
		if outcomes[a] != outcomes[b] {
			return outcomes[b] - outcomes[a]
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	out := ""
	for i, name := range names {
		if i > 0 {
			out += ", "
		}
		out += name + " " + strconv.Itoa(outcomes[name])
	}
	return out
}
