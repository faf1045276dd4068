// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Outcome is what came of asking for a document.
type Outcome string

// The outcomes.
const (
	// Got: an answer that verifies and is new.
	Got Outcome = "got"
	// Same: the answer that is known already.
	Same Outcome = "same"
	// Absent: the service does not have it.
	Absent Outcome = "absent"
	// Refused: the answer does not verify, or is about something else.
	Refused Outcome = "refused"
	// Down: no answer, or none that a PCS gives.
	Down Outcome = "down"
)

// Event is one call of a service, for logs and counters.
type Event struct {
	// Source is the service's host.
	Source   string
	Document Document
	Outcome  Outcome
	// Info is set where an answer was taken. It may be stale at its arrival.
	Info  *attesteer.EndorsementInfo
	Stale bool
	// Err says what went wrong otherwise.
	Err  error
	Took time.Duration
}

// obtain returns a document that holds at a time if there is one: from memory,
// or by a call. While an answer that holds is at hand nobody waits for its
// renewal.
func (s *PCS) obtain(ctx context.Context, d Document, at time.Time) (*Fetched, error) {
	known, f := s.memory.join(d, func(k *remembered) bool { return s.now().Before(k.again) }, s.caller(d))
	switch {
	case known != nil && known.got != nil && !known.got.Stale(at) && (f == nil || !s.keepsNone()):
		return known.got, nil
	case known != nil && f == nil:
		return known.got, known.err
	default:
		return s.land(ctx, d, f)
	}
}

// anew returns a document as the service has it now, or had it a minute ago.
func (s *PCS) anew(ctx context.Context, d Document) (*Fetched, error) {
	recent := func(k *remembered) bool {
		return k.err == nil && s.now().Sub(k.got.At) < rememberedFor
	}
	known, f := s.memory.join(d, recent, s.caller(d))
	if known != nil && recent(known) {
		return known.got, nil
	}
	return s.land(ctx, d, f)
}

func (s *PCS) caller(d Document) func() (*Fetched, error) {
	return func() (*Fetched, error) { return s.call(d) }
}

// land waits for a flight. With its error comes what is known of old.
func (s *PCS) land(ctx context.Context, d Document, f *flight) (*Fetched, error) {
	err := error(rats.Errorf(rats.EndorsementUnavailable, "is not asked any more"))
	if f != nil {
		select {
		case <-f.done:
			if f.err == nil {
				return f.got, nil
			}
			err = f.err
		case <-ctx.Done():
			err = rats.Errorf(rats.EndorsementUnavailable, "did not answer in time")
		}
	}
	if known := s.memory.look(d); known != nil && known.got != nil {
		return known.got, err
	}
	return nil, err
}

// call asks the service for a document, unless it is down, and remembers what
// came of it.
func (s *PCS) call(d Document) (*Fetched, error) {
	ctx, cancel := context.WithTimeout(s.life, s.patience)
	defer cancel()
	if _, err := s.place.locate(d); err != nil {
		return nil, err
	}
	if got := s.recall(d); got != nil {
		stands, _ := s.memory.keep(got, s.again(got, s.now()))
		return stands, nil
	}
	trial, err := s.breaker.admit(ctx)
	if err != nil {
		return nil, err
	}
	began := s.now()
	got, f := s.ask(ctx, d)
	if f != nil && s.life.Err() != nil {
		s.breaker.abandon(trial)
		return nil, f.err
	}
	s.breaker.done(trial, f)
	now := s.now()
	e := Event{Source: s.name, Document: d, Took: now.Sub(began)}
	if f != nil {
		e.Err, e.Outcome = f.err, map[faultClass]Outcome{down: Down, absent: Absent, forged: Refused}[f.class]
		if f.class != down {
			s.memory.keepFault(d, f.err, now.Add(rememberedFor))
		}
		s.report(e)
		return nil, f.err
	}
	got.At = now
	s.store(got)
	stands, changed := s.memory.keep(got, s.again(got, now))
	e.Outcome, e.Info, e.Stale = Same, stands.Info, stands.Stale(now)
	if changed {
		e.Outcome = Got
	}
	s.report(e)
	return stands, nil
}

// ask gets one document and checks it.
func (s *PCS) ask(ctx context.Context, d Document) (*Fetched, *fault) {
	a, f := s.get(ctx, d)
	if f != nil {
		return nil, f
	}
	e, f := read(d, a)
	if f != nil {
		return nil, f
	}
	got, err := s.check(d, e)
	if err != nil {
		return nil, useless(err)
	}
	return got, nil
}

// check holds an endorsement against the roots and against what was asked for.
func (s *PCS) check(d Document, e rats.Endorsement) (*Fetched, error) {
	info, err := s.verifier.CheckEndorsement(e, s.roots)
	if err == nil {
		err = fitsDocument(d, info)
	}
	if err == nil && d.Kind == rats.PCKCertificate && !d.Platform.Certifies(e) {
		// Intel's service gives the certificate of the highest TCB that is not
		// above the one that is asked for (PCS API v4, Get PCK Certificate), whose
		// key is another than the one that signed.
		err = rats.Errorf(rats.Malformed, "it is the PCK certificate of another TCB or platform than the evidence names")
	}
	if err != nil {
		return nil, err
	}
	return &Fetched{Document: d, Endorsement: e, Info: info}, nil
}

// again is when an answer is asked for anew: after two thirds of its life, a
// day at most or what was configured, and up to a tenth earlier, so that many nodes do not ask at once.
func (s *PCS) again(f *Fetched, now time.Time) time.Time {
	limit := renewAfter
	if s.hold != nil {
		limit = *s.hold - now.Sub(f.At)
	}
	switch {
	case s.keepsNone():
		return now
	case f.Stale(now):
		return now.Add(rememberedFor)
	}
	life := f.Info.NextUpdate.Sub(f.Info.Issued)
	due := f.Info.Issued.Add(life / 3 * 2).Sub(now)
	if due <= 0 { // the service has none newer: nearer to the end, ask oftener
		due = f.Info.NextUpdate.Sub(now) / 4
	}
	due = min(due, limit)
	due -= time.Duration(s.random() * float64(due) / 10)
	return now.Add(max(due, rememberedFor))
}
