// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// MaxEvents bounds what one call of Events returns.
const MaxEvents = 1000

// base returns the committed state as a layer to read through. The caller
// holds mu.
func (r *Registry) base() *layer { return newLayer(r.store) }

// Record returns a record as [Registry.Refresh] leaves it, or NotFound.
func (r *Registry) Record(id record.ID) (record.Record, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var rec record.Record
	ok, err := r.base().read(record.RecordKey(id), &rec)
	if err == nil && !ok {
		err = rats.Errorf(rats.NotFound, "no record %s", hex.EncodeToString(id[:]))
	}
	if err == nil {
		err = r.refresh(&rec)
	}
	return rec, err
}

// Refresh brings what an active record says of the time until which its verdict
// holds up to the endorsements in state: they are refreshed without a record
// being written. It changes nothing else.
func (r *Registry) Refresh(rec *record.Record) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refresh(rec)
}

// refresh is called with mu held.
func (r *Registry) refresh(rec *record.Record) error {
	if rec.State != record.Active {
		return nil
	}
	var w record.Watch
	ok, err := r.base().read(record.WatchKey(rec.ID), &w)
	if err != nil || !ok {
		return err
	}
	if until, ok := r.state.shelf.validUntil(&w); ok {
		rec.ValidUntil = until
	}
	return nil
}

// History returns the events of a record, oldest first, or NotFound.
func (r *Registry) History(id record.ID) ([]record.Event, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	sequences, err := r.sequences(id, r.state.Past.Size)
	if err != nil {
		return nil, err
	}
	if len(sequences) == 0 || id == (record.ID{}) { // that is where events of the ledger itself stand
		return nil, rats.Errorf(rats.NotFound, "no record %s", hex.EncodeToString(id[:]))
	}
	out := make([]record.Event, 0, len(sequences))
	for _, n := range sequences {
		e, err := r.event(n)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// sequences returns the numbers of a record's events in a log of a size, oldest
// first. The caller holds mu.
func (r *Registry) sequences(id record.ID, size uint64) ([]uint64, error) {
	var out []uint64
	prefix := historyKey(id, 0)[:33]
	err := r.store.Scan(prefix, historyKey(id, size), func(k, _ []byte) error {
		out = append(out, binary.BigEndian.Uint64(k[33:]))
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	return out, nil
}

// event reads one event, which nothing changes any more.
func (r *Registry) event(n uint64) (record.Event, error) {
	var e record.Event
	raw, err := r.store.Get(eventKey(n))
	if err != nil {
		return e, storeError(err)
	}
	if err := record.Unmarshal(raw, &e); err != nil {
		return e, rats.Errorf(rats.Internal, "event %d: %w", n, err)
	}
	return e, nil
}

// Events returns up to limit events, at most MaxEvents, in their order, the
// first numbered from. However many readers there are, no commit waits for them.
func (r *Registry) Events(from uint64, limit int) ([]record.Event, error) {
	count := r.EventCount()
	out := []record.Event{}
	for n := from; n < count && len(out) < min(limit, MaxEvents); n++ {
		e, err := r.event(n)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// EventCount returns the number of the next event.
func (r *Registry) EventCount() uint64 { return r.committed().Past.Size }

// Evidence returns evidence by its SHA-256, or NotFound.
func (r *Registry) Evidence(sha [32]byte) ([]byte, error) {
	b, err := r.store.Get(evidenceKey(sha))
	if err != nil {
		return nil, storeError(err)
	}
	if b == nil {
		return nil, rats.Errorf(rats.NotFound, "no evidence %s", hex.EncodeToString(sha[:]))
	}
	return b, nil
}

// Endorsement returns an endorsement by the SHA-256 of its body, be it in state
// or replaced since, or NotFound.
func (r *Registry) Endorsement(sha [32]byte) (rats.Endorsement, error) {
	var e rats.Endorsement
	b, err := r.store.Get(endorsementKey(sha))
	if err != nil {
		return e, storeError(err)
	}
	if b == nil {
		return e, rats.Errorf(rats.NotFound, "no endorsement %s", hex.EncodeToString(sha[:]))
	}
	if err := record.Unmarshal(b, &e); err != nil {
		return e, rats.Errorf(rats.Internal, "state: %w", err)
	}
	return e, nil
}

// Endorsements lists the endorsements in state, by key.
func (r *Registry) Endorsements() []record.EndorsementEntry {
	s := r.committed().shelf
	out := make([]record.EndorsementEntry, 0, len(s.entries))
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		out = append(out, s.entries[key])
	}
	return out
}

// Needs is [attesteer.Needs] of evidence. It reads no chain of certificates again
// that was verified before.
func (r *Registry) Needs(evidence []byte) ([]attesteer.Need, error) {
	return r.verifier.Needs(attesteer.Evidence{Raw: evidence})
}

// Lacks returns those of items that would change the state, the best of each
// key alone. What does not verify is left out.
func (r *Registry) Lacks(items []rats.Endorsement) []rats.Endorsement {
	st := r.committed()
	return r.lacks(st, st.time.Time, items)
}

// LacksAt is Lacks at the ledger time that this node would propose now, its own
// clock, as in [Registry.CheckAt]: vendors date some endorsements at the moment
// at which they are fetched, which is after the last block.
func (r *Registry) LacksAt(now record.Millis, items []rats.Endorsement) []rats.Endorsement {
	st := r.committed()
	return r.lacks(st, nextTime(st.time, now), items)
}

func (r *Registry) lacks(st *state, at record.Millis, items []rats.Endorsement) []rats.Endorsement {
	best := map[string]*offer{}
	for _, e := range items {
		o, err := r.examine(st, at, e)
		if err != nil {
			continue
		}
		if better, err := st.shelf.weigh(o); err != nil || !better {
			continue
		}
		if have, ok := best[o.key]; !ok || compare(o.entry, have.entry) > 0 {
			best[o.key] = o
		}
	}
	out := make([]rats.Endorsement, 0, len(best))
	for _, key := range slices.Sorted(maps.Keys(best)) {
		out = append(out, best[key].endorsement)
	}
	return out
}

// ReplayOf returns what the ledger remembers of a piece of evidence, and
// whether it remembers it.
func (r *Registry) ReplayOf(key [32]byte) (record.ReplayEntry, bool, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var e record.ReplayEntry
	ok, err := r.base().read(record.ReplayEntryKey(key), &e)
	return e, ok, err
}
