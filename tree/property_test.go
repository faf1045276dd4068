// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/tree"
)

// keys are few and values fewer, so that histories meet: keys are overwritten,
// removed and set again.
func keys() *rapid.Generator[[]byte] {
	return rapid.Map(rapid.IntRange(0, 60), func(n int) []byte { return []byte{'k', byte(n)} })
}

func values() *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 2)
}

func changes() *rapid.Generator[[]tree.Change] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tree.Change {
		c := tree.Change{Key: keys().Draw(t, "key")}
		if !rapid.Bool().Draw(t, "delete") {
			c.Value = append([]byte{}, values().Draw(t, "value")...)
		}
		return c
	}), 0, 40)
}

// agrees checks root and size against the model.
func agrees(t *rapid.T, m tree.Map, want model) {
	t.Helper()
	if m.Root() != want.root() {
		t.Fatalf("root %x, the model's %x", m.Root(), want.root())
	}
	if m.Len() != len(want) {
		t.Fatalf("%d entries, the model has %d", m.Len(), len(want))
	}
}

func TestTheMapIsWhatTheDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m tree.Map
		want := model{}
		for _, batch := range rapid.SliceOfN(changes(), 0, 8).Draw(t, "history") {
			m = m.Update(batch)
			want.apply(batch)
			agrees(t, m, want)
		}
	})
}

func TestTheRootDoesNotDependOnTheHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m tree.Map
		want := model{}
		for _, batch := range rapid.SliceOfN(changes(), 0, 4).Draw(t, "history") {
			m = m.Update(batch)
			want.apply(batch)
		}
		entries := want.changes()
		shuffled := rapid.Permutation(entries).Draw(t, "order")
		var single tree.Map
		for _, c := range shuffled {
			single = single.Update([]tree.Change{c})
		}
		batch := tree.Map{}.Update(shuffled)
		for name, got := range map[string]tree.Map{"one by one": single, "at once": batch} {
			if got.Root() != m.Root() || got.Len() != m.Len() {
				t.Fatalf("%s: root %x of %d, by history %x of %d", name, got.Root(), got.Len(), m.Root(), m.Len())
			}
		}
	})
}

func TestWhatIsRemovedMightNeverHaveBeenThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := model{}
		want.apply(changes().Draw(t, "entries"))
		m := tree.Map{}.Update(want.changes())
		var passing, removal []tree.Change
		for _, c := range changes().Draw(t, "passing") {
			if _, there := want[string(c.Key)]; !there && c.Value != nil {
				passing = append(passing, c)
				removal = append(removal, tree.Change{Key: c.Key})
			}
		}
		agrees(t, m.Update(passing).Update(removal), want)
		agrees(t, m.Update(slices.Concat(passing, removal)), want)
		var all []tree.Change
		for _, c := range want.changes() {
			all = append(all, tree.Change{Key: c.Key})
		}
		if empty := m.Update(all); empty.Len() != 0 || empty.Root() != [32]byte{} {
			t.Fatalf("all removed: %d entries, root %x", empty.Len(), empty.Root())
		}
	})
}

func TestOfSeveralChangesOfOneKeyTheLastCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := changes().Draw(t, "history")
		var single tree.Map
		for _, c := range history {
			single = single.Update([]tree.Change{c})
		}
		batch := tree.Map{}.Update(history)
		if batch.Root() != single.Root() || batch.Len() != single.Len() {
			t.Fatalf("at once %x of %d, one by one %x of %d", batch.Root(), batch.Len(), single.Root(), single.Len())
		}
	})
}

func TestOldMapsStayAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type state struct {
			m     tree.Map
			want  model
			proof tree.Proof
		}
		probe := []byte("k\x07")
		states := []state{{want: model{}}}
		for _, batch := range rapid.SliceOfN(changes(), 1, 8).Draw(t, "history") {
			last := states[rapid.IntRange(0, len(states)-1).Draw(t, "from")]
			want := last.want.clone()
			want.apply(batch)
			m := last.m.Update(batch)
			states = append(states, state{m, want, m.Prove(probe)})
		}
		for i, s := range states {
			agrees(t, s.m, s.want)
			if i > 0 {
				proves(t, s.m, s.want, probe, s.proof)
			}
		}
	})
}

func TestUpdateWritesToNoneOfItsArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batch := changes().Draw(t, "batch")
		var before []tree.Change
		for _, c := range batch {
			before = append(before, tree.Change{Key: bytes.Clone(c.Key), Value: bytes.Clone(c.Value)})
		}
		m := tree.Map{}.Update(batch)
		same := func(a, b tree.Change) bool {
			return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
		}
		if !slices.EqualFunc(before, batch, same) {
			t.Fatal("the changes were written to")
		}
		// Nor does it keep them.
		root := m.Root()
		for _, c := range batch {
			clear(c.Key)
			clear(c.Value)
		}
		if m.Update(nil).Root() != root || m.Root() != root {
			t.Fatal("the map changes with what was passed in")
		}
	})
}

// proves checks that p proves key's presence or absence, as the model has it,
// and not the opposite, another value, another root or another key.
func proves(t *rapid.T, m tree.Map, want model, key []byte, p tree.Proof) {
	t.Helper()
	root := m.Root()
	other := root
	other[31] ^= 1
	value, there := want[string(key)]
	if there {
		if err := tree.VerifyPresence(root, key, value, p); err != nil {
			t.Fatalf("presence of %q: %v", key, err)
		}
		refused(t, "another root", tree.VerifyPresence(other, key, value, p))
		refused(t, "another value", tree.VerifyPresence(root, key, append(bytes.Clone(value), 1), p))
		refused(t, "another key", tree.VerifyPresence(root, append(bytes.Clone(key), 1), value, p))
		refused(t, "absence of what is there", tree.VerifyAbsence(root, key, p))
		return
	}
	if err := tree.VerifyAbsence(root, key, p); err != nil {
		t.Fatalf("absence of %q: %v", key, err)
	}
	refused(t, "another root", tree.VerifyAbsence(other, key, p))
	refused(t, "presence of what is not there", tree.VerifyPresence(root, key, []byte{}, p))
	for member, v := range want {
		refused(t, "absence of a member", tree.VerifyAbsence(root, []byte(member), p))
		refused(t, "presence by a proof of absence", tree.VerifyPresence(root, []byte(member), v, p))
	}
}

func TestEveryKeyIsProvenPresentOrAbsentAndNeverBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := model{}
		want.apply(changes().Draw(t, "entries"))
		m := tree.Map{}.Update(want.changes())
		key := keys().Draw(t, "key")
		proves(t, m, want, key, m.Prove(key))
	})
}

// TestNoProofOfOneKeyServesAnother: with every proof of a map at hand, none
// shows the absence of a member, or the presence of a stranger.
func TestNoProofOfOneKeyServesAnother(t *testing.T) {
	want := numbered(40)
	m := tree.Map{}.Update(want.changes())
	root := m.Root()
	var proofs []tree.Proof
	var strangers [][]byte
	for n := range 60 {
		stranger := []byte{'s', byte(n)}
		strangers = append(strangers, stranger)
		proofs = append(proofs, m.Prove(stranger))
	}
	// Neighbours may be combined anew by whoever forges.
	for _, a := range proofs[:len(strangers)] {
		for _, b := range proofs[:20] {
			proofs = append(proofs, tree.Proof{Left: a.Left, Right: b.Right}, tree.Proof{Left: a.Right, Right: b.Left})
		}
	}
	for _, e := range want.entries() {
		p := m.Prove(e.key)
		proofs = append(proofs, p, tree.Proof{Left: p.Left})
		for _, q := range proofs {
			refused(t, "a member is absent", tree.VerifyAbsence(root, e.key, q))
		}
	}
	for _, s := range strangers {
		for _, e := range want.entries() {
			refused(t, "a stranger is present", tree.VerifyPresence(root, s, e.value, m.Prove(e.key)))
		}
	}
}
