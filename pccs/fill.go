// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// staleRetry is how long a stale artefact is served, where it is, before who
// asks for it has the upstreams asked again.
const staleRetry = time.Minute

// Artefact returns what stands under a key. In mode LAZY what is missing, or
// stale, is fetched first. What is stale is returned or not as the policy says;
// [Service.Stale] tells. Errors are Refusals with status 400, 404, 410, 502, 503
// or 500.
func (s *Service) Artefact(ctx context.Context, key store.Key) (*store.Artefact, error) {
	version := key.Version
	k, err := normalKey(key)
	if err != nil {
		return nil, err
	}
	a, err := s.kept(ctx, k)
	if err != nil {
		return nil, err
	}
	if a == nil {
		if a, err = s.numbered(ctx, k); err != nil {
			return nil, err
		}
	}
	if a != nil && !s.Stale(a) {
		return a, nil
	}
	var failed error
	switch {
	case s.mode != Lazy:
		failed = refuse(http.StatusNotFound, rats.EndorsementUnavailable, "%s is not in the cache", k)
	case version == 3:
		failed = endedV3(k.String())
	case a != nil && !s.schedule.due(k, s.now()):
		failed = refuse(http.StatusBadGateway, rats.EndorsementExpired, "%s is stale, and no newer one was had a moment ago", k)
	default:
		if failed = s.fillLacking(ctx, k); failed == nil {
			return s.filled(ctx, k)
		}
	}
	return s.settle(k, a, failed)
}

// filled returns what a flight has brought.
func (s *Service) filled(ctx context.Context, k store.Key) (*store.Artefact, error) {
	a, err := s.kept(ctx, k)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, refuse(http.StatusInternalServerError, rats.Internal, "%s was fetched and is not in the store", k)
	case s.Stale(a):
		return s.settle(k, a, refuse(http.StatusBadGateway, rats.EndorsementExpired, "%s: the upstreams have none that is current", k))
	}
	return a, nil
}

// settle decides between an artefact that is stale, if there is one, and the
// reason why there is none that is current.
func (s *Service) settle(k store.Key, a *store.Artefact, failed error) (*store.Artefact, error) {
	if a == nil {
		return nil, failed
	}
	if s.schedule.due(k, s.now()) {
		s.schedule.hold(k, s.now().Add(staleRetry))
	}
	if s.stale == ServeStale {
		return a, nil
	}
	if r := refusalOf(failed); r.Status == http.StatusNotFound {
		return nil, refuse(r.Status, rats.EndorsementExpired, "%s is stale since %s", a.Key, a.NextUpdate.Format(time.RFC3339))
	}
	return nil, failed
}

