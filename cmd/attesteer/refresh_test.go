// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shelved is a ledger that holds endorsements and nothing else.
type shelved struct {
	gateway.Registry
	entries []record.EndorsementEntry
}

func (s *shelved) Endorsements() []record.EndorsementEntry { return s.entries }

// asked notes what is to be renewed, and has nothing.
type asked []rats.EndorsementKey

func (a *asked) Renew(_ context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error) {
	*a = append(*a, keys...)
	return nil, nil
}

func TestTheListOfNumbersThatALedgerLacksIsAskedFor(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	entry := func(kind rats.EndorsementKind, tee rats.TEE) record.EndorsementEntry {
		return record.EndorsementEntry{
			Key:    rats.EndorsementKey{Kind: kind, TEE: tee, Version: 1},
			Issued: record.MillisOf(now.Add(-time.Hour)), NextUpdate: record.MillisOf(now.AddDate(0, 0, 30)),
		}
	}
	ledger := &shelved{}
	var got asked
	r := endorse.Refresher{
		Source: &got, Shelf: ledgerShelf{registry: ledger},
		Now: func() time.Time { return now }, Random: func() float64 { return 0 },
	}
	if r.Round(t.Context()); len(got) != 0 {
		t.Fatalf("asked for %v for nothing", got)
	}
	ledger.entries = []record.EndorsementEntry{entry(rats.TCBInfo, rats.SGX), entry(rats.EvaluationNumbers, rats.TDX), entry(rats.TCBInfo, rats.TDX)}
	if r.Round(t.Context()); len(got) != 1 || got[0].Kind != rats.EvaluationNumbers || got[0].TEE != rats.SGX {
		t.Fatalf("asked for %v", got)
	}
	// Who does not have it is not asked again and again.
	for range 5 {
		now = now.Add(time.Minute)
		r.Round(t.Context())
	}
	if len(got) != 1 {
		t.Errorf("asked %d times in five minutes", len(got))
	}
	now = now.Add(time.Hour)
	if r.Round(t.Context()); len(got) != 2 {
		t.Errorf("asked %d times in an hour", len(got))
	}
	ledger.entries = append(ledger.entries, entry(rats.EvaluationNumbers, rats.SGX))
	now = now.Add(3 * time.Hour)
	if r.Round(t.Context()); len(got) != 2 {
		t.Errorf("asked for %v, which is there", got[2:])
	}
}
