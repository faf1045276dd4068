// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// View is a store as it stood at one moment, whatever is written since.
type View interface {
	// Get returns the value of key, or nil when there is none.
	Get(key []byte) ([]byte, error)
	// Scan is that of [Store], but for what fn is given, which it may keep.
	Scan(start, end []byte, fn func(key, value []byte) error) error
}

// Standing is which state a view holds.
type Standing struct {
	ChainID string
	Height  uint64
	AppHash [32]byte
	// Version is that of the state machine which reached the state.
	Version uint64
	// Events is the size of the log of the past.
	Events uint64
}

// PartKind says what a part of a state is.
type PartKind byte

// Parts of a state, in the order in which [Parts] gives them: each entry of the
// map, after a record that counts its evidence, then each event, then each
// endorsement.
const (
	// PartEntry is an entry of the map of the present: key and value.
	PartEntry PartKind = spaceMap
	// PartEvidence is the evidence of the active record before it: SHA-256, bytes.
	// A node that pruned it before the record became active again has none.
	PartEvidence PartKind = spaceEvidence
	// PartEvent is an event of the log of the past: sequence (u64, big-endian), CBOR.
	PartEvent PartKind = spaceEvent
	// PartEndorsement is an endorsement: SHA-256 of its body, CBOR.
	PartEndorsement PartKind = spaceEndorsement
)

// Part is one piece of a state.
type Part struct {
	Kind       PartKind
	Key, Value []byte
}

// Stand returns which state a view holds; NotFound when it holds none.
func Stand(v View) (Standing, error) {
	raw, err := v.Get(metaKey())
	if err != nil {
		return Standing{}, storeError(err)
	}
	if raw == nil {
		return Standing{}, rats.Errorf(rats.NotFound, "the store holds no state yet")
	}
	var m meta
	if err := record.Unmarshal(raw, &m); err != nil {
		return Standing{}, rats.Errorf(rats.Internal, "state: %w", err)
	}
	return Standing{ChainID: m.ChainID, Height: m.Height, AppHash: m.AppHash, Version: m.Version, Events: m.Past.Size}, nil
}

// Parts calls fn for every part of the state that a view holds, until fn returns
// an error, which it then returns. What it gives is enough for
// [Registry.Restore]. Of the evidence it is that of active records, so that nodes
// that prune give the same as those that do not.
func Parts(v View, fn func(Part) error) error {
	err := scanSpace(v, spaceMap, func(key, value []byte) error {
		if err := fn(Part{PartEntry, key, value}); err != nil {
			return err
		}
		sha, ok, err := evidenceOf(key, value)
		if err != nil || !ok {
			return err
		}
		evidence, err := v.Get(evidenceKey(sha))
		if err != nil {
			return storeError(err)
		}
		if evidence == nil {
			return nil
		}
		return fn(Part{PartEvidence, sha[:], evidence})
	})
	if err != nil {
		return err
	}
	for _, kind := range []PartKind{PartEvent, PartEndorsement} {
		if err := scanSpace(v, byte(kind), func(key, value []byte) error { return fn(Part{kind, key, value}) }); err != nil {
			return err
		}
	}
	return nil
}

// scanSpace calls fn for every key of a space, without the space's byte.
func scanSpace(v View, space byte, fn func(key, value []byte) error) error {
	return v.Scan([]byte{space}, []byte{space + 1}, func(k, value []byte) error { return fn(k[1:], value) })
}

// mayBeActive reports whether a record in a state is active, or may be again
// without new evidence: by endorsements alone.
func mayBeActive(s record.State) bool {
	return s == record.Active || s == record.Undecided || s == record.Revoked
}

// evidenceOf returns the hash of the evidence that goes with an entry of the
// map: the last of a record that is active or may be again.
func evidenceOf(key, value []byte) (sha [32]byte, ok bool, err error) {
	if len(key) == 0 || key[0] != record.RecordKey(record.ID{})[0] {
		return sha, false, nil
	}
	var rec record.Record
	if err := record.Unmarshal(value, &rec); err != nil {
		return sha, false, rats.Errorf(rats.Malformed, "state: %w", err)
	}
	if !bytes.Equal(key, record.RecordKey(rec.ID)) {
		return sha, false, rats.Errorf(rats.Malformed, "state: a record under another's key")
	}
	return rec.EvidenceSHA256, mayBeActive(rec.State), nil
}
