// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Builder gathers the entries of a map that is made all at once, which is faster
// than to update one with them: each hash is taken once, and on all cores. The
// zero Builder has none. Several may be filled at once, each by one goroutine,
// and put together by [Builder.Take].
type Builder struct {
	// buckets are the leaves by the first byte of their path, in blocks.
	buckets [256][][]leaf
}

const (
	// bucketDepth is how many bits of a path choose its bucket.
	bucketDepth = 8
	// firstBlock and fullBlock are how many leaves the first block of a bucket has
	// room for, and at most the others, each of which has room for twice as many
	// as the one before: a block never moves.
	firstBlock = 4
	fullBlock  = 256
)

// Add gives an entry, which nothing is kept of but hashes. Of several with one
// key the last counts.
func (b *Builder) Add(key, value []byte) {
	l := leaf{sha256.Sum256(key), sha256.Sum256(value)}
	at := &b.buckets[l.path[0]]
	last := len(*at) - 1
	switch {
	case last < 0:
		*at = append(*at, make([]leaf, 0, firstBlock))
		last++
	case len((*at)[last]) == cap((*at)[last]):
		*at = append(*at, make([]leaf, 0, min(2*cap((*at)[last]), fullBlock)))
		last++
	}
	(*at)[last] = append((*at)[last], l)
}

// Take moves the entries of another builder, which forgets them, to the end of
// those that b has.
func (b *Builder) Take(other *Builder) {
	for i := range b.buckets {
		b.buckets[i] = append(b.buckets[i], other.buckets[i]...)
		other.buckets[i] = nil
	}
}

// Map returns the map of the entries, and forgets them.
func (b *Builder) Map() Map {
	var size, next atomic.Int64
	subtrees := make([]*node, len(b.buckets))
	work := func() {
		var s sorter
		for i := next.Add(1) - 1; i < int64(len(subtrees)); i = next.Add(1) - 1 {
			leaves := s.inOrder(b.buckets[i])
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

// sorter sorts buckets, and uses its memory again for each.
type sorter struct {
	all, sorted []leaf
	places      []place
}

// place is where a leaf stands before its bucket is sorted, and what tells most
// paths of a bucket apart: the eight bytes after the first. Places are sorted
// instead of leaves, which are four times as long.
type place struct {
	prefix uint64
	at     int
}

// inOrder returns the leaves of a bucket by path, of several with one path the
// last, until it is called again.
func (s *sorter) inOrder(bucket [][]leaf) []leaf {
	s.all, s.places, s.sorted = s.all[:0], s.places[:0], s.sorted[:0]
	for _, block := range bucket {
		s.all = append(s.all, block...)
	}
	for i := range s.all {
		s.places = append(s.places, place{binary.BigEndian.Uint64(s.all[i].path[1:]), i})
	}
	slices.SortFunc(s.places, func(a, b place) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return cmp.Or(bytes.Compare(s.all[a.at].path[:], s.all[b.at].path[:]), cmp.Compare(a.at, b.at))
	})
	for i, p := range s.places {
		l := &s.all[p.at]
		if i+1 == len(s.places) || s.all[s.places[i+1].at].path != l.path {
			s.sorted = append(s.sorted, *l)
		}
	}
	return s.sorted
}
