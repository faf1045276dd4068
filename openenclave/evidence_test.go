// SPDX-License-Identifier: Apache-2.0

package openenclave_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// header is that of evidence of a format, with data of a size behind it.
func header(uuid string, size int) []byte {
	id, _ := hex.DecodeString(uuid)
	b := append([]byte{3, 0, 0, 0}, id...)
	b = append(b, 0xff, 0xff, 0xff, 0xff)
	return binary.LittleEndian.AppendUint64(b, uint64(size))
}

const (
	ecdsa  = "a3a21e871b4d4014b70aa125d2fbcd8c"
	report = "c8303454d9234c2ca691df7def460a76"
)

func TestTheTailOfEvidenceIsItsClaims(t *testing.T) {
	quote := seed(t)[16:]
	data := append(bytes.Clone(quote), "claims"...)
	in, err := openenclave.ParseEvidence(append(header(ecdsa, len(data)), data...))
	if err != nil {
		t.Fatal(err)
	}
	if !in.HasClaims || !bytes.Equal(in.Inner, quote) || string(in.Claims) != "claims" || in.TDX() || in.Report() ||
		in.Format.String() != "a3a21e87-1b4d-4014-b70a-a125d2fbcd8c" {
		t.Errorf("%d bytes, claims %q, %v", len(in.Inner), in.Claims, in)
	}
	in, err = openenclave.ParseEvidence(append(header(report, len(seed(t))), seed(t)...))
	if err != nil || in.HasClaims || !in.Report() || !bytes.Equal(in.Inner, seed(t)) {
		t.Errorf("%v, %+v", err, in)
	}
}

