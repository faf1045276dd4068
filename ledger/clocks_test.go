// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
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

// TestAClockThatStepsWhileTheNodeRunsHoldsNobodyUp has one of four validators step
// ten minutes ahead, be set right, step as much behind, and be set right.
func TestAClockThatStepsWhileTheNodeRunsHoldsNobodyUp(t *testing.T) {
	t.Parallel() // it mostly waits
	begun := record.MillisOf(time.Now())
	net := found(t, 4)
	var off atomic.Int64
	refused := &lockedBuffer{}
	var nodes []*Node
	for i, home := range net.homes {
		net.adjust = func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(refused, nil)) }
		if i == 1 {
			net.adjust = func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) } }
		}
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	last, number := record.Millis(0), uint64(0)
	for _, step := range []time.Duration{0, 10 * time.Minute, 0, -10 * time.Minute, 0} {
		off.Store(int64(step))
		before := strings.Count(refused.String(), "proposal refused")
		// More blocks than there are validators, so that each is the proposer.
		for range 5 {
			number++
			a := r.attest(t, nodes[0], number)
			rec, err := nodes[0].Registry().Record(a.id)
			if err != nil {
				t.Fatal(err)
			}
			now := record.MillisOf(time.Now())
			if rec.LastAttested <= last || rec.LastAttested > now+5_000 || rec.LastAttested < begun-1_000 {
				t.Errorf("with a step of %v block %d has ledger time %d, the last had %d, and it is %d", step, rec.Height, rec.LastAttested, last, now)
			}
			last = rec.LastAttested
		}
		if now := strings.Count(refused.String(), "proposal refused"); step > 0 && now == before {
			t.Errorf("with a step of %v the others refused no proposal", step)
		}
		if step <= 0 { // who is behind, or right again, takes transactions as before
			number++
			r.attest(t, nodes[1], number)
		}
	}
	same(t, 0, nodes...)
	if err := nodes[1].Err(); err != nil {
		t.Error(err)
	}
}

// TestALoneValidatorWhoseClockStepsGoesOnFromTheLastLedgerTime: nobody is there to
// refuse its proposals, and ledger time never goes back.
func TestALoneValidatorWhoseClockStepsGoesOnFromTheLastLedgerTime(t *testing.T) {
	t.Parallel() // it mostly waits
	var off atomic.Int64
	cfg := dev(t.TempDir())
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, cfg.Now()))
	last := record.Millis(0)
	for number, step := range []time.Duration{0, 10 * time.Minute, 0, -10 * time.Minute, 0} {
		off.Store(int64(step))
		// By ledger time, which goes on from the furthest that it came to.
		at := time.Now().Add(max(step, time.Until(n.Registry().Time().Time())))
		id := mustSubmit(t, n, r.evidence(t, r.quote(t, uint64(number)), at)).RecordID
		rec, err := n.Registry().Record(id)
		if err != nil {
			t.Fatal(err)
		}
		if rec.LastAttested <= last || step > 0 && rec.LastAttested < record.MillisOf(time.Now().Add(step-time.Minute)) {
			t.Errorf("with a step of %v ledger time is %d, and was %d", step, rec.LastAttested, last)
		}
		last = rec.LastAttested
	}
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

// TestCometBFTBearsAClockThatIsTenMinutesBehind: it reads the system's clock by
// itself, which no test in this process can set; go run ./reliability clock does.
func TestCometBFTBearsAClockThatIsTenMinutesBehind(t *testing.T) {
	c := configuration(Config{}, t.TempDir()).Consensus
	if err := c.ValidateBasic(); err != nil || c.BlockTimeTolerance <= 10*time.Minute {
		t.Errorf("blocks %v ahead of a node's clock are refused, %v", c.BlockTimeTolerance, err)
	}
}

// TestValidatorsWhoseClocksAreSecondsApartDecide has proposers within and beyond
// what the others bear: -3 s, right, +3 s and +8 s.
func TestValidatorsWhoseClocksAreSecondsApartDecide(t *testing.T) {
	t.Parallel() // it mostly waits
	shifts := []time.Duration{-3 * time.Second, 0, 3 * time.Second, 8 * time.Second}
	refusals := make([]*lockedBuffer, len(shifts))
	net := found(t, len(shifts))
	begun := record.MillisOf(time.Now())
	var nodes []*Node
	for i, home := range net.homes {
		refusals[i] = &lockedBuffer{}
		net.adjust = func(c *Config) {
			c.Now = func() time.Time { return time.Now().Add(shifts[i]) }
			c.Logger = slog.New(slog.NewTextHandler(refusals[i], &slog.HandlerOptions{Level: slog.LevelWarn}))
		}
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[1], r.endorsements(t, time.Now()))
	same(t, 0, nodes...)
	var all []attested
	// Each is asked twice, and each is the proposer more than once.
	for number := range uint64(2 * len(nodes)) {
		all = append(all, r.attest(t, nodes[number%uint64(len(nodes))], number))
	}
	same(t, 0, nodes...)

	last := record.Millis(0)
	events, err := nodes[0].Registry().Events(0, 100)
	if err != nil || len(events) != len(all) {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		now := record.MillisOf(time.Now())
		if e.Record.ID != all[i].id || e.Time <= last || e.Time > now+5_000 || e.Time < begun-5_000 {
			t.Errorf("event %d has ledger time %d, the last had %d, it began at %d and is %d", i, e.Time, last, begun, now)
		}
		last = e.Time
	}
	// All nodes hold the same, and prove it, whatever their clocks say.
	for i, n := range nodes {
		for _, a := range all {
			knows(t, n, net.genesis, a)
		}
		other, err := n.Registry().Events(0, 100)
		if err != nil || !reflect.DeepEqual(other, events) {
			t.Errorf("node %d has other events, %v", i, err)
		}
	}
	// Who is right and who is behind have refused the one that is eight seconds ahead.
	for i := range 2 {
		if !strings.Contains(refusals[i].String(), "proposal refused") {
			t.Errorf("node %d refused no proposal", i)
		}
	}
	if err := nodes[3].Err(); err != nil {
		t.Error(err)
	}
}
