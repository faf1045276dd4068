// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
)

const (
	// tolerated is how many failures in a row a service may have before it
	// counts as down.
	tolerated = 3
	// firstPause is how long it is then left alone; the pause doubles with each
	// failed trial, up to lastPause.
	firstPause, lastPause = 5 * time.Second, time.Minute
	// maxHold bounds what a service can ask for itself.
	maxHold = 10 * time.Minute
	// trialPatience is how long callers wait for the outcome of the trial that
	// another one makes.
	trialPatience = time.Second
)

// breaker keeps a service that is down from being asked, so that callers hear
// at once what is missing instead of each waiting for a timeout.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	failures int
	pause    time.Duration
	// until is zero while the service is thought to be up.
	until time.Time
	// trial is closed when the one call that is let through has ended.
	trial chan struct{}
	// last is the failure that opened it.
	last error
}

// admit returns nil when the service may be asked now, and whether that is a
// trial. Each admission is to be followed by a call of done.
func (b *breaker) admit(ctx context.Context) (trial bool, err error) {
	for waited := false; ; waited = true {
		b.mu.Lock()
		running := b.trial
		switch {
		case b.until.IsZero():
			b.mu.Unlock()
			return false, nil
		case running == nil && !b.now().Before(b.until):
			b.trial = make(chan struct{})
			b.mu.Unlock()
			return true, nil
		case running == nil || waited:
			err := rats.Errorf(rats.EndorsementUnavailable, "is down: %s", rats.AsError(b.last).Detail)
			b.mu.Unlock()
			return false, err
		}
		b.mu.Unlock()
		b.await(ctx, running)
	}
}

func (b *breaker) await(ctx context.Context, trial <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	select {
	case <-trial:
	case <-ctx.Done():
	}
}

// done takes note of how a call went that was admitted.
func (b *breaker) done(trial bool, f *fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		close(b.trial)
		b.trial = nil
	}
	if f == nil || f.class != down {
		// A late success of a call that was under way counts: it is up.
		b.failures, b.pause, b.until, b.last = 0, 0, time.Time{}, nil
		return
	}
	b.failures++
	wasOpen := !b.until.IsZero()
	if wasOpen && !trial || !wasOpen && b.failures < tolerated && f.hold <= maxRetryPause {
		return
	}
	b.pause = min(max(2*b.pause, firstPause), lastPause)
	b.until = b.now().Add(max(b.pause, min(f.hold, maxHold)))
	b.last = f.err
}

// abandon takes an admission back: nothing was learned.
func (b *breaker) abandon(trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		close(b.trial)
		b.trial = nil
	}
}
