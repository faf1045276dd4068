// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Once makes one round and says what became of it. The error is that of a round
// that failed.
func (k *Keeper) Once(ctx context.Context) (Report, error) {
	report, err := k.attest(ctx, Starting)
	if ctx.Err() == nil {
		k.tell(ctx, &report)
	}
	return report, err
}

// Run keeps the enclave attested until ctx ends, whose error it returns then, or
// the time is over for which it was to be kept: nil. Any other error says why the
// enclave cannot be kept: its record was withdrawn ([rats.PolicyRejected]), or the
// ledger does not take what the owner wants. Nothing of it goes on afterwards.
func (k *Keeper) Run(ctx context.Context) error {
	if k.cfg.KeepFor > 0 {
		k.ends = time.Now().Add(k.cfg.KeepFor)
	}
	var w *watch
	defer func() { w.stop() }()
	reason := Starting
	for {
		report, err := k.attest(ctx, reason)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		delay := k.delay(err)
		report.Next = delay.Seconds()
		var stop *final
		if errors.As(err, &stop) {
			return k.end(ctx, report, err)
		}
		k.tell(ctx, &report)
		w = k.follow(ctx, w)
		if reason, err = k.await(ctx, w, delay, err != nil); err == nil {
			err = k.hesitate(ctx, w, reason)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || reason == Over:
			return k.end(ctx, k.report(reason), err)
		}
	}
}

// delay returns the time until the next round.
func (k *Keeper) delay(err error) time.Duration {
	if err == nil {
		return k.next()
	}
	d := k.pause(k.Standing().Failures, stubborn(err))
	var f *failure
	if errors.As(err, &f) && f.pause > 0 {
		// Whoever asked to be left alone is, and then not by all at once.
		d = max(d, f.pause+time.Duration(k.cfg.Random()*float64(f.pause)/10))
	}
	return d
}

// hesitate waits before a round for which there was no time to wait, where the
// last one was such a round too: what undoes each attestation at once shall not
// make for one after the other.
func (k *Keeper) hesitate(ctx context.Context, w *watch, why Reason) error {
	if why == Due || why == Again || why == Over {
		k.woken = 0
		return nil
	}
	if k.woken++; k.woken == 1 {
		return nil
	}
	_, err := k.await(ctx, w, k.pause(k.woken-1, false), true)
	return err
}

// await waits until the next round is due, and returns why. Meanwhile it looks at
// the record, and renews its endorsements. After a failure only time, and an end,
// end the wait.
func (k *Keeper) await(ctx context.Context, w *watch, delay time.Duration, failed bool) (Reason, error) {
	due, why := time.Now().Add(delay), Due
	if failed {
		why = Again
	}
	var renewal time.Time
	if d := k.renewalAfter(failed); d > 0 {
		renewal = time.Now().Add(d)
	}
	for {
		wake := earliest(due, k.ends, renewal, time.Now().Add(k.sooner(lookEvery)))
		if k.sleep(ctx, w, wake); ctx.Err() != nil {
			return why, ctx.Err()
		}
		now := time.Now()
		switch {
		case !k.ends.IsZero() && !now.Before(k.ends):
			return Over, nil
		case !now.Before(due):
			return why, nil
		case !renewal.IsZero() && !now.Before(renewal):
			k.renewed(ctx)
			renewal = time.Now().Add(k.renewal())
		default:
			if !k.look(ctx) {
				continue
			}
		}
		if became, err := k.judge(); err != nil || became != "" && !failed {
			return became, err
		}
	}
}

// renewalAfter is [Keeper.renewal] where there is something to renew.
func (k *Keeper) renewalAfter(failed bool) time.Duration {
	if failed || k.seen() == nil {
		return 0 // the next round asks for endorsements anyway
	}
	return k.renewal()
}

// sleep waits until a time, or until the record may have changed: then for a
// second more, so that several changes are one.
func (k *Keeper) sleep(ctx context.Context, w *watch, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-w.changes():
		wait(ctx, min(soonest, max(time.Until(until), 0)))
	}
}

// wait waits for some time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func earliest(due time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	return due
}

// look looks at the record, and reports whether there is something new to judge.
func (k *Keeper) look(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	known := k.seen()
	if known == nil {
		return false
	}
	for _, node := range k.cfg.Nodes {
		if time.Now().Before(k.rests[node.Name]) {
			continue
		}
		ledger, err := node.Ledger.Ledger(ctx)
		if rest := retryAfter(err); rest > 0 {
			k.rests[node.Name] = time.Now().Add(rest)
		}
		if err != nil || ledger.CatchingUp || k.sameLedger(ledger) != nil {
			continue
		}
		if k.forgotten {
			return true
		}
		view, err := node.Get(ctx, known.ID)
		if err == nil && view.Height < known.Height {
			continue // it is behind
		}
		if err == nil {
			k.see(view, ledger.Time)
			return true
		}
		if rats.KindOf(err) == rats.NotFound && ledger.Height >= known.Height {
			k.forgotten = true
			return true
		}
	}
	return false
}

// judge returns what the record became that asks for a round at once, or the
// error that asks for none any more.
func (k *Keeper) judge() (Reason, error) {
	k.mu.Lock()
	view, state := k.view, k.stateNow()
	k.mu.Unlock()
	if view == nil {
		return "", nil
	}
	if k.forgotten {
		k.forgotten = false
		return Forgotten, nil
	}
	listed := slices.ContainsFunc(view.Listings, func(l record.ListingView) bool { return l.Registrar == k.registrar })
	switch {
	case state == record.Withdrawn && !k.cfg.Revive:
		return BecameWithdrawn, withdrawn(view)
	case state == record.Withdrawn:
		return BecameWithdrawn, nil
	case k.registrar == "" || listed:
	case len(view.Listings) >= k.listings || k.cfg.Revive:
		return Unlisted, nil
	default:
		return Unlisted, &final{rats.Errorf(rats.PolicyRejected, "the listing of registrar %s in record %s was withdrawn, and is left so", k.registrar, view.ID)}
	}
	if state != record.Active {
		return Reason(state), nil
	}
	return "", nil
}

// attest makes one round, and says what became of it.
func (k *Keeper) attest(ctx context.Context, reason Reason) (Report, error) {
	r := &round{keeper: k}
	done, err := r.run(ctx)
	if ctx.Err() != nil {
		return Report{}, ctx.Err()
	}
	outcome := Failed
	if err == nil {
		outcome = done.outcome
	}
	failures := k.count(outcome)
	report := k.report(reason)
	report.Outcome, report.Failures = outcome, failures
	if err == nil {
		report.Node, report.Tx, report.Height = done.node, done.tx, done.height
		return report, nil
	}
	var f *failure
	if errors.As(err, &f) {
		report.Node = f.node
	}
	report.fail(err)
	return report, err
}

// renewed renews endorsements, and says so where something was.
func (k *Keeper) renewed(ctx context.Context) {
	taken, node, err := k.renew(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		k.warn(ctx, "endorsements could not be renewed", err)
	case taken > 0:
		k.count(Renewed)
		report := k.report(Ageing)
		report.Outcome, report.Node = Renewed, node
		k.tell(ctx, &report)
	default:
		k.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "no source has newer endorsements")
	}
}
