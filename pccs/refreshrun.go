// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

// Run renews what is there before it ends, until ctx is done, whose error it
// returns. What fails is tried again with growing pauses. In mode OFFLINE it
// fetches nothing, and says in the log what ends.
//
// Replicas on one store may all run: each looks at what the others fetched, and
// jitter has one of them come first.
func (s *Service) Run(ctx context.Context) error {
	warned := make(map[store.Key]time.Time)
	for {
		next := s.now().Add(watch)
		if s.mode != Offline {
			next = s.renewDue(ctx)
		}
		s.warn(ctx, warned)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.wait(ctx, max(next.Sub(s.now()), time.Second)); err != nil {
			return err
		}
	}
}

// renewDue renews what is due and returns when to look again.
func (s *Service) renewDue(ctx context.Context) (next time.Time) {
	keys, _, err := s.nextRenewal(ctx)
	if err != nil {
		s.log.ErrorContext(ctx, "cannot see what is to be renewed", slog.String("error", err.Error()))
		return s.now().Add(shortestBackoff)
	}
	for _, group := range inOrder(keys) {
		each(group, func(_ int, k store.Key) { s.renew(ctx, k) })
	}
	if _, next, err = s.nextRenewal(ctx); err != nil {
		return s.now().Add(shortestBackoff)
	}
	return next
}

// renew fetches one artefact anew, unless somebody else has done so since.
func (s *Service) renew(ctx context.Context, k store.Key) {
	if ctx.Err() != nil {
		return
	}
	a, err := s.kept(ctx, k)
	if err == nil && a != nil && s.schedule.at(a, s.due).After(s.now()) {
		return
	}
	if err == nil {
		err = s.fill(ctx, k)
	}
	now := s.now()
	switch {
	case err == nil:
		s.schedule.succeed(k)
		// Upstreams may give what does not replace what is there.
		if a, err = s.kept(ctx, k); err == nil && a != nil && !s.schedule.at(a, s.due).After(now) {
			s.schedule.hold(k, now.Add(soonest))
		}
	case ctx.Err() != nil:
	case absent(err) && numbered(k):
		s.schedule.hold(k, now.Add(renewAfter))
	default:
		s.schedule.fail(k, now, s.random())
	}
}

// warnAgain is how often the log says of one artefact that it is stale.
const warnAgain = 24 * time.Hour

// soonStale is when the log first says that an artefact is about to end.
const soonStale = 3 * 24 * time.Hour

// warn says in the log what is stale or about to be.
func (s *Service) warn(ctx context.Context, warned map[store.Key]time.Time) {
	all, err := s.Standing(ctx)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.log.ErrorContext(ctx, "cannot see what is stale", slog.String("error", err.Error()))
		}
		return
	}
	now := s.now()
	for _, one := range all {
		if one.NextUpdate.IsZero() || one.Left > soonStale || now.Before(warned[one.Key]) {
			continue
		}
		warned[one.Key] = now.Add(warnAgain)
		attrs := []any{
			slog.String("key", one.String()), slog.Time("next_update", one.NextUpdate), slog.String("policy", string(s.stale)),
		}
		if one.Stale {
			s.log.WarnContext(ctx, "artefact is stale", attrs...)
		} else {
			s.log.WarnContext(ctx, "artefact is about to be stale", attrs...)
		}
	}
	for k := range warned {
		if !slices.ContainsFunc(all, func(one Standing) bool { return one.Key == k }) {
			delete(warned, k)
		}
	}
}
