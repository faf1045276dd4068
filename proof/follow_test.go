// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

// dynasty is a ledger whose validators changed twice: chains that agree on their
// blocks' names, each decided by a set of its own.
type dynasty struct {
	first, second, last *chain
	// changes are the blocks, decided by first and second, that name the next.
	changes []proof.Block
}

func newDynasty(t testing.TB) *dynasty {
	t.Helper()
	d := &dynasty{first: newChain(t, 10, 10, 10), second: newChain(t, 5, 4, 3, 2), last: newChain(t, 7, 7, 7, 7, 7)}
	d.first.header.Height, d.first.header.NextValidatorsHash = 10, d.second.set.Hash()
	d.second.header.Height, d.second.header.NextValidatorsHash = 20, d.last.set.Hash()
	d.changes = []proof.Block{d.first.block(d.first.commit(t, 0, 1, 2)), d.second.block(d.second.commit(t, 0, 1, 2))}
	return d
}

func (d *dynasty) bundle(t testing.TB) *proof.Bundle {
	t.Helper()
	b := d.last.bundle(t, d.last.rec.ID, d.last.commit(t, 0, 1, 2, 3))
	b.Changes = slices.Clone(d.changes)
	return b
}

func TestTrustFollowsTheChangesOfValidators(t *testing.T) {
	d := newDynasty(t)
	for name, trust := range map[string]proof.Trust{"the genesis": d.first.trust(t), "a later set": d.second.trust(t), "the last set": d.last.trust(t)} {
		for _, data := range spellingsOf(t, d.bundle(t)) {
			b, err := proof.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			v, err := proof.Verify(b, trust)
			if err != nil || !v.Present || v.Changes != 2 || v.Validators != 5 {
				t.Errorf("from %s: %+v, %v", name, v, err)
			}
		}
	}
	if _, err := proof.Verify(d.bundle(t), newChain(t, 1).trust(t)); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("from validators who never were: %v", err)
	}
	if _, err := proof.Verify(d.bundle(t), proof.Trust{}); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("the zero trust trusts: %v", err)
	}
	b := d.bundle(t)
	b.Changes = nil
	if _, err := proof.Verify(b, d.first.trust(t)); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("without the changes: %v", err)
	}
}

func TestAForgedChangeOfValidatorsIsFoundAndNamed(t *testing.T) {
	usurper := newChain(t, 100)
	for name, f := range map[string]struct {
		forge func(t *testing.T, d *dynasty, b *proof.Bundle)
		kind  rats.Kind
	}{
		"a change that nobody signed": {func(_ *testing.T, d *dynasty, b *proof.Bundle) {
			b.Changes[1].Header.NextValidators = usurper.set.Hash()
		}, rats.BadSignature},
		"a change that too few signed": {func(t *testing.T, d *dynasty, b *proof.Bundle) {
			b.Changes[1] = d.second.block(d.second.commit(t, 0, 3))
		}, rats.BadSignature},
		"a change by others": {func(t *testing.T, d *dynasty, b *proof.Bundle) {
			usurper.header.Height, usurper.header.NextValidatorsHash = 20, d.last.set.Hash()
			b.Changes[1] = usurper.block(usurper.commit(t, 0))
		}, rats.BindingMismatch},
		"a change left out":          {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { b.Changes = b.Changes[1:] }, rats.UntrustedRoot},
		"the last change left out":   {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { b.Changes = b.Changes[:1] }, rats.UntrustedRoot},
		"the changes turned round":   {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { slices.Reverse(b.Changes) }, rats.BindingMismatch},
		"a change twice":             {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { b.Changes = slices.Insert(b.Changes, 1, b.Changes[0]) }, rats.BindingMismatch},
		"a block without a change":   {func(t *testing.T, d *dynasty, b *proof.Bundle) { b.Changes = slices.Insert(b.Changes, 0, quiet(t, d)) }, rats.BindingMismatch},
		"validators beside a header": {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { b.Changes[0].Validators[0].Power++ }, rats.BindingMismatch},
		"a change of another ledger": {func(t *testing.T, d *dynasty, b *proof.Bundle) { elsewhere(t, d, b) }, rats.BadSignature},
		"a change after the block":   {func(t *testing.T, d *dynasty, b *proof.Bundle) { late(t, d, b) }, rats.BindingMismatch},
		"a key of another length":    {func(_ *testing.T, _ *dynasty, b *proof.Bundle) { b.Changes[0].Validators[0].PublicKey = []byte{1} }, rats.Malformed},
	} {
		d := newDynasty(t)
		b := d.bundle(t)
		f.forge(t, d, b)
		if _, err := proof.Verify(b, d.first.trust(t)); !errors.Is(err, f.kind) {
			t.Errorf("%s: %v, want %v", name, err, f.kind)
		}
	}
}

