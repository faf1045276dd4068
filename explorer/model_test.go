// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// conformModel draws ledgers and filters and compares listings with a search
// that looks at every record in turn.
func conformModel(t *testing.T, open opener) {
	l := newLedger()
	x := open(t, "model", l)
	n := uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 6).Draw(rt, "events") {
			n++
			l.put(record.Recorded, drawRecord(rt, n))
		}
		if all := l.newest(); len(all) > 0 && rapid.Bool().Draw(rt, "again") {
			r := drawRecord(rt, n)
			old := rapid.SampledFrom(all).Draw(rt, "old")
			r.ID, r.TEE, r.Fingerprint, r.Subject = old.ID, old.TEE, old.Fingerprint, old.Subject
			l.put(record.Attested, r)
		}
		f := drawFilter(rt, l)
		var want []record.Record
		for _, r := range l.newest() {
			if matches(&r, f, now) {
				want = append(want, r)
			}
		}
		var got []record.Record
		f.Limit = rapid.SampledFrom([]int{1, 3, 50, 200}).Draw(rt, "limit")
		for {
			page, err := x.List(t.Context(), f)
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, page.Records...)
			if f.Cursor = page.NextCursor; f.Cursor == "" {
				break
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%+v: %d records, want %d", f, len(got), len(want))
		}
		for i := range got {
			if got[i].ID != want[i].ID {
				rt.Fatalf("%+v: place %d holds %d, want %d", f, i, got[i].Sequence, want[i].Sequence)
			}
		}
	})
}

func drawRecord(rt *rapid.T, n uint64) record.Record {
	r := enclave(n)
	if rapid.IntRange(0, 2).Draw(rt, "tee") == 0 {
		r = trustDomain(n)
	}
	r = withStatus(r, rapid.SampledFrom(rats.TCBStatuses()).Draw(rt, "status"), rapid.SampledFrom([]rats.BuildMode{rats.Production, rats.Debug}).Draw(rt, "mode"))
	r.State = rapid.SampledFrom([]record.State{record.Active, record.Active, record.Active, record.Withdrawn, record.Revoked, record.Expired, record.Undecided}).Draw(rt, "state")
	r.Expires = now + record.Millis(rapid.IntRange(-1, 1).Draw(rt, "expires"))
	r.ValidUntil = now + record.Millis(rapid.IntRange(-1, 1).Draw(rt, "valid_until"))
	r.Listings = nil
	for i := range rapid.IntRange(0, 3).Draw(rt, "listings") {
		r.Listings = append(r.Listings, record.Listing{
			Registrar: record.Registrar(fill("registrar", uint64(i))),
			URL:       rapid.SampledFrom([]string{"", "a.example", "https://A.example/100%", "b_c.example", "abcd.example"}).Draw(rt, "url"),
			Since:     now, Expires: r.Expires,
		})
	}
	return r
}

func drawFilter(rt *rapid.T, l *ledger) record.Filter {
	var f record.Filter
	maybe := func(name string, to *string, values ...string) {
		if rapid.IntRange(0, 3).Draw(rt, name) == 0 {
			*to = rapid.SampledFrom(values).Draw(rt, name+" value")
		}
	}
	maybe("tee", &f.TEE, "sgx", "tdx", "snp")
	maybe("status", &f.Status, "UpToDate", "OutOfDate", "Revoked")
	maybe("tier", &f.Tier, "affirming", "warning", "contraindicated", "none")
	maybe("state", &f.State, "active", "expired", "undecided", "withdrawn", "revoked")
	maybe("url", &f.URL, "a.example", "B_C.example", "none.example")
	maybe("registrar", &f.Registrar, hexOf(fill("registrar", 0)), hexOf(fill("registrar", 2)), hexOf(fill("registrar", 7)))
	queries := []string{"example", "_", "%", "/100%", "a", "ab", "abcd", "0xA"}
	if all := l.newest(); len(all) > 0 {
		r := rapid.SampledFrom(all).Draw(rt, "record")
		cut := rapid.IntRange(1, 96).Draw(rt, "digits")
		for _, b := range [][]byte{r.ID[:], r.Fingerprint, r.MRSigner, r.Subject} {
			queries = append(queries, hex.EncodeToString(b)[:min(cut, 2*len(b))])
		}
		maybe("fingerprint", &f.Fingerprint, hex.EncodeToString(r.Fingerprint), strings.ToUpper(hex.EncodeToString(r.Fingerprint)))
	}
	maybe("q", &f.Query, queries...)
	return f
}

// listedState is the state of a record by which it is found: whether its data
// hold is the ledger's to say.
func listedState(r *record.Record, at record.Millis) record.State {
	held := *r
	held.ValidUntil = at
	return held.StateAt(at)
}

// matches is what an index must find, said once more and plainly.
func matches(r *record.Record, f record.Filter, at record.Millis) bool {
	equal := func(want string, has string) bool { return want == "" || strings.EqualFold(want, has) }
	anyListing := func(ok func(l *record.Listing) bool) bool {
		for i := range r.Listings {
			if ok(&r.Listings[i]) {
				return true
			}
		}
		return false
	}
	if !equal(f.TEE, string(r.TEE)) || !equal(f.Status, string(r.Status)) || !equal(f.Tier, string(r.Tier)) || !equal(f.State, string(listedState(r, at))) {
		return false
	}
	if !equal(f.Fingerprint, hex.EncodeToString(r.Fingerprint)) {
		return false
	}
	if f.URL != "" && !anyListing(func(l *record.Listing) bool { return strings.EqualFold(l.URL, f.URL) }) {
		return false
	}
	if f.Registrar != "" && !anyListing(func(l *record.Listing) bool { return hexOf(l.Registrar) == f.Registrar }) {
		return false
	}
	if f.Query == "" {
		return true
	}
	q := strings.ToLower(f.Query)
	if anyListing(func(l *record.Listing) bool { return strings.Contains(strings.ToLower(l.URL), q) }) {
		return true
	}
	q = strings.TrimPrefix(q, "0x")
	for _, b := range [][]byte{r.ID[:], r.Fingerprint, r.MRSigner, r.Subject} {
		if strings.HasPrefix(hex.EncodeToString(b), q) {
			return true
		}
	}
	return anyListing(func(l *record.Listing) bool { return strings.HasPrefix(hexOf(l.Registrar), q) })
}
