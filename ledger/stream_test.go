// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/registry"
)

func TestAStreamAScanAndAViewReadTheSame(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0xff}), 1, 3)
	rapid.Check(t, func(t *rapid.T) {
		var writes []registry.Write
		for _, k := range rapid.SliceOfN(key, 0, 10).Draw(t, "keys") {
			w := registry.Write{Key: k}
			if rapid.Bool().Draw(t, "set") {
				w.Value = slices.Repeat(k, 100)
			}
			writes = append(writes, w)
		}
		if err := s.Write(writes); err != nil {
			t.Fatal(err)
		}
		start, end := key.Draw(t, "start"), key.Draw(t, "end")
		if rapid.Bool().Draw(t, "open end") {
			end = nil
		}
		stop := rapid.IntRange(1, 20).Draw(t, "stop")
		v, err := s.view()
		if err != nil {
			t.Fatal(err)
		}
		defer v.release()
		enough := errors.New("enough")
		read := func(scan func(start, end []byte, fn func(k, v []byte) error) error) (all [][]byte) {
			err := scan(start, end, func(k, v []byte) error {
				all = append(all, slices.Concat(k, v))
				if len(all) == stop {
					return enough
				}
				return nil
			})
			if (len(all) == stop) != errors.Is(err, enough) || len(all) < stop && err != nil {
				t.Fatalf("%d read: %v", len(all), err)
			}
			return all
		}
		scanned, streamed, viewed := read(s.Scan), read(s.Stream), read(v.Scan)
		if !slices.EqualFunc(scanned, streamed, bytes.Equal) || !slices.EqualFunc(scanned, viewed, bytes.Equal) {
			t.Fatalf("from %x to %x:\n%x\n%x\n%x", start, end, scanned, streamed, viewed)
		}
	})
}
