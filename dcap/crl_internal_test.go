// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// byX509 reads a list by crypto/x509 and holds it against the profile: the
// reader that the one in use must not be laxer than.
func byX509(body []byte) (*x509.RevocationList, bool) {
	list, err := x509.ParseRevocationList(body)
	if err != nil || len(list.Raw) != len(body) || list.SignatureAlgorithm != x509.ECDSAWithSHA256 ||
		list.Number == nil || len(list.AuthorityKeyId) == 0 ||
		list.NextUpdate.IsZero() || list.NextUpdate.Before(list.ThisUpdate) {
		return nil, false
	}
	extensions := list.Extensions
	for i := range list.RevokedCertificateEntries {
		extensions = append(extensions, list.RevokedCertificateEntries[i].Extensions...)
	}
	for i := range extensions {
		if extensions[i].Critical {
			return nil, false
		}
	}
	return list, true
}

// holdAgainstX509 reads a list both ways. What is taken crypto/x509 must take
// too, and read alike.
func holdAgainstX509(t testing.TB, body []byte) (taken, takenByX509 bool) {
	t.Helper()
	before := bytes.Clone(body)
	want, ok := byX509(before)
	s := Statement{endorsement: rats.Endorsement{Kind: rats.RootCACRL, Body: body}}
	err := s.readCRL()
	if !bytes.Equal(body, before) {
		t.Fatal("the input was written to")
	}
	if err != nil {
		if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
			t.Fatal(err)
		}
		return false, ok
	}
	if !ok {
		t.Fatalf("taken, and crypto/x509 refuses it: %x", body)
	}
	got := s.crl
	if !got.thisUpdate.Equal(want.ThisUpdate) || !got.nextUpdate.Equal(want.NextUpdate) ||
		!s.issued.Equal(want.ThisUpdate) || !s.nextUpdate.Equal(want.NextUpdate) {
		t.Fatalf("from %s until %s, want %s and %s", got.thisUpdate, got.nextUpdate, want.ThisUpdate, want.NextUpdate)
	}
	if got.thisUpdate.Location() != time.UTC || got.nextUpdate.Location() != time.UTC {
		t.Fatal("a time that is not in UTC")
	}
	for what, pair := range map[string][2][]byte{
		"signed":    {got.tbs, want.RawTBSRevocationList},
		"issuer":    {got.issuer, want.RawIssuer},
		"signature": {s.signature, want.Signature},
		"key":       {got.keyID, want.AuthorityKeyId},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Fatalf("%s: %x, want %x", what, pair[0], pair[1])
		}
	}
	list, err := parseRevocationList(body)
	if err != nil || signedInteger(list.number).Cmp(want.Number) != 0 {
		t.Fatalf("number %x, want %s, %v", list.number, want.Number, err)
	}
	sameSerials(t, got, want.RevokedCertificateEntries)
	return true, true
}

func sameSerials(t testing.TB, got *revocationList, want []x509.RevocationListEntry) {
	t.Helper()
	entries := revokedEntries(got.tbs)
	for i := range want {
		entry := entries.open(tagSequence)
		if serial := signedInteger(entry.integer(tagInteger)); entry.failed || serial.Cmp(want[i].SerialNumber) != 0 {
			t.Fatalf("entry %d: serial number %x, want %x", i, serial, want[i].SerialNumber)
		}
		for _, serial := range []*big.Int{
			want[i].SerialNumber, new(big.Int).Add(want[i].SerialNumber, big.NewInt(1)), new(big.Int).Rsh(want[i].SerialNumber, 8),
		} {
			listed := false
			for j := range want {
				listed = listed || want[j].SerialNumber.Cmp(serial) == 0
			}
			if revoked(got, serial) != listed {
				t.Fatalf("serial number %x is revoked: %v, want %v", serial, !listed, listed)
			}
		}
		if i == 20 && len(want) > 100 {
			return // the rest of a long list is read in the same way
		}
	}
	if entries.more() {
		t.Fatal("there are more entries")
	}
}

