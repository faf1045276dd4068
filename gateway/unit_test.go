// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestReturnedValuesAreLengthBytesWatchAndStatus(t *testing.T) {
	if got, want := returnValue([]byte{0xaa, 0xbb}, returnOK), "0x08aabb0000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// An error's text has its own length inside the value's.
	got := returnedError(rats.Errorf(rats.Malformed, "x"))
	want := "0x" + "34" + "30" + hex.EncodeToString([]byte("malformed: x")) + "00" + "02"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingOfAnInternalErrorLeaves(t *testing.T) {
	for _, err := range []error{
		rats.Errorf(rats.Internal, "the password is %s", "secret"),
		errors.New("secret"),
		&rats.Error{Kind: rats.Internal, Detail: "secret", Check: "secret"},
	} {
		p := problemOf(err)
		if p.Detail != "" || p.Check != "" || p.Status != 500 || p.Kind != rats.Internal {
			t.Errorf("problem %+v", p)
		}
		if out := outwardText(err); out != "internal" {
			t.Errorf("text %q", out)
		}
	}
	// Huma quotes unexpected errors.
	p := problemOfModel(&huma.ErrorModel{Status: 500, Detail: "unexpected", Errors: []*huma.ErrorDetail{{Message: "secret"}}})
	if p.Detail != "" || p.Kind != rats.Internal {
		t.Errorf("problem %+v", p)
	}
}

func TestEveryKindBecomesAProblemOfItsStatus(t *testing.T) {
	for _, kind := range rats.Kinds() {
		p := problemOf(rats.Errorf(kind, "detail").In("check", ""))
		if p.Kind != kind || p.Status != kind.HTTPStatus() || p.Type != "urn:attesteer:kind:"+kind.String() || p.Title == "" {
			t.Errorf("%s: %+v", kind, p)
		}
		if kind != rats.Internal && (p.Detail != "detail" || p.Check != "check") {
			t.Errorf("%s: %+v", kind, p)
		}
	}
}

func TestQuotedInputStaysShort(t *testing.T) {
	p := problemOfModel(&huma.ErrorModel{Status: 422, Errors: []*huma.ErrorDetail{{Location: "body", Message: strings.Repeat("é", 10_000)}}})
	if len(p.Detail) > maxDetail+3 || p.Status != 400 || p.Kind != rats.Malformed {
		t.Errorf("%d bytes, %d, %s", len(p.Detail), p.Status, p.Kind)
	}
}

func TestDurationsAreGoDurationsOrDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "48h": 48 * time.Hour, "30d": 30 * 24 * time.Hour, "1h30m": 90 * time.Minute, "1ms": time.Millisecond, "36500d": 36500 * 24 * time.Hour,
	} {
		if got, err := parseValidFor(text); err != nil || got != want.Milliseconds() {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"0s", "0d", "-1h", "-1d", "1", "d", "1.5d", "36501d", "99999999999d", "1w", "1d2h", " 1h", "1h ", "1ns", "∞"} {
		if got, err := parseValidFor(text); !errors.Is(err, rats.Malformed) {
			t.Errorf("%q: %d, %v; want malformed", text, got, err)
		}
	}
}

func TestHexIsTakenInEverySpelling(t *testing.T) {
	for _, text := range []string{"abcd", "0xABCD", "0Xab CD", " ab\n\tcd ", "0xabcd\r\n"} {
		if got, err := decodeHex("x", text); err != nil || !bytes.Equal(got, []byte{0xab, 0xcd}) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for text, word := range map[string]string{"": "empty", "0x": "empty", "abc": "odd", "0xa": "odd", "zz": "not hex", "a": "odd", "ab0xcd": "not hex", "é": "not hex"} {
		if _, err := decodeHex("x", text); !errors.Is(err, rats.Malformed) || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v, want malformed with %q", text, err, word)
		}
	}
}

func TestEndorsementsArePackedInOrderIntoWhatATransactionHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, record.MaxTransaction), 0, 100).Draw(t, "sizes")
		items := make([]rats.Endorsement, len(sizes))
		for i, n := range sizes {
			items[i] = rats.Endorsement{Kind: rats.TCBInfo, Body: make([]byte, n), Issuers: [][]byte{{byte(i)}}}
		}
		var again []rats.Endorsement
		for _, part := range pack(items) {
			if len(part) == 0 || len(part) > record.MaxEndorsements {
				t.Fatalf("a part of %d", len(part))
			}
			if sizeOf(part...) > txRoom && len(part) > 1 {
				t.Fatalf("%d endorsements of %d bytes in one part", len(part), sizeOf(part...))
			}
			b, err := record.Marshal(record.Transaction{Endorsements: part})
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > sizeOf(part...)+256 {
				t.Fatalf("%d bytes where %d were reckoned", len(b), sizeOf(part...))
			}
			again = append(again, part...)
		}
		if len(again) != len(items) {
			t.Fatalf("%d of %d", len(again), len(items))
		}
		for i := range again {
			if again[i].Issuers[0][0] != byte(i) {
				t.Fatalf("out of order at %d", i)
			}
		}
	})
}

func TestAnAddressMayAskInBurstsAndAtARate(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(Rate{PerSecond: 2, Burst: 3}, func() time.Time { return now })
	ask := func(remote string, want ...bool) {
		t.Helper()
		for i, w := range want {
			if got := l.take(remote, 1) == 0; got != w {
				t.Errorf("%s, request %d: %v, want %v", remote, i, got, w)
			}
		}
	}
	ask("192.0.2.1:1000", true, true, true, false)
	ask("192.0.2.2:1000", true) // another's use is no matter
	ask("192.0.2.1:2000", false)
	now = now.Add(500 * time.Millisecond)
	ask("192.0.2.1:1000", true, false)
	now = now.Add(time.Hour)
	ask("192.0.2.1:1000", true, true, true, false)
	// A subscriber has 64 bits of IPv6 to call from.
	ask("[2001:db8::1]:1", true, true)
	ask("[2001:db8::2]:1", true, false)
	ask("[2001:db8:0:1::2]:1", true)
	// What has no address shares a bucket.
	ask("@", true, true, true, false)
}

func TestTheLimiterForgetsBeforeItFillsTheMemory(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(Rate{PerSecond: 1, Burst: 1}, func() time.Time { return now })
	for i := range uint32(3 * maxBuckets) {
		ip := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		l.take(netip.AddrPortFrom(ip, 1).String(), 1)
		if len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
}

func TestEndorsementsWithoutAKindAreRecognisedByTheirShape(t *testing.T) {
	cert := [][]byte{{0x30}}
	for _, c := range []struct {
		body    string
		issuers [][]byte
		want    rats.EndorsementKind
	}{
		{`{"tcbInfo":{},"signature":""}`, cert, rats.TCBInfo},
		{`{"enclaveIdentity":{},"signature":""}`, cert, rats.QEIdentity},
		{`{"tcbEvaluationDataNumbers":{},"signature":""}`, cert, rats.EvaluationNumbers},
		{"\x30\x82", nil, rats.RootCACRL},
		{"\x30\x82", cert, rats.PCKCRL},
	} {
		if got, err := recognise(rats.Endorsement{Body: []byte(c.body), Issuers: c.issuers}); err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.body, got, err)
		}
	}
	for _, body := range []string{"", "{}", "[]", "x", `{"tcbinfo":1`} {
		if got, err := recognise(rats.Endorsement{Body: []byte(body)}); !errors.Is(err, rats.Malformed) {
			t.Errorf("%q: %q, %v; want malformed", body, got, err)
		}
	}
}
