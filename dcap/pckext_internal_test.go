// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// element is one part of the extension as encoding/asn1 reads it.
type element struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// errFaultyExtension is the reference reader's no.
var errFaultyExtension = errors.New("faulty")

// byASN1 reads the elements of an extension or a part of it by encoding/asn1.
// It refuses what encoding/asn1 takes and the profile has not: bytes after an
// element's value, and numbers and tags that take more than one byte.
func byASN1(raw []byte, prefix asn1.ObjectIdentifier) (map[int]asn1.RawValue, error) {
	var list []element
	rest, err := asn1.Unmarshal(raw, &list)
	if err != nil || len(rest) != 0 {
		return nil, errFaultyExtension
	}
	if again, err := asn1.Marshal(list); err != nil || !bytes.Equal(again, raw) {
		return nil, errFaultyExtension
	}
	out := map[int]asn1.RawValue{}
	for _, m := range list {
		n := len(prefix)
		if len(m.ID) != n+1 || !m.ID[:n].Equal(prefix) {
			return nil, errFaultyExtension
		}
		if _, twice := out[m.ID[n]]; twice || m.ID[n] > 127 || m.Value.Tag > 30 {
			return nil, errFaultyExtension
		}
		out[m.ID[n]] = m.Value
	}
	return out, nil
}

// extensionByASN1 reads the extension by encoding/asn1.
func extensionByASN1(raw []byte) (ext PCKExtension, err error) {
	oid := sgxExtension()
	all, err := byASN1(raw, oid)
	if err != nil {
		return ext, err
	}
	take := func(from map[int]asn1.RawValue, n int, v any) {
		if m, ok := from[n]; !ok {
			err = errors.Join(err, errFaultyExtension)
		} else if rest, unread := asn1.Unmarshal(m.FullBytes, v); unread != nil || len(rest) != 0 {
			err = errors.Join(err, errFaultyExtension)
		}
	}
	octets := func(from map[int]asn1.RawValue, n int, dst []byte) {
		var b []byte
		if take(from, n, &b); len(b) != len(dst) {
			err = errors.Join(err, errFaultyExtension)
		}
		copy(dst, b)
	}
	integer := func(from map[int]asn1.RawValue, n, limit int) (v int) {
		if take(from, n, &v); v < 0 || v > limit {
			err = errors.Join(err, errFaultyExtension)
		}
		return v
	}
	if len(all) != 5 && len(all) != 7 {
		return ext, errFaultyExtension
	}
	octets(all, 1, ext.PPID[:])
	octets(all, 3, ext.PCEID[:])
	octets(all, 4, ext.FMSPC[:])
	var kind asn1.Enumerated
	take(all, 5, &kind)
	ext.SGXType = int(kind)
	tcb, unread := byASN1(all[2].FullBytes, append(oid, 2))
	if unread != nil || len(tcb) != 18 {
		return ext, errors.Join(unread, errFaultyExtension)
	}
	for i := range ext.Components {
		ext.Components[i] = uint8(integer(tcb, i+1, 255))
	}
	ext.PCESVN = uint16(integer(tcb, 17, 65535))
	octets(tcb, 18, ext.CPUSVN[:])
	if len(all) == 7 {
		ext.Platform = &PlatformExtension{}
		octets(all, 6, ext.Platform.InstanceID[:])
		flags, unread := byASN1(all[7].FullBytes, append(oid, 7))
		err = errors.Join(err, unread)
		for i, flag := range []*bool{&ext.Platform.DynamicPlatform, &ext.Platform.CachedKeys, &ext.Platform.SMTEnabled} {
			if _, ok := flags[i+1]; ok {
				take(flags, i+1, flag)
			}
		}
	}
	return ext, err
}

// holdAgainstASN1 reads an extension both ways.
func holdAgainstASN1(t testing.TB, raw []byte) (taken bool) {
	t.Helper()
	before := bytes.Clone(raw)
	got, err := readPCKExtension(raw)
	if !bytes.Equal(raw, before) {
		t.Fatal("the input was written to")
	}
	want, wantErr := extensionByASN1(raw)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: %v, and by encoding/asn1 %v", raw, err, wantErr)
	}
	if err != nil && rats.KindOf(err) != rats.Malformed {
		t.Fatal(err)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%x: %+v, want %+v", raw, got, want)
	}
	return err == nil
}

// sgxValue returns the extension of a certificate.
func sgxValue(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	for _, e := range c.Extensions {
		if e.Id.Equal(sgxExtension()) {
			return e.Value
		}
	}
	t.Fatal("no SGX extension")
	return nil
}

// seedExtension returns the extension of the seed's PCK certificate.
func seedExtension(t testing.TB) []byte {
	t.Helper()
	chain, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "pck_chain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(chain)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return sgxValue(t, c)
}

func TestRealExtensionsAreReadAsEncodingASN1ReadsThem(t *testing.T) {
	read := 0
	for _, pattern := range []string{"quotes/sgx/*.bin", "quotes/tdx/*.bin"} {
		for _, file := range realFiles(t, pattern) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := pckOf(t, raw)
			if c == nil {
				continue
			}
			read++
			if !holdAgainstASN1(t, sgxValue(t, c)) {
				t.Errorf("%s: its extension is refused", file)
			}
		}
	}
	if read < 40 {
		t.Errorf("only %d quotes carry a PCK certificate", read)
	}
}

