// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"encoding/json"
	"testing"

	"github.com/attesteer/attesteer/record"
)

func TestTheStateFollowsFromWhatTheRecordCarries(t *testing.T) {
	for _, tt := range []struct {
		name                string
		stored              record.State
		expires, validUntil record.Millis
		at                  record.Millis
		want                record.State
	}{
		{"before both ends it is active", record.Active, 100, 100, 99, record.Active},
		{"at the end of its durations it is expired", record.Active, 100, 200, 100, record.Expired},
		{"at the last instant of its data it is active", record.Active, 200, 100, 100, record.Active},
		{"after that it is undecided", record.Active, 200, 100, 101, record.Undecided},
		{"past both it is expired", record.Active, 100, 100, 101, record.Expired},
		{"what was revoked stays so", record.Revoked, 100, 100, 50, record.Revoked},
		{"what was withdrawn stays so", record.Withdrawn, 100, 100, 500, record.Withdrawn},
	} {
		r := sampleRecord()
		r.State, r.Expires, r.ValidUntil = tt.stored, tt.expires, tt.validUntil
		if got := r.StateAt(tt.at); got != tt.want {
			t.Errorf("%s: got %s", tt.name, got)
		}
		if got := r.View(tt.at).State; got != tt.want {
			t.Errorf("%s: the view says %s", tt.name, got)
		}
	}
}

// TestADerivedStateSaysSinceWhenAndWhy: a reader of a proof sees no event of it.
func TestADerivedStateSaysSinceWhenAndWhy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stored record.State
		at     record.Millis
		since  record.Millis
		reason record.Reason
	}{
		{"active as stored", record.Active, 100, 7, record.ReasonAttested},
		{"its data ended", record.Active, 101, 101, record.ReasonLapsed},
		{"its listings ended", record.Active, 200, 200, record.ReasonExpired},
		{"undecided as stored", record.Undecided, 150, 7, record.ReasonAttested},
		{"undecided, and then its listings ended", record.Undecided, 300, 200, record.ReasonExpired},
		{"revoked as stored", record.Revoked, 300, 7, record.ReasonAttested},
	} {
		r := sampleRecord()
		r.State, r.Expires, r.ValidUntil, r.StatusSince, r.StatusReason = tt.stored, 200, 100, 7, record.ReasonAttested
		if v := r.View(tt.at); v.StatusSince != tt.since || v.StatusReason != tt.reason {
			t.Errorf("%s: since %d, %s", tt.name, v.StatusSince, v.StatusReason)
		}
	}
}

func TestTheFirstActiveListingOfAnAdmittedRegistrarStandsOnTop(t *testing.T) {
	listing := func(name byte, since, expires record.Millis, admitted bool) record.Listing {
		return record.Listing{Registrar: fill32(name), Since: since, Expires: expires, Admitted: admitted}
	}
	for _, tt := range []struct {
		name     string
		listings []record.Listing
		want     byte
	}{
		{"the only one", []record.Listing{listing(1, 1, 100, false)}, 1},
		{"the oldest", []record.Listing{listing(1, 1, 100, false), listing(2, 2, 100, false)}, 1},
		{"admitted before older", []record.Listing{listing(1, 1, 100, false), listing(2, 2, 100, true)}, 2},
		{"active before admitted", []record.Listing{listing(1, 1, 50, true), listing(2, 2, 100, false)}, 2},
		{"ended ones among themselves", []record.Listing{listing(1, 1, 50, false), listing(2, 2, 50, true)}, 2},
		{"one that ends now has ended", []record.Listing{listing(1, 1, 60, false), listing(2, 2, 61, false)}, 2},
	} {
		r := record.Record{Listings: tt.listings}
		if got := r.TopListing(60); got.Registrar != fill32(tt.want) {
			t.Errorf("%s: got %x", tt.name, got.Registrar[0])
		}
	}
	if got := (&record.Record{}).TopListing(1); got != nil {
		t.Errorf("without listings: %+v", got)
	}
}

func TestTheViewSaysNullWhereThereIsNothing(t *testing.T) {
	r := sampleRecord()
	r.Listings, r.Advisories, r.Freshness, r.WillChange = nil, nil, record.Freshness{Kind: record.FreshnessNone}, nil
	b, err := json.Marshal(r.View(1))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"registrar": "null", "url": "null", "listings": "[]", "advisories": "[]", "will_change": "null",
		"freshness": `{"kind":"none"}`, "expires": `"1970-01-01T00:00:00.03Z"`, "schema": `"attesteer/enclave/v1"`,
	} {
		if string(got[field]) != want {
			t.Errorf("%s is %s, want %s", field, got[field], want)
		}
	}
}

func TestTimesAreReadAsTheyAreWritten(t *testing.T) {
	for _, m := range []record.Millis{0, 1, 1_750_420_800_000, 1_750_420_800_123} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var got record.Millis
		if err := json.Unmarshal(b, &got); err != nil || got != m {
			t.Errorf("%d became %s and then %d, %v", m, b, got, err)
		}
		if record.MillisOf(m.Time()) != m {
			t.Errorf("%d is not its own time", m)
		}
	}
	var m record.Millis
	if err := json.Unmarshal([]byte(`"yesterday"`), &m); err == nil {
		t.Error("read what is no time")
	}
}
