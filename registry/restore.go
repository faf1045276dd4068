// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/transparency-dev/merkle/compact"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Bounds on what a restoration keeps in memory until it writes.
const (
	restoreBytes = 1 << 20
	restoreCount = 4096
)

// Restoration takes the parts of a state into an empty registry. What the parts
// say is held against the hash of the state at the end; what a node derives from
// them, such as the order in which nonces end, is derived anew and not taken.
type Restoration struct {
	r     *Registry
	final meta

	// kind and last are those of the part before; wanted is the evidence that
	// may come next, if due.
	kind   PartKind
	last   []byte
	wanted [32]byte
	due    bool

	writes []Write
	bytes  int
	leaves [][]byte
}

// Restore empties the registry and begins to fill it with the state of a height,
// which has a hash that the caller knows to be the chain's. Until
// [Restoration.Finish] the registry is that of a node without a ledger. The
// caller is the one of Apply and Commit, which it must not call meanwhile.
func (r *Registry) Restore(chainID string, height uint64, appHash [32]byte) (*Restoration, error) {
	if err := r.Clear(); err != nil {
		return nil, err
	}
	return &Restoration{r: r, final: meta{
		ChainID: chainID, Height: height, AppHash: appHash, Past: past{Hashes: [][32]byte{}},
	}}, nil
}

// Clear empties registry and store. It serves a state that was restored in part,
// or that the engine does not know of: nothing that was agreed on is lost by it,
// since peers have it.
func (r *Registry) Clear() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.versions, r.staged = &state{shelf: newShelf()}, versions{}, nil
	r.versions.add(r.state, nil)
	// Without this key the store counts as empty, so it goes first.
	if err := r.store.Write([]Write{{Key: metaKey()}}); err != nil {
		return storeError(err)
	}
	for {
		var writes []Write
		err := r.store.Scan(nil, nil, func(k, _ []byte) error {
			if len(writes) == restoreCount {
				return errEnough
			}
			writes = append(writes, Write{Key: bytes.Clone(k)})
			return nil
		})
		if err != nil && len(writes) < restoreCount {
			return storeError(err)
		}
		if len(writes) == 0 {
			return nil
		}
		if err := r.store.Write(writes); err != nil {
			return storeError(err)
		}
	}
}

// Add takes the next part, in the order of [Parts]. Malformed says that it cannot
// be one of such a state, Internal that this machine failed.
func (x *Restoration) Add(p Part) error {
	if err := x.inOrder(p); err != nil {
		return err
	}
	var err error
	switch p.Kind {
	case PartEntry:
		err = x.entry(p)
	case PartEvidence:
		x.due = false
		x.put(evidenceKey(x.wanted), p.Value)
	case PartEvent:
		err = x.event(p)
	case PartEndorsement:
		x.put(endorsementKey([32]byte(p.Key)), p.Value)
	default:
		err = malformedPart("of no kind that is known")
	}
	if err != nil {
		return err
	}
	if x.bytes < restoreBytes && len(x.writes) < restoreCount {
		return nil
	}
	return x.flush()
}

func malformedPart(what string) error {
	return rats.Errorf(rats.Malformed, "snapshot: a part %s", what)
}

// inOrder refuses a part that cannot come after the one before, or whose value
// is not what its key names.
func (x *Restoration) inOrder(p Part) error {
	rank := func(k PartKind) int {
		return bytes.IndexByte([]byte{0, spaceMap, spaceEvent, spaceEndorsement}, byte(k))
	}
	if p.Kind == PartEvidence {
		if !x.due || !bytes.Equal(p.Key, x.wanted[:]) || sha256.Sum256(p.Value) != x.wanted {
			return malformedPart("of evidence where it does not belong")
		}
		return nil
	}
	switch {
	case rank(p.Kind) < rank(x.kind) || rank(p.Kind) < 0 || p.Value == nil:
		return malformedPart("out of order")
	case p.Kind == x.kind && bytes.Compare(p.Key, x.last) <= 0:
		return malformedPart("out of order")
	}
	if p.Kind == PartEndorsement {
		if err := checkEndorsementPart(p); err != nil {
			return err
		}
	}
	x.kind, x.last, x.due = p.Kind, bytes.Clone(p.Key), false
	return nil
}

func checkEndorsementPart(p Part) error {
	var e rats.Endorsement
	if err := record.Unmarshal(p.Value, &e); err != nil {
		return err
	}
	if digest := e.Digest(); !bytes.Equal(digest[:], p.Key) {
		return malformedPart("with an endorsement under another's digest")
	}
	return nil
}

