// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// FuzzSplitPEM: what is split off are the certificates that the text spells,
// whatever the white space, and nothing else was in it.
func FuzzSplitPEM(f *testing.F) {
	chain, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "pck_chain.pem"))
	if err != nil {
		f.Fatal(err)
	}
	short := "-----BEGIN CERTIFICATE-----\nQUJD\nRA==\n-----END CERTIFICATE-----"
	for _, s := range []string{
		string(chain), string(chain) + "\x00", short, short + short + "\n", strings.ReplaceAll(short, "\n", ""), short + "\x00\x00",
		short + "x", "x" + short, short[:40], "-----BEGIN CERTIFICATE----------END CERTIFICATE-----", strings.Repeat(short, maxChain+1), "\x00", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		ders, err := splitPEM(data)
		if !bytes.Equal(data, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if rats.KindOf(err) != rats.Malformed {
				t.Errorf("%v", err)
			}
			return
		}
		if len(ders) == 0 || len(ders) > maxChain {
			t.Fatalf("%d certificates", len(ders))
		}
		got := spell(ders)
		if unspaced(got) != unspaced(string(data)) {
			t.Errorf("%q is split into %q", data, got)
		}
		if again, err := splitPEM([]byte(got)); err != nil || !slices.EqualFunc(ders, again, bytes.Equal) {
			t.Errorf("written anew it is split otherwise: %v", err)
		}
	})
}

// unspaced is text without white space and without NULs at its end.
func unspaced(text string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(strings.TrimRight(text, "\x00"))
}

// spell writes certificates as PEM without any white space.
func spell(ders [][]byte) string {
	var b strings.Builder
	for _, der := range ders {
		b.WriteString("-----BEGIN CERTIFICATE-----" + base64.StdEncoding.EncodeToString(der) + "-----END CERTIFICATE-----")
	}
	return b.String()
}
