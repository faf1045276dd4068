// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/record"
)

func TestTheFirstTransactionAfterIdleHoursOrARestartHasThePresentTime(t *testing.T) {
	t.Parallel() // it mostly waits
	var ahead atomic.Int64
	cfg := dev(t.TempDir())
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, cfg.Now()))
	number := uint64(0)
	present := func(when string) {
		t.Helper()
		number++
		before := record.MillisOf(cfg.Now())
		id := mustSubmit(t, n, r.evidence(t, r.quote(t, number), cfg.Now())).RecordID
		rec, err := n.Registry().Record(id)
		if err != nil {
			t.Fatal(err)
		}
		if rec.LastAttested < before || rec.LastAttested > record.MillisOf(cfg.Now()) {
			t.Errorf("%s: ledger time is %v, and it is %v", when, rec.LastAttested.Time(), before.Time())
		}
	}
	present("at the start")
	rest(t, n) // no block is at work whose time was chosen before
	ahead.Store(int64(5 * time.Hour))
	present("after five idle hours")
	stop(t, n)
	ahead.Store(int64(9 * time.Hour))
	n = run(t, cfg)
	present("after a restart four hours later")
}
