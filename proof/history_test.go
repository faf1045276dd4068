// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// eventLog is a log with all that proofs from it need.
type eventLog struct {
	leaves [][]byte
	nodes  map[compact.NodeID][]byte
	roots  [][32]byte // by size
}

func newEventLog(t testing.TB, leaves ...[]byte) *eventLog {
	t.Helper()
	l := &eventLog{leaves: leaves, nodes: map[compact.NodeID][]byte{}, roots: [][32]byte{[32]byte(rfc6962.DefaultHasher.EmptyRoot())}}
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	keep := func(id compact.NodeID, hash []byte) { l.nodes[id] = hash }
	for i, leaf := range leaves {
		hash := rfc6962.DefaultHasher.HashLeaf(leaf)
		keep(compact.NewNodeID(0, uint64(i)), hash)
		if err := r.Append(hash, keep); err != nil {
			t.Fatal(err)
		}
		root, err := r.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		l.roots = append(l.roots, [32]byte(root))
	}
	return l
}

func (l *eventLog) at(size int) proof.Log {
	return proof.Log{Size: uint64(size), Root: l.roots[size]}
}

func (l *eventLog) path(t testing.TB, nodes merkle.Nodes, err error) []proof.Hex {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, id := range nodes.IDs {
		all = append(all, l.nodes[id])
	}
	all, err = nodes.Rehash(all, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		t.Fatal(err)
	}
	out := []proof.Hex{}
	for _, h := range all {
		out = append(out, h)
	}
	return out
}

func (l *eventLog) logged(t testing.TB, index, size int) proof.Logged {
	t.Helper()
	nodes, err := merkle.Inclusion(uint64(index), uint64(size))
	return proof.Logged{Event: l.leaves[index], Path: l.path(t, nodes, err)}
}

// withHistory gives a chain's record a past: events 0, 2 and 5 of a log of 7.
func withHistory(t testing.TB, c *chain) *eventLog {
	t.Helper()
	c.rec.Sequence, c.rec.Attestations = 0, 6
	c.put(t, record.RecordKey(c.rec.ID), c.rec)
	var leaves [][]byte
	for i := range uint64(7) {
		e := record.Event{Sequence: i, Kind: record.Attested, Time: record.Millis(1000 + i), Height: i + 1, Record: c.rec}
		e.Record.Attestations = i + 1
		if i != 0 && i != 2 && i != 5 {
			e.Record.ID[0] ^= 1
		}
		leaf, err := record.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	l := newEventLog(t, leaves...)
	c.log = l.at(7)
	for _, i := range []int{0, 2, 5} {
		c.events = append(c.events, l.logged(t, i, 7))
	}
	app := record.AppHash(c.state.Root(), c.log.Root, c.log.Size)
	c.header.AppHash = app[:]
	return l
}

func TestARecordsHistoryIsProvenFromTheLog(t *testing.T) {
	c := newChain(t, 1, 1, 1, 1)
	withHistory(t, c)
	for _, data := range spellingsOf(t, c.bundle(t, c.rec.ID, c.commit(t, 0, 1, 2))) {
		b, err := proof.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		v, err := proof.Verify(b, c.trust(t))
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, e := range v.Events {
			got = append(got, e.Sequence)
		}
		if !slices.Equal(got, []uint64{0, 2, 5}) || v.Log != c.log {
			t.Errorf("events %v, log %+v", got, v.Log)
		}
	}
}

func TestNoEventCanBeForgedMovedOrLeftOutAtTheEnd(t *testing.T) {
	for name, f := range map[string]struct {
		forge func(t *testing.T, l *eventLog, b *proof.Bundle)
		kind  rats.Kind
	}{
		"another event": {func(_ *testing.T, _ *eventLog, b *proof.Bundle) {
			b.Events[1].Event = bytes.Clone(b.Events[1].Event)
			b.Events[1].Event[40] ^= 1
		}, rats.BindingMismatch},
		"another path": {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events[1].Path = b.Events[0].Path }, rats.BindingMismatch},
		"a path too long": {func(_ *testing.T, _ *eventLog, b *proof.Bundle) {
			b.Events[1].Path = append(b.Events[1].Path, b.Events[0].Path...)
		}, rats.BindingMismatch},
		"a path of another log":       {func(t *testing.T, l *eventLog, b *proof.Bundle) { b.Events[1] = l.logged(t, 2, 6) }, rats.BindingMismatch},
		"another record's event":      {func(t *testing.T, l *eventLog, b *proof.Bundle) { b.Events[1] = l.logged(t, 3, 7) }, rats.BindingMismatch},
		"an event twice":              {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events = slices.Insert(b.Events, 1, b.Events[0]) }, rats.BindingMismatch},
		"the events turned round":     {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { slices.Reverse(b.Events) }, rats.BindingMismatch},
		"the last event left out":     {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events = b.Events[:2] }, rats.BindingMismatch},
		"a hash of another length":    {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events[0].Path[0] = b.Events[0].Path[0][:31] }, rats.Malformed},
		"no path in place of a path":  {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events[0].Path = nil }, rats.Malformed},
		"no event in place of one":    {func(_ *testing.T, _ *eventLog, b *proof.Bundle) { b.Events[0].Event = nil }, rats.Malformed},
		"events of what is not there": {func(t *testing.T, _ *eventLog, b *proof.Bundle) { absent(t, b) }, rats.BindingMismatch},
	} {
		c := newChain(t, 1)
		l := withHistory(t, c)
		b := c.bundle(t, c.rec.ID, c.commit(t, 0))
		f.forge(t, l, b)
		if _, err := proof.Verify(b, c.trust(t)); !errors.Is(err, f.kind) {
			t.Errorf("%s: %v, want %v", name, err, f.kind)
		}
	}
}

