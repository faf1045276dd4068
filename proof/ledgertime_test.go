// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"testing"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// TestLedgerTimeStandsUnderItsKeyAlone: a value that reads as a time, and is in
// the state, is not ledger time under any other key. A reader who took it would
// hold an expired record for a live one.
func TestLedgerTimeStandsUnderItsKeyAlone(t *testing.T) {
	c := newChain(t, 1, 1)
	key := append(record.TimeKey(), '2')
	c.put(t, key, record.LedgerTime{Time: 1, Height: 1})
	v, err := c.verify(t, c.rec.ID, func(b *proof.Bundle) { b.Entries[1] = c.entry(key) })
	if rats.KindOf(err) != rats.BindingMismatch || v != nil {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err = c.verify(t, c.rec.ID, nil); err != nil || v.LedgerTime.Time == 1 {
		t.Errorf("%+v, %v", v, err)
	}
}
