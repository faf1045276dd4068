// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// conformStablePages walks through listings while records are made and changed
// between the pages, and now and then the index is opened anew: what was there
// at the start and is left alone comes exactly once, in its order, and nothing
// comes twice.
func conformStablePages(t *testing.T, open opener) {
	l := newLedger()
	x := open(t, "stable", l)
	n, reopened := uint64(0), 0
	rapid.Check(t, func(rt *rapid.T) {
		insert := func() {
			n++
			l.put(record.Recorded, drawRecord(rt, n))
		}
		for range rapid.IntRange(1, 12).Draw(rt, "start") {
			insert()
		}
		f := drawFilter(rt, l)
		f.Limit = rapid.IntRange(1, 5).Draw(rt, "limit")
		start := l.newest()
		touched := make(map[record.ID]bool)
		var got []record.Record
		for pages := 1; ; pages++ {
			page, err := x.List(t.Context(), f)
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, page.Records...)
			if f.Cursor = page.NextCursor; f.Cursor == "" {
				break
			}
			if pages >= 8 { // the rest at once
				f.Limit = 200
				continue
			}
			for range rapid.IntRange(0, 2).Draw(rt, "new") {
				insert()
			}
			for range rapid.IntRange(0, 2).Draw(rt, "changed") {
				old := rapid.SampledFrom(start).Draw(rt, "old")
				r := drawRecord(rt, n)
				r.ID, r.TEE, r.Fingerprint, r.Subject = old.ID, old.TEE, old.Fingerprint, old.Subject
				l.put(record.Attested, r)
				touched[old.ID] = true
			}
			if reopened < 20 && rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				reopened++
				x = open(t, "stable", l)
			}
		}
		seen := make(map[record.ID]bool)
		var alone []record.ID
		for i := range got {
			if seen[got[i].ID] {
				rt.Fatalf("%+v: record %d comes twice", f, got[i].Sequence)
			}
			seen[got[i].ID] = true
			if !touched[got[i].ID] {
				alone = append(alone, got[i].ID)
			}
		}
		for i := range start {
			if touched[start[i].ID] || !matches(&start[i], f, now) {
				continue
			}
			if len(alone) == 0 || alone[0] != start[i].ID {
				rt.Fatalf("%+v: record %d is not in its place", f, start[i].Sequence)
			}
			alone = alone[1:]
		}
		if len(alone) != 0 {
			rt.Fatalf("%+v: %d records that were not there at the start", f, len(alone))
		}
	})
}

// conformCursors holds cursors against the listing that they came from.
func conformCursors(t *testing.T, open opener) {
	l := newLedger()
	for n := range uint64(9) {
		l.put(record.Recorded, enclave(n))
	}
	x := open(t, "cursors", l)
	first := func(f record.Filter) string {
		f.Limit = 2
		page, err := x.List(t.Context(), f)
		if err != nil || page.NextCursor == "" {
			t.Fatalf("%+v: %v, %+v", f, err, page.NextCursor)
		}
		return page.NextCursor
	}
	registrar := hexOf(fill("registrar", 0))
	all, some := first(record.Filter{}), first(record.Filter{TEE: "sgx", Registrar: registrar})
	for name, c := range map[string]struct {
		f    record.Filter
		good bool
	}{
		"the same":                      {record.Filter{Cursor: all}, true},
		"another size of pages":         {record.Filter{Cursor: all, Limit: 200}, true},
		"the same filters":              {record.Filter{Cursor: some, TEE: "sgx", Registrar: registrar}, true},
		"the same filters, spelled out": {record.Filter{Cursor: some, TEE: " SGX", Registrar: "0x" + registrar[:7] + " " + registrar[7:]}, true},
		"a filter more":                 {record.Filter{Cursor: all, TEE: "sgx"}, false},
		"a filter less":                 {record.Filter{Cursor: some, TEE: "sgx"}, false},
		"another value":                 {record.Filter{Cursor: some, TEE: "tdx", Registrar: registrar}, false},
		"another field":                 {record.Filter{Cursor: first(record.Filter{Query: "enclave"}), URL: "enclave"}, false},
	} {
		_, err := x.List(t.Context(), c.f)
		if good := err == nil; good != c.good || !good && !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The cursor is good in an index that was opened since.
	if _, err := open(t, "cursors", l).List(t.Context(), record.Filter{Cursor: all}); err != nil {
		t.Error(err)
	}
}

// conformTransactions looks up what transactions did.
func conformTransactions(t *testing.T, open opener) {
	l := newLedger()
	x := open(t, "transactions", l)
	made := l.put(record.Recorded, enclave(1))
	l.put(record.Recorded, enclave(2))
	changed := l.put(record.Attested, withStatus(enclave(1), rats.OutOfDate, rats.Production))
	for name, index := range map[string]*explorer.Index{"at once": x, "opened again": open(t, "transactions", l)} {
		e, err := index.Transaction(t.Context(), made.Tx)
		if err != nil || e.Kind != record.Recorded || e.Record.Status != rats.UpToDate || e.Tx != made.Tx || e.Height != made.Height {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if e, err = index.Transaction(t.Context(), changed.Tx); err != nil || e.Sequence != 2 || e.Record.Status != rats.OutOfDate {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if _, err = index.Transaction(t.Context(), record.TxHash(fill("tx", 99))); !errors.Is(err, rats.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
