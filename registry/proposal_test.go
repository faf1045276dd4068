// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

func tickAt(t testing.TB, at record.Millis) []byte {
	t.Helper()
	b, err := record.NewTick(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABlockIsProposedOnlyForAReasonAndBeginsWithItsTime(t *testing.T) {
	c := newChain(t, devGenesis())
	last := c.reg.Time()
	if txs := c.reg.Propose(last+24_000, nil, false, 1<<20); txs != nil {
		t.Errorf("an idle ledger proposes %d transactions", len(txs))
	}
	for name, txs := range map[string][][]byte{
		"when time is old":     c.reg.Propose(last+25_000, nil, false, 1<<20),
		"for misbehaviour":     c.reg.Propose(last+10, nil, true, 1<<20),
		"for a transaction":    c.reg.Propose(last+10, [][]byte{{1}}, false, 1<<20),
		"with a clock behind":  c.reg.Propose(last-10_000, [][]byte{{1}}, false, 1<<20),
		"with no room for any": c.reg.Propose(last+10, [][]byte{make([]byte, 2<<20)}, false, 1<<20),
	} {
		if len(txs) == 0 {
			t.Errorf("%s: nothing proposed", name)
			continue
		}
		o, err := record.Open(txs[0])
		if err != nil || o.Tick == nil || o.Tick.Time <= last {
			t.Errorf("%s: %v, %v", name, o, err)
		}
		if err := c.reg.Judge(last+25_000, txs, false, false); err != nil {
			t.Errorf("%s: own rules refuse it: %v", name, err)
		}
	}
}

func TestProposalsThatBreakTheRulesOfTimeAreRefused(t *testing.T) {
	c := newChain(t, devGenesis())
	last := c.reg.Time()
	tx := c.submit(key(1), []byte{1})
	for name, p := range map[string]struct {
		txs          [][]byte
		misbehaviour bool
		own          bool
		ok           bool
	}{
		"without transactions":             {ok: true},
		"misbehaviour without a time":      {misbehaviour: true},
		"a time alone":                     {txs: [][]byte{tickAt(t, last+5)}, ok: true},
		"time and transaction":             {txs: [][]byte{tickAt(t, last+5), tx}, ok: true},
		"transaction without a time":       {txs: [][]byte{tx}},
		"time not first":                   {txs: [][]byte{tx, tickAt(t, last+5)}},
		"two times":                        {txs: [][]byte{tickAt(t, last+5), tickAt(t, last+6)}},
		"time that stands still":           {txs: [][]byte{tickAt(t, last), tx}},
		"time that goes back":              {txs: [][]byte{tickAt(t, last-1), tx}},
		"time five seconds ahead":          {txs: [][]byte{tickAt(t, last+5_000), tx}, ok: true},
		"time further ahead":               {txs: [][]byte{tickAt(t, last+5_001), tx}},
		"time further ahead of one's own":  {txs: [][]byte{tickAt(t, last+5_001), tx}, own: true, ok: true},
		"an old time, for age is no fault": {txs: [][]byte{tickAt(t, last+1), tx}, ok: true},
		"an unreadable transaction":        {txs: [][]byte{tickAt(t, last+5), {1, 2, 3}}, ok: true},
	} {
		if err := c.reg.Judge(last, p.txs, p.misbehaviour, p.own); (err == nil) != p.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A judge whose clock is far behind still goes on from the last time.
	if err := c.reg.Judge(last-100_000, [][]byte{tickAt(t, last+1), tx}, false, false); err != nil {
		t.Errorf("last plus one millisecond: %v", err)
	}
}

func TestTheClockOffsetIsTheGenesissAndStays(t *testing.T) {
	g := devGenesis()
	g.ClockOffset = -86_400_000
	c := newChain(t, g)
	now := record.MillisOf(start())
	if got := c.reg.Time(); got != now-86_400_000 {
		t.Errorf("ledger time %v", got.Time())
	}
	txs := c.reg.Propose(now+1000, [][]byte{{1}}, false, 1<<20)
	o, err := record.Open(txs[0])
	if err != nil || o.Tick.Time != now+1000-86_400_000 {
		t.Errorf("%v %v", o, err)
	}
}

func TestABlockWithoutATimeChangesNothingThatIsAgreedOn(t *testing.T) {
	c := endorsed(t)
	before, at := c.reg.AppHash(), c.reg.Time()
	tx := c.submit(key(1), quoteOf(t, simtee.Enclave{}))
	for _, txs := range [][][]byte{nil, {tx}, {tickAt(t, at), tx}} {
		out, err := c.reg.Apply(registry.Block{Height: c.reg.Height() + 1, Hash: [32]byte{1}, Txs: txs})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.reg.Commit(); err != nil {
			t.Fatal(err)
		}
		if out.AppHash != before || c.reg.Time() != at {
			t.Errorf("%d transactions changed the state", len(txs))
		}
		for _, r := range out.Results {
			if r.Err == nil {
				t.Error("a transaction counted")
			}
		}
	}
	c.ok(tx)
}
