// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// FuzzList holds the reader of lists against whatever stands in a file: what it
// takes it writes and reads again as the same.
func FuzzList(f *testing.F) {
	const entry = `{"id":"0123456789ab","name":"n","sha256":"` + noDigest + `","scopes":["read","admin"],"created":"2026-03-14T12:00:00Z",` +
		`"expires":"2026-03-15T12:00:00Z","submissions":{"per_day":1},"registrar":"` + noDigest + `"}`
	for _, seed := range []string{
		`{"version":1,"tokens":[` + entry + `]}`, `{"version":1}`, `{}`, `[]`, `[{"id":"01234567","sha256":"` + noDigest + `","created":"2026-03-14T12:00:00Z"}]`, ``, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeList(b)
		if err != nil {
			if !errors.Is(err, rats.Malformed) && !errors.Is(err, rats.Unsupported) {
				t.Fatal(err)
			}
			return
		}
		again, err := encode(listFile{Version: fileVersion, Tokens: entries})
		if err != nil {
			t.Skip(err) // a year that JSON has no form for
		}
		back, err := decodeList(again)
		if err != nil || len(back) != len(entries) || len(back) > 0 && !reflect.DeepEqual(back, entries) {
			t.Fatalf("%+v became %+v, %v", entries, back, err)
		}
	})
}

func TestAListThatIsCutOrFlippedIsNotTakenForAnother(t *testing.T) {
	text, id := newText()
	good, err := encode(listFile{Version: fileVersion, Tokens: []Entry{{
		ID: id, Name: "x", SHA256: digest(text), Scopes: Scopes{Read, Submit, Admin},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	good = bytes.Replace(good, []byte("0001-01-01"), []byte("2026-03-14"), 1)
	if _, err := decodeList(good); err != nil {
		t.Fatal(err)
	}
	for n := range len(bytes.TrimSpace(good)) {
		if _, err := decodeList(good[:n]); !errors.Is(err, rats.Malformed) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for i := range len(good) * 8 {
		flipped := bytes.Clone(good)
		flipped[i/8] ^= 1 << (i % 8)
		entries, err := decodeList(flipped)
		if err != nil {
			continue
		}
		for _, e := range entries { // whatever else changed, no scope is new
			for _, s := range e.Scopes {
				if !strings.Contains("read submit admin", string(s)) {
					t.Fatalf("bit %d: %+v", i, e)
				}
			}
		}
	}
}

// FuzzText holds the reader of tokens against whatever a header holds.
func FuzzText(f *testing.F) {
	text, _ := newText()
	f.Add(text)
	f.Add("att_")
	f.Add("att_" + strings.Repeat("x", 43))
	f.Fuzz(func(t *testing.T, text string) {
		id, form := parse(text)
		if (form == whole || form == aged) != (id != "") || !isHex(id) {
			t.Errorf("%q: id %q, form %d", text, id, form)
		}
		if form == whole && (len(text) != textLength || !strings.HasPrefix(text, prefix+id+"_")) {
			t.Errorf("%q is whole", text)
		}
	})
}
