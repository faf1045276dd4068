// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/tree"
)

// failing is a store of whose reads one fails.
type failing struct {
	*memory
	left atomic.Int64 // reads before the one that fails; negative for never
}

func (s *failing) Get(key []byte) ([]byte, error) {
	if s.left.Load() >= 0 && s.left.Add(-1) < 0 {
		return nil, errors.New("the disk does not answer")
	}
	return s.memory.Get(key)
}

// A validator whose disk fails must stop: were the failure a transaction's
// result, its state would part from the others'.
func TestAStoreThatFailsStopsTheBlockAndNotTheTransaction(t *testing.T) {
	c := endorsed(t)
	tx := c.submit(key(1), quoteOf(t, simtee.Enclave{Platform: 1}))
	c.now += 1000
	block := registry.Block{Height: c.reg.Height() + 1, Hash: hashOf(c.reg.Height() + 1), Txs: [][]byte{tickAt(t, c.now), tx}}
	want, err := c.reg.Apply(block)
	if err != nil || want.Results[1].Err != nil {
		t.Fatal(err, want)
	}
	for reads := int64(0); ; reads++ {
		s := &failing{memory: c.store.clone()}
		s.left.Store(-1)
		reg, err := registry.Open(s)
		if err != nil {
			t.Fatal(err)
		}
		s.left.Store(reads)
		got, err := reg.Apply(block)
		if err == nil && got.AppHash != want.AppHash {
			t.Fatalf("after %d reads the disk fails, and the block is applied with transaction result %v and another app hash", reads, got.Results[1].Err)
		}
		if err == nil {
			if reads < 3 {
				t.Fatalf("only %d reads: this test does not test", reads)
			}
			return
		}
		if rats.KindOf(err) != rats.Internal {
			t.Fatalf("%v, want internal", err)
		}
	}
}

func TestAReplayCannotCarryARecordPastWhatUnfreshEvidenceMay(t *testing.T) {
	g := devGenesis()
	hour := time.Hour.Milliseconds()
	g.Parameters.MaxUnfresh = 3 * hour
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	q := quoteOf(t, simtee.Enclave{Platform: 1})
	id := c.ok(c.submit(key(1), q, func(s *record.Submission) { s.ValidFor = hour })).RecordID
	c.ok(c.submit(key(2), q, func(s *record.Submission) { s.ValidFor = 48 * hour }))
	rec, err := c.reg.Record(id)
	if err != nil {
		t.Fatal(err)
	}
	if limit := rec.FirstAttested + record.Millis(3*hour); rec.Expires > limit {
		t.Errorf("evidence that binds no block carries the record %v past the limit", time.Duration(rec.Expires-limit)*time.Millisecond)
	}
}