// TestNoBitOfAProvenPastCanChange flips every bit of what a bundle with events
// has beyond one without.
func TestNoBitOfAProvenPastCanChange(t *testing.T) {
	c := newChain(t, 1)
	withHistory(t, c)
	b := c.bundle(t, c.rec.ID, c.commit(t, 0))
	encoded, err := b.CBOR()
	if err != nil {
		t.Fatal(err)
	}
	b.Events = nil
	plain, err := b.CBOR()
	if err != nil {
		t.Fatal(err)
	}
	for i := (len(plain) - 1) * 8; i < len(encoded)*8; i++ {
		flipped := bytes.Clone(encoded)
		flipped[i/8] ^= 1 << (i % 8)
		got, err := proof.Decode(flipped)
		if err != nil {
			continue
		}
		if _, err := proof.Verify(got, c.trust(t)); err == nil {
			t.Fatalf("bit %d: the proof still holds", i)
		}
	}
}

// absent makes a proof of absence of it that shows events all the same.
func absent(t *testing.T, b *proof.Bundle) {
	t.Helper()
	c := newChain(t, 1)
	l := withHistory(t, c)
	*b = *c.bundle(t, record.ID{9}, c.commit(t, 0))
	b.Events = []proof.Logged{l.logged(t, 0, 7)}
}

func TestALogThatWasRewrittenDidNotGrow(t *testing.T) {
	var leaves [][]byte
	for i := range byte(20) {
		leaves = append(leaves, []byte{i})
	}
	l := newEventLog(t, leaves...)
	other := slices.Clone(leaves)
	other[3] = []byte("rewritten")
	forged := newEventLog(t, other...)
	for from := 0; from <= 20; from++ {
		for to := from; to <= 20; to++ {
			nodes, err := merkle.Consistency(uint64(from), uint64(to))
			path := l.path(t, nodes, err)
			if err := l.at(to).Consistent(l.at(from), path); err != nil {
				t.Errorf("%d to %d: %v", from, to, err)
			}
			if from > 3 {
				if err := forged.at(to).Consistent(l.at(from), forged.path(t, nodes, nil)); !errors.Is(err, rats.BindingMismatch) {
					t.Errorf("%d to %d, rewritten: %v", from, to, err)
				}
			}
			if to > from && l.at(from).Consistent(l.at(to), path) == nil {
				t.Errorf("%d to %d: it shrank", to, from)
			}
		}
	}
}
