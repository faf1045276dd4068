// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"testing"

	"github.com/attesteer/attesteer/record"
)

// renewed is a ledger whose endorsements were refreshed since it wrote records.
type renewed struct{ *ledger }

func (renewed) Refresh(r *record.Record) error {
	r.ValidUntil = now + 60*day
	return nil
}

func TestAListSaysUntilWhenRecordsHoldByTheLedgersPresentData(t *testing.T) {
	l := newLedger()
	lapsed := enclave(1)
	lapsed.ValidUntil = now - hour
	l.put(record.Recorded, lapsed)
	x := sqliteOpener(t)(t, "renewed", renewed{l})
	got := list(t, x, record.Filter{State: string(record.Active)})
	if len(got) != 1 || got[0].ValidUntil != now+60*day || got[0].StateAt(now) != record.Active {
		t.Errorf("%+v", got)
	}
}
