// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// opener opens an index over src at a place of its own; twice the same name is
// twice the same place.
type opener func(t *testing.T, name string, src explorer.EventSource) *explorer.Index

func sqliteOpener(t *testing.T) opener {
	dir := t.TempDir()
	return func(t *testing.T, name string, src explorer.EventSource) *explorer.Index {
		return openFile(t, filepath.Join(dir, name+".sqlite"), src)
	}
}

func openFile(t *testing.T, path string, src explorer.EventSource) *explorer.Index {
	t.Helper()
	x, err := explorer.OpenIndex(t.Context(), explorer.IndexConfig{Path: path}, src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// ids lists with a filter and returns what it found by name.
func list(t *testing.T, x *explorer.Index, f record.Filter) []record.Record {
	t.Helper()
	page, err := x.List(t.Context(), f)
	if err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return page.Records
}

func sameRecords(t *testing.T, got, want []record.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		a, errA := record.Marshal(&got[i])
		b, errB := record.Marshal(&want[i])
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if string(a) != string(b) {
			t.Fatalf("record %d differs: sequence %d, want %d", i, got[i].Sequence, want[i].Sequence)
		}
	}
}

func TestSQLiteConforms(t *testing.T) { conform(t, sqliteOpener(t)) }

// conform is what an index must do, whatever database holds it.
func conform(t *testing.T, open opener) {
	t.Run("a listing holds what was written just before", func(t *testing.T) {
		l := newLedger()
		x := open(t, "write", l)
		if got := list(t, x, record.Filter{}); len(got) != 0 {
			t.Fatalf("%d records in an empty ledger", len(got))
		}
		for n := range uint64(5) {
			l.put(record.Recorded, enclave(n))
			sameRecords(t, list(t, x, record.Filter{}), l.newest())
		}
		changed := withStatus(enclave(2), rats.OutOfDate, rats.Production)
		changed.Listings = append(changed.Listings, record.Listing{Registrar: record.Registrar{9}, URL: "second.example", Since: now, Expires: now + day})
		l.put(record.Listed, changed)
		sameRecords(t, list(t, x, record.Filter{}), l.newest())
		if got := list(t, x, record.Filter{Query: "second.example"}); len(got) != 1 || got[0].ID != changed.ID {
			t.Fatalf("%d records by a url that a later event brought", len(got))
		}
		changed.Listings = changed.Listings[:1]
		l.put(record.Listed, changed)
		if got := list(t, x, record.Filter{Query: "second.example"}); len(got) != 0 {
			t.Fatalf("%d records by a url that no listing carries any more", len(got))
		}
	})
	t.Run("pages follow one another without gap or repetition while records arrive", func(t *testing.T) { conformPaging(t, open) })
	t.Run("pages hold once what nobody touches, whatever happens between them", func(t *testing.T) { conformStablePages(t, open) })
	t.Run("a cursor leads on in its own listing alone", func(t *testing.T) { conformCursors(t, open) })
	t.Run("transactions are found by their hash", func(t *testing.T) { conformTransactions(t, open) })
	t.Run("filters select what the records say", func(t *testing.T) { conformFilters(t, open) })
	t.Run("states are derived at ledger time", func(t *testing.T) { conformStates(t, open) })
	t.Run("drawn filters select what a plain search selects", func(t *testing.T) { conformModel(t, open) })
	t.Run("more events than one batch are taken", func(t *testing.T) {
		l := newLedger()
		for n := range uint64(2500) {
			l.put(record.Recorded, enclave(n%1200))
		}
		x := open(t, "batches", l)
		sameRecords(t, list(t, x, record.Filter{Limit: 200}), l.newest()[:200])
	})
	t.Run("the index is kept and goes on where it ended", func(t *testing.T) {
		l := newLedger()
		l.put(record.Recorded, enclave(1))
		open(t, "kept", l)
		l.put(record.Recorded, enclave(2))
		blind := &counting{ledger: l}
		sameRecords(t, list(t, open(t, "kept", blind), record.Filter{}), l.newest())
		if blind.from != 1 {
			t.Fatalf("read again from event %d", blind.from)
		}
	})
	t.Run("an index of another ledger is built again", func(t *testing.T) {
		l := newLedger()
		l.put(record.Recorded, enclave(1))
		open(t, "chain", l)
		other := newLedger()
		other.chain = "another"
		other.put(record.Recorded, enclave(7))
		sameRecords(t, list(t, open(t, "chain", other), record.Filter{}), other.newest())
	})
	t.Run("an index of another past under the same name is built again", func(t *testing.T) {
		l, other := newLedger(), newLedger()
		l.put(record.Recorded, enclave(1))
		other.put(record.Recorded, enclave(7))
		open(t, "past", l)
		sameRecords(t, list(t, open(t, "past", other), record.Filter{}), other.newest())
	})
	t.Run("an end of the call is an error and costs nothing", func(t *testing.T) {
		l := newLedger()
		x := open(t, "end", l)
		l.put(record.Recorded, enclave(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := x.List(ctx, record.Filter{}); rats.KindOf(err) != rats.Internal {
			t.Fatalf("got %v", err)
		}
		sameRecords(t, list(t, x, record.Filter{}), l.newest())
	})
	t.Run("many readers and writers at once see what they wrote", func(t *testing.T) {
		l := newLedger()
		x := open(t, "many", l)
		var all sync.WaitGroup
		for w := range uint64(4) {
			all.Go(func() {
				for n := range uint64(25) {
					r := l.put(record.Recorded, enclave(100*w+n))
					page, err := x.List(t.Context(), record.Filter{Query: hex.EncodeToString(r.ID[:])})
					if err != nil || len(page.Records) != 1 {
						t.Errorf("writer %d: %d records, %v", w, len(page.Records), err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// counting notes the first event that is read for the index, beyond the one
// that only tells whether it belongs to the ledger.
type counting struct {
	*ledger
	from uint64
}

func (c *counting) Events(from uint64, limit int) ([]record.Event, error) {
	if limit > 1 {
		c.from = from
	}
	return c.ledger.Events(from, limit)
}

func conformPaging(t *testing.T, open opener) {
	l := newLedger()
	for n := range uint64(25) {
		l.put(record.Recorded, enclave(n))
	}
	x, want := open(t, "paging", l), l.newest()
	for _, registrar := range []string{"", hexOf(fill("registrar", 0))} {
		var got []record.Record
		f := record.Filter{Limit: 7, Registrar: registrar}
		for n := uint64(0); ; n++ {
			page, err := x.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Records...)
			if page.NextCursor == "" {
				break
			}
			if len(page.Records) != 7 {
				t.Fatalf("a page of %d with another behind it", len(page.Records))
			}
			f.Cursor = page.NextCursor
			l.put(record.Recorded, enclave(1000+n)) // newer: belongs before the first page
			l.put(record.Attested, want[20])        // an old record does not move
		}
		expect := want
		if registrar != "" {
			expect = nil
			for _, r := range want {
				if hexOf(r.Listings[0].Registrar) == registrar {
					expect = append(expect, r)
				}
			}
		}
		if len(got) < len(expect) {
			t.Fatalf("%d records, want %d", len(got), len(expect))
		}
		for i := range expect {
			if got := got[len(got)-len(expect)+i]; got.ID != expect[i].ID {
				t.Fatalf("place %d holds record %d, want %d", i, got.Sequence, expect[i].Sequence)
			}
		}
	}
	if page, err := x.List(t.Context(), record.Filter{}); err != nil || len(page.Records) != len(l.newest()) {
		t.Fatalf("%d records on a page of the default size, %v", len(page.Records), err)
	}
}

func hexOf[B ~[32]byte](b B) string { return hex.EncodeToString(b[:]) }

func conformFilters(t *testing.T, open opener) {
	l := newLedger()
	var rs []record.Record
	for n := range uint64(6) {
		rs = append(rs, enclave(n))
	}
	rs[1] = withStatus(rs[1], rats.OutOfDate, rats.Production)
	rs[2] = withStatus(rs[2], rats.UpToDate, rats.Debug)
	rs[3] = trustDomain(3)
	rs[4].Listings[0].URL = "100%_sure\\.Example/Path"
	rs[5].Listings = append(rs[5].Listings, record.Listing{Registrar: record.Registrar(fill("registrar", 9)), URL: "wss://Two.example:2000", Since: now, Expires: now + day})
	for _, r := range rs {
		l.put(record.Recorded, r)
	}
	x := open(t, "filters", l)
	fingerprint := hex.EncodeToString(rs[3].Fingerprint)
	chunked := " 0x" + strings.ToUpper(fingerprint[:8]) + " " + fingerprint[8:16] + "\n" + fingerprint[16:] + "\t"
	for _, c := range []struct {
		name   string
		filter record.Filter
		want   []int
	}{
		{"nothing", record.Filter{}, []int{5, 4, 3, 2, 1, 0}},
		{"tee in capitals", record.Filter{TEE: " SGX"}, []int{5, 4, 2, 1, 0}},
		{"status", record.Filter{Status: "outofdate"}, []int{1}},
		{"tier", record.Filter{Tier: "contraindicated"}, []int{2}},
		{"fingerprint, cut, in capitals and with 0x", record.Filter{Fingerprint: chunked}, []int{3}},
		{"a fingerprint of an enclave", record.Filter{Fingerprint: hex.EncodeToString(rs[2].Fingerprint)}, []int{2}},
		{"a part of a fingerprint is not a fingerprint", record.Filter{Fingerprint: fingerprint[:64]}, nil},
		{"vendor", record.Filter{MRSigner: hexOf(fill("vendor", 1))}, []int{4, 1}},
		{"signer", record.Filter{Signer: hex.EncodeToString(rs[0].Subject)}, []int{0}},
		{"registrar of any listing", record.Filter{Registrar: hexOf(fill("registrar", 9))}, []int{5}},
		{"registrar", record.Filter{Registrar: "0X" + hexOf(fill("registrar", 1))}, []int{5, 3, 1}},
		{"registrar and status", record.Filter{Registrar: hexOf(fill("registrar", 1)), Status: "OutOfDate"}, []int{1}},
		{"url of any listing", record.Filter{URL: "wss://two.EXAMPLE:2000"}, []int{5}},
		{"a part of a url is not a url", record.Filter{URL: "two.example"}, nil},
		{"a url that none can be", record.Filter{URL: "https://exämple"}, nil},
		{"q: part of a url", record.Filter{Query: "TWO.example"}, []int{5}},
		{"q: per cent is itself", record.Filter{Query: "100%"}, []int{4}},
		{"q: per cent alone", record.Filter{Query: "%"}, []int{4}},
		{"q: underscore is itself", record.Filter{Query: "_sure"}, []int{4}},
		{"q: backslash is itself", record.Filter{Query: `\.ex`}, []int{4}},
		{"q: start of a fingerprint", record.Filter{Query: "0x" + strings.ToUpper(fingerprint[:11])}, []int{3}},
		{"q: cut fingerprint", record.Filter{Query: chunked}, []int{3}},
		{"q: whole id", record.Filter{Query: hexOf(rs[4].ID)}, []int{4}},
		{"q: start of a vendor", record.Filter{Query: hexOf(fill("vendor", 1))[:9]}, []int{4, 1}},
		{"q: start of a signer", record.Filter{Query: hex.EncodeToString(rs[2].Subject)[:20]}, []int{2}},
		{"q: start of a registrar", record.Filter{Query: hexOf(fill("registrar", 9))[:12]}, []int{5}},
		{"q: not the middle of a fingerprint", record.Filter{Query: fingerprint[2:20]}, nil},
		{"q: no ASCII", record.Filter{Query: "привет"}, nil},
		{"q: a zero byte", record.Filter{Query: "a\x00b"}, nil},
		{"q: not UTF-8", record.Filter{Query: "\xff\xfe"}, nil},
		{"q: quotes", record.Filter{Query: `' OR 1=1 --`}, nil},
		{"q and status", record.Filter{Query: "example", Status: "OutOfDate"}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := list(t, x, c.filter)
			names := make([]int, 0, len(got))
			for _, r := range got {
				names = append(names, int(r.Sequence))
			}
			if fmt.Sprint(names) != fmt.Sprint(append([]int{}, c.want...)) {
				t.Errorf("got %v, want %v", names, c.want)
			}
		})
	}
}

func conformStates(t *testing.T, open opener) {
	l := newLedger()
	active, lapsing, ending, withdrawn, revoked := enclave(0), enclave(1), enclave(2), enclave(3), enclave(4)
	lapsing.State = record.Undecided
	ending.Expires = now + hour
	withdrawn.State, revoked.State = record.Withdrawn, record.Revoked
	both := enclave(5) // lapsed and ended: the end of the listing is named
	both.State, both.Expires = record.Undecided, now+2*hour
	for _, r := range []record.Record{active, lapsing, ending, withdrawn, revoked, both} {
		l.put(record.Recorded, r)
	}
	x := open(t, "states", l)
	states := []record.State{record.Active, record.Expired, record.Undecided, record.Withdrawn, record.Revoked}
	for _, at := range []record.Millis{now, now + hour - 1, now + hour, now + hour + 1, now + 2*hour, now + 40*day} {
		l.mu.Lock()
		l.time = at
		l.mu.Unlock()
		seen := 0
		for _, state := range states {
			var want []record.Record
			for _, r := range l.newest() {
				if listedState(&r, at) == state {
					want = append(want, r)
				}
			}
			got := list(t, x, record.Filter{State: strings.ToUpper(string(state))})
			sameRecords(t, got, want)
			seen += len(got)
		}
		if seen != 6 {
			t.Fatalf("%d records in all states together", seen)
		}
	}
}

func TestAFilterThatCannotBeReadIsMalformed(t *testing.T) {
	x := sqliteOpener(t)(t, "index", newLedger())
	for _, f := range []record.Filter{
		{Limit: -1}, {Limit: 201}, {TEE: "vtpm"}, {Status: "fine"}, {Tier: "best"}, {State: "alive"},
		{Fingerprint: "xyz"}, {Fingerprint: "abc"}, {Fingerprint: "0x"}, {MRSigner: "--"}, {Signer: "0x0x00"}, {Registrar: "%"},
		{Fingerprint: strings.Repeat("ab", 200)}, {URL: strings.Repeat("u", 257)}, {Query: strings.Repeat("q", 513)},
		{Cursor: "1"}, {Cursor: "AAAAAAAAAAAAAAAAAAAAAA"}, {Cursor: "\x00"}, {Cursor: strings.Repeat("A", 5000)},
	} {
		_, err := x.List(t.Context(), f)
		if !errors.Is(err, rats.Malformed) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestEveryOtherSpellingOfACursorIsMalformed(t *testing.T) {
	l := newLedger()
	for n := range uint64(3) {
		l.put(record.Recorded, enclave(n))
	}
	x := sqliteOpener(t)(t, "index", l)
	page, err := x.List(t.Context(), record.Filter{Limit: 1})
	if err != nil || page.NextCursor == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	bad := []string{page.NextCursor + "=", page.NextCursor + "\n", " " + page.NextCursor, page.NextCursor[1:]}
	for i := range page.NextCursor {
		for _, c := range "Aa0-_" {
			if rune(page.NextCursor[i]) != c {
				bad = append(bad, page.NextCursor[:i]+string(c)+page.NextCursor[i+1:])
			}
		}
	}
	for _, cursor := range bad {
		if _, err := x.List(t.Context(), record.Filter{Cursor: cursor}); !errors.Is(err, rats.Malformed) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
	other := newLedger()
	other.chain = "another"
	y := sqliteOpener(t)(t, "index", other)
	if _, err := y.List(t.Context(), record.Filter{Cursor: page.NextCursor}); !errors.Is(err, rats.Malformed) {
		t.Errorf("another ledger's cursor: %v", err)
	}
}

func TestASourceThatMisnumbersItsEventsIsRefused(t *testing.T) {
	l := newLedger()
	x := sqliteOpener(t)(t, "index", l)
	l.put(record.Recorded, enclave(1))
	l.events[0].Sequence = 5
	if _, err := x.List(t.Context(), record.Filter{}); rats.KindOf(err) != rats.Internal {
		t.Fatalf("got %v", err)
	}
	l.events[0].Sequence = 0
	l.broken = errors.New("disk")
	if _, err := x.List(t.Context(), record.Filter{}); rats.KindOf(err) != rats.Internal {
		t.Fatalf("got %v", err)
	}
	l.broken = nil
	sameRecords(t, list(t, x, record.Filter{}), l.newest())
}

// FuzzList demands of every filter an answer or the kind that blames the caller.
func FuzzList(f *testing.F) {
	l := newLedger()
	for n := range uint64(3) {
		l.put(record.Recorded, enclave(n))
	}
	x, err := explorer.OpenIndex(f.Context(), explorer.IndexConfig{Path: filepath.Join(f.TempDir(), "index")}, l)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := x.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Add("0xab", "", "", "", 0)
	f.Add("100%_\\", "https://enclave-1.example", "", "sgx", 200)
	f.Add("\x00\xff'", "\n", "AAAA", "OutOfDate", -1)
	f.Fuzz(func(t *testing.T, q, url, cursor, word string, limit int) {
		for _, filter := range []record.Filter{
			{Query: q, URL: url, Cursor: cursor, Limit: limit, TEE: word},
			{Fingerprint: q, Registrar: word, Status: url}, {State: word, Query: url, Signer: q},
		} {
			page, err := x.List(context.Background(), filter)
			if err != nil && rats.KindOf(err) != rats.Malformed {
				t.Errorf("%+v: %v", filter, err)
			}
			if len(page.Records) > 3 {
				t.Errorf("%+v: %d records", filter, len(page.Records))
			}
		}
	})
}

// BenchmarkCatchUp measures events taken in a second.
func BenchmarkCatchUp(b *testing.B) {
	const n = 20000
	l := newLedger()
	for i := range uint64(n) {
		l.put(record.Recorded, enclave(i))
	}
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "index")
		start := time.Now()
		x, err := explorer.OpenIndex(b.Context(), explorer.IndexConfig{Path: path}, l)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(n/time.Since(start).Seconds(), "events/s")
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
