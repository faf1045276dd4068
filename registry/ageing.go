// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// maxAged bounds how many records one block looks at by itself.
const maxAged = 500

// A verdict ages: a block with a ledger time looks at the records whose deadline
// that time passed, and goes on with judging all of them again where something
// on the shelf changed. It goes by what was committed before it: what the block
// itself brings is for the next one, which comes at once ([Registry.Propose]).

// age changes records that change by themselves; before is ledger time before
// this block.
func (x *run) age(before record.Millis) error {
	left := maxAged
	due, err := x.due(left)
	if err != nil {
		return err
	}
	for _, id := range due {
		if err := x.meetDeadline(id); err != nil {
			return err
		}
	}
	left -= len(due)
	if err := x.sweep(left); err != nil {
		return err
	}
	if x.stirred || x.st.shelf.alarmed(before, x.st.time.Time) {
		return x.sweepAnew()
	}
	return nil
}

// due returns committed records whose deadline has come, up to a number.
func (x *run) due(limit int) ([]record.ID, error) {
	var out []record.ID
	end := timeKey(spaceDeadline, x.st.time.Time+1, nil)
	err := x.registry.store.Scan([]byte{spaceDeadline}, end, func(k, _ []byte) error {
		if len(out) == limit {
			return errEnough
		}
		// A transaction of this block may have moved the deadline.
		if v, changed := x.w.puts[string(k)]; !changed || v != nil {
			out = append(out, record.ID(k[9:]))
		}
		return nil
	})
	if err != nil && len(out) < limit {
		return nil, storeError(err)
	}
	return out, nil
}

// meetDeadline does what a record's deadline is for.
func (x *run) meetDeadline(id record.ID) error {
	rec, w, err := x.watched(id)
	if err != nil {
		return err
	}
	if w == nil {
		return rats.Errorf(rats.Internal, "state: a deadline of a record that is not watched")
	}
	if x.st.time.Time < rec.Expires {
		return x.review(rec, w)
	}
	if rec.State == record.Revoked {
		// It stays so for good, and nobody lists it any more.
		x.w.put(timeKey(spaceDeadline, w.Deadline, id[:]), nil)
		x.w.put(mapSpace(record.WatchKey(id)), nil)
		return nil
	}
	rec.State, rec.StatusReason, rec.StatusSince = record.Expired, record.ReasonExpired, rec.Expires
	if err := x.keepWatch(rec, w); err != nil {
		return err
	}
	return x.save(rec, record.RanOut, record.TxHash{})
}

// watched returns a record and what is watched of it, nil for one that is not.
func (x *run) watched(id record.ID) (*record.Record, *record.Watch, error) {
	w, err := x.watchOf(id)
	if err != nil || w == nil {
		return nil, nil, err
	}
	var rec record.Record
	ok, err := x.w.read(record.RecordKey(id), &rec)
	if err == nil && !ok {
		err = rats.Errorf(rats.Internal, "state: a record that is watched is not there")
	}
	return &rec, w, err
}

// sweepAnew has all watched records judged again, beginning where the sweep that
// may be under way stands: so nobody can keep one from coming round by stirring
// it again and again.
func (x *run) sweepAnew() error {
	var s record.Sweep
	if _, err := x.w.read(record.SweepKey(), &s); err != nil {
		return err
	}
	return x.w.write(record.SweepKey(), record.Sweep{Next: s.Next, Until: s.Next})
}

// sweep goes on with judging records again.
func (x *run) sweep(limit int) error {
	var s record.Sweep
	ok, err := x.w.read(record.SweepKey(), &s)
	if err != nil || !ok {
		return err
	}
	for limit > 0 {
		ids, err := x.sweepable(&s, limit)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := x.reviewWatched(id); err != nil {
				return err
			}
		}
		if len(ids) == limit {
			s.Next = following(ids[limit-1])
			break
		}
		limit -= len(ids)
		if s.Wrapped || s.Until == (record.ID{}) {
			x.w.put(mapSpace(record.SweepKey()), nil)
			return nil
		}
		s.Next, s.Wrapped = record.ID{}, true
	}
	return x.w.write(record.SweepKey(), s)
}

