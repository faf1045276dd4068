// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"
	"unicode/utf8"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// TestWhatOnlyLooksEncodedIsLeftAlone: what is in none of the forms as a whole
// comes back as it is, for whoever reads it to say what it is.
func TestWhatOnlyLooksEncodedIsLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"padding alone":                   "==",
		"base64 of one digit too many":    "XAAAA",
		"base64 with stray bits":          "QUJDRB==",
		"padding in the middle":           "QUJDRA==QUJDRA==",
		"both alphabets at once":          "-_-_+/+/",
		"hex with one letter that is not": "00112233g",
		"0x twice":                        "0x0x00",
		"0x in the middle":                "000x00!",
		"a NUL at the end of hex":         "0011\x00",
		"a NUL in front":                  "\x000011",
		"what is not UTF-8":               "0011\xff",
		"another alphabet's digits":       "٠١٢٣",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := attesteer.Decode([]byte(text))
			if err != nil || string(got) != text {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// FuzzDecode: what comes back is either the input itself or what the input
// spells, and decoding writes to nothing.
func FuzzDecode(f *testing.F) {
	raw := seed(f, "quote.bin")[:90]
	for _, s := range []string{
		string(raw), hex.EncodeToString(raw), "0X" + hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw), "=", "0x", " \n", "00 11\t22", "0x0x00", "{\"a\":1}",
	} {
		f.Add([]byte(s))
	}
	f.Add(seed(f, "pck_chain.pem"))
	f.Add(seed(f, "quote_generation.json"))
	f.Add(seed(f, "quote.bin"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []byte
		var err error
		unchanged(t, data, func() { bounded(t, func() { got, err = attesteer.Decode(data) }) })
		if err != nil {
			if rats.KindOf(err) != rats.Malformed || got != nil {
				t.Errorf("%x, %v", got, err)
			}
			return
		}
		if len(got) == 0 {
			t.Fatal("nothing, and no error")
		}
		if bytes.Equal(got, data) {
			return
		}
		if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
			t.Fatal("what is no text was decoded")
		}
		text := bytes.Join(bytes.Fields(data), nil)
		text = bytes.TrimRight(text, "=")
		spelled := base64.RawStdEncoding.EncodeToString(got) == string(text) ||
			base64.RawURLEncoding.EncodeToString(got) == string(text)
		for _, prefix := range []string{"", "0x", "0X"} {
			spelled = spelled || bytes.EqualFold([]byte(prefix+hex.EncodeToString(got)), text)
		}
		if !spelled {
			t.Errorf("%q does not spell %x", text, got)
		}
	})
}
