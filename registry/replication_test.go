// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/tree"
)

// deeds returns transactions of every kind, good and bad, to draw from.
func deeds(t testing.TB, c *chain) [][]byte {
	t.Helper()
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	older, err := simtee.Endorsements(start().AddDate(0, 0, -3))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	add := func(tx []byte) { out = append(out, tx) }
	for i := range items {
		add(c.publish(items[i]))
		add(c.publish(older[i]))
	}
	for i, status := range []rats.TCBStatus{rats.UpToDate, rats.OutOfDate, rats.TCBRevoked, rats.SWHardeningNeeded} {
		q := quoteOf(t, simtee.Enclave{TCB: status, MREnclave: [32]byte{byte(i)}})
		for k := byte(1); k < 4; k++ {
			add(c.submit(key(k), q))
		}
		again := quoteOf(t, simtee.Enclave{TCB: status, MREnclave: [32]byte{byte(i)}, AttestationKey: 1})
		add(c.submit(key(1), again, func(s *record.Submission) { s.URL = "again.example" }))
		q[200] ^= 1
		add(c.submit(key(1), q))
	}
	add([]byte("garbage"))
	return out
}

// TestTheSameBlocksGiveTheSameStateEverywhere drives registries with drawn
// blocks: one plainly, one that is checked before and opened anew from its
// store at drawn moments, and one that applies each block twice.
func TestTheSameBlocksGiveTheSameStateEverywhere(t *testing.T) {
	source := newChain(t, devGenesis())
	all := deeds(t, source)
	rapid.Check(t, func(rt *rapid.T) {
		a, b, twice := newChain(t, devGenesis()), newChain(t, devGenesis()), newChain(t, devGenesis())
		for height := uint64(1); height <= uint64(rapid.IntRange(1, 6).Draw(rt, "blocks")); height++ {
			a.now += record.Millis(rapid.IntRange(1, 30_000).Draw(rt, "pause"))
			txs := [][]byte{tickAt(t, a.now)}
			for range rapid.IntRange(0, 8).Draw(rt, "size") {
				txs = append(txs, all[rapid.IntRange(0, len(all)-1).Draw(rt, "tx")])
			}
			block := registry.Block{Height: height, Hash: hashOf(height), Txs: txs}
			want := apply(rt, a.reg, block)
			if rapid.Bool().Draw(rt, "check") {
				for _, tx := range txs {
					b.reg.Check(tx)
				}
			}
			if got := apply(rt, b.reg, block); !same(got, want) {
				rt.Fatalf("height %d: %x and %x", height, got.AppHash, want.AppHash)
			}
			if _, err := twice.reg.Apply(block); err != nil {
				rt.Fatal(err)
			}
			if got := apply(rt, twice.reg, block); !same(got, want) {
				rt.Fatalf("applied twice: %x and %x", got.AppHash, want.AppHash)
			}
			if rapid.Bool().Draw(rt, "reopen") {
				reg, err := registry.Open(b.store)
				if err != nil {
					rt.Fatal(err)
				}
				if reg.AppHash() != want.AppHash || reg.Height() != height || reg.Time() != a.reg.Time() {
					rt.Fatalf("reopened at %d: %x, want %x", height, reg.AppHash(), want.AppHash)
				}
				b.reg = reg
			}
		}
	})
}

