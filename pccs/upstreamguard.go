// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// How an upstream that fails is spared: after so many failures in a row it is
// left alone, at first for the shortest pause, twice as long after each failure
// that follows.
const (
	failuresToRest = 3
	shortestRest   = 5 * time.Second
	longestRest    = time.Minute
)

// guarded is an upstream that is left alone while it is down, so that those who
// wait get their answer from the next one, or none, at once.
type guarded struct {
	Upstream
	now func() time.Time

	mu       sync.Mutex // guards what follows
	failures int
	rest     time.Duration
	until    time.Time
}

// Artefact implements [Upstream].
func (g *guarded) Artefact(ctx context.Context, key store.Key) (*Answer, error) {
	if err := g.admit(); err != nil {
		return nil, err
	}
	a, err := g.Upstream.Artefact(ctx, key)
	g.done(ctx, err)
	return a, err
}

// PCKCerts implements [Upstream].
func (g *guarded) PCKCerts(ctx context.Context, q PCKQuery) (*PCKAnswer, error) {
	if err := g.admit(); err != nil {
		return nil, err
	}
	a, err := g.Upstream.PCKCerts(ctx, q)
	g.done(ctx, err)
	return a, err
}

// admit refuses calls while the upstream is left alone.
func (g *guarded) admit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now().Before(g.until) {
		return &Fault{Class: FaultBusy, Err: rats.Errorf(rats.EndorsementUnavailable, "%s is left alone for its failures", g.Name())}
	}
	return nil
}

// done takes note of what came of a call. What nobody waited for says nothing.
func (g *guarded) done(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f := faultOf(err)
	switch {
	case f == nil || f.Class != FaultDown && f.Class != FaultBusy:
		g.failures, g.rest = 0, 0
		return
	case f.Class == FaultBusy && f.Hold > maxRetryPause: // it asks for it
		g.until = g.now().Add(min(f.Hold, longestRest))
		return
	}
	if g.failures++; g.failures < failuresToRest {
		return
	}
	g.rest = min(max(2*g.rest, shortestRest), longestRest)
	g.until = g.now().Add(g.rest)
}

// faultOf returns err as a Fault, nil for none.
func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Class: FaultDown, Err: err}
}
