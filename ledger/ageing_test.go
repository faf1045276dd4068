// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// becomes waits until a record is as it has to be.
func becomes(t *testing.T, n *Node, id record.ID, what string, is func(record.Record) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		wake := n.registry.Committed()
		rec, err := n.registry.Record(id)
		if err != nil {
			t.Fatal(err)
		}
		if is(rec) {
			return
		}
		select {
		case <-wake:
		case <-deadline:
			t.Fatalf("the record is not %s: %s, %s", what, rec.State, rec.Status)
		}
	}
}

// published returns a transaction with what a vendor endorses as of a time.
func (r *registrar) published(t *testing.T, as time.Time, f simtee.Faults) []byte {
	t.Helper()
	pki, err := simtee.NewPKI(f)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.Endorsements(as)
	if err != nil {
		t.Fatal(err)
	}
	return r.sign(t, record.Transaction{Endorsements: items}, time.Now())
}

func TestRecordsChangeWithoutATransactionThatAsksForIt(t *testing.T) {
	cfg := dev(t.TempDir())
	cfg.heartbeat = time.Hour // far away: what comes before it comes by itself
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.published(t, time.Now().AddDate(0, 0, -1), simtee.Faults{}))
	res := mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	mustSubmit(t, n, r.published(t, time.Now(), simtee.Faults{
		TCBInfo: func(i *simtee.TCBInfo) { i.Levels[0].Status = rats.OutOfDate },
	}))
	becomes(t, n, res.RecordID, "out of date", func(rec record.Record) bool { return rec.Status == rats.OutOfDate })
	mustSubmit(t, n, r.sign(t, record.Transaction{Withdrawal: &record.Withdrawal{ID: res.RecordID}}, time.Now()))
	becomes(t, n, res.RecordID, "over", func(rec record.Record) bool { return rec.State == record.Expired })
}
