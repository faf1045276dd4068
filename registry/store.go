// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Store is what the registry keeps its state in. It is safe for concurrent use.
type Store interface {
	// Get returns the value of key, or nil when there is none.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for every key from start up to, and without, end, in
	// order, until fn returns an error, which it then returns. A nil end has
	// no bound. What fn is given it must not keep: the store may write over it
	// once fn returns.
	Scan(start, end []byte, fn func(key, value []byte) error) error
	// Write makes all changes or none, and keeps them in the order of the
	// calls. They are durable once it returns, unless whoever feeds the
	// registry can apply again the blocks whose writes were lost at the end.
	Write(changes []Write) error
}

// Streamer is a [Store] that can be read from end to end without keeping what it
// reads at hand for the next who asks, which Scan may.
type Streamer interface {
	Store
	// Stream is otherwise Scan.
	Stream(start, end []byte, fn func(key, value []byte) error) error
}

// streaming returns how a store is read from end to end.
func streaming(s Store) func(start, end []byte, fn func(key, value []byte) error) error {
	if s, ok := s.(Streamer); ok {
		return s.Stream
	}
	return s.Scan
}

// Write sets a key, or removes it when Value is nil.
type Write struct{ Key, Value []byte }

// Kinds of keys in the store, by their first byte. Each is either a part of the
// state (see [Parts]), or derived from one when a state is restored (see indexes
// and [Restoration]), or this node's alone.
const (
	spaceMap         = 'm' // map key → value: what the Merkle map commits to
	spaceEvidence    = 'd' // SHA-256 → evidence
	spaceEndorsement = 'c' // SHA-256 of the body → CBOR of the endorsement
	spaceEvent       = 'v' // sequence → CBOR of the event
	spaceLogNode     = 'n' // level ‖ index → hash over a full subtree of the event log
	spaceHistory     = 'h' // record id ‖ sequence → one byte
	spaceNonceEnd    = 'x' // not after ‖ map key of the nonce → one byte
	spaceBlockTime   = 'y' // ledger time ‖ block hash → one byte
	spaceDeadline    = 'z' // deadline ‖ record id → one byte
	spaceMeta        = 'M' // where the store stands
	spacePruned      = 'P' // the first event whose evidence was not looked at; this node's alone
	spaceRecent      = 'R' // height → CBOR of what its block replaced; this node's alone
)

func metaKey() []byte                    { return []byte{spaceMeta} }
func mapSpace(key []byte) []byte         { return append([]byte{spaceMap}, key...) }
func evidenceKey(sha [32]byte) []byte    { return append([]byte{spaceEvidence}, sha[:]...) }
func endorsementKey(sha [32]byte) []byte { return append([]byte{spaceEndorsement}, sha[:]...) }

func eventKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceEvent}, sequence)
}

func historyKey(id record.ID, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte{spaceHistory}, id[:]...), sequence)
}

func timeKey(space byte, at record.Millis, rest []byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{space}, uint64(at)), rest...) //nolint:gosec // ledger time is positive
}

// next returns the first key after all that begin with prefix.
func next(prefix []byte) []byte {
	out := append([]byte{}, prefix...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}

// layer holds changes on top of a store or of another layer.
type layer struct {
	store  Store
	parent *layer
	puts   map[string][]byte
}

func (l *layer) child() *layer { return &layer{store: l.store, parent: l, puts: map[string][]byte{}} }

func newLayer(s Store) *layer { return &layer{store: s, puts: map[string][]byte{}} }

// get returns the value of a key, or nil.
func (l *layer) get(key []byte) ([]byte, error) {
	for at := l; at != nil; at = at.parent {
		if v, ok := at.puts[string(key)]; ok {
			return v, nil
		}
	}
	v, err := l.store.Get(key)
	if err != nil {
		return nil, storeError(err)
	}
	return v, nil
}

// read decodes the value of a map key into v and reports whether there is one.
func (l *layer) read(mapKey []byte, v any) (bool, error) {
	b, err := l.get(mapSpace(mapKey))
	if b == nil || err != nil {
		return false, err
	}
	if err := record.Unmarshal(b, v); err != nil {
		return false, rats.Errorf(rats.Internal, "state: %w", err)
	}
	return true, nil
}

// put sets a key to bytes; nil removes it.
func (l *layer) put(key, value []byte) { l.puts[string(key)] = value }

// write encodes v as the value of a map key.
func (l *layer) write(mapKey []byte, v any) error {
	b, err := record.Marshal(v)
	if err != nil {
		return err
	}
	l.put(mapSpace(mapKey), b)
	return nil
}

// merge moves the changes into the parent.
func (l *layer) merge() {
	for k, v := range l.puts {
		l.parent.puts[k] = v
	}
}

func storeError(err error) error { return rats.Errorf(rats.Internal, "store: %w", err) }
