// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Map is a set of entries under a root hash. The zero Map is empty. It is an
// immutable value, safe for concurrent use.
type Map struct {
	root *node
	size int
}

// Change sets the value of a key, or removes the key when Value is nil. A value
// of no bytes is a value.
type Change struct {
	Key, Value []byte
}

// node is an inner node, or a twig when leaves is set. An absent subtree is nil.
//
// A twig is a subtree of few entries that is kept as their list: the nodes within
// it are made anew when a proof passes through them. What is hashed knows
// nothing of it. A twig's hash depends on the depth at which it stands, since
// empty siblings are not left out.
type node struct {
	hash        [32]byte
	left, right *node
	// leaves are in the order of their paths, from 1 to twigSize of them.
	leaves []leaf
}

// twigSize is how many entries a twig holds at most: more of them take less
// memory, which is what a map of millions is made of, and more hashing for
// each change.
const twigSize = 8

// leaf is an entry: SHA-256 of its key and of its value.
type leaf struct {
	path, value [32]byte
}

// Prefixes of what is hashed (ICS-23, SmtSpec).
const (
	leafPrefix  = 0
	innerPrefix = 1
)

func hashLeaf(path, value [32]byte) [32]byte {
	var b [65]byte
	b[0] = leafPrefix
	copy(b[1:], path[:])
	copy(b[33:], value[:])
	return sha256.Sum256(b[:])
}

func hashInner(left, right [32]byte) [32]byte {
	var b [65]byte
	b[0] = innerPrefix
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// sum returns the hash of a subtree, zeros for an empty one.
func (n *node) sum() [32]byte {
	if n == nil {
		return [32]byte{}
	}
	return n.hash
}

// bit returns bit depth of a path, 0 for left.
func bit(path *[32]byte, depth int) byte { return path[depth/8] >> (7 - depth%8) & 1 }

// Root returns the root hash, zeros for the empty map.
func (m Map) Root() [32]byte { return m.root.sum() }

// Len returns the number of entries.
func (m Map) Len() int { return m.size }

// edit is a change by path: the entry that is to stand there, or none.
type edit struct {
	leaf
	gone bool
}

// Update returns the map with all changes made. Of several changes of one key
// the last counts. m stays as it is.
func (m Map) Update(changes []Change) Map {
	edits := make([]edit, 0, len(changes))
	for _, c := range changes {
		e := edit{leaf: leaf{path: sha256.Sum256(c.Key)}, gone: c.Value == nil}
		if !e.gone {
			e.value = sha256.Sum256(c.Value)
		}
		edits = append(edits, e)
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return bytes.Compare(a.path[:], b.path[:]) })
	last := edits[:0]
	for i, e := range edits {
		if i+1 == len(edits) || edits[i+1].path != e.path {
			last = append(last, e)
		}
	}
	u := updater{}
	root := u.apply(m.root, 0, last)
	return Map{root: root, size: m.size + u.grown}
}

// updater counts entries that come and go.
type updater struct{ grown int }

// apply returns the subtree n, whose root is at depth, with edits made to it.
func (u *updater) apply(n *node, depth int, edits []edit) *node {
	switch {
	case len(edits) == 0:
		return n
	case n == nil:
		return u.build(depth, nil, edits)
	case n.leaves != nil:
		return u.build(depth, n.leaves, edits)
	}
	cut := 0
	for cut < len(edits) && bit(&edits[cut].path, depth) == 0 {
		cut++
	}
	return join(u.apply(n.left, depth+1, edits[:cut]), u.apply(n.right, depth+1, edits[cut:]))
}

// build returns the subtree of old leaves with edits made to them.
func (u *updater) build(depth int, old []leaf, edits []edit) *node {
	leaves := make([]leaf, 0, len(old)+len(edits))
	before := len(old)
	for _, e := range edits {
		for len(old) > 0 && bytes.Compare(old[0].path[:], e.path[:]) < 0 {
			leaves, old = append(leaves, old[0]), old[1:]
		}
		if len(old) > 0 && old[0].path == e.path {
			old = old[1:]
		}
		if !e.gone {
			leaves = append(leaves, e.leaf)
		}
	}
	leaves = append(leaves, old...)
	u.grown += len(leaves) - before
	return grow(depth, leaves)
}

// grow returns the subtree of leaves in path order, all of which share depth
// bits. It keeps nothing of their list.
func grow(depth int, leaves []leaf) *node {
	switch {
	case len(leaves) == 0:
		return nil
	case len(leaves) <= twigSize:
		return twig(depth, slices.Clone(leaves))
	}
	cut := split(depth, leaves)
	return join(grow(depth+1, leaves[:cut]), grow(depth+1, leaves[cut:]))
}

// twig returns the node of a few leaves, which it keeps.
func twig(depth int, leaves []leaf) *node {
	return &node{hash: hashTwig(depth, leaves), leaves: leaves}
}

// hashTwig returns the hash of a subtree whose root is at depth, zeros for an
// empty one. A leaf that is alone stands where its prefix is unique.
func hashTwig(depth int, leaves []leaf) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return hashLeaf(leaves[0].path, leaves[0].value)
	}
	cut := split(depth, leaves)
	return hashInner(hashTwig(depth+1, leaves[:cut]), hashTwig(depth+1, leaves[cut:]))
}

// split returns how many of the leaves go to the left at depth.
func split(depth int, leaves []leaf) int {
	for i := range leaves {
		if bit(&leaves[i].path, depth) == 1 {
			return i
		}
	}
	return len(leaves)
}

// join puts two subtrees under one node. What fits into one twig becomes one,
// and a leaf that is left alone so moves up to where its prefix is unique again.
func join(left, right *node) *node {
	if left == nil && right == nil {
		return nil
	}
	hash := hashInner(left.sum(), right.sum())
	if left.inTwig() && right.inTwig() && left.count()+right.count() <= twigSize {
		leaves := make([]leaf, 0, left.count()+right.count())
		if left != nil {
			leaves = append(leaves, left.leaves...)
		}
		if right != nil {
			leaves = append(leaves, right.leaves...)
		}
		if len(leaves) == 1 {
			hash = hashLeaf(leaves[0].path, leaves[0].value)
		}
		return &node{hash: hash, leaves: leaves}
	}
	return &node{hash: hash, left: left, right: right}
}

// inTwig reports whether n is empty or a twig.
func (n *node) inTwig() bool { return n == nil || n.leaves != nil }

// count returns the number of leaves of a twig, 0 for an empty one.
func (n *node) count() int {
	if n == nil {
		return 0
	}
	return len(n.leaves)
}

// alone reports whether n is a single leaf.
func (n *node) alone() bool { return len(n.leaves) == 1 }

// branches returns what is under n, which stands at depth and is no single leaf.
func (n *node) branches(depth int) (left, right *node) {
	if n.leaves == nil {
		return n.left, n.right
	}
	cut := split(depth, n.leaves)
	if cut > 0 {
		left = twig(depth+1, n.leaves[:cut])
	}
	if cut < len(n.leaves) {
		right = twig(depth+1, n.leaves[cut:])
	}
	return left, right
}
