// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

func TestMisbehaviourIsInTheStateAndItsHistoryAndBounded(t *testing.T) {
	c := newChain(t, devGenesis())
	for range 2 {
		cases := make([]record.Misbehaviour, record.MaxMisbehaviour-30)
		for i := range cases {
			cases[i] = record.Misbehaviour{Kind: record.DuplicateVote, Validator: [20]byte{byte(i)}, Power: 10, Height: c.reg.Height()}
		}
		c.now += 1000
		before := c.reg.AppHash()
		block := registry.Block{Height: c.reg.Height() + 1, Hash: hashOf(1), Txs: [][]byte{tickAt(t, c.now)}, Misbehaviour: cases}
		first, err := c.reg.Apply(block)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.reg.Apply(block)
		if err != nil || again.AppHash != first.AppHash || first.AppHash == before {
			t.Fatalf("%v: %x, then %x", err, first.AppHash, again.AppHash)
		}
		if err := c.reg.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	reopened, err := registry.Open(c.store)
	if err != nil {
		t.Fatal(err)
	}
	got, err := reopened.Misbehaviour()
	if err != nil || got.Count != 2*(record.MaxMisbehaviour-30) || len(got.Latest) != record.MaxMisbehaviour {
		t.Fatalf("%v: %d, the last %d", err, got.Count, len(got.Latest))
	}
	events, err := reopened.Events(0, registry.MaxEvents)
	if err != nil || uint64(len(events)) != got.Count {
		t.Fatalf("%v: %d events", err, len(events))
	}
	e, last := events[len(events)-1], got.Latest[record.MaxMisbehaviour-1]
	if e.Kind != record.Misbehaved || e.Act == nil || *e.Act.Misbehaviour != last || last.Time != c.now || last.Recorded != 2 {
		t.Errorf("the last event is %+v, the last case %+v", e, last)
	}
}