// quiet is a true block of the first set at which the set stays.
func quiet(t *testing.T, d *dynasty) proof.Block {
	t.Helper()
	c := *d.first
	c.header.Height, c.header.NextValidatorsHash = 5, c.set.Hash()
	return c.block(c.commit(t, 0, 1, 2))
}

// elsewhere gives the first change another ledger's name.
func elsewhere(t *testing.T, _ *dynasty, b *proof.Bundle) {
	t.Helper()
	b.Changes[0].Header.ChainID = "elsewhere"
}

// late has the second change come after the block that is proven.
func late(t *testing.T, d *dynasty, b *proof.Bundle) {
	t.Helper()
	d.second.header.Height = d.last.header.Height
	b.Changes[1] = d.second.block(d.second.commit(t, 0, 1, 2))
}

func TestNoBitOfAChangeOfValidatorsCanChange(t *testing.T) {
	d := newDynasty(t)
	for name, tt := range map[string]struct {
		trust proof.Trust
		step  int
	}{"from the genesis": {d.first.trust(t), 1}, "from the last set": {d.last.trust(t), 11}} {
		encoded, err := d.bundle(t).CBOR()
		if err != nil {
			t.Fatal(err)
		}
		// What is before the changes is flipped where they are not there.
		without := *d.bundle(t)
		without.Changes = nil
		plain, err := without.CBOR()
		if err != nil {
			t.Fatal(err)
		}
		for i := (len(plain) - 1) * 8; i < len(encoded)*8; i += tt.step {
			flipped := bytes.Clone(encoded)
			flipped[i/8] ^= 1 << (i % 8)
			b, err := proof.Decode(flipped)
			if err != nil {
				continue
			}
			if _, err := proof.Verify(b, tt.trust); err == nil {
				t.Fatalf("%s, bit %d: the proof still holds", name, i)
			}
		}
	}
}

func TestAFollowerGoesFromBlockToBlock(t *testing.T) {
	d := newDynasty(t)
	trust := d.first.trust(t)
	still := quiet(t, d)
	tip := d.last.block(d.last.commit(t, 0, 1, 2, 3))
	for _, b := range []*proof.Block{&still, &d.changes[0], &d.changes[1], &tip} {
		next, err := trust.Follow(b)
		if err != nil {
			t.Fatalf("block %d: %v", b.Header.Height, err)
		}
		if next.Height() != b.Header.Height || !bytes.Equal(next.Validators(), b.Header.NextValidators) {
			t.Errorf("block %d: %+v", b.Header.Height, next)
		}
		if _, err := next.Follow(b); err == nil {
			t.Errorf("block %d can be followed twice", b.Header.Height)
		}
		trust = next
	}
	if _, err := d.first.trust(t).Follow(&tip); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("a leap over changes: %v", err)
	}
}

// TestAReaderWhoFollowedNeedsNoChangesOfBefore: the newest block may be the one that
// was followed last.
func TestAReaderWhoFollowedNeedsNoChangesOfBefore(t *testing.T) {
	c := newChain(t, 5, 4, 3)
	c.header.NextValidatorsHash = c.set.Hash()
	b := c.bundle(t, c.rec.ID, c.commit(t, 0, 1, 2))
	for by, want := range map[int64]bool{-1: true, 0: true, 1: false} {
		at := *c
		at.header.Height += by
		block := at.block(at.commit(t, 0, 1, 2))
		trust, err := c.trust(t).Follow(&block)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Verify(b, trust); (err == nil) != want || err != nil && !errors.Is(err, rats.BindingMismatch) {
			t.Errorf("having followed to %d blocks beyond the bundle's: %v", by, err)
		}
	}
}

func TestChangesBeforeWhatAReaderHasSeenAreOfNoUseToThoseWhoLeft(t *testing.T) {
	d := newDynasty(t)
	trust, err := d.first.trust(t).Follow(&d.changes[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(d.bundle(t), trust); err != nil {
		t.Errorf("of a change to come: %v", err)
	}
	// The second set still decides at 25: a change at 20 is not what followed.
	c := *d.second
	c.header.Height, c.header.NextValidatorsHash = 25, c.set.Hash()
	still := c.block(c.commit(t, 0, 1, 2))
	if trust, err = trust.Follow(&still); err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(d.bundle(t), trust); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("of one that is past: %v", err)
	}
}

func TestABlockHasTheHashThatCometBFTGivesIt(t *testing.T) {
	d := newDynasty(t)
	for _, c := range []*chain{d.first, d.second, d.last} {
		b := c.block(c.commit(t, 0, 1))
		if want := c.header.Hash(); !bytes.Equal(b.Hash(), want) {
			t.Errorf("%s, CometBFT has %s", b.Hash(), want)
		}
		text, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := proof.DecodeBlock(text)
		if err != nil || !bytes.Equal(again.Hash(), b.Hash()) {
			t.Errorf("%v, %v", again, err)
		}
		for n := range text {
			if _, err := proof.DecodeBlock(text[:n]); !errors.Is(err, rats.Malformed) {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
		}
	}
}
