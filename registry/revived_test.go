// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// ended records one enclave by evidence that binds nothing and then by evidence
// that binds a block, and lets the record end.
func ended(t *testing.T, c *chain) (id record.ID, plain, fresh []byte, bound record.Freshness) {
	t.Helper()
	e := simtee.Enclave{ReportData: [64]byte{7}}
	plain = quoteOf(t, e)
	c.ok(c.submit(key(1), plain))
	fresh = quoteOf(t, c.boundTo(e))
	id = c.ok(c.submit(key(1), fresh)).RecordID
	bound = c.record(id).Freshness
	if bound.Kind != record.FreshnessBlock || bound.Height == 0 {
		t.Fatalf("%+v", bound)
	}
	c.later(3 * day)
	if rec := c.record(id); rec.State != record.Expired {
		t.Fatalf("%s", rec.State)
	}
	return id, plain, fresh, bound
}

func TestAttackEvidenceThatBindsNothingDoesNotPassForFreshByRevivingARecord(t *testing.T) {
	c := endorsed(t)
	id, plain, fresh, bound := ended(t, c)
	c.ok(c.submit(key(2), plain, forDays(10)))
	if rec := c.record(id); rec.State != record.Active || rec.Freshness != (record.Freshness{Kind: record.FreshnessNone}) {
		t.Errorf("revived by evidence that binds nothing: %s, %+v", rec.State, rec.Freshness)
	}
	// A record that has not ended goes on resting on what it rested on.
	c.ok(c.submit(key(3), fresh, forDays(10)))
	if rec := c.record(id); rec.Freshness.Kind != record.FreshnessNone {
		t.Errorf("a further listing changed %+v", rec.Freshness)
	}
	c.later(10 * day)
	// Long after its window, evidence is still known to be bound to its block.
	c.ok(c.submit(key(4), fresh, forDays(30)))
	if rec := c.record(id); rec.State != record.Active || rec.Freshness != bound {
		t.Errorf("revived by evidence bound to a block: %s, %+v", rec.State, rec.Freshness)
	}
}

// TestAnOlderVersionRevivesRecordsAsItDid until the version begins that knows better;
// what the older one recorded was bound to is not known any more.
func TestAnOlderVersionRevivesRecordsAsItDid(t *testing.T) {
	for name, pick := range map[string]func(plain, fresh []byte) []byte{
		"evidence that binds nothing": func(plain, _ []byte) []byte { return plain },
		"evidence bound to a block":   func(_, fresh []byte) []byte { return fresh },
	} {
		g := governedGenesis(10)
		g.Version = 5
		c := newChain(t, g)
		items, err := simtee.EndorsementsFor(rats.SGX, start())
		if err != nil {
			t.Fatal(err)
		}
		c.ok(c.publish(items...))
		id, plain, fresh, bound := ended(t, c)
		c.ok(c.submit(key(2), pick(plain, fresh), forDays(10)))
		if got := c.record(id).Freshness; got != bound {
			t.Errorf("%s: version 5 says %+v", name, got)
		}
		at := c.reg.Height() + 4
		c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: 6, Height: at}}))
		c.later(10 * day)
		for c.reg.Height() < at {
			c.block()
		}
		if rec := c.record(id); rec.State != record.Expired || rec.Freshness != bound {
			t.Errorf("%s: the new version by itself made it %s, %+v", name, rec.State, rec.Freshness)
		}
		c.ok(c.submit(key(3), pick(plain, fresh), forDays(30)))
		if got := c.record(id).Freshness; got.Kind != record.FreshnessNone {
			t.Errorf("%s: version 6 says %+v", name, got)
		}
	}
}