func apply(t *rapid.T, r *registry.Registry, b registry.Block) registry.Outcome {
	out, err := r.Apply(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(a, b registry.Outcome) bool {
	return a.AppHash == b.AppHash && slices.EqualFunc(a.Results, b.Results, func(x, y registry.TxResult) bool {
		return x.Tx == y.Tx && x.RecordID == y.RecordID && rats.KindOf(errOf(x)) == rats.KindOf(errOf(y))
	})
}

func errOf(r registry.TxResult) error {
	if r.Err == nil {
		return nil
	}
	return r.Err
}

func TestEndorsementsStandTheSameWhateverTheOrderOfArrival(t *testing.T) {
	var items []rats.Endorsement
	const days = 3
	for day := range days {
		more, err := simtee.Endorsements(start().AddDate(0, 0, -day))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, more...)
	}
	var want []record.EndorsementEntry
	rapid.Check(t, func(rt *rapid.T) {
		c := newChain(t, devGenesis())
		for _, e := range rapid.Permutation(items).Draw(rt, "order") {
			c.block(c.publish(e))
		}
		got := c.reg.Endorsements()
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(got) != len(items)/days {
			rt.Fatalf("%v, want %v", got, want)
		}
	})
}

// TestCheckSaysWhatApplyWillSay at the same state and ledger time.
func TestCheckSaysWhatApplyWillSay(t *testing.T) {
	c := endorsed(t)
	for i, tx := range deeds(t, c) {
		check := c.reg.Check(tx)
		reg, err := registry.Open(c.store.clone())
		if err != nil {
			t.Fatal(err)
		}
		out, err := reg.Apply(registry.Block{Height: reg.Height() + 1, Txs: [][]byte{tickAt(t, reg.Time()+1), tx}})
		if err != nil {
			t.Fatal(err)
		}
		got := out.Results[1]
		if rats.KindOf(errOf(check)) != rats.KindOf(errOf(got)) || check.RecordID != got.RecordID {
			t.Errorf("deed %d: Check says %v, Apply %v", i, check.Err, got.Err)
		}
	}
}

func TestACrashBeforeCommitLosesNothingAndADamagedStoreIsNoticed(t *testing.T) {
	c := endorsed(t)
	before := c.reg.AppHash()
	block := registry.Block{Height: c.reg.Height() + 1, Hash: hashOf(9), Txs: [][]byte{
		tickAt(t, c.now+1), c.submit(key(1), quoteOf(t, simtee.Enclave{})),
	}}
	want, err := c.reg.Apply(block)
	if err != nil {
		t.Fatal(err)
	}
	again, err := registry.Open(c.store)
	if err != nil || again.AppHash() != before {
		t.Fatalf("%x, %v", again.AppHash(), err)
	}
	if got, err := again.Apply(block); err != nil || got.AppHash != want.AppHash {
		t.Errorf("replayed: %x, %v; want %x", got.AppHash, err, want.AppHash)
	}
	if err := again.Commit(); err != nil {
		t.Fatal(err)
	}
	for k := range c.store.m {
		if k[0] == 'm' && k[1] == 'r' {
			c.store.m[k][20] ^= 1
		}
	}
	if _, err := registry.Open(c.store); !errors.Is(err, rats.Internal) {
		t.Errorf("a damaged store opens: %v", err)
	}
}

func TestInitAgainBeforeTheFirstBlockChangesNothing(t *testing.T) {
	c := newChain(t, devGenesis())
	want := c.reg.AppHash()
	for range 2 {
		reg, err := registry.Open(c.store)
		if err != nil {
			t.Fatal(err)
		}
		got, err := reg.Init("test-chain", record.MillisOf(start()), devGenesis())
		if err != nil || got != want || reg.AppHash() != want {
			t.Fatalf("%x, %v; want %x", got, err, want)
		}
		if _, err := reg.Init("another", record.MillisOf(start()), devGenesis()); err == nil {
			t.Error("another ledger's genesis is taken")
		}
	}
}

func TestRecentHeightsCanBeProvenAsTheyWere(t *testing.T) {
	c := endorsed(t)
	r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{})))
	key1, key2 := record.RecordKey(r.RecordID), record.RecordKey(record.ID{1})
	type proven struct {
		height uint64
		hash   [32]byte
		value  []byte
	}
	var past []proven
	note := func() {
		p, err := c.reg.ProofAt(c.reg.Height(), key1)
		if err != nil {
			t.Fatal(err)
		}
		past = append(past, proven{c.reg.Height(), c.reg.AppHash(), p.Entries[0].Value})
	}
	note()
	for n := range uint32(5) {
		c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{AttestationKey: n + 1})))
		note()
	}
	for i, want := range past {
		p, err := c.reg.ProofAt(want.height, key1, key2, record.TimeKey())
		if err != nil {
			t.Fatal(err)
		}
		if record.AppHash(p.MapRoot, p.LogRoot, p.LogSize) != want.hash {
			t.Errorf("height %d: another application hash", want.height)
		}
		if !slices.Equal(p.Entries[0].Value, want.value) || i > 0 && slices.Equal(want.value, past[i-1].value) {
			t.Errorf("height %d: not the value of its time", want.height)
		}
		for _, e := range []int{0, 2} {
			if err := tree.VerifyPresence(p.MapRoot, p.Entries[e].Key, p.Entries[e].Value, p.Entries[e].Proof); err != nil {
				t.Error(err)
			}
		}
		if err := tree.VerifyAbsence(p.MapRoot, key2, p.Entries[1].Proof); err != nil || p.Entries[1].Value != nil {
			t.Error(err)
		}
	}
	if _, err := c.reg.ProofAt(c.reg.Height()+1, key1); !errors.Is(err, rats.NotFound) {
		t.Errorf("the future: %v", err)
	}
}

func TestNoncesAndBlocksAreForgottenInTime(t *testing.T) {
	c := endorsed(t)
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{})))
	size := func() (n int) {
		for k := range c.store.m {
			if len(k) > 1 && k[0] == 'm' && (k[1] == 'n' || k[1] == 'b') {
				n++
			}
		}
		return n
	}
	if size() != 4 { // two nonces, two blocks
		t.Fatalf("%d entries", size())
	}
	c.blockAt(c.now + 20*60_000)
	if size() != 1 { // this block
		t.Errorf("%d entries are left", size())
	}
}

func BenchmarkRegistration(b *testing.B) {
	c := endorsed(b)
	p, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	n := uint32(0)
	for b.Loop() {
		b.StopTimer()
		var txs [][]byte
		for range 100 {
			n++
			q, err := p.Quote(simtee.Enclave{Platform: 1, MREnclave: [32]byte{byte(n), byte(n >> 8), byte(n >> 16)}})
			if err != nil {
				b.Fatal(err)
			}
			txs = append(txs, c.submit(key(1), q))
		}
		b.StartTimer()
		for _, tx := range txs {
			if r := c.reg.Check(tx); r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		c.block(txs...)
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "registrations/s")
}
