// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"sync"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

// Standing returns how each artefact stands, in the order of their keys.
func (s *Service) Standing(ctx context.Context) ([]Standing, error) {
	all, err := s.store.Artefacts(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	now := s.now()
	out := make([]Standing, 0, len(all))
	for i := range all {
		a := &all[i]
		one := Standing{
			Key: a.Key, Digest: a.Digest, Issued: a.Issued, NextUpdate: a.NextUpdate, Fetched: a.Fetched,
			Stale: staleAt(a, now), Source: a.Source,
		}
		if !a.NextUpdate.IsZero() {
			one.Left = a.NextUpdate.Sub(now)
		}
		out = append(out, one)
	}
	return out, nil
}

// When an artefact is renewed.
const (
	// renewAfter: a TCB recovery, or a revocation, comes without notice.
	renewAfter = 24 * time.Hour
	// soonest bounds how often the upstreams are asked where they have nothing
	// newer than what is about to end.
	soonest = 10 * time.Minute
	// jitter is the part of the wait by which many services spread their calls.
	jitter = 10
)

// due returns when an artefact is to be renewed: after two thirds of its life,
// at most a day after it was fetched, and up to a tenth of that wait earlier, so
// that services which were started together do not ask together. Where the
// upstreams had none that is newer, the nearer the end the oftener.
func (s *Service) due(a *store.Artefact) time.Time {
	wait := renewAfter
	if !a.NextUpdate.IsZero() {
		life := a.NextUpdate.Sub(a.Issued)
		left := a.Issued.Add(life / 3 * 2).Sub(a.Fetched)
		if left <= 0 {
			left = a.NextUpdate.Sub(a.Fetched) / 4
		}
		wait = min(wait, left)
	}
	wait = max(wait, soonest)
	return a.Fetched.Add(wait - time.Duration(s.random()*float64(wait)/jitter))
}

// schedule remembers, for this process, until when nothing is tried again under
// a key, and how often that failed. What is true of artefacts stands in the
// store: this only spares the upstreams.
type schedule struct {
	mu      sync.Mutex // guards what follows
	until   map[store.Key]time.Time
	failed  map[store.Key]int
	planned map[store.Key]plan
}

// plan is when an artefact is renewed, so that its jitter is drawn once.
type plan struct {
	fetched, at time.Time
}

// maxHeld bounds the memory; past it all is tried again.
const maxHeld = 10_000

// due reports whether a key may be tried.
func (h *schedule) due(k store.Key, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !now.Before(h.until[k])
}

// hold has a key left alone until a time.
func (h *schedule) hold(k store.Key, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil || len(h.until) >= maxHeld {
		h.until = make(map[store.Key]time.Time)
	}
	h.until[k] = until
}

// Back-off of what could not be renewed.
const (
	shortestBackoff = time.Minute
	longestBackoff  = time.Hour
)

// fail has a key left alone for twice as long as the last time.
func (h *schedule) fail(k store.Key, now time.Time, spread float64) {
	h.mu.Lock()
	if h.failed == nil || len(h.failed) >= maxHeld {
		h.failed = make(map[store.Key]int)
	}
	n := h.failed[k]
	h.failed[k] = n + 1
	h.mu.Unlock()
	wait := longestBackoff
	if n < 6 {
		wait = min(wait, shortestBackoff<<n)
	}
	h.hold(k, now.Add(wait+time.Duration(spread*float64(wait)/jitter)))
}

// succeed forgets that a key failed.
func (h *schedule) succeed(k store.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failed, k)
	delete(h.until, k)
}

// at returns when an artefact is to be renewed, or tried again.
func (h *schedule) at(a *store.Artefact, due func(*store.Artefact) time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.planned[a.Key]
	if !ok || !p.fetched.Equal(a.Fetched) {
		if h.planned == nil || len(h.planned) >= maxHeld {
			h.planned = make(map[store.Key]plan)
		}
		p = plan{a.Fetched, due(a)}
		h.planned[a.Key] = p
	}
	if until := h.until[a.Key]; until.After(p.at) {
		return until
	}
	return p.at
}

// watch is at most how long the service sleeps before it looks at the store
// again, which others may have written to.
const watch = 15 * time.Minute

// nextRenewal returns what is due now and when the next thing will be.
func (s *Service) nextRenewal(ctx context.Context) (now []store.Key, next time.Time, err error) {
	all, err := s.store.Artefacts(ctx)
	if err != nil {
		return nil, time.Time{}, storeFault(err)
	}
	at := s.now()
	next = at.Add(watch)
	for i := range all {
		if all[i].Version != 4 {
			continue // nothing of version 3 can be had
		}
		due := s.schedule.at(&all[i], s.due)
		if !due.After(at) {
			now = append(now, all[i].Key)
		} else if due.Before(next) {
			next = due
		}
	}
	return now, next, nil
}
