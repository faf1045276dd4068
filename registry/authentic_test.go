// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

func TestWhatNoStateMakesRightIsToldFromWhatAStateRefuses(t *testing.T) {
	c := endorsed(t)
	good := c.submit(key(1), quoteOf(t, simtee.Enclave{}))
	spoilt := bytes.Clone(good)
	spoilt[len(spoilt)-1] ^= 1
	tick, err := record.NewTick(c.now + 1)
	if err != nil {
		t.Fatal(err)
	}
	other := c.tx(key(1), func(tx *record.Transaction) {
		tx.ChainID, tx.Submission = "another", &record.Submission{Evidence: []byte{1}}
	})
	later := c.tx(key(1), func(tx *record.Transaction) {
		tx.Version, tx.Submission = 9, &record.Submission{Evidence: []byte{1}}
	})
	for name, tt := range map[string]struct {
		tx   []byte
		kind rats.Kind
	}{
		"noise":                   {bytes.Repeat([]byte{0xff}, 100), rats.Malformed},
		"nothing":                 {nil, rats.Malformed},
		"too much":                {make([]byte, record.MaxTransaction+1), rats.TooLarge},
		"another's signature":     {spoilt, rats.BadSignature},
		"another ledger's":        {other, rats.BindingMismatch},
		"a ledger time":           {tick, rats.Malformed},
		"a version that may come": {later, rats.Unsupported},
	} {
		if got := rats.KindOf(c.reg.Authentic(tt.tx)); got != tt.kind {
			t.Errorf("%s: %v, want %v", name, got, tt.kind)
		}
		if r := c.reg.Check(tt.tx); r.Err == nil || r.Err.Kind != tt.kind {
			t.Errorf("%s: Check says %v, want %v", name, r.Err, tt.kind)
		}
	}
	// What counts, counted, or is refused for what the state holds.
	c.ok(good)
	motion := governed(t, 10)
	for name, one := range map[string]struct {
		reg *registry.Registry
		tx  []byte
	}{
		"what counted":      {c.reg, good},
		"evidence of noise": {c.reg, c.submit(key(2), []byte("noise"))},
		"a nonce once more": {c.reg, c.submit(key(1), quoteOf(t, simtee.Enclave{}))},
		"a proposal":        {motion.reg, motion.propose(0, record.Proposal{Activation: &record.Activation{Version: 90, Height: 900}})},
		"what nobody may":   {motion.reg, motion.propose(0, record.Proposal{Activation: &record.Activation{Version: 1, Height: 1}})},
	} {
		if err := one.reg.Authentic(one.tx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
