// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"crypto/sha256"

	"github.com/attesteer/attesteer/rats"
)

// Proof shows that a key is in a map or that it is not. Exactly one spelling of
// a proof verifies. In a proof of presence Present alone is set; in one of
// absence Left, Right or both; in one about the empty map nothing.
type Proof struct {
	Present *Branch `cbor:"1,keyasint,omitempty" json:"present,omitempty"`
	// Left and Right are the entries next to where the key would stand; one is
	// missing where the key would come first or last.
	Left  *Neighbour `cbor:"2,keyasint,omitempty" json:"left,omitempty"`
	Right *Neighbour `cbor:"3,keyasint,omitempty" json:"right,omitempty"`
}

// WellFormed reports whether each branch has as many bits and siblings as its
// depth and bits say. One that has not proves nothing.
func (p *Proof) WellFormed() bool {
	whole := func(b *Branch) bool {
		_, ok := b.spread()
		return ok
	}
	return (p.Present == nil || whole(p.Present)) && (p.Left == nil || whole(&p.Left.Branch)) &&
		(p.Right == nil || whole(&p.Right.Branch))
}

// Branch is the way from a leaf to the root.
type Branch struct {
	// Depth is the number of inner nodes above the leaf, at most 256.
	Depth uint16 `cbor:"1,keyasint" json:"depth"`
	// Filled has a bit for each depth from the root down, most significant bit
	// first: 1 where the sibling is not empty. Bits past Depth are zero.
	Filled []byte `cbor:"2,keyasint" json:"filled"`
	// Siblings are the hashes of the siblings that are not empty, 32 bytes
	// each, from the root down.
	Siblings []byte `cbor:"3,keyasint" json:"siblings"`
}

// Neighbour is an entry by its hashes, with its way to the root.
type Neighbour struct {
	// Path is SHA-256 of the entry's key, Value of its value.
	Path   [32]byte `cbor:"1,keyasint" json:"path"`
	Value  [32]byte `cbor:"2,keyasint" json:"value"`
	Branch Branch   `cbor:"3,keyasint" json:"branch"`
}

// Prove returns the proof that key is in the map, or that it is not.
func (m Map) Prove(key []byte) Proof {
	path := sha256.Sum256(key)
	way, n := m.way(&path)
	if n != nil && n.leaves[0].path == path {
		b := branchOf(&path, way)
		return Proof{Present: &b}
	}
	var before, after *leaf
	for depth, f := range way {
		// The deepest turn decides; later ones overwrite earlier ones.
		if bit(&path, depth) == 1 && f.left != nil {
			before = f.left.edge(1)
		}
		if bit(&path, depth) == 0 && f.right != nil {
			after = f.right.edge(0)
		}
	}
	if n != nil {
		if bytes.Compare(n.leaves[0].path[:], path[:]) < 0 {
			before = &n.leaves[0]
		} else {
			after = &n.leaves[0]
		}
	}
	return Proof{Left: m.neighbour(before), Right: m.neighbour(after)}
}

// fork is what is under a node.
type fork struct{ left, right *node }

// way returns the forks from the root down towards path, and the leaf at which
// they end, or nil where that is an empty subtree.
func (m Map) way(path *[32]byte) ([]fork, *node) {
	var forks []fork
	n := m.root
	for n != nil && !n.alone() {
		var f fork
		f.left, f.right = n.branches(len(forks))
		n = f.left
		if bit(path, len(forks)) == 1 {
			n = f.right
		}
		forks = append(forks, f)
	}
	return forks, n
}

// edge returns the outermost leaf of a subtree: the first, or the last.
func (n *node) edge(side byte) *leaf {
	for n.leaves == nil {
		near, far := n.left, n.right
		if side == 1 {
			near, far = far, near
		}
		if n = near; n == nil {
			n = far
		}
	}
	if side == 1 {
		return &n.leaves[len(n.leaves)-1]
	}
	return &n.leaves[0]
}

func (m Map) neighbour(l *leaf) *Neighbour {
	if l == nil {
		return nil
	}
	way, _ := m.way(&l.path)
	return &Neighbour{Path: l.path, Value: l.value, Branch: branchOf(&l.path, way)}
}

// branchOf returns the way to the root from the leaf at path, to which the forks
// lead.
func branchOf(path *[32]byte, way []fork) Branch {
	b := Branch{Filled: make([]byte, (len(way)+7)/8), Siblings: []byte{}}
	for depth, f := range way {
		b.Depth++
		sibling := f.right
		if bit(path, depth) == 1 {
			sibling = f.left
		}
		if sibling != nil {
			b.Filled[depth/8] |= 0x80 >> (depth % 8)
			b.Siblings = append(b.Siblings, sibling.hash[:]...)
		}
	}
	return b
}