// kept returns what the store has under a key, or nil.
func (s *Service) kept(ctx context.Context, k store.Key) (*store.Artefact, error) {
	a, err := s.store.Artefact(ctx, k)
	if errors.Is(err, rats.NotFound) {
		return nil, nil //nolint:nilnil // nothing is a good answer here
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return a, nil
}

// numbered returns an artefact that is kept as the standard or the early one
// and is of the evaluation that is asked for by number, or nil.
func (s *Service) numbered(ctx context.Context, k store.Key) (*store.Artefact, error) {
	if _, err := strconv.ParseUint(k.Update, 10, 32); err != nil {
		return nil, nil //nolint:nilnil // nothing is a good answer here
	}
	for _, update := range []string{UpdateStandard, UpdateEarly} {
		other := k
		other.Update = update
		a, err := s.kept(ctx, other)
		if err != nil {
			return nil, err
		}
		if a == nil {
			continue
		}
		if n, ok := evaluationOf(a.Body); ok && strconv.FormatUint(uint64(n), 10) == k.Update {
			return a, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing is a good answer here
}

// CRL returns the revocation list at a URL of Intel's, in DER. Lists that have a
// name of their own are those that stand under it. A URL that is none of
// Intel's is refused with status 400.
func (s *Service) CRL(ctx context.Context, uri string) (*store.Artefact, error) {
	k, err := crlKey(uri)
	if err != nil {
		return nil, err
	}
	return s.Artefact(ctx, k)
}

// fill fetches what stands under a key, once for all who want it now.
func (s *Service) fill(ctx context.Context, k store.Key) error {
	return s.flights.do(ctx, k.String(), func(ctx context.Context) error {
		_, err := s.fetch(ctx, k)
		return err
	})
}

// fillLacking is fill for who looked and found nothing current. A flight may have
// landed between that look and this call: what it brought serves as well.
func (s *Service) fillLacking(ctx context.Context, k store.Key) error {
	return s.flights.do(ctx, k.String(), func(ctx context.Context) error {
		if a, err := s.kept(ctx, k); err != nil || a != nil && !s.Stale(a) {
			return err
		}
		_, err := s.fetch(ctx, k)
		return err
	})
}

// fetch asks the upstreams in turn until one gives what verifies and is current,
// and keeps it. What is stale is kept where nobody has better. Errors are Refusals.
func (s *Service) fetch(ctx context.Context, k store.Key) (Outcome, error) {
	before, err := s.kept(ctx, k)
	if err != nil {
		return Down, err
	}
	var verdict verdict
	var stale Outcome // what became of one that is
	for _, u := range s.upstreams {
		began := s.now()
		event := Event{Upstream: u.Name(), What: k.String()}
		answer, err := u.Artefact(ctx, k)
		if err == nil {
			event.Outcome, err = s.take(ctx, k, u, answer, before)
		} else {
			event.Outcome = faultOutcome(err)
		}
		event.Err, event.Took = err, s.now().Sub(began)
		s.report(event)
		if err == nil {
			s.log.InfoContext(ctx, "artefact fetched", slog.String("key", k.String()),
				slog.String("upstream", u.Name()), slog.String("outcome", string(event.Outcome)))
			if before, err = s.kept(ctx, k); err != nil {
				return Down, err
			}
			if before == nil || !s.Stale(before) {
				return event.Outcome, nil
			}
			if stale != Got {
				stale = event.Outcome
			}
			continue
		}
		s.log.WarnContext(ctx, "artefact not had", slog.String("key", k.String()), slog.String("upstream", u.Name()),
			slog.String("outcome", string(event.Outcome)), slog.String("error", err.Error()))
		verdict.hear(err)
	}
	if stale != "" {
		return stale, nil
	}
	return verdict.outcome(), verdict.refusal(k.String())
}

// take verifies an answer and keeps it. Errors of kind Internal are the store's.
func (s *Service) take(
	ctx context.Context, k store.Key, u Upstream, answer *Answer, before *store.Artefact,
) (Outcome, error) {
	known, err := s.listsFor(ctx, k)
	if err != nil {
		return Refused, err
	}
	if answer.Source == "" {
		answer.Source = u.Name()
	}
	if k.Kind == store.CRL && len(answer.Chain) == 0 {
		answer.Chain = s.chainOfList(ctx, answer.Body)
	}
	a, err := s.check(k, answer, known)
	if err != nil {
		return Refused, &invalid{err: rats.AsError(err), from: u.Name()}
	}
	if before != nil && a.Issued.Before(before.Issued) {
		return Refused, &invalid{from: u.Name(), err: rats.Errorf(rats.EndorsementExpired,
			"it is of %s, older than that of %s which is known", a.Issued.Format(time.RFC3339), before.Issued.Format(time.RFC3339))}
	}
	if k.Kind == store.TCBInfo && len(a.Body)+len(a.Chain) > quoteLibrary {
		s.log.WarnContext(ctx, "TCB info is too large for Intel's quote verification library",
			slog.String("key", k.String()), slog.Int("bytes", len(a.Body)+len(a.Chain)))
	}
	if err := s.store.Write(ctx, store.Batch{Artefacts: []store.Artefact{*a}}); err != nil {
		return Down, storeFault(err)
	}
	if before != nil && before.Digest == a.Digest {
		return Same, nil
	}
	if k.Kind == store.RootCRL {
		s.sweep(ctx, a.Body)
	}
	return Got, nil
}

// listsFor returns the revocation lists by which what stands under a key is
// judged. The root's list is fetched where it is not there: nothing is kept
// that was not held against it.
func (s *Service) listsFor(ctx context.Context, k store.Key) (lists, error) {
	if k.Kind == store.RootCRL || k.Kind == store.FMSPCs {
		return lists{}, nil
	}
	root, err := s.list(ctx, store.Key{Kind: store.RootCRL, Version: 4})
	return lists{root: root}, err
}

// storeFault returns the Refusal for what the store could not do: 503, after which
// clients try again, where that may help.
func storeFault(err error) *Refusal {
	if e := new(Refusal); errors.As(err, &e) {
		return e
	}
	if store.Busy(err) {
		return &Refusal{Status: http.StatusServiceUnavailable, Err: rats.Errorf(rats.Internal, "store: %w", err)}
	}
	return &Refusal{Status: http.StatusInternalServerError, Err: rats.Errorf(rats.Internal, "store: %w", err)}
}
