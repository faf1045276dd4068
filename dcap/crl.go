// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// crlClause is cited by the checks of revocation lists.
const crlClause = profileClause + "; RFC 5280 5"

// Contents of what a list is compared with, in DER.
const (
	derECDSAWithSHA256 = "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02" // without parameters (RFC 5758 3.2)
	derCRLVersion2     = "\x01"
	derCRLNumber       = "\x55\x1d\x14" // 2.5.29.20
	derCRLReason       = "\x55\x1d\x15" // 2.5.29.21
	derAuthorityKeyID  = "\x55\x1d\x23" // 2.5.29.35
)

// revocationList is what counts of a list. All bytes are parts of the list's.
// Entries are not taken apart: revoked reads them where they stand.
type revocationList struct {
	tbs       []byte // what the signature covers
	algorithm []byte // contents of the AlgorithmIdentifier, inside and outside
	signature []byte
	issuer    []byte // Name, header included

	thisUpdate, nextUpdate time.Time // nextUpdate is zero if there is none
	// number and keyID are the contents of the CRL number and of the authority
	// key identifier's first part, nil if there is none.
	number, keyID []byte
	// critical tells that an extension of the list or of an entry is critical.
	critical bool

	// read is what follows the serial number in the entry that was read last:
	// most entries of a list are of one date and reason.
	read []byte
}

// readCRL reads a revocation list (profile 1.4, RFC 5280 section 5). What could
// make it mean less than "all revoked certificates of its issuer" is refused.
func (s *Statement) readCRL() error {
	body := s.endorsement.Body
	list, err := parseRevocationList(body)
	if err != nil {
		return err
	}
	switch {
	case string(list.algorithm) != derECDSAWithSHA256:
		return crlError(rats.Unsupported, "is not signed with ecdsa-with-SHA256")
	case list.number == nil || len(list.keyID) == 0:
		return crlError(rats.Malformed, "without number or authority key identifier")
	case list.nextUpdate.IsZero() || list.nextUpdate.Before(list.thisUpdate):
		return crlError(rats.Malformed, "without a window")
	case list.critical:
		// It can turn the list into a partial or indirect one.
		return crlError(rats.Unsupported, "with a critical extension")
	}
	s.crl = list
	s.issued, s.nextUpdate = list.thisUpdate, list.nextUpdate
	s.inner, s.signature = sha256.Sum256(list.tbs), list.signature
	if s.issuer != nil {
		s.key.Scope = keyScope(s.issuer.RawSubjectPublicKeyInfo)
	} else {
		// The root's key is not in its list; the name stands for it here.
		s.key.Scope = keyScope(list.issuer)
	}
	return nil
}

func crlError(kind rats.Kind, format string, args ...any) error {
	e := rats.Errorf(kind, "revocation list "+format, args...)
	e.Spec = crlClause
	return e
}

// parseRevocationList reads a CertificateList of version 2 (RFC 5280 5.1) with
// nothing after it. crypto/x509 takes whatever is taken here and reads it
// alike; it builds several objects for each entry, which cost as much as half
// the verification of the signature.
func parseRevocationList(body []byte) (*revocationList, error) {
	list := &revocationList{}
	d := newDER(body)
	outer := d.open(tagSequence)
	start := outer.at
	tbs := outer.open(tagSequence)
	list.tbs = body[start:outer.at:outer.at]
	list.readTBS(&tbs)
	outer.close(&tbs)
	outside := outer.take(tagSequence)
	bits := outer.take(tagBitString)
	d.close(&outer)
	if d.failed || d.at != len(body) {
		return nil, crlError(rats.Malformed, "does not parse at byte %d", d.at)
	}
	if !bytes.Equal(outside, list.algorithm) {
		return nil, crlError(rats.Malformed, "names two signature algorithms")
	}
	if len(bits) == 0 || bits[0] != 0 {
		return nil, crlError(rats.Malformed, "with a signature that is not of whole bytes")
	}
	list.signature = bits[1:]
	return list, nil
}

