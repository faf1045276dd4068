// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/attesteer/attesteer/tree"
)

// spansOfKind is into how many spans the keys of one kind are cut: enough for
// many cores, and few where there is little to read.
const spansOfKind = 16

// span is a part of the keys in a store, from start up to, and without, end.
type span struct{ start, end []byte }

// mapSpans cuts the keys of the map into spans that can be read at once: those of
// each kind that there is (see package record) by what follows the kind, which is
// a hash for all kinds that have many.
func mapSpans(store Store) ([]span, error) {
	var out []span
	for from := 0; from <= 0xff; from++ {
		kind := -1
		err := store.Scan([]byte{spaceMap, byte(from)}, []byte{spaceMap + 1}, func(k, _ []byte) error {
			kind = int(k[1])
			return errEnough
		})
		if kind < 0 {
			return out, err
		}
		from = kind
		at := []byte{spaceMap, byte(kind)}
		end := next(at)
		for i := 1; i < spansOfKind; i++ {
			cut := []byte{spaceMap, byte(kind), byte(i * 0x100 / spansOfKind)}
			out = append(out, span{at, cut})
			at = cut
		}
		out = append(out, span{at, end})
	}
	return out, nil
}

// rebuild makes the Merkle map and the shelf of endorsements from the entries. It
// reads them on all cores: what a start takes is to read and hash each of them.
func (st *state) rebuild(store Store) error {
	spans, err := mapSpans(store)
	if err != nil {
		return storeError(err)
	}
	var (
		entries tree.Builder
		shelved [][]byte
		mu      sync.Mutex // guards entries, shelved and err
		taken   atomic.Int64
		group   sync.WaitGroup
		stream  = streaming(store)
	)
	for range min(runtime.GOMAXPROCS(0), len(spans)) {
		group.Go(func() {
			var part reading
			for i := taken.Add(1) - 1; i < int64(len(spans)); i = taken.Add(1) - 1 {
				if part.err = stream(spans[i].start, spans[i].end, part.add); part.err != nil {
					taken.Store(int64(len(spans))) // nobody need go on
				}
			}
			mu.Lock()
			defer mu.Unlock()
			entries.Take(&part.entries)
			shelved = append(shelved, part.shelved...)
			if err == nil {
				err = part.err
			}
		})
	}
	group.Wait()
	for i := 0; i < len(shelved) && err == nil; i++ {
		err = st.shelf.load(store, shelved[i])
	}
	if err != nil {
		return storeError(err)
	}
	st.tree = entries.Map()
	st.shelf.collect()
	return nil
}

// reading is what one core reads of the map.
type reading struct {
	entries tree.Builder
	// shelved are the entries of endorsements.
	shelved [][]byte
	err     error
}

func (r *reading) add(k, v []byte) error {
	r.entries.Add(k[1:], v)
	if k[1] == 'e' {
		r.shelved = append(r.shelved, bytes.Clone(v))
	}
	return nil
}
