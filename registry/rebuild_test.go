// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/tree"
)

// strange draws keys of kinds that the registry has none of, so that it reads
// nothing into their values: short ones, long ones, and such as border on where
// the keys of a kind may be cut.
func strange() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		key := []byte{rapid.SampledFrom([]byte{0, 1, 'a', 'q', 'u', 'z', 0xfe, 0xff}).Draw(t, "kind")}
		border := rapid.SampledFrom([]byte{0, 0x0f, 0x10, 0x11, 0x7f, 0x80, 0xef, 0xf0, 0xff})
		return append(key, rapid.OneOf(
			rapid.SliceOfN(border, 0, 3), rapid.SliceOfN(rapid.Byte(), 0, 40),
		).Draw(t, "rest")...)
	})
}

func TestEveryEntryOfTheMapIsReadOnceAtStartWhateverItsKey(t *testing.T) {
	c := endorsed(t)
	ours := parts(t, c.store)
	past, err := c.reg.ProofAt(c.reg.Height())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		all := slices.Clone(ours)
		for _, key := range rapid.SliceOfNDistinct(strange(), 0, 60, func(k []byte) string { return string(k) }).Draw(rt, "keys") {
			all = append(all, registry.Part{Kind: registry.PartEntry, Key: key, Value: []byte{byte(len(key))}})
		}
		var entries tree.Builder
		for _, p := range all {
			if p.Kind == registry.PartEntry {
				entries.Add(p.Key, p.Value)
			}
		}
		// The parts of each kind stand together, in the order of the kinds.
		slices.SortStableFunc(all, func(a, b registry.Part) int {
			if a.Kind == registry.PartEntry && b.Kind == registry.PartEntry {
				return bytes.Compare(a.Key, b.Key)
			}
			if a.Kind == registry.PartEntry {
				return -1
			}
			if b.Kind == registry.PartEntry {
				return 1
			}
			return 0
		})
		want := entries.Map()
		hash := record.AppHash(want.Root(), past.LogRoot, past.LogSize)
		reg, store, err := restore(t, registry.Standing{ChainID: "test-chain", Height: 7, AppHash: hash}, all)
		if err != nil {
			rt.Fatal(err)
		}
		again, err := registry.Open(store)
		if err != nil || again.AppHash() != hash || len(again.Endorsements()) != len(reg.Endorsements()) || len(again.Endorsements()) == 0 {
			rt.Fatalf("%v, %x with %d endorsements; want %x with %d", err, again.AppHash(), len(again.Endorsements()), hash, len(reg.Endorsements()))
		}
	})
}

// unsteady is a store of whose entries one cannot be read in order.
type unsteady struct {
	*memory
	left atomic.Int64 // entries before the one that fails
}

var errDisk = errors.New("the disk does not answer")

func (s *unsteady) Scan(start, end []byte, fn func(k, v []byte) error) error {
	return s.memory.Scan(start, end, func(k, v []byte) error {
		if s.left.Add(-1) < 0 {
			return errDisk
		}
		return fn(k, v)
	})
}

func TestAStoreThatFailsWhileItIsReadDoesNotOpen(t *testing.T) {
	c, _ := eventful(t)
	for reads := int64(0); ; reads++ {
		s := &unsteady{memory: c.store.clone()}
		s.left.Store(reads)
		reg, err := registry.Open(s)
		if err == nil {
			if reg.AppHash() != c.reg.AppHash() {
				t.Fatalf("after %d entries the disk fails, and another state opens", reads)
			}
			if reads < 20 {
				t.Fatalf("only %d entries: this test does not test", reads)
			}
			return
		}
		if rats.KindOf(err) != rats.Internal || !errors.Is(err, errDisk) {
			t.Fatalf("after %d entries: %v", reads, err)
		}
	}
}

func TestAnEntryThatIsMissingChangedOrTooManyIsNoticedAtStart(t *testing.T) {
	c, _ := eventful(t)
	for k := range c.store.m {
		if k[0] != 'm' {
			continue
		}
		for name, damage := range map[string]func(*memory){
			"missing": func(s *memory) { delete(s.m, k) },
			"changed": func(s *memory) { v := slices.Clone(s.m[k]); v[len(v)-1] ^= 1; s.m[k] = v },
			"doubled": func(s *memory) { s.m[k+"\x00"] = s.m[k] },
		} {
			s := c.store.clone()
			damage(s)
			if _, err := registry.Open(s); err == nil {
				t.Error(fmt.Sprintf("%x", k), name)
			}
		}
	}
}