// readTBS reads TBSCertList.
func (list *revocationList) readTBS(tbs *der) {
	if version := tbs.integer(tagInteger); string(version) != derCRLVersion2 {
		tbs.fail()
		return
	}
	list.algorithm = tbs.take(tagSequence)
	list.issuer = tbs.name()
	list.thisUpdate = tbs.time()
	if tbs.peek(tagUTCTime) || tbs.peek(tagGeneralizedTime) {
		list.nextUpdate = tbs.time()
	}
	if tbs.peek(tagSequence) {
		entries := tbs.open(tagSequence)
		for entries.more() {
			list.readEntry(&entries)
		}
		tbs.close(&entries)
	}
	if tbs.peek(tagContext0Open) {
		tagged := tbs.open(tagContext0Open)
		list.readExtensions(&tagged, false)
		tbs.close(&tagged)
	}
}

// readEntry reads one revoked certificate.
func (list *revocationList) readEntry(entries *der) {
	entry := entries.open(tagSequence)
	entry.integer(tagInteger)
	rest := entry.text[entry.at:entry.end]
	if list.read == nil || !bytes.Equal(rest, list.read) {
		entry.time()
		if entry.peek(tagSequence) {
			list.readExtensions(&entry, true)
		}
		list.read = rest
	} else {
		entry.at = entry.end
	}
	entries.close(&entry)
}

// readExtensions reads the Extensions of an entry or of the list.
func (list *revocationList) readExtensions(d *der, ofEntry bool) {
	all := d.open(tagSequence)
	for all.more() {
		one := all.open(tagSequence)
		id := one.oid()
		if one.peek(tagBoolean) && one.boolean() {
			list.critical = true
		}
		value := one.open(tagOctetString)
		if ofEntry {
			readEntryExtension(id, &value)
		} else {
			list.readListExtension(id, &value)
		}
		one.close(&value)
		all.close(&one)
	}
	d.close(&all)
}

// readEntryExtension holds a reason against its form; what the reason is does
// not matter. The values of unknown extensions are passed over.
func readEntryExtension(id []byte, value *der) {
	if string(id) == derCRLReason {
		if reason := value.integer(tagEnumerated); len(reason) > 8 {
			value.fail()
		}
		return
	}
	value.at = value.end
}

func (list *revocationList) readListExtension(id []byte, value *der) {
	switch string(id) {
	case derCRLNumber:
		if list.number != nil {
			value.fail() // twice (RFC 5280 4.2)
		}
		list.number = value.integer(tagInteger)
	case derAuthorityKeyID:
		if list.keyID != nil {
			value.fail()
		}
		id := value.open(tagSequence)
		list.keyID = []byte{}
		if id.peek(tagContext0) {
			list.keyID = id.take(tagContext0)
		}
		for id.more() {
			id.next() // the issuer's name and serial number
		}
		value.close(&id)
	default:
		value.at = value.end
	}
}

// revoked reports whether a list that readCRL has read holds a serial number.
// The list is walked: that takes less than to make an index of a list that few
// certificates are held against.
func revoked(list *revocationList, serial *big.Int) bool {
	var short [2 + 0x7f]byte
	var want []byte // the number in DER
	if n := serial.BitLen()/8 + 1; serial.Sign() >= 0 && n < 0x80 {
		want = short[:2+n]
		want[0], want[1] = tagInteger, byte(n) //nolint:gosec // below 128
		serial.FillBytes(want[2:])
	} else {
		want, _ = asn1.Marshal(serial) // an integer cannot fail
	}
	entries := revokedEntries(list.tbs)
	for entries.more() {
		if _, contents := entries.next(); bytes.HasPrefix(list.tbs[contents:], want) {
			return true
		}
	}
	return false
}

// revokedEntries returns a reader of the entries of a TBSCertList.
func revokedEntries(tbs []byte) der {
	d := newDER(tbs)
	list := d.open(tagSequence)
	for range 5 { // version, algorithm, issuer, this and next update
		list.next()
	}
	if !list.peek(tagSequence) {
		return der{}
	}
	return list.open(tagSequence)
}
