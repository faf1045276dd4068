// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestOnlyOneSpellingIsRead(t *testing.T) {
	// {1: 5, 2: 6}, a BlockEntry, and what else could be read as one.
	for _, tt := range []struct{ name, hex string }{
		{"a longer integer", "a2011805" + "0206"},
		{"keys out of order", "a202060105"},
		{"a key twice", "a301050206" + "0206"},
		{"an unknown key", "a3010502060307"},
		{"a missing key", "a10105"},
		{"an indefinite length", "bf01050206ff"},
		{"a tag", "c1a201050206"},
		{"a float", "a201f945000206"},
		{"null for a number", "a201f60206"},
		{"a text key", "a261310502" + "06"},
		{"something after the end", "a20105020600"},
		{"cut short", "a2010502"},
		{"nothing", ""},
	} {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		var e record.BlockEntry
		if err := record.Unmarshal(b, &e); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v, want malformed", tt.name, err)
		}
	}
	var e record.BlockEntry
	if err := record.Unmarshal([]byte{0xa2, 1, 5, 2, 6}, &e); err != nil || e.Height != 5 || e.Time != 6 {
		t.Errorf("the one spelling: %+v, %v", e, err)
	}
}

func TestWhatIsWrongIsSaidWithoutGoTypes(t *testing.T) {
	var e record.BlockEntry
	for _, data := range [][]byte{{0x00}, {0xa1}, {0xa2, 1, 0x61, 'x', 2, 6}} {
		err := record.Unmarshal(data, &e)
		if rats.KindOf(err) != rats.Malformed || strings.Contains(err.Error(), "Go ") || strings.Count(err.Error(), "cbor") != 1 {
			t.Errorf("%x: %v", data, err)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	deep := make([]byte, 1000)
	for i := range deep {
		deep[i] = 0x81
	}
	var v any
	if err := record.Unmarshal(deep, &v); rats.KindOf(err) != rats.Malformed {
		t.Errorf("%v, want malformed", err)
	}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes32 := rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) [32]byte { return [32]byte(b) })
		millis := rapid.Map(rapid.Int64(), func(n int64) record.Millis { return record.Millis(n) })
		listing := rapid.Custom(func(t *rapid.T) record.Listing {
			return record.Listing{
				Registrar: bytes32.Draw(t, "registrar"), URL: rapid.String().Draw(t, "url"),
				Since: millis.Draw(t, "since"), Expires: millis.Draw(t, "expires"), Admitted: rapid.Bool().Draw(t, "admitted"),
			}
		})
		r := sampleRecord()
		r.ID, r.EvidenceSHA256 = bytes32.Draw(t, "id"), bytes32.Draw(t, "evidence")
		r.Fingerprint = rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "fingerprint")
		r.Listings = rapid.SliceOfN(listing, 1, 5).Draw(t, "listings")
		r.AppraisedWith = rapid.SliceOfN(bytes32, 1, 5).Draw(t, "appraised with")
		r.Advisories = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "advisories")
		r.Expires, r.Sequence = millis.Draw(t, "expires"), rapid.Uint64().Draw(t, "sequence")
		b, err := record.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got record.Record
		if err := record.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("got %+v, want %+v", got, r)
		}
	})
}