// signedInteger reads two's complement.
func signedInteger(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func TestRealRevocationListsAreReadAsCryptoX509ReadsThem(t *testing.T) {
	for _, file := range realFiles(t, "collateral/crl/*.der") {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if taken, _ := holdAgainstX509(t, body); !taken {
			t.Errorf("%s is refused", file)
		}
		for n := range body {
			if _, err := parseRevocationList(body[:n]); rats.KindOf(err) != rats.Malformed {
				t.Fatalf("%s, the first %d bytes: %v", file, n, err)
			}
		}
	}
}

// TestNoChangedByteOfAListIsReadOtherwise changes each byte of a real list in
// several ways.
func TestNoChangedByteOfAListIsReadOtherwise(t *testing.T) {
	for _, name := range []string{crlRoot, "collateral/crl/processor_20190612T142347Z.crl.der"} {
		body := realFile(t, name)
		for n := range body {
			for _, mask := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff} {
				changed := bytes.Clone(body)
				changed[n] ^= mask
				holdAgainstX509(t, changed)
			}
		}
	}
}

// A list is made of parts, each of which a test may replace.
type listParts struct {
	version, algorithm, issuer, from, until, entries, extensions, more []byte
	outside, signature, after                                          []byte
}

func tlv(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func derText(tag byte, s string) []byte { return tlv(tag, []byte(s)) }

func derName(tag byte, s string) []byte {
	return tlv(tagSequence, tlv(tagSet, tlv(tagSequence, derText(tagOID, "\x55\x04\x03"), derText(tag, s))))
}

func extensionOf(id string, value []byte, flags ...[]byte) []byte {
	return tlv(tagSequence, derText(tagOID, id), bytes.Join(flags, nil), tlv(tagOctetString, value))
}

func wholeList() listParts {
	algorithm := derText(tagSequence, derECDSAWithSHA256)
	return listParts{
		version: tlv(tagInteger, []byte{1}), algorithm: algorithm, issuer: derName(tagUTF8String, "a"),
		from: derText(tagUTCTime, "250601000000Z"), until: derText(tagUTCTime, "250701000000Z"),
		entries:    tlv(tagSequence, entryOf([]byte{7}), entryOf([]byte{8}, reasonOf(tlv(tagEnumerated, []byte{1}))), entryOf([]byte{0, 0x80})),
		extensions: extensionsOf(numberOf(tlv(tagInteger, []byte{1})), keyOfIssuer()),
		outside:    algorithm, signature: tlv(tagBitString, []byte{0, 1, 2, 3}),
	}
}

func entryOf(serial []byte, extensions ...[]byte) []byte {
	parts := [][]byte{tlv(tagInteger, serial), derText(tagUTCTime, "250601000000Z")}
	if len(extensions) > 0 {
		parts = append(parts, tlv(tagSequence, extensions...))
	}
	return tlv(tagSequence, parts...)
}

func reasonOf(value []byte) []byte { return extensionOf(derCRLReason, value) }

func numberOf(value []byte) []byte { return extensionOf(derCRLNumber, value) }

func keyOfIssuer() []byte {
	return extensionOf(derAuthorityKeyID, tlv(tagSequence, derText(tagContext0, "key")))
}

func extensionsOf(extensions ...[]byte) []byte {
	return tlv(tagContext0Open, tlv(tagSequence, extensions...))
}

func (p *listParts) der() []byte {
	tbs := tlv(tagSequence, p.version, p.algorithm, p.issuer, p.from, p.until, p.entries, p.extensions, p.more)
	return tlv(tagSequence, tbs, p.outside, p.signature, p.after)
}

// TestAListIsReadAtLeastAsStrictlyAsByCryptoX509: laxer is what crypto/x509
// makes of the same list.
func TestAListIsReadAtLeastAsStrictlyAsByCryptoX509(t *testing.T) {
	long := bytes.Repeat([]byte{5}, 200)
	null := []byte{5, 0}
	yes, no := tlv(tagBoolean, []byte{0xff}), tlv(tagBoolean, []byte{0})
	with := func(extensions ...[]byte) func(*listParts) {
		return func(p *listParts) {
			p.extensions = extensionsOf(append([][]byte{numberOf(tlv(tagInteger, []byte{1})), keyOfIssuer()}, extensions...)...)
		}
	}
	entry := func(e []byte) func(*listParts) {
		return func(p *listParts) { p.entries = tlv(tagSequence, entryOf([]byte{3}), e) }
	}
	algorithm := func(s string) func(*listParts) {
		return func(p *listParts) { p.algorithm = derText(tagSequence, s); p.outside = p.algorithm }
	}
	tests := []struct {
		name  string
		edit  func(*listParts)
		want  rats.Kind
		laxer bool
	}{
		{"as it is", func(*listParts) {}, rats.None, true},
		{"no entries", func(p *listParts) { p.entries = nil }, rats.None, true},
		{"an empty list of entries", func(p *listParts) { p.entries = tlv(tagSequence) }, rats.None, true},
		{"a serial number of 200 bytes", entry(entryOf(long)), rats.None, true},
		{"a negative serial number", entry(entryOf([]byte{0x80})), rats.None, true},
		{"a longer entry of another date", entry(tlv(tagSequence, tlv(tagInteger, []byte{9}), derText(tagGeneralizedTime, "20500101000000Z"))), rats.None, true},
		{"an unknown extension", with(extensionOf("\x2a\x03", null)), rats.None, true},
		{"an unknown extension of an entry", entry(entryOf([]byte{4}, extensionOf("\x2a\x03", null, no))), rats.None, true},
		{"a GeneralizedTime", func(p *listParts) { p.until = derText(tagGeneralizedTime, "20991231235959Z") }, rats.None, true},
		{"1950", func(p *listParts) { p.from = derText(tagUTCTime, "500101000000Z") }, rats.None, true},
		{"the 29th of February", func(p *listParts) { p.from = derText(tagUTCTime, "240229000000Z") }, rats.None, true},
		{"a PrintableString", func(p *listParts) { p.issuer = derName(tagPrintableString, "a&b*c") }, rats.None, true},
		{"an IA5String", func(p *listParts) { p.issuer = derName(tagIA5String, "a@b") }, rats.None, true},
		{"more of the issuer", func(p *listParts) {
			p.extensions = extensionsOf(numberOf(tlv(tagInteger, []byte{1})), extensionOf(derAuthorityKeyID,
				tlv(tagSequence, derText(tagContext0, "key"), derText(0x82, "\x01"))))
		}, rats.None, true},

		{"no version", func(p *listParts) { p.version = nil }, rats.Malformed, false},
		{"version 1", func(p *listParts) { p.version = tlv(tagInteger, []byte{0}) }, rats.Malformed, false},
		{"ecdsa-with-SHA384", algorithm("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"), rats.Unsupported, false},
		{"parameters of the algorithm", algorithm(derECDSAWithSHA256 + "\x05\x00"), rats.Unsupported, true},
		{"two algorithms", func(p *listParts) { p.outside = tlv(tagSequence, derText(tagOID, "\x2a\x03")) }, rats.Malformed, false},
		{"an issuer that is a string", func(p *listParts) { p.issuer = derText(tagUTF8String, "a") }, rats.Malformed, false},
		{"a TeletexString", func(p *listParts) { p.issuer = derName(0x14, "a") }, rats.Malformed, true},
		{"a PrintableString with more", func(p *listParts) { p.issuer = derName(tagPrintableString, "a@b") }, rats.Malformed, false},
		{"a UTF8String that is not UTF-8", func(p *listParts) { p.issuer = derName(tagUTF8String, "\xff") }, rats.Malformed, false},
		{"an IA5String with more", func(p *listParts) { p.issuer = derName(tagIA5String, "\xe4") }, rats.Malformed, false},
		{"an attribute with more", func(p *listParts) {
			p.issuer = tlv(tagSequence, tlv(tagSet, tlv(tagSequence, derText(tagOID, "\x2a"), derText(tagUTF8String, "a"), null)))
		}, rats.Malformed, true},
		{"an empty identifier", with(extensionOf("", null)), rats.Malformed, false},
		{"an identifier that does not end", with(extensionOf("\x2a\x80", null)), rats.Malformed, false},
		{"an identifier with zeros before", with(extensionOf("\x2a\x80\x01", null)), rats.Malformed, false},
		{"an identifier of 2^31", with(extensionOf("\x2a\x88\x80\x80\x80\x00", null)), rats.Malformed, false},
		{"no next update", func(p *listParts) { p.until = nil }, rats.Malformed, false},
		{"an end before the beginning", func(p *listParts) { p.until = derText(tagUTCTime, "250501000000Z") }, rats.Malformed, false},
		{"no seconds", func(p *listParts) { p.until = derText(tagUTCTime, "2507010000Z") }, rats.Malformed, true},
		{"an offset", func(p *listParts) { p.until = derText(tagUTCTime, "250701000000+0100") }, rats.Malformed, true},
		{"a fraction", func(p *listParts) { p.until = derText(tagGeneralizedTime, "20250701000000.5Z") }, rats.Malformed, false},
		{"the 30th of February", func(p *listParts) { p.from = derText(tagUTCTime, "240230000000Z") }, rats.Malformed, false},
		{"month 13", func(p *listParts) { p.until = derText(tagUTCTime, "251301000000Z") }, rats.Malformed, false},
		{"hour 24", func(p *listParts) { p.until = derText(tagUTCTime, "250701240000Z") }, rats.Malformed, false},
		{"a time that is no number", func(p *listParts) { p.until = derText(tagUTCTime, "2507O1000000Z") }, rats.Malformed, false},
		{"an entry without serial number", entry(tlv(tagSequence, derText(tagUTCTime, "250601000000Z"))), rats.Malformed, false},
		{"an entry without date", entry(tlv(tagSequence, tlv(tagInteger, []byte{4}))), rats.Malformed, false},
		{"only entries without date", func(p *listParts) { p.entries = tlv(tagSequence, tlv(tagSequence, tlv(tagInteger, []byte{4}))) }, rats.Malformed, false},
		{"a serial number of no bytes", entry(entryOf(nil)), rats.Malformed, false},
		{"a serial number with zeros before", entry(entryOf([]byte{0, 1})), rats.Malformed, false},
		{"a serial number with ones before", entry(entryOf([]byte{0xff, 0x80})), rats.Malformed, false},
		{"an entry with more", entry(tlv(tagSequence, tlv(tagInteger, []byte{4}), derText(tagUTCTime, "250601000000Z"), null)), rats.Malformed, true},
		{"a reason that is no ENUMERATED", entry(entryOf([]byte{4}, reasonOf(tlv(tagInteger, []byte{1})))), rats.Malformed, false},
		{"a reason of nine bytes", entry(entryOf([]byte{4}, reasonOf(tlv(tagEnumerated, long[:9])))), rats.Malformed, false},
		{"a reason with more", entry(entryOf([]byte{4}, reasonOf(append(tlv(tagEnumerated, []byte{1}), 0)))), rats.Malformed, true},
		{"a critical extension", with(extensionOf("\x2a\x03", null, yes)), rats.Unsupported, false},
		{"a critical extension of an entry", entry(entryOf([]byte{4}, extensionOf("\x2a\x03", null, yes))), rats.Unsupported, false},
		{"a critical that is one", with(extensionOf("\x2a\x03", null, tlv(tagBoolean, []byte{1}))), rats.Malformed, false},
		{"a critical of two bytes", with(extensionOf("\x2a\x03", null, tlv(tagBoolean, []byte{0, 0}))), rats.Malformed, false},
		{"an extension without value", with(tlv(tagSequence, derText(tagOID, "\x2a\x03"))), rats.Malformed, false},
		{"an extension with more", with(tlv(tagSequence, derText(tagOID, "\x2a\x03"), tlv(tagOctetString), null)), rats.Malformed, true},
		{"no extensions", func(p *listParts) { p.extensions = nil }, rats.Malformed, false},
		{"no number", func(p *listParts) { p.extensions = extensionsOf(keyOfIssuer()) }, rats.Malformed, false},
		{"two numbers", with(numberOf(tlv(tagInteger, []byte{2}))), rats.Malformed, true},
		{"a number that is none", func(p *listParts) { p.extensions = extensionsOf(numberOf(null), keyOfIssuer()) }, rats.Malformed, false},
		{"no issuer's key", func(p *listParts) { p.extensions = extensionsOf(numberOf(tlv(tagInteger, []byte{1}))) }, rats.Malformed, false},
		{"two issuer's keys", with(keyOfIssuer()), rats.Malformed, true},
		{"an issuer's key without key", func(p *listParts) {
			p.extensions = extensionsOf(numberOf(tlv(tagInteger, []byte{1})), extensionOf(derAuthorityKeyID, tlv(tagSequence)))
		}, rats.Malformed, false},
		{"more after the extensions", func(p *listParts) { p.more = null }, rats.Malformed, true},
		{"more after the signature", func(p *listParts) { p.after = null }, rats.Malformed, true},
		{"a signature of seven bits", func(p *listParts) { p.signature = tlv(tagBitString, []byte{1, 2}) }, rats.Malformed, true},
		{"a signature of nothing", func(p *listParts) { p.signature = tlv(tagBitString) }, rats.Malformed, false},
		{"no signature", func(p *listParts) { p.signature = nil }, rats.Malformed, false},
		{"a length that could be shorter", func(p *listParts) { p.issuer = append([]byte{tagSequence, 0x81, 0x0c}, p.issuer[2:]...) }, rats.Malformed, false},
		{"a length with a zero before", with(extensionOf("\x2a\x03", append([]byte{4, 0x82, 0, 200}, long...)), append([]byte{0x30, 0x82, 0, 200}, long...)), rats.Malformed, false},
		{"no definite length", func(p *listParts) { p.issuer = []byte{tagSequence, 0x80, 0, 0} }, rats.Malformed, false},
		{"a tag of two bytes", with([]byte{0x3f, 0x30, 0}), rats.Malformed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := wholeList()
			tt.edit(&p)
			body := p.der()
			_, laxer := holdAgainstX509(t, body)
			s := Statement{endorsement: rats.Endorsement{Kind: rats.RootCACRL, Body: body}}
			if err := s.readCRL(); rats.KindOf(err) != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if laxer != tt.laxer {
				t.Errorf("crypto/x509 takes it: %v", laxer)
			}
		})
	}
}

