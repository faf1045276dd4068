// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

func TestEvidenceIsPrunedOnceNoRecordRestsOnIt(t *testing.T) {
	c := endorsed(t)
	own := key(9)
	gone := keyed(own)
	first := quoteOf(t, simtee.Enclave{MREnclave: [32]byte{1}})
	second := quoteOf(t, simtee.Enclave{MREnclave: [32]byte{1}, AttestationKey: 1})
	withdrawn := quoteOf(t, gone)
	alone := quoteOf(t, simtee.Enclave{MREnclave: [32]byte{2}})
	c.ok(c.submit(key(1), first))
	c.ok(c.submit(key(1), second))
	id := c.ok(c.submit(key(1), withdrawn)).RecordID
	c.ok(c.submit(key(1), alone))
	c.ok(c.withdrawal(key(1), id, ed25519.Sign(own, c.toSign(id))))
	recent := c.now
	late := quoteOf(t, simtee.Enclave{MREnclave: [32]byte{3}})
	c.ok(c.submit(key(1), late))
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{MREnclave: [32]byte{3}, AttestationKey: 1})))

	unpruned, err := registry.Open(c.store.clone())
	if err != nil {
		t.Fatal(err)
	}
	has := func(evidence []byte) bool {
		_, err := c.reg.Evidence(sha256.Sum256(evidence))
		if err != nil && rats.KindOf(err) != rats.NotFound {
			t.Fatal(err)
		}
		return err == nil
	}
	if n, err := c.reg.PruneEvidence(0, 100); n != 0 || err != nil {
		t.Errorf("nothing is old: %d, %v", n, err)
	}
	// In steps, each of which goes on where the last one stopped.
	looked := 0
	for {
		n, err := c.reg.PruneEvidence(recent, 2)
		if err != nil || n > 2 {
			t.Fatalf("%d, %v", n, err)
		}
		looked += n
		if n < 2 {
			break
		}
	}
	if looked != 4 {
		t.Errorf("looked at %d events, want 4", looked)
	}
	for _, e := range []struct {
		name     string
		evidence []byte
		want     bool
	}{
		{"what newer evidence replaced", first, false},
		{"what an active record rests on", second, true},
		{"what a withdrawn record rested on", withdrawn, false},
		{"what nothing replaced", alone, true},
		{"what was replaced lately", late, true},
	} {
		if has(e.evidence) != e.want {
			t.Errorf("%s: kept %v, want %v", e.name, !e.want, e.want)
		}
	}
	if n, err := c.reg.PruneEvidence(c.now+1, 100); err != nil || n != 3 || has(late) {
		t.Errorf("later: looked at %d, %v", n, err)
	}

	// Whoever pruned reaches the same as whoever did not, and can be joined from.
	for i := range uint64(3) {
		b := registry.Block{Height: c.reg.Height() + 1, Hash: hashOf(i), Txs: [][]byte{tickAt(t, c.now+1000), c.submit(key(2), first), c.submit(key(2), withdrawn)}}
		c.now += 1000
		if a, b := decide(t, c.reg, b), decide(t, unpruned, b); a.AppHash != b.AppHash {
			t.Fatal("pruning changed the state")
		}
	}
	s, err := registry.Stand(c.store)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := restore(t, s, parts(t, c.store)); err != nil {
		t.Errorf("joining from a pruned node: %v", err)
	}
}
