// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	codec "github.com/fxamacker/cbor/v2"

	"github.com/attesteer/attesteer/rats"
)

// FuzzParse: a certificate is read, or refused as malformed or unsupported; what
// is read lies in the input's own bytes, and no report data of zeros are bound.
func FuzzParse(f *testing.F) {
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	for _, pattern := range []string{"ratls/*.pem", "oe/*cert*.der", "oe/maa/*.der"} {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		c, err := Parse(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if k := rats.KindOf(err); k != rats.Malformed && k != rats.Unsupported {
				t.Fatal(err)
			}
			return
		}
		if !Is(raw) || len(c.Evidence) == 0 {
			t.Fatalf("read, and recognised %v, with %d kinds of evidence", Is(raw), len(c.Evidence))
		}
		if err := c.CheckSignature(); err != nil && rats.KindOf(err) != rats.BadSignature && rats.KindOf(err) != rats.Unsupported {
			t.Fatal(err)
		}
		for i, e := range c.Evidence {
			if i > 0 && e.Kind < c.Evidence[i-1].Kind || !bytes.Contains(c.cert.Raw, e.Inner) || !bytes.Contains(c.cert.Raw, e.claims) {
				t.Errorf("%s in place %d", e.Kind, i)
			}
			if b, err := e.Bind(c.Key, [64]byte{}); err == nil {
				t.Errorf("%s: zeros are bound: %+v", e.Kind, b)
			}
		}
	})
}

// FuzzClaims compares the reader of claims with a general decoder of CBOR: what is
// read is well-formed and says the same, and of what is well-formed and within the
// bounds nothing is refused.
func FuzzClaims(f *testing.F) {
	strict, err := codec.DecOptions{IndefLength: codec.IndefLengthForbidden, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	plain, err := codec.DecOptions{
		IndefLength: codec.IndefLengthForbidden, TagsMd: codec.TagsForbidden, DupMapKey: codec.DupMapKeyEnforcedAPF,
		MaxNestedLevels: 4, MaxMapPairs: 32,
	}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"a16b7075626b65792d68617368582482015820" + hex.EncodeToString(make([]byte, 32)),
		"a26b7075626b65792d6861736840656e6f6e636543010203", "a1f6f6", "a10102", "b8010102", "a16161c11a514b67b0", "bf6161ff",
		"a161618181818100", "a16161fb7e37e43c8800759c", "a16161f818", "a2616100616100", "a0", "a16161a1616281f5",
	} {
		raw, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := readClaims(raw)
		var theirs map[string]codec.RawMessage
		refused := plain.Unmarshal(raw, &theirs)
		if err != nil {
			if rats.KindOf(err) != rats.Malformed {
				t.Fatal(err)
			}
			for name := range theirs {
				if !printable(name) {
					return
				}
			}
			if refused == nil && len(raw) > 0 && raw[0]>>5 == majorMap {
				t.Errorf("%x is refused: %v", raw, err)
			}
			return
		}
		if err := strict.Wellformed(raw); err != nil {
			t.Fatalf("%x is read: %v", raw, err)
		}
		for i, c := range set.claims {
			value, there := theirs[c.Name]
			var want []byte
			if refused == nil && !there || c.Value != nil && there && (strict.Unmarshal(value, &want) != nil || !bytes.Equal(want, c.Value)) {
				t.Errorf("%x: claim %q", raw, c.Name)
			}
			if left, err := readClaims(set.without(i)); err != nil || len(left.claims) != len(set.claims)-1 {
				t.Errorf("%x without claim %d: %v", raw, i, err)
			}
		}
	})
}