// TestSerialNumbersAreFoundWhole: neither a part of one nor a byte of something
// else counts.
func TestSerialNumbersAreFoundWhole(t *testing.T) {
	p := wholeList()
	trap := tlv(tagInteger, []byte{0x55})
	p.entries = tlv(tagSequence, entryOf([]byte{1, 2, 3}, extensionOf("\x2a\x03", trap)), entryOf(bytes.Repeat([]byte{1}, 300)))
	s := Statement{endorsement: rats.Endorsement{Kind: rats.RootCACRL, Body: p.der()}}
	if err := s.readCRL(); err != nil {
		t.Fatal(err)
	}
	long := new(big.Int).SetBytes(bytes.Repeat([]byte{1}, 300))
	for serial, want := range map[*big.Int]bool{
		big.NewInt(0x010203): true, long: true, big.NewInt(0x0102): false, big.NewInt(0x0203): false, big.NewInt(0x01020304): false,
		big.NewInt(0x55): false, big.NewInt(0): false, big.NewInt(-1): false, new(big.Int).Add(long, big.NewInt(1)): false,
		new(big.Int).Rsh(long, 8): false,
	} {
		if got := revoked(s.crl, serial); got != want {
			t.Errorf("%x is revoked: %v", serial, got)
		}
	}
}