// spread returns the sibling at each depth, zeros for empty ones, or false for
// a branch that is not in its one form.
func (b *Branch) spread() ([][32]byte, bool) {
	depth := int(b.Depth)
	if b.Filled == nil || b.Siblings == nil {
		// null is a second spelling of no bytes.
		return nil, false
	}
	if depth > 256 || len(b.Filled) != (depth+7)/8 {
		return nil, false
	}
	out := make([][32]byte, depth)
	rest := b.Siblings
	for d := range len(b.Filled) * 8 {
		switch {
		case b.Filled[d/8]&(0x80>>(d%8)) == 0:
		case d >= depth || len(rest) < 32 || [32]byte(rest[:32]) == [32]byte{}:
			return nil, false
		default:
			out[d], rest = [32]byte(rest[:32]), rest[32:]
		}
	}
	// The lowest sibling is never empty: the leaf would stand higher.
	if len(rest) != 0 || depth > 0 && out[depth-1] == [32]byte{} {
		return nil, false
	}
	return out, true
}

// climb returns the root above a leaf.
func climb(path, hash [32]byte, siblings [][32]byte) [32]byte {
	for d := len(siblings) - 1; d >= 0; d-- {
		if bit(&path, d) == 0 {
			hash = hashInner(hash, siblings[d])
		} else {
			hash = hashInner(siblings[d], hash)
		}
	}
	return hash
}

func mismatch(format string, args ...any) error {
	e := rats.Errorf(rats.BindingMismatch, "map proof: "+format, args...)
	e.Spec = "ICS-23 SmtSpec"
	return e
}

// VerifyPresence checks that the map under root holds value under key. The
// error is BindingMismatch.
func VerifyPresence(root [32]byte, key, value []byte, p Proof) error {
	if p.Present == nil || p.Left != nil || p.Right != nil {
		return mismatch("it does not show presence")
	}
	siblings, ok := p.Present.spread()
	if !ok {
		return mismatch("its branch is not well formed")
	}
	path := sha256.Sum256(key)
	if climb(path, hashLeaf(path, sha256.Sum256(value)), siblings) != root {
		return mismatch("it does not lead to the root")
	}
	return nil
}

// VerifyAbsence checks that the map under root holds nothing under key. The
// error is BindingMismatch.
func VerifyAbsence(root [32]byte, key []byte, p Proof) error {
	if p.Present != nil {
		return mismatch("it does not show absence")
	}
	path := sha256.Sum256(key)
	left, err := p.Left.open(root)
	if err != nil {
		return err
	}
	right, err := p.Right.open(root)
	if err != nil {
		return err
	}
	switch {
	case p.Left == nil && p.Right == nil:
		if root != [32]byte{} {
			return mismatch("it names no neighbour, and the map is not empty")
		}
		return nil
	case p.Left != nil && bytes.Compare(p.Left.Path[:], path[:]) >= 0,
		p.Right != nil && bytes.Compare(p.Right.Path[:], path[:]) <= 0:
		return mismatch("the key does not stand between the neighbours")
	}
	// Below the depth at which the neighbours part, nothing may stand on the
	// inner side of either; with one neighbour, nowhere at all.
	part := 0
	if p.Left != nil && p.Right != nil {
		for bit(&p.Left.Path, part) == bit(&p.Right.Path, part) {
			part++
		}
		part++
	}
	if !outermost(p.Left, left, part, 1) || !outermost(p.Right, right, part, 0) {
		return mismatch("there is room between the neighbours")
	}
	return nil
}

// open checks that a neighbour is in the map and returns its siblings.
func (n *Neighbour) open(root [32]byte) ([][32]byte, error) {
	if n == nil {
		return nil, nil
	}
	siblings, ok := n.Branch.spread()
	if !ok {
		return nil, mismatch("a neighbour's branch is not well formed")
	}
	if climb(n.Path, hashLeaf(n.Path, n.Value), siblings) != root {
		return nil, mismatch("a neighbour is not in the map")
	}
	return siblings, nil
}

// outermost reports whether a neighbour is the last (side 1) or first (side 0)
// leaf of its subtree at depth from. A missing neighbour is.
func outermost(n *Neighbour, siblings [][32]byte, from int, side byte) bool {
	if n == nil {
		return true
	}
	// Two leaves part above both of them.
	if from > len(siblings) {
		return false
	}
	for d := from; d < len(siblings); d++ {
		if bit(&n.Path, d) != side && siblings[d] != [32]byte{} {
			return false
		}
	}
	return true
}
