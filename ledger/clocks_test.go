// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/attesteer/attesteer/record"
)

func TestAClockThatIsAheadOrBehindHoldsNobodyUp(t *testing.T) {
	t.Parallel() // it mostly waits
	begun := record.MillisOf(time.Now())
	net := found(t, 4)
	var nodes []*Node
	// One of the four is ten minutes ahead, one as much behind.
	for i, home := range net.homes {
		shift := []time.Duration{0, 10 * time.Minute, -10 * time.Minute, 0}[i]
		net.adjust = func(c *Config) { c.Now = func() time.Time { return time.Now().Add(shift) } }
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	last := record.Millis(0)
	// More blocks than there are validators, so that each is the proposer.
	for number := range uint64(5) {
		a := r.attest(t, nodes[0], number)
		rec, err := nodes[0].Registry().Record(a.id)
		if err != nil {
			t.Fatal(err)
		}
		now := record.MillisOf(time.Now())
		// Who is behind can only go on from the last block's time.
		if rec.LastAttested <= last || rec.LastAttested > now+5_000 || rec.LastAttested < begun-1_000 {
			t.Errorf("block %d has ledger time %d, the last had %d, it began at %d and is %d", rec.Height, rec.LastAttested, last, begun, now)
		}
		last = rec.LastAttested
	}
	same(t, 0, nodes...)
}

func TestTheLedgerStandsStillWithoutTwoThirdsAndGoesOnWithThem(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 4)
	var nodes []*Node
	for _, home := range net.homes {
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	same(t, 1, nodes...)
	net.stop(t, nodes[2])
	net.stop(t, nodes[3])
	height := nodes[0].Registry().Height()
	tx := r.evidence(t, r.quote(t, 1), time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if res, err := nodes[0].Submit(ctx, tx); err == nil {
		t.Fatalf("two of four decided: %+v", res)
	}
	if h := nodes[0].Registry().Height(); h > height+1 { // one may have been decided already
		t.Errorf("the height went from %d to %d", height, h)
	}
	// By itself: nobody submits it again.
	nodes[2] = net.start(t, net.homes[2])
	same(t, height, nodes[:3]...)
	if res := submit(t, nodes[1], tx); !res.Recorded && res.Err == nil {
		t.Errorf("got %+v", res)
	}
	nodes[3] = net.start(t, net.homes[3])
	same(t, height, nodes...)
}
