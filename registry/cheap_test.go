// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/hex"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// TestWhatIsCheapIsCheckedBeforeSignaturesAndTheseBeforeEvidence gives each
// transaction every later fault too: the one that is named was found first.
func TestWhatIsCheapIsCheckedBeforeSignaturesAndTheseBeforeEvidence(t *testing.T) {
	g := devGenesis()
	g.Parameters.UnknownQuota, g.Parameters.RegistrarQuota = 1, 1
	admitted := registrar(key(1))
	g.Registrars = []string{hex.EncodeToString(admitted[:])}
	c := newChain(t, g)
	broken := quoteOf(t, simtee.Enclave{})
	broken[200] ^= 1
	submission := &record.Submission{Evidence: broken}
	unsigned := func(k byte, change func(*record.Transaction)) []byte {
		tx := c.tx(key(k), func(tx *record.Transaction) {
			tx.Submission = submission
			change(tx)
		})
		tx[len(tx)-1] ^= 1 // the signature is last
		return tx
	}
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	spent := c.tx(key(1), func(tx *record.Transaction) { tx.Endorsements, tx.Nonce = items, [16]byte{9} })
	c.ok(spent)
	if r := c.reg.Check(c.submit(key(2), quoteOf(t, simtee.Enclave{}))); r.Err != nil {
		t.Fatal(r.Err) // it uses up what unknown registrars have in this block
	}
	for name, tc := range map[string]struct {
		tx   []byte
		kind rats.Kind
	}{
		"malformed":     {[]byte("garbage"), rats.Malformed},
		"oversized":     {make([]byte, record.MaxTransaction+1), rats.TooLarge},
		"of the future": {unsigned(1, func(tx *record.Transaction) { tx.Version = record.TransactionVersion + 1 }), rats.Unsupported},
		"wrong chain":   {unsigned(1, func(tx *record.Transaction) { tx.ChainID = "another" }), rats.BindingMismatch},
		"too late":      {unsigned(1, func(tx *record.Transaction) { tx.NotAfter = c.now - 1 }), rats.Expired},
		"replayed":      {unsigned(1, func(tx *record.Transaction) { tx.Nonce = [16]byte{9} }), rats.Replayed},
		"over quota":    {unsigned(3, func(*record.Transaction) {}), rats.QuotaExceeded},
		"not signed":    {unsigned(1, func(*record.Transaction) {}), rats.BadSignature},
	} {
		r := c.reg.Check(tc.tx)
		if r.Err == nil || r.Err.Kind != tc.kind {
			t.Errorf("%s: %v, want %v", name, r.Err, tc.kind)
		}
		if r.Result != nil {
			t.Errorf("%s: the evidence was appraised", name)
		}
	}
}
