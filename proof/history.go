// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/record"
)

// Log is the log of the past at one time: how many events it has, and the hash
// over them all (RFC 6962 section 2.1).
type Log struct {
	Size uint64
	Root [32]byte
}

// Consistent checks that a log grew out of an earlier one, in which nothing was
// changed, moved or taken out: path is the consistency proof between their sizes
// (RFC 6962 section 2.1.2). The error is BindingMismatch.
func (l Log) Consistent(earlier Log, path []Hex) error {
	err := proof.VerifyConsistency(rfc6962.DefaultHasher, earlier.Size, l.Size, hashes(path), earlier.Root[:], l.Root[:])
	if err != nil {
		return mismatch("the log of %d events did not grow out of that of %d: %w", l.Size, earlier.Size, err)
	}
	return nil
}

// readEvents checks that the log holds each event, and that they are the
// record's, in their order, up to the one that left it as it is: value is the
// record as the state holds it.
func (v *Verdict) readEvents(events []Logged, value []byte) error {
	for i := range events {
		e, err := v.Log.event(&events[i])
		if err != nil {
			return err
		}
		if e.Record.ID != v.ID {
			return mismatch("event %d is of another record", e.Sequence)
		}
		if n := len(v.Events); n > 0 && e.Sequence <= v.Events[n-1].Sequence {
			return mismatch("the events are not in their order")
		}
		v.Events = append(v.Events, *e)
	}
	if len(v.Events) == 0 {
		return nil
	}
	last, err := record.Marshal(v.Events[len(v.Events)-1].Record)
	if err != nil {
		return err
	}
	if !bytes.Equal(last, value) {
		return mismatch("the last event is not the one that left the record as it is")
	}
	return nil
}

// event checks that the log holds an event, and reads it.
func (l Log) event(e *Logged) (*record.Event, error) {
	var out record.Event
	if err := record.Unmarshal(e.Event, &out); err != nil {
		return nil, mismatch("an event does not decode: %w", err)
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(e.Event)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, out.Sequence, l.Size, leaf, hashes(e.Path), l.Root[:]); err != nil {
		return nil, mismatch("event %d is not in the log: %w", out.Sequence, err)
	}
	return &out, nil
}

func hashes(path []Hex) [][]byte {
	out := make([][]byte, len(path))
	for i := range path {
		out[i] = path[i]
	}
	return out
}
