// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestAStreamBeginsNowOrAfterTheEventThatItsReaderSawLast(t *testing.T) {
	for name, c := range map[string]struct {
		query  string
		header []string
		first  int
		place  string
	}{
		"now":                        {"", nil, 5, "4"},
		"an empty id":                {"", []string{"Last-Event-ID", ""}, 5, "4"},
		"after an event":             {"?after=1", nil, 2, "1"},
		"after the newest":           {"?after=4", nil, 5, "4"},
		"from the start":             {"?after=start", nil, 0, "start"},
		"after the last id":          {"", []string{"Last-Event-ID", "3"}, 4, "3"},
		"after the last id, not URL": {"?after=1", []string{"Last-Event-ID", "3"}, 4, "3"},
		"the start as an id":         {"?after=1", []string{"Last-Event-ID", "start"}, 0, "start"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEventLog(5)
			_, url := serveStreams(t, following(t, l, nil))
			r := streamOf(t, url+c.query, c.header...)
			if begin := r.next(); begin.id != c.place {
				t.Errorf("it begins after %q, want %q", begin.id, c.place)
			}
			l.add(3)
			for n := c.first; n < 8; n++ {
				r.event(n)
			}
		})
	}
}

func TestAPlaceThatTheLogDoesNotHaveIsMalformed(t *testing.T) {
	g := following(t, newEventLog(5), nil)
	for _, place := range []string{"5", "6", "-1", "1.5", "0x1", "x", "18446744073709551615", "18446744073709551616", "Start", "4 4"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/events", nil)
		r.Header.Set("Last-Event-ID", place)
		g.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"kind":"malformed"`) {
			t.Errorf("%q: %d %s", place, w.Code, w.Body)
		}
	}
}

func TestANodeThatCatchesUpTakesAPlaceThatOthersHave(t *testing.T) {
	l := newEventLog(2)
	_, url := serveStreams(t, following(t, l, func(c *Config) { c.Ledger = behind{catchingUp: true} }))
	r := listenTo(t, url+"?after=3")
	l.add(4)
	r.event(4)
	r.event(5)
}

func TestWhatCannotBeFilteredByIsMalformed(t *testing.T) {
	g := following(t, newEventLog(1), nil)
	for _, query := range []string{
		"id=00", "id=x", "event=exploded", "event=recorded,", "tee=toaster", "status=x", "tier=x", "state=x", "fingerprint=0",
		"mr_signer=zz", "signer=x", "registrar=x", "url=" + strings.Repeat("u", 257), "q=" + strings.Repeat("q", 513),
		"fingerprint=" + strings.Repeat("0", 258), "nonsense=1", "limit=1", "cursor=x",
	} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/events?"+query, nil))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if n := len(g.streams.open); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

func TestAFilterSelectsWhatMatchesAllOfIt(t *testing.T) {
	mine, other := record.Registrar{1}, record.Registrar{2}
	listing := func(r record.Registrar, url string) record.Listing {
		return record.Listing{Registrar: r, URL: url, Expires: 100}
	}
	rec := record.Record{
		ID: record.ID{0xab, 0xcd}, TEE: rats.SGX, Fingerprint: []byte{0xf1, 0xf2}, MRSigner: []byte{5}, Subject: []byte{6, 7}, State: record.Active,
		Status: rats.OutOfDate, Tier: rats.Warning, Expires: 100, ValidUntil: 50, Listings: []record.Listing{listing(mine, "https://One.example/x"), listing(other, "")},
	}
	after := rec
	after.Listings = []record.Listing{listing(other, "")}
	bare := rec
	bare.Listings = nil
	l := newEventLog(0)
	for _, e := range []record.Event{
		{Kind: record.Recorded, Record: rec, Time: 10},
		{Kind: record.Attested, Record: rec, Time: 60}, // the data that the verdict rests on has ended
		{Kind: record.Delisted, Record: after, Time: 20},
		{Kind: record.Attested, Record: after, Time: 30},
		{Kind: record.WithdrawnByKey, Record: bare, Time: 40},
		{Kind: record.Listed, Record: bare, Time: 50},
		{Kind: record.Recorded, Record: record.Record{TEE: rats.TDX, State: record.Active, Tier: rats.Affirming, Status: rats.UpToDate}, Time: 1},
	} {
		l.append(e)
	}
	id, spaced := hex.EncodeToString(rec.ID[:]), "0x06 07"
	g := following(t, l, nil)
	for _, c := range []struct {
		query EventQuery
		want  string
	}{
		{EventQuery{}, "0123456"},
		{EventQuery{ID: id}, "012345"},
		{EventQuery{ID: "0x" + strings.ToUpper(id)}, "012345"},
		{EventQuery{Event: "recorded"}, "06"},
		{EventQuery{Event: "Delisted, attested"}, "123"},
		{EventQuery{TEE: "TDX"}, "6"},
		{EventQuery{Fingerprint: "f1f2"}, "012345"},
		{EventQuery{Fingerprint: "f1"}, ""},
		{EventQuery{MRSigner: "05"}, "012345"},
		{EventQuery{Signer: spaced}, "012345"},
		{EventQuery{Status: "outofdate"}, "012345"},
		{EventQuery{Tier: "affirming"}, "6"},
		{EventQuery{State: "undecided"}, "1"},
		{EventQuery{State: "active", TEE: "sgx"}, "02345"},
		{EventQuery{Registrar: hex.EncodeToString(mine[:])}, "012"},
		{EventQuery{Registrar: hex.EncodeToString(other[:])}, "01234"},
		{EventQuery{Registrar: hex.EncodeToString(mine[:]), Event: "delisted"}, "2"},
		{EventQuery{URL: "https://one.example/x"}, "012"},
		{EventQuery{URL: "https://one.example"}, ""},
		{EventQuery{Query: "one.EXAMPLE"}, "012"},
		{EventQuery{Query: "abc"}, "012345"},
		{EventQuery{Query: "0xAB"}, "012345"},
		{EventQuery{Query: "nothing"}, ""},
	} {
		f, err := g.follow(t.Context(), c.query, fromTheStart)
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := f.step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, h := range found {
			got.WriteString(strconv.FormatUint(h.Sequence, 10))
		}
		if got.String() != c.want || f.next != 7 {
			t.Errorf("%+v: events %s, want %s; then %d", c.query, &got, c.want, f.next)
		}
	}
}
