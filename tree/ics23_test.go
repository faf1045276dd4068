// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	ics23 "github.com/cosmos/ics23/go"

	"github.com/attesteer/attesteer/tree"
)

// existence spells a branch as ICS-23 does: from the leaf up, a sibling at each
// step, zeros where there is none.
func existence(key, value []byte, b tree.Branch) *ics23.ExistenceProof {
	path := sha256.Sum256(key)
	var siblings [][]byte
	rest := b.Siblings
	for d := range int(b.Depth) {
		sibling := make([]byte, 32)
		if b.Filled[d/8]>>(7-d%8)&1 == 1 {
			sibling, rest = rest[:32], rest[32:]
		}
		siblings = append(siblings, sibling)
	}
	out := &ics23.ExistenceProof{Key: key, Value: value, Leaf: ics23.SmtSpec.LeafSpec}
	for d := range slices.Backward(siblings) {
		step := &ics23.InnerOp{Hash: ics23.HashOp_SHA256, Prefix: []byte{1}}
		if path[d/8]>>(7-d%8)&1 == 0 {
			step.Suffix = siblings[d]
		} else {
			step.Prefix = append(step.Prefix, siblings[d]...)
		}
		out.Path = append(out.Path, step)
	}
	return out
}

// neighbour finds an entry by its path, since proofs carry hashes alone.
func (m model) neighbour(t *testing.T, n *tree.Neighbour) *ics23.ExistenceProof {
	t.Helper()
	if n == nil {
		return nil
	}
	for _, e := range m.entries() {
		if e.path == n.Path {
			if sha256.Sum256(e.value) != n.Value {
				t.Errorf("neighbour %x has another value's hash", n.Path)
			}
			return existence(e.key, e.value, n.Branch)
		}
	}
	t.Fatalf("neighbour %x is no entry", n.Path)
	return nil
}

func (m model) nonExistence(t *testing.T, key []byte, p tree.Proof) *ics23.CommitmentProof {
	t.Helper()
	return &ics23.CommitmentProof{Proof: &ics23.CommitmentProof_Nonexist{Nonexist: &ics23.NonExistenceProof{
		Key: key, Left: m.neighbour(t, p.Left), Right: m.neighbour(t, p.Right),
	}}}
}

func present(key, value []byte, b tree.Branch) *ics23.CommitmentProof {
	return &ics23.CommitmentProof{Proof: &ics23.CommitmentProof_Exist{Exist: existence(key, value, b)}}
}

// TestProofsAreThoseOfICS23 has the reference verifier judge ours, and hold
// false claims against it too, so that its yes means something.
func TestProofsAreThoseOfICS23(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 17, 64, 300} {
		want := numbered(n)
		m := tree.Map{}.Update(want.changes())
		root := m.Root()
		for _, e := range want.entries() {
			p := m.Prove(e.key)
			if p.Present == nil {
				t.Fatalf("%d entries: no branch of %x", n, e.key)
			}
			proof := present(e.key, e.value, *p.Present)
			if !ics23.VerifyMembership(ics23.SmtSpec, root[:], proof, e.key, e.value) {
				t.Errorf("%d entries: ICS-23 refuses the presence of %x", n, e.key)
			}
			if ics23.VerifyMembership(ics23.SmtSpec, root[:], present(e.key, []byte("x"), *p.Present), e.key, []byte("x")) {
				t.Errorf("%d entries: ICS-23 takes another value of %x", n, e.key)
			}
		}
		first, last := 0, 0
		for i := range 200 {
			key := []byte{'s', byte(i)}
			p := m.Prove(key)
			if p.Left == nil {
				first++
			}
			if p.Right == nil {
				last++
			}
			if !ics23.VerifyNonMembership(ics23.SmtSpec, root[:], want.nonExistence(t, key, p), key) {
				t.Errorf("%d entries: ICS-23 refuses the absence of %q", n, key)
			}
		}
		if n < 20 && (first == 0 || last == 0) {
			t.Errorf("%d entries: %d keys before the first, %d after the last: the edges are not tested", n, first, last)
		}
	}
}

// TestICS23AndOursAgreeOnForgedAbsence: for pairs of entries as neighbours of a
// key, ours takes no more than the reference does.
func TestICS23AndOursAgreeOnForgedAbsence(t *testing.T) {
	want := numbered(24)
	m := tree.Map{}.Update(want.changes())
	root := m.Root()
	entries := want.entries()
	as := func(e entry) *tree.Neighbour {
		return &tree.Neighbour{Path: e.path, Value: sha256.Sum256(e.value), Branch: *m.Prove(e.key).Present}
	}
	neighbours := []*tree.Neighbour{nil}
	for _, e := range entries {
		neighbours = append(neighbours, as(e))
	}
	var keys [][]byte
	for i := range 12 {
		keys = append(keys, []byte{'f', byte(i)}, entries[2*i].key)
	}
	taken := 0
	for _, key := range keys {
		for _, left := range neighbours {
			for _, right := range neighbours {
				p := tree.Proof{Left: left, Right: right}
				ours := tree.VerifyAbsence(root, key, p) == nil
				theirs := (left != nil || right != nil) &&
					ics23.VerifyNonMembership(ics23.SmtSpec, root[:], want.nonExistence(t, key, p), key)
				if ours != theirs {
					t.Errorf("absence of %x: ours %v, ICS-23 %v", key, ours, theirs)
				}
				if ours {
					taken++
				}
			}
		}
	}
	if taken != 12 {
		t.Errorf("%d proofs of absence were taken, want one for each key that is absent", taken)
	}
}

// TestTheRootOfOneEntryIsItsLeaf spells the hashes out.
func TestTheRootOfOneEntryIsItsLeaf(t *testing.T) {
	key, value := []byte("key"), []byte("value")
	m := tree.Map{}.Update([]tree.Change{{Key: key, Value: value}})
	path, sum := sha256.Sum256(key), sha256.Sum256(value)
	root := m.Root()
	if want := sha256.Sum256(slices.Concat([]byte{0}, path[:], sum[:])); root != want {
		t.Errorf("root %x, want %x", root, want)
	}
	got, err := present(key, value, *m.Prove(key).Present).Calculate()
	if err != nil || !bytes.Equal(got, root[:]) {
		t.Errorf("ICS-23 calculates %x, %v, want %x", got, err, root)
	}
}
