// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// boundTo is an enclave whose evidence is bound to a block.
func boundTo(hash [32]byte) simtee.Enclave {
	e := simtee.Enclave{ReportData: [64]byte{7}}
	copy(e.ReportData[32:], hash[:])
	return e
}

func TestAttackTheHashOfABlockOutsideTheWindowMakesNothingFresh(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		fresh bool
	}{
		"at the window's end": {10 * time.Minute, true},
		"a moment past it":    {10*time.Minute + time.Millisecond, false},
		"a day later":         {24 * time.Hour, false},
	} {
		ledger := endorsed(t)
		hash, height, at, ok := ledger.reg.Challenge()
		if !ok {
			t.Fatal("no challenge")
		}
		tx := func() []byte { return ledger.submit(key(1), quoteOf(t, boundTo(hash))) }
		ledger.now = at + record.Millis(c.after.Milliseconds())
		r := ledger.blockAt(ledger.now, tx())[0]
		if r.Err != nil {
			t.Fatalf("%s: %v", name, r.Err)
		}
		rec := ledger.record(r.RecordID)
		if c.fresh && rec.Freshness != (record.Freshness{Kind: record.FreshnessBlock, Height: height}) || !c.fresh && rec.Freshness.Kind != record.FreshnessNone {
			t.Errorf("%s: %+v", name, rec.Freshness)
		}
		// What is not fresh is who the enclave says that it is, hash and all: it
		// extends no record of the enclave without it.
		plain := record.NewID(rats.SGX, make([]byte, 32), append([]byte{7}, make([]byte, 63)...))
		if (rec.ID == plain) != c.fresh {
			t.Errorf("%s: it is the record of the enclave without a block: %t", name, rec.ID == plain)
		}
	}
}

func TestAttackTheHashOfABlockToComeMakesNothingFresh(t *testing.T) {
	c := endorsed(t)
	// The block that carries the evidence, and one after it: their hashes cannot be
	// known, and if they were they would not count.
	for ahead := uint64(1); ahead <= 2; ahead++ {
		e := boundTo(hashOf(c.reg.Height() + ahead))
		e.ISVSVN = uint16(ahead)
		raw := quoteOf(t, e)
		id := c.ok(c.submit(key(1), raw)).RecordID
		if rec := c.record(id); rec.Freshness.Kind != record.FreshnessNone {
			t.Errorf("%d ahead: %+v", ahead, rec.Freshness)
		}
		// Nor once that block is there: the evidence was seen before it.
		c.block()
		c.block()
		c.refused(c.submit(key(1), raw), rats.Replayed)
		c.ok(c.submit(key(2), raw))
		if rec := c.record(id); rec.Freshness.Kind != record.FreshnessNone {
			t.Errorf("%d ahead, listed again: %+v", ahead, rec.Freshness)
		}
	}
}

func TestAttackABlockWithoutATimeIsNothingToBeBoundTo(t *testing.T) {
	c := endorsed(t)
	hash, height := hashOf(c.reg.Height()+1), c.reg.Height()+1
	if _, err := c.reg.Apply(registry.Block{Height: height, Hash: hash}); err != nil {
		t.Fatal(err)
	}
	if err := c.reg.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := c.reg.Height(); got != height {
		t.Fatalf("height %d", got)
	}
	id := c.ok(c.submit(key(1), quoteOf(t, boundTo(hash)))).RecordID
	if rec := c.record(id); rec.Freshness.Kind != record.FreshnessNone {
		t.Errorf("%+v", rec.Freshness)
	}
}

func TestAttackEvidenceThatBindsNothingCannotOutlastMaxUnfreshHoweverOftenItComes(t *testing.T) {
	g := devGenesis()
	g.Parameters.MaxUnfresh = (72 * time.Hour).Milliseconds()
	c := newChain(t, g)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 0)...))
	e := simtee.Enclave{ReportData: [64]byte{7}}
	id := c.ok(c.submit(key(1), quoteOf(t, e))).RecordID
	end := c.record(id).FirstAttested + record.Millis(g.Parameters.MaxUnfresh)
	// New signatures of a key that an attacker holds, by one registrar and by many.
	for n := range uint32(6) {
		c.blockAt(c.now + record.Millis((10 * time.Hour).Milliseconds()))
		e.AttestationKey = n + 1
		c.ok(c.submit(key(byte(n%3+1)), quoteOf(t, e)))
		if got := c.record(id).Expires; got > end {
			t.Fatalf("it expires at %v, after %v", got.Time(), end.Time())
		}
	}
	c.blockAt(end)
	e.AttestationKey = 100
	c.refused(c.submit(key(1), quoteOf(t, e)), rats.PolicyRejected, "recent block")
	// Evidence that binds a block goes on.
	hash, _, _, _ := c.reg.Challenge()
	fresh := boundTo(hash)
	r := c.ok(c.submit(key(1), quoteOf(t, fresh)))
	if rec := c.record(id); r.RecordID != id || rec.Expires <= end {
		t.Errorf("fresh evidence: expires %v", rec.Expires.Time())
	}
}

func TestAttackANonceCountsOnceWhateverTheTransactionSays(t *testing.T) {
	c := endorsed(t)
	with := func(k byte, nonce byte, enclave uint16) []byte {
		return c.tx(key(k), func(tx *record.Transaction) {
			tx.Nonce = [16]byte{200, nonce}
			tx.Submission = &record.Submission{Evidence: quoteOf(t, simtee.Enclave{ISVSVN: enclave})}
		})
	}
	c.ok(with(1, 1, 1))
	c.refused(with(1, 1, 2), rats.Replayed, "nonce")
	// In one block, too; and it is each registrar's own.
	out := c.block(with(1, 2, 3), with(1, 2, 4), with(2, 2, 5))
	if out[0].Err != nil || out[1].Err == nil || out[1].Err.Kind != rats.Replayed || out[2].Err != nil {
		t.Errorf("%v, %v, %v", out[0].Err, out[1].Err, out[2].Err)
	}
	// A transaction whose nonce the ledger has forgotten is over itself.
	old := with(1, 3, 6)
	c.ok(old)
	c.blockAt(c.now + record.Millis((2 * time.Minute).Milliseconds()))
	c.block()
	c.refused(old, rats.Expired)
}

func TestAttackATransactionOfAnotherLedgerCountsOnNone(t *testing.T) {
	c := endorsed(t)
	raw := quoteOf(t, simtee.Enclave{})
	c.refused(c.tx(key(1), func(tx *record.Transaction) {
		tx.ChainID, tx.Submission = "test-chain-2", &record.Submission{Evidence: raw}
	}), rats.BindingMismatch)
}
