// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// recent is what the store keeps of a recent height, so that it can be proven
// after a restart too. It is no part of the state that is agreed on.
type recent struct {
	AppHash [32]byte `cbor:"1,keyasint"`
	LogRoot [32]byte `cbor:"2,keyasint"`
	LogSize uint64   `cbor:"3,keyasint"`
	// Undo is cut into parts, since arrays that are read have a bound.
	Undo [][]replaced `cbor:"4,keyasint"`
}

// undoPart is how many entries are in one part.
const undoPart = 1024

// replaced is an entry as it was before a block; Value is nil where there was none.
type replaced struct {
	Key   []byte `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

func recentKey(height uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceRecent}, height)
}

// remember returns what is written beside a block: how its height can be proven,
// and which heights no longer can.
func (v *versions) remember(s *staged) ([]Write, error) {
	st := s.state
	undo := make([]replaced, 0, len(s.undo))
	for _, k := range slices.Sorted(maps.Keys(s.undo)) {
		undo = append(undo, replaced{[]byte(k), s.undo[k]})
	}
	b, err := record.Marshal(recent{
		AppHash: st.AppHash, LogRoot: st.logRoot, LogSize: st.Past.Size, Undo: slices.Collect(slices.Chunk(undo, undoPart)),
	})
	if err != nil {
		return nil, err
	}
	writes := []Write{{Key: recentKey(st.Height), Value: b}}
	for _, old := range v.list[:v.surplus(undoBytes(s.undo))] {
		writes = append(writes, Write{Key: recentKey(old.height)})
	}
	return writes, nil
}

// recall returns the heights up to that of st which the store still tells how to
// prove, oldest first: that of st at least. Each map is made from the next one by
// taking back what the block between them changed, and is held against the hash
// of its state; what does not fit ends the row.
func recall(store Store, st *state) (versions, error) {
	kept := map[uint64]recent{}
	start := recentKey(st.Height - min(st.Height, maxVersions-1))
	err := store.Scan(start, []byte{spaceRecent + 1}, func(k, b []byte) error {
		var e recent
		if len(k) != 9 || record.Unmarshal(b, &e) != nil {
			return nil // as if it were not there
		}
		kept[binary.BigEndian.Uint64(k[1:])] = e
		return nil
	})
	if err != nil {
		return versions{}, storeError(err)
	}
	var out versions
	at := st.tree
	for height := st.Height; ; height-- {
		e, ok := kept[height]
		if !ok || record.AppHash(at.Root(), e.LogRoot, e.LogSize) != e.AppHash || height == st.Height && e.AppHash != st.AppHash {
			break
		}
		n := version{height: height, tree: at, logRoot: e.LogRoot, logSize: e.LogSize, undo: map[string][]byte{}}
		var back []tree.Change
		for _, r := range slices.Concat(e.Undo...) {
			n.undo[string(r.Key)] = r.Value
			back = append(back, tree.Change{Key: bytes.TrimPrefix(r.Key, []byte{spaceMap}), Value: r.Value})
		}
		n.bytes = undoBytes(n.undo)
		out.list, out.bytes = append(out.list, n), out.bytes+n.bytes
		if height == 0 {
			break
		}
		at = at.Update(back)
	}
	slices.Reverse(out.list)
	if len(out.list) == 0 {
		out.add(st, nil)
	}
	return out, nil
}