func TestNoChangedByteOfAnExtensionIsReadOtherwise(t *testing.T) {
	for name, raw := range map[string][]byte{"seed": seedExtension(t), "platform": platformExtension()} {
		if !holdAgainstASN1(t, raw) {
			t.Fatalf("%s is refused", name)
		}
		for n := range raw {
			if holdAgainstASN1(t, raw[:n]) {
				t.Errorf("%s: the first %d bytes are taken", name, n)
			}
			for _, mask := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff} {
				changed := bytes.Clone(raw)
				changed[n] ^= mask
				holdAgainstASN1(t, changed)
			}
		}
		if holdAgainstASN1(t, append(bytes.Clone(raw), 0)) {
			t.Errorf("%s: a byte after it is taken", name)
		}
	}
}

// platformExtension has every element, and one that Intel may add.
func platformExtension() []byte {
	of := func(prefix string, n byte, value []byte) []byte {
		return tlv(tagSequence, derText(tagOID, prefix+string([]byte{n})), value)
	}
	octets := func(n int) []byte { return tlv(tagOctetString, bytes.Repeat([]byte{0xa5}, n)) }
	var tcb, flags [][]byte
	for n := byte(1); n <= 16; n++ {
		tcb = append(tcb, of(sgxPrefix+"\x02", n, tlv(tagInteger, []byte{n})))
	}
	tcb = append(tcb, of(sgxPrefix+"\x02", 17, tlv(tagInteger, []byte{0, 0xff, 0xfe})), of(sgxPrefix+"\x02", 18, octets(16)))
	for n, b := range []byte{0, 0xff, 0, 0xff} {
		flags = append(flags, of(sgxPrefix+"\x07", byte(n+1), tlv(tagBoolean, []byte{b})))
	}
	return tlv(tagSequence,
		of(sgxPrefix, 1, octets(16)), of(sgxPrefix, 2, tlv(tagSequence, tcb...)), of(sgxPrefix, 3, octets(2)),
		of(sgxPrefix, 4, octets(6)), of(sgxPrefix, 5, tlv(tagEnumerated, []byte{1})), of(sgxPrefix, 6, octets(16)),
		of(sgxPrefix, 7, tlv(tagSequence, flags...)))
}

func TestWhatAnExtensionHoldsHasOneForm(t *testing.T) {
	whole := platformExtension()
	// replace puts other bytes in the place of an element's value; lengths
	// around it stay right, since they stay as they are.
	replace := func(from, to string) []byte {
		if len(from) != len(to) || bytes.Count(whole, []byte(from)) != 1 {
			t.Fatalf("%q stands %d times", from, bytes.Count(whole, []byte(from)))
		}
		return bytes.Replace(whole, []byte(from), []byte(to), 1)
	}
	pcesvn := sgxPrefix + "\x02\x11"
	flag := sgxPrefix + "\x07\x02"
	component := sgxPrefix + "\x02\x05\x02\x01"
	for name, tt := range map[string]struct {
		raw   []byte
		taken bool
	}{
		"as it is":                     {whole, true},
		"a PCESVN with zeros before":   {replace(pcesvn+"\x02\x03\x00\xff\xfe", pcesvn+"\x02\x03\x00\x00\x01"), false},
		"a PCESVN below zero":          {replace(pcesvn+"\x02\x03\x00\xff\xfe", pcesvn+"\x02\x03\xff\x00\x00"), false},
		"a PCESVN over 65535":          {replace(pcesvn+"\x02\x03\x00\xff\xfe", pcesvn+"\x02\x03\x01\x00\x00"), false},
		"a component below zero":       {replace(component+"\x05", component+"\x85"), false},
		"a component of another type":  {replace(component, sgxPrefix+"\x02\x05\x0a\x01"), false},
		"a flag that is neither":       {replace(flag+"\x01\x01\xff", flag+"\x01\x01\x01"), false},
		"a flag that is a number":      {replace(flag+"\x01\x01\xff", flag+"\x02\x01\xff"), false},
		"a flag that is unknown":       {replace(flag+"\x01\x01\xff", sgxPrefix+"\x07\x09\x01\x01\xff"), true},
		"a flag twice":                 {replace(flag+"\x01\x01\xff", sgxPrefix+"\x07\x01\x01\x01\xff"), false},
		"a flag of the TCB":            {replace(flag+"\x01\x01\xff", sgxPrefix+"\x02\x02\x01\x01\xff"), false},
		"a type that is an INTEGER":    {replace(sgxPrefix+"\x05\x0a\x01\x01", sgxPrefix+"\x05\x02\x01\x01"), false},
		"a type that nobody knows":     {replace(sgxPrefix+"\x05\x0a\x01\x01", sgxPrefix+"\x05\x0a\x01\x81"), true},
		"an FMSPC that is constructed": {replace(sgxPrefix+"\x04\x04\x06", sgxPrefix+"\x04\x24\x06"), false},
		"nothing":                      {nil, false},
		"an empty sequence":            {tlv(tagSequence), false},
	} {
		t.Run(name, func(t *testing.T) {
			if taken := holdAgainstASN1(t, tt.raw); taken != tt.taken {
				t.Errorf("taken: %v", taken)
			}
		})
	}
}
