// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/tree"
)

// model is the map as the definition has it, told again in the plainest way:
// entries, and a root that is computed anew from all of them.
type model map[string][]byte

// entry is a key, its value, and the path that the key takes.
type entry struct {
	path       [32]byte
	key, value []byte
}

// entries returns all in the order of their paths.
func (m model) entries() []entry {
	var out []entry
	for k, v := range m {
		out = append(out, entry{sha256.Sum256([]byte(k)), []byte(k), v})
	}
	slices.SortFunc(out, func(a, b entry) int { return bytes.Compare(a.path[:], b.path[:]) })
	return out
}

func (m model) root() [32]byte { return rootOf(m.entries(), 0) }

func rootOf(entries []entry, depth int) [32]byte {
	switch len(entries) {
	case 0:
		return [32]byte{}
	case 1:
		value := sha256.Sum256(entries[0].value)
		return sha256.Sum256(slices.Concat([]byte{0}, entries[0].path[:], value[:]))
	}
	var sides [2][]entry
	for _, e := range entries {
		side := e.path[depth/8] >> (7 - depth%8) & 1
		sides[side] = append(sides[side], e)
	}
	left, right := rootOf(sides[0], depth+1), rootOf(sides[1], depth+1)
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// apply makes changes as the documentation of Update says.
func (m model) apply(changes []tree.Change) {
	for _, c := range changes {
		if c.Value == nil {
			delete(m, string(c.Key))
		} else {
			m[string(c.Key)] = c.Value
		}
	}
}

func (m model) clone() model { return maps.Clone(m) }

// changes returns the changes that make m out of nothing, in path order.
func (m model) changes() []tree.Change {
	var out []tree.Change
	for _, e := range m.entries() {
		out = append(out, tree.Change{Key: e.key, Value: e.value})
	}
	return out
}

// numbered returns a model of n entries with keys of their own.
func numbered(n int) model {
	m := make(model, n)
	for i := range n {
		key := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16), 'k'})
		m[string(key[:9])] = append([]byte("value "), key[9:13]...)
	}
	return m
}

// failer is a test, or a check of a property.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// refused checks that a proof did not verify, and by which kind.
func refused(t failer, what string, err error) {
	t.Helper()
	if rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("%s: %v, want binding_mismatch", what, err)
	}
}