// sweepable returns the next committed ids of a sweep up to a number: those to
// the end of the circle, or once that was passed to where the sweep began.
func (x *run) sweepable(s *record.Sweep, limit int) ([]record.ID, error) {
	start, end := mapSpace(record.WatchKey(s.Next)), next(mapSpace(record.WatchKey(record.ID{})[:1]))
	if s.Wrapped {
		end = mapSpace(record.WatchKey(s.Until))
	}
	var out []record.ID
	err := x.registry.store.Scan(start, end, func(k, _ []byte) error {
		if len(out) == limit {
			return errEnough
		}
		out = append(out, record.ID(k[2:]))
		return nil
	})
	if err != nil && len(out) < limit {
		return nil, storeError(err)
	}
	return out, nil
}

// following returns the id after one; after the last comes the first.
func following(id record.ID) record.ID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

// reviewWatched judges a record again unless it ended in this block.
func (x *run) reviewWatched(id record.ID) error {
	rec, w, err := x.watched(id)
	if err != nil || w == nil {
		return err
	}
	return x.review(rec, w)
}

// review judges a record again by what is on the shelf now. Where that changes
// nothing of what the record says, nothing is written.
func (x *run) review(rec *record.Record, w *record.Watch) error {
	now := x.st.time.Time
	s := x.registry.verifier.Reappraise(inputsOf(w, rec.BuildMode), x.st.shelf.all, x.st.policy(nil), now.Time())
	was := *rec
	until, known := x.st.shelf.validUntil(w)
	places := w.RestsOn
	if rec.State, rec.StatusReason = standingOf(s); rec.State == record.Undecided {
		if known {
			rec.ValidUntil = until
		}
	} else {
		w.RestsOn = placesOf(s.Endorsements)
		rec.Tier, rec.ValidUntil = s.Tier, record.MillisOf(s.ValidUntil)
		rec.AppraisedWith, rec.WillChange = digestsOf(s.Endorsements), announced(s.Forecast)
		if s.TCB != nil {
			rec.Status, rec.Advisories = s.TCB.Status, s.TCB.Advisories
		}
	}
	kind := changeOf(&was, rec)
	switch {
	case kind != "":
	case slices.Equal(places, w.RestsOn) && x.deadline(&was, w) == w.Deadline:
		return nil
	default:
		return x.keepWatch(&was, w)
	}
	if rec.State == was.State && rec.Status == was.Status && rec.Tier == was.Tier {
		rec.StatusReason = was.StatusReason
	} else {
		rec.StatusSince = now
	}
	if err := x.keepWatch(rec, w); err != nil {
		return err
	}
	return x.save(rec, kind, record.TxHash{})
}

// changeOf names what happened to a record that was judged again, empty for nothing.
func changeOf(was, is *record.Record) record.EventKind {
	future := func(r *record.Record) record.WillChange {
		if r.WillChange == nil {
			return record.WillChange{}
		}
		return *r.WillChange
	}
	switch {
	case is.State != was.State && is.State == record.Undecided:
		return record.Lapsed
	case is.State != was.State && is.State == record.Expired:
		return record.RanOut
	case is.State != was.State, is.Status != was.Status, is.Tier != was.Tier, !slices.Equal(is.Advisories, was.Advisories):
		return record.Reappraised
	case future(is) != future(was):
		return record.Announced
	default:
		return ""
	}
}

// standingOf returns the state of a record that its vendor's data speak so of,
// and why.
func standingOf(s *attesteer.Standing) (record.State, record.Reason) {
	if s.Err == nil {
		switch s.TCB.Status {
		case rats.TCBRevoked:
			return record.Revoked, record.ReasonRevoked
		case rats.NotSupported:
			return record.Revoked, record.ReasonNotSupported
		default:
			return record.Active, record.ReasonEndorsements
		}
	}
	switch s.Err.Kind {
	case rats.Revoked:
		return record.Revoked, record.ReasonRevoked
	case rats.BindingMismatch:
		return record.Revoked, record.ReasonMismatch
	case rats.Expired:
		return record.Expired, record.ReasonCertificate
	default:
		return record.Undecided, record.ReasonLapsed
	}
}

// pending reports whether a block of the given ledger time would find records to
// change or to judge again.
func (r *Registry) pending(at record.Millis) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state.ChainID == "" {
		return false
	}
	if r.state.shelf.alarmed(r.state.time.Time, at) {
		return true
	}
	if s, err := r.store.Get(mapSpace(record.SweepKey())); err != nil || s != nil {
		return err == nil
	}
	found := false
	err := r.store.Scan([]byte{spaceDeadline}, timeKey(spaceDeadline, at+1, nil), func([]byte, []byte) error {
		found = true
		return errEnough
	})
	return found && err != nil
}
