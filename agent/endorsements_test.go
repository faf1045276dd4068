// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// sourceFunc is a source that is a function.
type sourceFunc func(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error)

func (f sourceFunc) Endorsements(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
	return f(ctx, needs, at)
}

// aged is how long ago the endorsements were issued that sources have here: those
// of the simulated vendor end after 30 days, and these in five.
const aged = 25 * 24 * time.Hour

// issuedBefore is a source whose endorsements were issued some time before they are
// asked for.
func issuedBefore(d time.Duration) sourceFunc {
	return func(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
		return simtee.Source{}.Endorsements(ctx, needs, at.Add(-d))
	}
}

// longKept is the scene's enclave, attested once in 90 days.
func longKept(s *scene) agent.Config {
	s.node.tells, s.ledger.idle = time.Hour, 10*time.Minute // or there are many blocks
	cfg := s.config()
	cfg.ValidFor = 90 * 24 * time.Hour
	return cfg
}

func TestEndorsementsAreRenewedBeforeTheyEnd(t *testing.T) {
	inTime(t, func(s *scene) {
		s.source = issuedBefore(aged)
		_, end := s.keep(longKept(s))
		defer end()
		s.staysActive(s.id(), 7*24*time.Hour, 2*time.Hour)
		if renewed := s.all(agent.Renewed); len(renewed) < 1 || len(renewed) > 3 || renewed[0].Reason != agent.Ageing {
			t.Errorf("renewed %d times: %+v", len(renewed), renewed)
		}
		if n := s.node.submitted(); n != 1 {
			t.Errorf("%d attestations, where newer endorsements were enough", n)
		}
	})
}

// TestARecordThatIsUndecidedIsAttestedAtOnce has no newer endorsements anywhere
// until the ones in use have ended, and some.
func TestARecordThatIsUndecidedIsAttestedAtOnce(t *testing.T) {
	inTime(t, func(s *scene) {
		var ends atomic.Pointer[time.Time]
		began := s.ledger.now().Time().Add(-aged)
		s.source = sourceFunc(func(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
			if end := ends.Load(); end == nil || at.Before(end.Add(time.Hour)) {
				at = began
			}
			return simtee.Source{}.Endorsements(ctx, needs, at)
		})
		_, end := s.keep(longKept(s))
		defer end()
		id := s.id()
		v, err := s.ledger.view(id)
		if err != nil {
			t.Fatal(err)
		}
		last := v.ValidUntil.Time()
		ends.Store(&last)
		s.staysActive(id, last.Sub(s.ledger.now().Time()).Truncate(time.Hour), time.Hour)
		time.Sleep(last.Add(25 * time.Minute).Sub(s.ledger.now().Time()))
		failed := s.all(agent.Failed)
		if state := s.state(id); state != record.Undecided || len(failed) == 0 || failed[0].Reason != agent.BecameUndecided {
			t.Fatalf("without newer endorsements the record is %s, and tried was %+v", state, failed)
		}
		time.Sleep(45 * time.Minute)
		if recorded := s.all(agent.Recorded); s.state(id) != record.Active || len(recorded) != 2 {
			t.Errorf("%s after %+v", s.state(id), recorded)
		}
	})
}

func TestWhereOneSourceIsDownTheNextIsAsked(t *testing.T) {
	inTime(t, func(s *scene) {
		var asked atomic.Int32
		down := sourceFunc(func(context.Context, []attesteer.Need, time.Time) ([]rats.Endorsement, error) {
			asked.Add(1)
			return nil, errors.New("connection refused")
		})
		root := simtee.Root()
		cfg := s.config()
		cfg.Endorsements = endorse.InOrder(endorse.OrderConfig{Roots: append(attesteer.Roots(), root), Now: time.Now},
			endorse.Named{Name: "down", Source: down}, endorse.Named{Name: "up", Source: simtee.Source{}})
		_, end := s.keep(cfg)
		defer end()
		s.staysActive(s.id(), 5*time.Hour, 10*time.Minute)
		if asked.Load() == 0 || len(s.all(agent.Failed)) > 0 {
			t.Errorf("asked %d times: %+v", asked.Load(), s.all(agent.Failed))
		}
	})
}

// TestEndorsementsGoToALedgerThatHasNone, and once: what it holds is not sent again.
func TestEndorsementsGoToALedgerThatHasNone(t *testing.T) {
	inTime(t, func(s *scene) {
		began := s.ledger.now().Time()
		s.source = sourceFunc(func(ctx context.Context, needs []attesteer.Need, _ time.Time) ([]rats.Endorsement, error) {
			return simtee.Source{}.Endorsements(ctx, needs, began)
		})
		_, end := s.keep(s.config())
		defer end()
		s.staysActive(s.id(), 12*time.Hour, 10*time.Minute)
		pushed := 0
		s.node.set(func(n *node) { pushed = n.pushed })
		if pushed == 0 || pushed > 12 || s.node.submitted() < 10 {
			t.Errorf("%d endorsements were sent with %d attestations", pushed, s.node.submitted())
		}
	})
}

// TestEndorsementsThatNobodyHasAreWaitedFor, and the ledger is asked whether it
// has them.
func TestEndorsementsThatNobodyHasAreWaitedFor(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.Endorsements = nil
		_, end := s.keep(cfg)
		defer end()
		time.Sleep(time.Hour)
		failed := s.all(agent.Failed)
		if len(failed) < 10 || len(failed) > 40 || rats.KindOf(failed[0].Kind) != rats.EndorsementUnavailable {
			t.Fatalf("%d failures in an hour: %+v", len(failed), failed[0])
		}
		items, err := simtee.Source{}.Endorsements(s.t.Context(), simulatedNeeds(t, s), s.ledger.now().Time())
		if err != nil {
			t.Fatal(err)
		}
		if r := s.ledger.send(key(4), func(tx *record.Transaction) { tx.Endorsements = items }); r.Err != nil {
			t.Fatal(r.Err)
		}
		time.Sleep(6 * time.Minute)
		if len(s.all(agent.Recorded)) == 0 {
			t.Errorf("%+v", s.all())
		}
	})
}

// simulatedNeeds returns what evidence of the scene's enclave needs.
func simulatedNeeds(t *testing.T, s *scene) []attesteer.Need {
	t.Helper()
	q, err := s.config().Attest(t.Context(), [64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: q})
	if err != nil {
		t.Fatal(err)
	}
	return needs
}