func TestThePaddingOfTheHeaderMeansNothing(t *testing.T) {
	whole := append(header(report, len(seed(t))), seed(t)...)
	for bit := range 32 * 8 {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		_, err := openenclave.ParseEvidence(b)
		padding := bit/8 >= 20 && bit/8 < 24
		if kind := rats.KindOf(err); padding != (err == nil) || err != nil && kind != rats.Malformed && kind != rats.Unsupported {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for n := range whole {
		if _, err := openenclave.ParseEvidence(whole[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestClaimsReadAsTheyWereWritten(t *testing.T) {
	claims := []openenclave.Claim{{Name: "some_name", Value: []byte("some_value\x00")}, {Name: "empty", Value: []byte{}}}
	b, err := openenclave.AppendClaims([]byte("before"), claims...)
	if err != nil || len(b) != 6+16+2*16+10+11+6 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	got, err := openenclave.ParseClaims(b[6:])
	if err != nil || len(got) != 2 || got[0].Name != "some_name" || string(got[0].Value) != "some_value\x00" || len(got[1].Value) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	for n := 1; n < len(b)-6; n++ {
		if _, err := openenclave.ParseClaims(b[6 : 6+n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if got, err := openenclave.ParseClaims(nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	if b, err := openenclave.AppendClaims(nil); err != nil || len(b) != 0 {
		t.Errorf("no claims: %x, %v", b, err)
	}
}

func TestClaimsThatAreNotStrictlySoAreMalformed(t *testing.T) {
	words := func(n ...uint64) (b []byte) {
		for _, v := range n {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		return b
	}
	one := func(name, value string) []byte {
		return append(append(words(uint64(len(name)), uint64(len(value))), name...), value...)
	}
	for name, b := range map[string][]byte{
		"version 0":                 words(0, 0),
		"version 2":                 words(2, 0),
		"more claims than bytes":    words(1, 1<<60),
		"bytes after the last":      append(words(1, 0), 0),
		"a name without an end":     append(words(1, 1), one("name", "v")...),
		"a name that is empty":      append(words(1, 1), one("\x00", "v")...),
		"a name without anything":   append(words(1, 1), one("", "v")...),
		"a name with a zero in it":  append(words(1, 1), one("na\x00me\x00", "v")...),
		"a name that is no text":    append(words(1, 1), one("\xff\x00", "v")...),
		"a name that turns around":  append(words(1, 1), one("a\u202eb\x00", "v")...),
		"a name of two":             append(append(words(1, 2), one("n\x00", "v")...), one("n\x00", "w")...),
		"lengths that wrap around":  append(words(1, 1, 2, 1<<64-1), "n\x00"...),
		"a value that is cut short": append(words(1, 1, 2, 9), "n\x00v"...),
	} {
		if got, err := openenclave.ParseClaims(b); rats.KindOf(err) != rats.Malformed || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, bad := range [][]openenclave.Claim{{{Name: ""}}, {{Name: "a\x00b"}}, {{Name: "n"}, {Name: "n"}}} {
		if _, err := openenclave.AppendClaims(nil, bad...); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q is written: %v", bad, err)
		}
	}
}

func TestRealEndorsementsHoldTheirNineItems(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(vectors(t), "oe", "attestation_plugin__endorsements.stripped.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"bare": raw, "behind a header": append(header(ecdsa, len(raw)), raw...)} {
		c, err := openenclave.ParseEndorsements(b)
		if err != nil || !openenclave.IsEndorsements(b) {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Created != "2022-04-26T23:43:10Z" || !strings.HasPrefix(string(c.TCBInfo), `{"tcbInfo":{"version":2,`) ||
			!strings.HasPrefix(string(c.QEIdentity), `{"enclaveIdentity":{`) || c.PCKCRL[0] != 0x30 || c.RootCACRL[0] != 0x30 {
			t.Errorf("%s: %+v", name, c)
		}
		for i, part := range c.Parts() {
			if len(part) == 0 || part[len(part)-1] == 0 && part[0] != 0x30 {
				t.Errorf("%s: part %d ends in %x", name, i, part[len(part)-1:])
			}
		}
	}
	for n := range raw {
		if n > 100 && n%97 > 0 {
			continue
		}
		if _, err := openenclave.ParseEndorsements(raw[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for bit := range 52 * 8 {
		b := bytes.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		c, err := openenclave.ParseEndorsements(b)
		if kind := rats.KindOf(err); err != nil && kind != rats.Malformed && kind != rats.Unsupported {
			t.Errorf("bit %d: %v", bit, err)
		}
		// An offset that still ascends moves bytes from one item to its neighbour.
		if err == nil && (bit/8 < 20 || c.Created == "") {
			t.Errorf("bit %d is ignored", bit)
		}
	}
}

// TestEndorsementsOfAnotherOutlineAreCalledSo: of another version, enclave type or
// number of items.
func TestEndorsementsOfAnotherOutlineAreCalledSo(t *testing.T) {
	words := func(n ...uint32) (out []byte) {
		for _, w := range n {
			out = binary.LittleEndian.AppendUint32(out, w)
		}
		return out
	}
	for name, b := range map[string][]byte{
		"version 2":   words(2, 2, 40, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
		"another TEE": words(1, 1, 40, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
		"eight items": words(1, 2, 36, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8),
		"ten items":   words(1, 2, 44, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
	} {
		if _, err := openenclave.ParseEndorsements(b); !openenclave.IsEndorsements(b) || rats.KindOf(err) != rats.Unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"a report":                      words(1, 2, 8, 0, 1, 2),
		"a size that is not the buffer": words(2, 2, 41, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
	} {
		if openenclave.IsEndorsements(b) {
			t.Errorf("%s is taken for endorsements", name)
		}
	}
}

func TestARealDumpHoldsItsSevenItems(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(vectors(t), "dcap", "collateral", "oe", "tdx_endorsement.bin"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := openenclave.ParseEndorsements(raw)
	if err != nil || c.Created != "" || !strings.HasPrefix(string(c.TCBInfo), `{"tcbInfo":{"id":"TDX"`) || !strings.HasPrefix(string(c.RootCACRL), "3082") {
		t.Fatalf("%v, %+v", err, c)
	}
	for n := range raw {
		if n > 200 && n%97 > 0 {
			continue
		}
		if _, err := openenclave.ParseEndorsements(raw[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := openenclave.ParseEndorsements(append(raw, 0)); rats.KindOf(err) != rats.Malformed {
		t.Errorf("a byte too many: %v", err)
	}
}
