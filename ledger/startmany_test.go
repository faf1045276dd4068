// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/tree"
)

// BenchmarkManyAtStart measures what it takes to start with many records: as many as
// [BenchmarkSize] makes, but restored as from a snapshot, of one record over and
// over with another id, which takes a tenth of the time. What a start does not
// read is left out: events, evidence, blocks.
func BenchmarkManyAtStart(b *testing.B) {
	records := recordsWanted(b)
	f := newFilled(b)
	f.fill(1)
	f.multiply(records)
	f.compact()
	for b.Loop() {
		b.StopTimer()
		if err := f.store.Close(); err != nil {
			b.Fatal(err)
		}
		f.reg = nil
		runtime.GC()
		b.StartTimer()
		start, spent := time.Now(), processorTime(b)
		f.open()
		b.ReportMetric(time.Since(start).Seconds(), "s-start")
		b.ReportMetric(processorTime(b)-spent, "s-processor")
		b.StopTimer()
		with := heap()
		f.reg = nil
		b.ReportMetric(float64(with-heap())/float64(records), "B-memory/record")
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
}

// processorTime is what this process used of the processors, in seconds.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// multiply makes many records of the one that there is, in a new store.
func (f *filled) multiply(records int) {
	f.b.Helper()
	var entries, endorsements []registry.Part
	v, err := f.store.view()
	if err != nil {
		f.b.Fatal(err)
	}
	err = registry.Parts(v, func(p registry.Part) error {
		switch p.Kind {
		case registry.PartEntry:
			entries = append(entries, p)
		case registry.PartEndorsement:
			endorsements = append(endorsements, p)
		default:
		}
		return nil
	})
	v.release()
	if err != nil {
		f.b.Fatal(err)
	}
	// Twice the same parts: first for the hash of the state, then for the state.
	var all tree.Builder
	f.parts(records, entries, func(p registry.Part) { all.Add(p.Key, p.Value) })
	emptyLog := sha256.Sum256(nil) // RFC 6962 section 2.1
	hash := record.AppHash(all.Map().Root(), emptyLog, 0)
	x, err := f.reg.Restore("size", f.reg.Height(), hash)
	if err != nil {
		f.b.Fatal(err)
	}
	add := func(p registry.Part) {
		if err := x.Add(p); err != nil {
			f.b.Fatal(err)
		}
	}
	f.parts(records, entries, add)
	for _, p := range endorsements {
		add(p)
	}
	if err := x.Finish(); err != nil {
		f.b.Fatal(err)
	}
}

// parts gives the entries of a map with many records in order, made of those of a
// map with one.
func (f *filled) parts(records int, entries []registry.Part, fn func(registry.Part)) {
	f.b.Helper()
	ids := make([]record.ID, records)
	for i := range ids {
		ids[i] = sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	slices.SortFunc(ids, func(a, b record.ID) int { return bytes.Compare(a[:], b[:]) })
	for _, p := range entries {
		switch p.Key[0] {
		case record.RecordKey(record.ID{})[0]:
			var rec record.Record
			if err := record.Unmarshal(p.Value, &rec); err != nil {
				f.b.Fatal(err)
			}
			for _, id := range ids {
				rec.ID, rec.EvidenceSHA256, rec.Tx = id, id, sha256.Sum256(id[:])
				rec.Fingerprint, rec.Subject = rec.Tx[:len(rec.Fingerprint)], slices.Concat(id[:], rec.EvidenceSHA256[:])
				value, err := record.Marshal(rec)
				if err != nil {
					f.b.Fatal(err)
				}
				fn(registry.Part{Kind: p.Kind, Key: record.RecordKey(id), Value: value})
			}
		case record.WatchKey(record.ID{})[0], record.ReplayEntryKey([32]byte{})[0]:
			for _, id := range ids {
				fn(registry.Part{Kind: p.Kind, Key: append([]byte{p.Key[0]}, id[:]...), Value: p.Value})
			}
		default:
			fn(p)
		}
	}
}
