// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/tree"
)

// stateAt proves a record at a height and returns its value, nil where it was
// not there yet; the proof is held against the hash of the state.
func (c *chain) stateAt(height uint64, hash [32]byte, key []byte) []byte {
	c.t.Helper()
	p, err := c.reg.ProofAt(height, key)
	if err != nil {
		c.t.Fatal(err)
	}
	if record.AppHash(p.MapRoot, p.LogRoot, p.LogSize) != hash {
		c.t.Fatalf("height %d: another hash of the state", height)
	}
	e := p.Entries[0]
	if e.Value == nil {
		err = tree.VerifyAbsence(p.MapRoot, key, e.Proof)
	} else {
		err = tree.VerifyPresence(p.MapRoot, key, e.Value, e.Proof)
	}
	if err != nil {
		c.t.Fatalf("height %d: %v", height, err)
	}
	return e.Value
}

func TestTheLastHundredHeightsAreProvenAfterRestartsToo(t *testing.T) {
	c := endorsed(t)
	hashes := map[uint64][32]byte{c.reg.Height(): c.reg.AppHash()}
	values := map[uint64]string{}
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}))).RecordID
	key1 := record.RecordKey(id)
	first := c.reg.Height()
	for n := range uint32(130) {
		height := c.reg.Height()
		hashes[height] = c.reg.AppHash()
		values[height] = string(c.stateAt(height, hashes[height], key1))
		switch {
		case n%13 == 5:
			c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{AttestationKey: n + 1})))
		case n%31 == 30:
			c.reopen()
			c.block()
		default:
			c.block()
		}
		if n == 20 { // few heights yet, and one at which the record was not there
			c.reopen()
			if c.stateAt(first-1, hashes[first-1], key1) != nil {
				t.Error("the record is proven before it came")
			}
		}
	}
	last := c.reg.Height()
	hashes[last] = c.reg.AppHash()
	values[last] = string(c.stateAt(last, hashes[last], key1))
	for _, reopened := range []bool{false, true} {
		if reopened {
			c.reopen()
		}
		for height := last - 99; height <= last; height++ {
			if got := c.stateAt(height, hashes[height], key1); string(got) != values[height] {
				t.Errorf("reopened %v, height %d: not the value of its time", reopened, height)
			}
		}
		for _, height := range []uint64{last - 100, last + 1} {
			if _, err := c.reg.ProofAt(height, key1); !errors.Is(err, rats.NotFound) {
				t.Errorf("reopened %v, height %d of %d: %v", reopened, height, last, err)
			}
		}
	}
	kept := 0
	if err := c.store.Scan([]byte{'R'}, []byte{'R' + 1}, func(_, _ []byte) error { kept++; return nil }); err != nil || kept != 100 {
		t.Errorf("%d heights are kept: %v", kept, err)
	}
}

func TestADamagedRecentHeightEndsWhatCanBeProvenAndNothingElse(t *testing.T) {
	c := endorsed(t)
	hashes := map[uint64][32]byte{}
	for range 7 {
		c.block()
		hashes[c.reg.Height()] = c.reg.AppHash()
	}
	last := c.reg.Height()
	damaged := binary.BigEndian.AppendUint64([]byte{'R'}, last-3)
	whole, err := c.store.Get(damaged)
	if err != nil || whole == nil {
		t.Fatal(err)
	}
	whole = bytes.Clone(whole)
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 4
		if err := c.store.Write([]registry.Write{{Key: damaged, Value: b}}); err != nil {
			t.Fatal(err)
		}
		c.reopen()
		c.stateAt(last-2, hashes[last-2], record.TimeKey())
		for height := last - 6; height < last-2; height++ {
			if _, err := c.reg.ProofAt(height, record.TimeKey()); err == nil {
				c.stateAt(height, hashes[height], record.TimeKey())
			}
		}
		if _, err := c.reg.ProofAt(last-4, record.TimeKey()); !errors.Is(err, rats.NotFound) {
			t.Errorf("byte %d: what came before is proven: %v", at, err)
		}
	}
}
