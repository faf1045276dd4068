// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func prunedKey() []byte { return []byte{spacePruned} }

// PruneEvidence removes evidence on which no record rests any more: of events
// before a ledger time, where the record has newer evidence by now, or is over.
// It looks at up to limit events, from where the last call stopped, and returns
// how many it looked at: fewer than limit when there are no more. An event whose
// evidence stays is not looked at again, since what ends its record is an event
// of its own.
//
// What is removed is no part of the state that is agreed on: a node that prunes
// and one that does not reach the same. It is called by the caller of Commit.
func (r *Registry) PruneEvidence(before record.Millis, limit int) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	raw, err := r.store.Get(prunedKey())
	if err != nil {
		return 0, storeError(err)
	}
	var from uint64
	if len(raw) == 8 {
		from = binary.BigEndian.Uint64(raw)
	}
	var writes []Write
	n := from
	for ; n < r.state.Past.Size && n-from < uint64(limit); n++ { //nolint:gosec // limits are positive
		e, err := r.event(n)
		if err != nil {
			return 0, err
		}
		if e.Time >= before {
			break
		}
		if e.Act != nil {
			continue // it has no evidence
		}
		over, err := r.isOver(&e)
		if err != nil {
			return 0, err
		}
		if over {
			writes = append(writes, Write{Key: evidenceKey(e.Record.EvidenceSHA256)})
		}
	}
	if n == from {
		return 0, nil
	}
	writes = append(writes, Write{Key: prunedKey(), Value: binary.BigEndian.AppendUint64(nil, n)})
	if err := r.store.Write(writes); err != nil {
		return 0, storeError(err)
	}
	return int(n - from), nil
}

// isOver reports whether the evidence of an event's record has served its time:
// the record has other evidence, or will not be active again by itself. The
// caller holds mu.
func (r *Registry) isOver(e *record.Event) (bool, error) {
	var now record.Record
	ok, err := r.base().read(record.RecordKey(e.Record.ID), &now)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, rats.Errorf(rats.Internal, "state: an event without its record")
	}
	if now.EvidenceSHA256 != e.Record.EvidenceSHA256 {
		return true, nil
	}
	return !mayBeActive(now.State), nil
}
