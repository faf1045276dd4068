// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"testing"

	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// logAt is the log as it was after a block.
type logAt struct {
	size uint64
	root [32]byte
}

// busy is a chain with a few records that were attested in turn, and what the
// log was like in between.
func busy(t *testing.T) (*chain, []record.ID, []logAt) {
	t.Helper()
	c := endorsed(t)
	var ids []record.ID
	var logs []logAt
	for i := range 13 {
		q := quoteOf(t, simtee.Enclave{MREnclave: [32]byte{byte(i % 3)}, AttestationKey: uint32(i)})
		r := c.ok(c.submit(key(1), q))
		if i < 3 {
			ids = append(ids, r.RecordID)
		}
		size, root := c.reg.Log()
		logs = append(logs, logAt{size, root})
	}
	return c, ids, logs
}

func TestEachEventOfARecordCanBeProvenInTheLogOfEachLaterSize(t *testing.T) {
	c, ids, logs := busy(t)
	for _, l := range logs {
		for _, id := range ids {
			p, err := c.reg.HistoryProof(id, l.size, 100)
			if err != nil {
				if rats.KindOf(err) == rats.NotFound && l.size < 3 {
					continue
				}
				t.Fatal(err)
			}
			if p.Size != l.size || len(p.Events) == 0 {
				t.Fatalf("%+v", p)
			}
			for _, e := range p.Events {
				var event record.Event
				if err := record.Unmarshal(e.Event, &event); err != nil {
					t.Fatal(err)
				}
				leaf := rfc6962.DefaultHasher.HashLeaf(e.Event)
				if err := merkle.VerifyInclusion(rfc6962.DefaultHasher, event.Sequence, l.size, leaf, e.Path, l.root[:]); err != nil {
					t.Errorf("event %d in a log of %d: %v", event.Sequence, l.size, err)
				}
				if event.Record.ID != id {
					t.Errorf("event %d is of another record", event.Sequence)
				}
			}
		}
	}
	few, err := c.reg.HistoryProof(ids[0], logs[12].size, 2)
	if err != nil || len(few.Events) != 2 {
		t.Fatalf("%d events, %v", len(few.Events), err)
	}
	history, err := c.reg.History(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	last, err := record.Marshal(history[len(history)-1])
	if err != nil || !bytes.Equal(few.Events[1].Event, last) {
		t.Error("the newest events are not the last ones of the history")
	}
	if _, err := c.reg.HistoryProof(ids[0], logs[12].size+1, 1); rats.KindOf(err) != rats.NotFound {
		t.Errorf("a log that is not there yet: %v", err)
	}
	if _, err := c.reg.HistoryProof(record.ID{1}, logs[12].size, 1); rats.KindOf(err) != rats.NotFound {
		t.Errorf("a record that is not there: %v", err)
	}
}

func TestTheLogIsShownToHaveGrownFromEachEarlierSize(t *testing.T) {
	c, _, logs := busy(t)
	reopened, err := registry.Open(c.store)
	if err != nil {
		t.Fatal(err)
	}
	for _, reg := range []*registry.Registry{c.reg, reopened} {
		for i, from := range logs {
			for _, to := range logs[i:] {
				path, err := reg.Consistency(from.size, to.size)
				if err != nil {
					t.Fatal(err)
				}
				if err := merkle.VerifyConsistency(rfc6962.DefaultHasher, from.size, to.size, path, from.root[:], to.root[:]); err != nil {
					t.Errorf("%d to %d: %v", from.size, to.size, err)
				}
			}
		}
		if path, err := reg.Consistency(0, 5); err != nil || len(path) != 0 {
			t.Errorf("from nothing: %v, %v", path, err)
		}
		if _, err := reg.Consistency(5, 4); rats.KindOf(err) != rats.Malformed {
			t.Errorf("backwards: %v", err)
		}
		if _, err := reg.Consistency(1, 1000); rats.KindOf(err) != rats.NotFound {
			t.Errorf("to what is not there yet: %v", err)
		}
	}
}
