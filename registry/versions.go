// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/tree"
)

// Bounds on the recent heights that can be proven: a number of heights, and the
// bytes of the values that they replaced.
const (
	maxVersions  = 100
	minVersions  = 4
	maxUndoBytes = 32 << 20
)

// version is the state after one block, as far as proofs of it need it.
type version struct {
	height  uint64
	tree    tree.Map
	logRoot [32]byte
	logSize uint64
	// undo holds what the block's changes replaced: store key to the value
	// before, nil where there was none.
	undo  map[string][]byte
	bytes int
}

// versions are the recent ones, oldest first.
type versions struct {
	list  []version
	bytes int
}

func (v *versions) add(st *state, undo map[string][]byte) {
	n := version{height: st.Height, tree: st.tree, logRoot: st.logRoot, logSize: st.Past.Size, undo: undo, bytes: undoBytes(undo)}
	drop := v.surplus(n.bytes)
	for _, old := range v.list[:drop] {
		v.bytes -= old.bytes
	}
	v.list, v.bytes = append(slices.Delete(v.list, 0, drop), n), v.bytes+n.bytes
}

// surplus returns how many of the oldest go when one comes that replaced so many
// bytes.
func (v *versions) surplus(added int) int {
	drop, held := 0, v.bytes+added
	for n := len(v.list) + 1; n-drop > minVersions && (n-drop > maxVersions || held > maxUndoBytes); drop++ {
		held -= v.list[drop].bytes
	}
	return drop
}

func undoBytes(undo map[string][]byte) int {
	n := 0
	for k, old := range undo {
		n += len(k) + len(old)
	}
	return n
}

// StateProof proves entries of the map at one height.
type StateProof struct {
	Height  uint64
	MapRoot [32]byte
	LogRoot [32]byte
	LogSize uint64
	// Entries stand in the order in which they were asked for.
	Entries []ProvenEntry
}

// ProvenEntry is an entry of the map, or the absence of one.
type ProvenEntry struct {
	Key []byte
	// Value is nil when the key is absent, which Proof then shows.
	Value []byte
	Proof tree.Proof
}

// ProofAt proves entries at a recent height. NotFound says that the height is
// too old, or still to come.
func (r *Registry) ProofAt(height uint64, keys ...[]byte) (StateProof, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := r.versions.list
	at := slices.IndexFunc(list, func(v version) bool { return v.height == height })
	if at < 0 {
		return StateProof{}, rats.Errorf(rats.NotFound, "the state of height %d cannot be proven any more, or not yet", height)
	}
	v := list[at]
	out := StateProof{Height: height, MapRoot: v.tree.Root(), LogRoot: v.logRoot, LogSize: v.logSize}
	for _, key := range keys {
		value, err := r.valueAt(list[at+1:], mapSpace(key))
		if err != nil {
			return StateProof{}, err
		}
		out.Entries = append(out.Entries, ProvenEntry{Key: key, Value: value, Proof: v.tree.Prove(key)})
	}
	return out, nil
}

// valueAt returns a value as it was before the given later versions. The caller
// holds mu.
func (r *Registry) valueAt(since []version, key []byte) ([]byte, error) {
	for i := range since {
		if old, ok := since[i].undo[string(key)]; ok {
			return old, nil
		}
	}
	value, err := r.store.Get(key)
	if err != nil {
		return nil, storeError(err)
	}
	return value, nil
}
