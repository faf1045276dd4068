// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"crypto/sha256"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Builder gathers the entries of a map that is made all at once, which is faster
// than to update one with them: each hash is taken once, and on all cores. The
// zero Builder has none.
type Builder struct {
	// buckets are the leaves by the first byte of their path.
	buckets [256][]leaf
}

// bucketDepth is how many bits of a path choose its bucket.
const bucketDepth = 8

// Add gives an entry, which nothing is kept of but hashes. Of several with one
// key the last counts.
func (b *Builder) Add(key, value []byte) {
	l := leaf{sha256.Sum256(key), sha256.Sum256(value)}
	at := &b.buckets[l.path[0]]
	*at = append(*at, l)
}

// Map returns the map of the entries, and forgets them.
func (b *Builder) Map() Map {
	var size, next atomic.Int64
	subtrees := make([]*node, len(b.buckets))
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(subtrees)); i = next.Add(1) - 1 {
			leaves := inOrder(b.buckets[i])
			b.buckets[i] = nil
			size.Add(int64(len(leaves)))
			subtrees[i] = grow(bucketDepth, leaves)
		}
	}
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(work)
	}
	group.Wait()
	for len(subtrees) > 1 {
		for i := range len(subtrees) / 2 {
			subtrees[i] = join(subtrees[2*i], subtrees[2*i+1])
		}
		subtrees = subtrees[:len(subtrees)/2]
	}
	return Map{root: subtrees[0], size: int(size.Load())}
}

// inOrder sorts leaves by path, and leaves the last of each.
func inOrder(leaves []leaf) []leaf {
	slices.SortStableFunc(leaves, func(a, b leaf) int { return bytes.Compare(a.path[:], b.path[:]) })
	out := leaves[:0]
	for i, l := range leaves {
		if i+1 == len(leaves) || leaves[i+1].path != l.path {
			out = append(out, l)
		}
	}
	return out
}