// entry takes an entry of the map, and derives what is kept beside it.
func (x *Restoration) entry(p Part) error {
	x.put(mapSpace(p.Key), p.Value)
	writes, err := indexes(p.Key, p.Value)
	if err != nil {
		return err
	}
	for _, w := range writes {
		x.put(w.Key, w.Value)
	}
	if len(p.Key) == 1+32 && p.Key[0] == record.BlockKey([32]byte{})[0] {
		var b record.BlockEntry
		if err := record.Unmarshal(p.Value, &b); err != nil {
			return err
		}
		if b.Height > x.final.Challenge.Height {
			x.final.Challenge = challenge{Hash: [32]byte(p.Key[1:]), Height: b.Height, Time: b.Time}
		}
	}
	x.wanted, x.due, err = evidenceOf(p.Key, p.Value)
	return err
}

// indexes returns what the store keeps beside an entry of the map to find it by.
func indexes(key, value []byte) ([]Write, error) {
	switch {
	case len(key) == 1+32+16 && key[0] == record.NonceKey(record.Registrar{}, [16]byte{})[0]:
		var end record.Millis
		if err := record.Unmarshal(value, &end); err != nil {
			return nil, err
		}
		return []Write{{Key: timeKey(spaceNonceEnd, end, key), Value: []byte{1}}}, nil
	case len(key) == 1+32 && key[0] == record.BlockKey([32]byte{})[0]:
		var b record.BlockEntry
		if err := record.Unmarshal(value, &b); err != nil {
			return nil, err
		}
		return []Write{{Key: timeKey(spaceBlockTime, b.Time, key[1:]), Value: []byte{1}}}, nil
	case len(key) == 1+32 && key[0] == record.WatchKey(record.ID{})[0]:
		var w record.Watch
		if err := record.Unmarshal(value, &w); err != nil {
			return nil, err
		}
		return []Write{{Key: timeKey(spaceDeadline, w.Deadline, key[1:]), Value: []byte{1}}}, nil
	default:
		return nil, nil
	}
}

// event takes the next event of the log.
func (x *Restoration) event(p Part) error {
	var e record.Event
	if err := record.Unmarshal(p.Value, &e); err != nil {
		return err
	}
	next := x.final.Past.Size + uint64(len(x.leaves))
	if len(p.Key) != 8 || binary.BigEndian.Uint64(p.Key) != next || e.Sequence != next {
		return malformedPart("of the log that does not follow the one before")
	}
	x.put(eventKey(next), p.Value)
	x.put(historyKey(e.Record.ID, next), []byte{1})
	x.leaves = append(x.leaves, p.Value)
	return nil
}

func (x *Restoration) put(key, value []byte) {
	x.writes = append(x.writes, Write{Key: key, Value: value})
	x.bytes += len(key) + len(value)
}

// flush writes what is gathered.
func (x *Restoration) flush() error {
	keep := func(id compact.NodeID, hash []byte) {
		if id.Level != 0 {
			x.put(nodeKey(id), hash)
		}
	}
	var err error
	if x.final.Past, err = x.final.Past.extend(x.leaves, keep); err != nil {
		return err
	}
	if err := x.r.store.Write(x.writes); err != nil {
		return storeError(err)
	}
	x.writes, x.leaves, x.bytes = nil, nil, 0
	return nil
}

// Finish holds what was taken against the hash of the state, and makes it the
// registry's. Malformed says that it is not that state: the registry is then to
// be restored from elsewhere.
func (x *Restoration) Finish() error {
	if err := x.flush(); err != nil {
		return err
	}
	st := &state{meta: x.final, shelf: newShelf()}
	if err := st.fill(x.r.store); err != nil {
		return rats.Errorf(rats.Malformed, "snapshot of height %d: %w", x.final.Height, err)
	}
	st.Version = st.gov.Version
	if !x.r.knows(st.Version) {
		return x.r.errVersion(st.Version, "the state of the snapshot is")
	}
	m, err := record.Marshal(st.meta)
	if err != nil {
		return err
	}
	if err := x.r.store.Write([]Write{{Key: metaKey(), Value: m}}); err != nil {
		return storeError(err)
	}
	x.r.mu.Lock()
	x.r.state, x.r.versions = st, versions{}
	x.r.versions.add(st, nil)
	x.r.mu.Unlock()
	x.r.bell.ring()
	return nil
}
