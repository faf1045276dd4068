// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/attesteer/attesteer/tree"
)

const batchSize = 1000

// batchOf returns the nth batch of new entries.
func batchOf(n int) []tree.Change {
	out := make([]tree.Change, batchSize)
	for i := range out {
		key := binary.BigEndian.AppendUint64([]byte("key "), uint64(n*batchSize+i))
		out[i] = tree.Change{Key: key, Value: key}
	}
	return out
}

func filled(batches int) tree.Map {
	var m tree.Map
	for n := range batches {
		m = m.Update(batchOf(n))
	}
	return m
}

func sizes(b *testing.B) []int {
	b.Helper()
	if testing.Short() {
		return []int{1, 10}
	}
	return []int{1, 100, 1000}
}

// BenchmarkUpdate adds a thousand entries at once to maps of 1,000, 100,000 and
// 1,000,000.
func BenchmarkUpdate(b *testing.B) {
	for _, batches := range sizes(b) {
		b.Run(fmt.Sprintf("entries=%d", batches*batchSize), func(b *testing.B) {
			m := filled(batches)
			batch := batchOf(batches)
			b.ReportAllocs()
			for b.Loop() {
				m.Update(batch)
			}
			b.ReportMetric(float64(b.N)*batchSize/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkFill builds a map from nothing in batches of a thousand and weighs
// it: the memory that stays, and the entries a second on the way.
func BenchmarkFill(b *testing.B) {
	batches := sizes(b)[len(sizes(b))-1]
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := filled(batches)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(m.Len()), "bytes/entry")
	}
	b.ReportMetric(float64(b.N)*float64(batches)*batchSize/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkBuild makes the same map all at once.
func BenchmarkBuild(b *testing.B) {
	batches := sizes(b)[len(sizes(b))-1]
	for b.Loop() {
		var all tree.Builder
		for n := range batches {
			for _, c := range batchOf(n) {
				all.Add(c.Key, c.Value)
			}
		}
		all.Map()
	}
	b.ReportMetric(float64(b.N)*float64(batches)*batchSize/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkProof(b *testing.B) {
	for _, batches := range sizes(b) {
		m := filled(batches)
		member := batchOf(0)[7].Key
		stranger := []byte("stranger")
		size := func(p tree.Proof) float64 { return float64(len(encoded(b, p))) }
		name := fmt.Sprintf("entries=%d/", batches*batchSize)
		b.Run(name+"prove presence", func(b *testing.B) {
			b.ReportAllocs()
			var p tree.Proof
			for b.Loop() {
				p = m.Prove(member)
			}
			b.ReportMetric(size(p), "bytes/proof")
		})
		b.Run(name+"prove absence", func(b *testing.B) {
			b.ReportAllocs()
			var p tree.Proof
			for b.Loop() {
				p = m.Prove(stranger)
			}
			b.ReportMetric(size(p), "bytes/proof")
		})
		present, absent := m.Prove(member), m.Prove(stranger)
		b.Run(name+"verify presence", func(b *testing.B) {
			for b.Loop() {
				if err := tree.VerifyPresence(m.Root(), member, member, present); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"verify absence", func(b *testing.B) {
			for b.Loop() {
				if err := tree.VerifyAbsence(m.Root(), stranger, absent); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
