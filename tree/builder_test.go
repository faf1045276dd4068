// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/tree"
)

// entries are drawn from few keys, so that some come twice.
func entries(t *rapid.T) []tree.Change {
	return slices.DeleteFunc(changes().Draw(t, "entries"), func(c tree.Change) bool { return c.Value == nil })
}

func TestAMapMadeAllAtOnceIsTheOneThatGrew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := entries(t)
		var b tree.Builder
		want := model{}
		for _, c := range all {
			b.Add(c.Key, c.Value)
		}
		want.apply(all)
		m := b.Map()
		agrees(t, m, want)
		if again := b.Map(); again.Len() != 0 || again.Root() != [32]byte{} {
			t.Fatal("the builder did not forget what it gave")
		}
		// It can be changed like any other.
		more := changes().Draw(t, "more")
		want.apply(more)
		agrees(t, m.Update(more), want)
	})
}

func TestALargeMapMadeAllAtOnceIsTheOneThatGrew(t *testing.T) {
	const batches = 20
	var b tree.Builder
	for n := range batches {
		for _, c := range batchOf(n) {
			b.Add(c.Key, c.Value)
		}
	}
	grown, made := filled(batches), b.Map()
	if made.Root() != grown.Root() || made.Len() != grown.Len() {
		t.Fatalf("%d entries under %x, want %d under %x", made.Len(), made.Root(), grown.Len(), grown.Root())
	}
	for _, c := range batchOf(batches / 2)[:50] {
		if err := tree.VerifyPresence(grown.Root(), c.Key, c.Value, made.Prove(c.Key)); err != nil {
			t.Fatal(err)
		}
	}
}
