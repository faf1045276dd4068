// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"errors"
	"testing"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

// at returns a true block of a chain at a height, whose state has a name.
func (c *chain) at(t testing.TB, height int64, state string) *proof.Block {
	t.Helper()
	other := *c
	other.header.Height, other.header.AppHash = height, sumOf(state)
	b := other.block(other.commit(t, indexes(len(c.keys))...))
	return &b
}

func TestAFollowerFindsForgedBlocksAndForks(t *testing.T) {
	d := newDynasty(t)
	f := proof.NewFollower(d.first.trust(t))
	for _, b := range []*proof.Block{d.first.at(t, 3, "three"), d.first.at(t, 4, "four"), &d.changes[0], d.second.at(t, 12, "twelve")} {
		// What follows the second set keeps it, until the block of the change.
		if b.Header.Height != 10 {
			b = unchanged(t, d, b)
		}
		if err := f.Add(b); err != nil {
			t.Fatalf("block %d: %v", b.Header.Height, err)
		}
		if err := f.Add(b); err != nil {
			t.Errorf("block %d again: %v", b.Header.Height, err)
		}
	}
	if f.Tip().Header.Height != 12 || f.Trust().Height() != 12 {
		t.Errorf("the tip is %d", f.Tip().Header.Height)
	}
	usurper := newChain(t, 100)
	forged := d.second.at(t, 12, "twelve")
	forged.Header.App = sumOf("forged")
	unsigned := d.second.at(t, 13, "thirteen")
	unsigned.Commit.Signatures = unsigned.Commit.Signatures[:1]
	for name, tt := range map[string]struct {
		block *proof.Block
		kind  rats.Kind
	}{
		"a forged header of a known height":    {forged, rats.BadSignature},
		"a block that too few signed":          {unsigned, rats.BadSignature},
		"a block of others":                    {usurper.at(t, 14, "x"), rats.UntrustedRoot},
		"others' block of a known height":      {usurper.at(t, 12, "x"), rats.UntrustedRoot},
		"a block after a change left out":      {d.last.at(t, 30, "x"), rats.UntrustedRoot},
		"a block of the set before the change": {d.first.at(t, 15, "x"), rats.UntrustedRoot},
	} {
		err := f.Add(tt.block)
		var fork *proof.Fork
		if !errors.Is(err, tt.kind) || errors.As(err, &fork) {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
	}
	if f.Tip().Header.Height != 12 {
		t.Errorf("what is refused moved the tip to %d", f.Tip().Header.Height)
	}
	var fork *proof.Fork
	if err := f.Add(unchanged(t, d, d.first.at(t, 4, "another past"))); !errors.As(err, &fork) || !errors.Is(err, rats.BindingMismatch) {
		t.Errorf("a fork: %v", err)
	} else if fork.One.Header.Height != 4 || fork.Other.Header.Height != 4 {
		t.Errorf("%+v", fork)
	}
	// What was passed over is held against the next that comes.
	if err := f.Add(unchanged(t, d, d.first.at(t, 2, "two"))); err != nil {
		t.Errorf("a block that was passed over: %v", err)
	}
	if err := f.Add(unchanged(t, d, d.first.at(t, 2, "another two"))); !errors.As(err, &fork) {
		t.Errorf("another block of what was passed over: %v", err)
	}
	// Validators who left at block 10 decide no block after it.
	if err := f.Add(unchanged(t, d, d.first.at(t, 11, "eleven"))); err != nil {
		t.Errorf("a block of those who had left: %v", err)
	}
	if err := f.Add(unchanged(t, d, d.second.at(t, 11, "eleven"))); err != nil {
		t.Errorf("the true block of that height: %v", err)
	}
	if err := f.Add(usurper.at(t, 1, "one")); err != nil {
		t.Errorf("a block of others, from before: %v", err)
	}
}

// unchanged has a block name its own validators as the next.
func unchanged(t testing.TB, d *dynasty, b *proof.Block) *proof.Block {
	t.Helper()
	for _, c := range []*chain{d.first, d.second} {
		if string(c.set.Hash()) == string(b.Header.Validators) {
			other := *c
			other.header.NextValidatorsHash, other.header.Height, other.header.AppHash = c.set.Hash(), b.Header.Height, []byte(b.Header.App)
			out := other.block(other.commit(t, indexes(len(c.keys))...))
			return &out
		}
	}
	t.Fatal("a block of nobody")
	return nil
}

func TestAFollowerHoldsNodesToTheStateThatBlocksCarry(t *testing.T) {
	c := newChain(t, 1, 1, 1)
	f := proof.NewFollower(c.trust(t))
	if err := f.Add(c.at(t, 8, "seven")); err != nil {
		t.Fatal(err)
	}
	if err := f.Holds(7, sumOf("seven")); err != nil {
		t.Error(err)
	}
	if err := f.Holds(7, sumOf("another")); !errors.Is(err, rats.BindingMismatch) {
		t.Errorf("a wrong application hash: %v", err)
	}
	if err := f.Holds(8, sumOf("eight")); !errors.Is(err, rats.NotFound) {
		t.Errorf("a state that no block carries yet: %v", err)
	}
	// A block without transactions leaves the state as it was.
	c.header.DataHash = types.Txs{}.Hash()
	if err := f.Add(c.at(t, 9, "eight")); err != nil {
		t.Fatal(err)
	}
	if err := f.Holds(9, sumOf("eight")); err != nil {
		t.Error(err)
	}
	if err := f.Holds(9, sumOf("nine")); !errors.Is(err, rats.BindingMismatch) {
		t.Errorf("another state after a block without transactions: %v", err)
	}
}

func TestAFollowerForgetsWhatIsLongPast(t *testing.T) {
	c := newChain(t, 1)
	f := proof.NewFollower(c.trust(t))
	for height := int64(5); height < 1200; height++ {
		if err := f.Add(c.at(t, height, "state")); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Add(c.at(t, 1199, "another")); err == nil {
		t.Error("a fork at the tip is not seen")
	}
	if err := f.Add(c.at(t, 5, "another")); err != nil {
		t.Errorf("what is forgotten cannot be held against another: %v", err)
	}
	if err := proof.NewFollower(proof.Trust{}).Add(c.at(t, 1, "x")); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("a follower without trust: %v", err)
	}
}
