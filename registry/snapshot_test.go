// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// eventful returns a chain in which everything happened that deeds has to offer.
func eventful(t *testing.T) (*chain, uint64) {
	t.Helper()
	c := newChain(t, devGenesis())
	all := deeds(t, c)
	height := uint64(0)
	for len(all) > 0 {
		n := min(7, len(all))
		height++
		c.now += 10_000
		decide(t, c.reg, registry.Block{
			Height: height, Hash: hashOf(height), Txs: append([][]byte{tickAt(t, c.now)}, all[:n]...),
		})
		all = all[n:]
	}
	return c, height
}

// decide applies a block and commits it.
func decide(t testing.TB, r *registry.Registry, b registry.Block) registry.Outcome {
	t.Helper()
	out, err := r.Apply(b)
	if err == nil {
		err = r.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parts returns the parts of a state.
func parts(t testing.TB, v registry.View) []registry.Part {
	t.Helper()
	var out []registry.Part
	err := registry.Parts(v, func(p registry.Part) error {
		out = append(out, registry.Part{Kind: p.Kind, Key: slices.Clone(p.Key), Value: slices.Clone(p.Value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// restore fills a new registry with parts.
func restore(t testing.TB, s registry.Standing, all []registry.Part) (*registry.Registry, *memory, error) {
	t.Helper()
	store := newMemory()
	reg, err := registry.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	x, err := reg.Restore(s.ChainID, s.Height, s.AppHash)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if err := x.Add(p); err != nil {
			return reg, store, err
		}
	}
	return reg, store, x.Finish()
}

func TestARestoredRegistryIsTheOneThatItWasTakenFrom(t *testing.T) {
	c, height := eventful(t)
	s, err := registry.Stand(c.store)
	if err != nil {
		t.Fatal(err)
	}
	if s.Height != height || s.AppHash != c.reg.AppHash() || s.Events != c.reg.EventCount() || s.Version != registry.StateVersion {
		t.Fatalf("the store stands at %+v", s)
	}
	all := parts(t, c.store)
	kinds := map[registry.PartKind]int{}
	for _, p := range all {
		kinds[p.Kind]++
	}
	if len(kinds) != 4 || kinds[registry.PartEvidence] < 2 || kinds[registry.PartEvent] < 5 {
		t.Fatalf("the state has parts %v", kinds)
	}
	reg, store, err := restore(t, s, all)
	if err != nil {
		t.Fatal(err)
	}
	// Byte by byte, but for evidence that no active record rests on, and for how
	// the heights before are proven.
	for key, value := range c.store.m {
		if got, ok := store.m[key]; key[0] != 'd' && key[0] != 'R' && (!ok || !bytes.Equal(got, value)) {
			t.Errorf("key %x is %x, was %x", key, got, value)
		}
	}
	for key := range store.m {
		if _, ok := c.store.m[key]; !ok {
			t.Errorf("key %x came from nowhere", key)
		}
	}
	if again := parts(t, store); !slices.EqualFunc(again, all, func(a, b registry.Part) bool {
		return a.Kind == b.Kind && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	}) {
		t.Error("the restored state has other parts")
	}
	// From here on both are one: nonces and old blocks end at the same time.
	for i := range uint64(70) {
		c.now += 10_000
		b := registry.Block{Height: height + 1 + i, Hash: hashOf(height + 1 + i), Txs: [][]byte{tickAt(t, c.now)}}
		if i%10 == 0 {
			b.Txs = append(b.Txs, deeds(t, c)[int(i)%8])
		}
		if want, got := decide(t, c.reg, b), decide(t, reg, b); want.AppHash != got.AppHash {
			t.Fatalf("block %d: the restored registry went another way", b.Height)
		}
	}
	h1, n1, t1, _ := c.reg.Challenge()
	if h2, n2, t2, ok := reg.Challenge(); !ok || h1 != h2 || n1 != n2 || t1 != t2 {
		t.Error("the challenge is another")
	}
	if want, err := registry.Open(store); err != nil || want.AppHash() != reg.AppHash() {
		t.Errorf("opened again: %v", err)
	}
}

func TestAStateThatIsNotTheChainsIsNotRestored(t *testing.T) {
	c, _ := eventful(t)
	s, err := registry.Stand(c.store)
	if err != nil {
		t.Fatal(err)
	}
	all := parts(t, c.store)
	bad := func(name string, change func([]registry.Part) []registry.Part) {
		t.Helper()
		changed := slices.Clone(all)
		changed = change(changed)
		reg, store, err := restore(t, s, changed)
		if rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: got %v, want Malformed", name, err)
		}
		if reg.Height() != 0 || reg.ChainID() != "" {
			t.Errorf("%s: the registry holds a state", name)
		}
		// What was taken in part does not count, and gives way to the true one.
		again, err := registry.Open(store)
		if err != nil || again.Height() != 0 {
			t.Errorf("%s: opened again: height %d, %v", name, again.Height(), err)
			return
		}
		x, err := again.Restore(s.ChainID, s.Height, s.AppHash)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if err := x.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Finish(); err != nil {
			t.Errorf("%s: the true state after it: %v", name, err)
		}
	}
	for i := range all {
		if i%5 != 0 && all[i].Kind == registry.PartEntry {
			continue
		}
		at := i
		bad("a bit flipped", func(p []registry.Part) []registry.Part {
			p[at].Value = slices.Clone(p[at].Value)
			p[at].Value[len(p[at].Value)/2] ^= 1
			return p
		})
		if all[i].Kind == registry.PartEntry || all[i].Kind == registry.PartEvent {
			bad("one missing", func(p []registry.Part) []registry.Part { return slices.Delete(p, at, at+1) })
		}
	}
	bad("nothing", func([]registry.Part) []registry.Part { return nil })
	bad("the first twice", func(p []registry.Part) []registry.Part { return slices.Insert(p, 0, p[0]) })
	bad("out of order", func(p []registry.Part) []registry.Part { p[0], p[1] = p[1], p[0]; return p })
	bad("an unknown kind", func(p []registry.Part) []registry.Part {
		return append(p, registry.Part{Kind: 'x', Key: []byte("key"), Value: []byte{1}})
	})
	bad("more of the log", func(p []registry.Part) []registry.Part {
		last := slices.IndexFunc(p, func(p registry.Part) bool { return p.Kind == registry.PartEndorsement }) - 1
		var e record.Event
		if err := record.Unmarshal(p[last].Value, &e); err != nil {
			t.Fatal(err)
		}
		e.Sequence++
		value, err := record.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		key := slices.Clone(p[last].Key)
		key[7]++
		return slices.Insert(p, last+1, registry.Part{Kind: registry.PartEvent, Key: key, Value: value})
	})
}

func TestAStoreThatFailsEndsARestoration(t *testing.T) {
	c, _ := eventful(t)
	s, err := registry.Stand(c.store)
	if err != nil {
		t.Fatal(err)
	}
	store := newMemory()
	reg, err := registry.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	x, err := reg.Restore(s.ChainID, s.Height, s.AppHash)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	err = registry.Parts(c.store, func(p registry.Part) error {
		if err := x.Add(registry.Part{Kind: p.Kind, Key: slices.Clone(p.Key), Value: slices.Clone(p.Value)}); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the caller", err)
	}
	if err := x.Finish(); err == nil {
		t.Error("a state without most of its parts was taken")
	}
	if _, err := registry.Stand(store); rats.KindOf(err) != rats.NotFound {
		t.Errorf("the store stands: %v", err)
	}
	before := maps.Clone(store.m)
	if len(before) == 0 {
		t.Fatal("nothing was written")
	}
	if err := reg.Clear(); err != nil || len(store.m) != 0 {
		t.Errorf("%v, %d keys are left", err, len(store.m))
	}
}
