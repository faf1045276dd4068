// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"maps"
	"slices"

	"github.com/transparency-dev/merkle/compact"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// seal ends a block: it brings map, log and hash of st up to the changes in w
// and returns what Commit has to write. st becomes final.
func seal(st *state, w *layer, events [][]byte) (*staged, error) {
	out := &staged{state: st, undo: map[string][]byte{}}
	var changes []tree.Change
	for _, k := range slices.Sorted(maps.Keys(w.puts)) {
		v := w.puts[k]
		key := []byte(k)
		if key[0] == spaceMap {
			old, err := w.store.Get(key)
			if err != nil {
				return nil, storeError(err)
			}
			if bytes.Equal(old, v) && (old == nil) == (v == nil) {
				continue
			}
			out.undo[k] = old
			changes = append(changes, tree.Change{Key: key[1:], Value: v})
		}
		out.writes = append(out.writes, Write{Key: key, Value: v})
	}
	st.tree = st.tree.Update(changes)
	var err error
	keep := func(id compact.NodeID, hash []byte) {
		if id.Level == 0 {
			return // the event itself is kept
		}
		out.writes = append(out.writes, Write{Key: nodeKey(id), Value: hash})
	}
	if st.Past, err = st.Past.extend(events, keep); err != nil {
		return nil, err
	}
	if st.logRoot, err = st.Past.root(); err != nil {
		return nil, err
	}
	st.AppHash = record.AppHash(st.tree.Root(), st.logRoot, st.Past.Size)
	m, err := record.Marshal(st.meta)
	if err != nil {
		return nil, err
	}
	out.writes = append(out.writes, Write{Key: metaKey(), Value: m})
	return out, nil
}
