// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// Of BenchmarkSize: how many records there are, unless ATTESTEER_RECORDS says
// otherwise, and how many a block makes.
const (
	sizeRecords = 20_000
	sizeBlock   = 500
)

// BenchmarkSize fills the registry, on the database that a node keeps it in and
// without consensus, and measures what many records cost: to make, on disk, in
// memory, to look up, to prove, and to start with. At the end all of them expire
// and their evidence is pruned.
func BenchmarkSize(b *testing.B) {
	records := recordsWanted(b)
	for b.Loop() {
		f := newFilled(b)
		ids := f.fill(records)
		f.pastNonces()
		f.compact()
		f.reopen(records)
		b.ReportMetric(f.disk(float64(records)), "B-disk/record")
		f.look(ids)
		f.end(records)
	}
	b.ReportMetric(0, "ns/op")
}

// recordsWanted is how many records there are to be.
func recordsWanted(b *testing.B) int {
	b.Helper()
	v := os.Getenv("ATTESTEER_RECORDS")
	if v == "" {
		return sizeRecords
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// filled is a registry on disk.
type filled struct {
	b     *testing.B
	dir   string
	store *store
	reg   *registry.Registry
	who   *registrar
	now   time.Time
}

func newFilled(b *testing.B) *filled {
	b.Helper()
	f := &filled{b: b, dir: b.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), who: newRegistrar(b, "size")}
	f.open()
	root := simtee.Root()
	g := registry.NewGenesis(registry.Dev)
	g.SimulatedRoot = &root
	if _, err := f.reg.Init("size", record.MillisOf(f.now), g); err != nil {
		b.Fatal(err)
	}
	f.block(f.who.endorsements(b, f.now))
	b.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			b.Error(err)
		}
	})
	return f
}

func (f *filled) open() {
	f.b.Helper()
	var err error
	if f.store, err = openStore(f.dir); err == nil {
		f.reg, err = registry.Open(f.store)
	}
	if err != nil {
		f.b.Fatal(err)
	}
}

// block applies and commits transactions a second later, which all must count.
func (f *filled) block(txs ...[]byte) []registry.TxResult {
	f.b.Helper()
	f.now = f.now.Add(time.Second)
	tick, err := record.NewTick(record.MillisOf(f.now))
	if err != nil {
		f.b.Fatal(err)
	}
	height := f.reg.Height() + 1
	var hash [32]byte
	binary.BigEndian.PutUint64(hash[:], height)
	out, err := f.reg.Apply(registry.Block{Height: height, Hash: hash, Txs: append([][]byte{tick}, txs...)})
	if err == nil {
		err = f.reg.Commit()
	}
	if err != nil {
		f.b.Fatal(err)
	}
	for _, r := range out.Results {
		if r.Err != nil {
			f.b.Fatal(r.Err)
		}
	}
	return out.Results[1:]
}

// fill makes records and returns their ids.
func (f *filled) fill(records int) []record.ID {
	f.b.Helper()
	ids := make([]record.ID, 0, records)
	var busy time.Duration
	for len(ids) < records {
		txs := make([][]byte, min(sizeBlock, records-len(ids)))
		var group sync.WaitGroup
		for part := range 4 {
			group.Go(func() {
				for i := part; i < len(txs); i += 4 {
					q := f.who.quote(f.b, uint64(len(ids)+i))
					txs[i] = f.who.sign(f.b, record.Transaction{Submission: &record.Submission{
						Evidence: q, ValidFor: (24 * time.Hour).Milliseconds(),
					}}, f.now)
				}
			})
		}
		group.Wait()
		start := time.Now()
		results := f.block(txs...)
		busy += time.Since(start)
		for _, r := range results {
			ids = append(ids, r.RecordID)
		}
	}
	f.b.ReportMetric(float64(records)/busy.Seconds(), "applied/s")
	return ids
}

// pastNonces lets time pass until no nonce need be remembered.
func (f *filled) pastNonces() {
	f.b.Helper()
	for range 5 * 60 / 10 * 4 { // each block clears ten thousand
		f.now = f.now.Add(9 * time.Second)
		f.block()
	}
}

// compact has the database forget what was overwritten.
func (f *filled) compact() {
	f.b.Helper()
	if err := f.store.db.DB().CompactRange(util.Range{}); err != nil {
		f.b.Fatal(err)
	}
}

// disk returns what the database takes for each of n.
func (f *filled) disk(n float64) float64 {
	f.b.Helper()
	var sum int64
	err := filepath.WalkDir(f.dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the database clears away what was compacted
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		f.b.Fatal(err)
	}
	return float64(sum) / n
}

// reopen measures a start, and what is in memory after it.
func (f *filled) reopen(records int) {
	f.b.Helper()
	if err := f.store.Close(); err != nil {
		f.b.Fatal(err)
	}
	f.reg = nil
	runtime.GC()
	start := time.Now()
	f.open()
	f.b.ReportMetric(time.Since(start).Seconds(), "s-start")
	with := heap()
	f.reg = nil
	f.b.ReportMetric(float64(with-heap())/float64(records), "B-memory/record")
	var err error
	if f.reg, err = registry.Open(f.store); err != nil {
		f.b.Fatal(err)
	}
}

// heap returns what of the heap is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// look measures looking records up and proving them.
func (f *filled) look(ids []record.ID) {
	f.b.Helper()
	const samples = 2000
	var lookups, proofs []time.Duration
	f.block() // there is a height to prove at
	for i := range samples {
		id := ids[i*7919%len(ids)]
		start := time.Now()
		if _, err := f.reg.Record(id); err != nil {
			f.b.Fatal(err)
		}
		lookups = append(lookups, time.Since(start))
		start = time.Now()
		if _, err := f.reg.ProofAt(f.reg.Height(), record.RecordKey(id)); err != nil {
			f.b.Fatal(err)
		}
		proofs = append(proofs, time.Since(start))
	}
	for _, one := range []struct {
		name  string
		times []time.Duration
	}{{"lookup", lookups}, {"proof", proofs}} {
		slices.Sort(one.times)
		f.b.ReportMetric(float64(one.times[samples/2].Microseconds()), "µs-"+one.name+"-p50")
		f.b.ReportMetric(float64(one.times[samples*99/100].Microseconds()), "µs-"+one.name+"-p99")
	}
}

// end lets all records expire, prunes their evidence, and measures what is left.
func (f *filled) end(records int) {
	f.b.Helper()
	f.now = f.now.Add(48 * time.Hour)
	start := time.Now()
	for before := uint64(0); before != f.reg.EventCount(); {
		before = f.reg.EventCount()
		f.block()
	}
	f.b.ReportMetric(float64(records)/time.Since(start).Seconds(), "expired/s")
	for {
		n, err := f.reg.PruneEvidence(record.MillisOf(f.now), 10_000)
		if err != nil {
			f.b.Fatal(err)
		}
		if n < 10_000 {
			break
		}
	}
	f.compact()
	if err := f.store.Close(); err != nil { // which clears away what was compacted
		f.b.Fatal(err)
	}
	f.open()
	f.b.ReportMetric(f.disk(float64(records)), "B-disk-pruned/record")
}
