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

// node is an inner node, or a leaf when leaf is set. An absent subtree is nil.
type node struct {
	hash        [32]byte
	left, right *node
	leaf        *leaf
}

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

// edit is a change by path; its leaf is nil where the key goes.
type edit struct {
	path [32]byte
	leaf *node
}

// Update returns the map with all changes made. Of several changes of one key
// the last counts. m stays as it is.
func (m Map) Update(changes []Change) Map {
	edits := make([]edit, 0, len(changes))
	for _, c := range changes {
		e := edit{path: sha256.Sum256(c.Key)}
		if c.Value != nil {
			e.leaf = newLeaf(e.path, sha256.Sum256(c.Value))
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
		return u.build(depth, edits, nil)
	case n.leaf != nil:
		return u.build(depth, edits, n)
	}
	cut := split(edits, depth)
	return join(u.apply(n.left, depth+1, edits[:cut]), u.apply(n.right, depth+1, edits[cut:]))
}

// build returns the subtree of edits and of one old leaf, if there is one.
func (u *updater) build(depth int, edits []edit, old *node) *node {
	if old != nil {
		at, found := slices.BinarySearchFunc(edits, old.leaf.path, func(e edit, path [32]byte) int {
			return bytes.Compare(e.path[:], path[:])
		})
		u.grown--
		if !found {
			// The old leaf goes in between, as if it were new.
			edits = slices.Insert(slices.Clone(edits), at, edit{old.leaf.path, old})
		}
	}
	leaves := make([]*node, 0, len(edits))
	for _, e := range edits {
		if e.leaf != nil {
			leaves = append(leaves, e.leaf)
		}
	}
	u.grown += len(leaves)
	return grow(depth, leaves)
}

// grow returns the subtree of leaves in path order, all of which share depth bits.
func grow(depth int, leaves []*node) *node {
	switch len(leaves) {
	case 0:
		return nil
	case 1:
		return leaves[0]
	}
	cut := len(leaves)
	for i, l := range leaves {
		if bit(&l.leaf.path, depth) == 1 {
			cut = i
			break
		}
	}
	return join(grow(depth+1, leaves[:cut]), grow(depth+1, leaves[cut:]))
}

// split returns how many of the edits go to the left at depth.
func split(edits []edit, depth int) int {
	for i := range edits {
		if bit(&edits[i].path, depth) == 1 {
			return i
		}
	}
	return len(edits)
}

// join puts two subtrees under one node. A leaf that is left alone moves up to
// where its prefix is unique again.
func join(left, right *node) *node {
	switch {
	case left == nil && right == nil:
		return nil
	case left == nil && right.leaf != nil:
		return right
	case right == nil && left.leaf != nil:
		return left
	}
	return &node{hash: hashInner(left.sum(), right.sum()), left: left, right: right}
}