func TestAReplayOfFreshEvidenceMayLastAsLongAsItsDuration(t *testing.T) {
	g := devGenesis()
	hour := time.Hour.Milliseconds()
	g.Parameters.MaxUnfresh = 3 * hour
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	hash, _, _, ok := c.reg.Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	e := simtee.Enclave{Platform: 1}
	copy(e.ReportData[32:], hash[:])
	q := quoteOf(t, e)
	first := c.ok(c.submit(key(1), q, func(s *record.Submission) { s.ValidFor = hour }))
	at := c.now
	c.ok(c.submit(key(2), q, func(s *record.Submission) { s.ValidFor = 48 * hour }))
	rec, err := c.reg.Record(first.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if want := at + record.Millis(48*hour); rec.Expires != want {
		t.Errorf("expires at %d, want %d", rec.Expires, want)
	}
}

func TestListingsThatEndedMakeRoom(t *testing.T) {
	g := devGenesis()
	g.Parameters.MaxListings = 2
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	q := quoteOf(t, simtee.Enclave{Platform: 1})
	minute := func(s *record.Submission) { s.ValidFor = time.Minute.Milliseconds() }
	id := c.ok(c.submit(key(1), q, minute)).RecordID
	c.ok(c.submit(key(2), q, minute))
	c.blockAt(c.now + 2*record.Millis(time.Minute.Milliseconds()))
	// The enclave attests again, by a registrar of its own.
	c.ok(c.submit(key(3), quoteOf(t, simtee.Enclave{Platform: 2})))
	rec, err := c.reg.Record(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Listings) > 2 || rec.Listings[len(rec.Listings)-1].Registrar != registrar(key(3)) || rec.Expires <= c.now {
		t.Errorf("listings %+v, record expires at %d, now %d", rec.Listings, rec.Expires, c.now)
	}
}

func TestTheStateBeforeTheFirstBlockCanBeProven(t *testing.T) {
	c := newChain(t, devGenesis())
	p, err := c.reg.ProofAt(0, record.TimeKey(), record.GenesisKey())
	if err != nil {
		t.Fatal(err)
	}
	if got := record.AppHash(p.MapRoot, p.LogRoot, p.LogSize); got != c.reg.AppHash() {
		t.Errorf("the proof is of app hash %x, the state has %x", got, c.reg.AppHash())
	}
	for _, e := range p.Entries {
		if err := tree.VerifyPresence(p.MapRoot, e.Key, e.Value, e.Proof); err != nil {
			t.Errorf("%q: %v", e.Key, err)
		}
	}
}

// After an idle time, or a night that the node was off, ledger time is old
// though the next block's will not be.
func TestCheckAtJudgesByTheTimeThatTheNextBlockWillCarry(t *testing.T) {
	c := newChain(t, devGenesis())
	later := c.now + record.Millis((26 * time.Hour).Milliseconds())
	items, err := simtee.Endorsements(later.Time()) // issued after the last block
	if err != nil {
		t.Fatal(err)
	}
	if got := c.reg.LacksAt(later, items); len(got) != len(items) {
		t.Errorf("LacksAt names %d of %d endorsements that the next block would take", len(got), len(items))
	}
	kept := c.now
	c.now = later
	tx := c.tx(key(1), func(tx *record.Transaction) {
		tx.Endorsements = items
		tx.Submission = &record.Submission{Evidence: quoteOf(t, simtee.Enclave{Platform: 1})}
	})
	c.now = kept
	if r := c.reg.Check(tx); r.Err == nil {
		t.Error("Check, at the last block's time, passes what is signed a day later")
	}
	if r := c.reg.CheckAt(later, tx); r.Err != nil {
		t.Errorf("CheckAt says %v", r.Err)
	}
	if r := c.blockAt(later, tx)[0]; r.Err != nil {
		t.Errorf("Apply says %v", r.Err)
	}
	// A clock that is behind the ledger's does not turn time back.
	if r := c.reg.CheckAt(kept, tx); r.Err == nil || r.Err.Kind != rats.Replayed {
		t.Errorf("by a clock that is behind: %v, want replayed", r.Err)
	}
}

func TestAGenesisThatMisleadsIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*registry.Genesis)
	}{
		{"a simulated root that calls itself Intel's", func(g *registry.Genesis) { g.SimulatedRoot.Name = rats.IntelRoot }},
		{"a simulated root whose key is no key", func(g *registry.Genesis) { g.SimulatedRoot.PublicKey = []byte{1} }},
		{"a simulated root without a name of its own", func(g *registry.Genesis) { g.SimulatedRoot.Subject = nil }},
		{"a registrar twice", func(g *registry.Genesis) { k := strings.Repeat("ab", 32); g.Registrars = []string{k, k} }},
	} {
		g := devGenesis()
		tt.change(&g)
		if err := g.Validate(); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v, want malformed", tt.name, err)
		}
	}
	if err := devGenesis().Validate(); err != nil {
		t.Error(err)
	}
	raw, err := json.Marshal(devGenesis())
	if err != nil {
		t.Fatal(err)
	}
	var back registry.Genesis
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Errorf("a genesis is not read as it is written: %v", err)
	}
	wrong := strings.Replace(string(raw), "max_listings", "max_listing", 1)
	if err := json.Unmarshal([]byte(wrong), &back); err == nil {
		t.Error("a misspelt parameter is passed over")
	}
}
