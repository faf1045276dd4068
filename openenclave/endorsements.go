// SPDX-License-Identifier: Apache-2.0

package openenclave

import (
	"bytes"
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// Clauses that errors about endorsements cite.
const (
	endorsementsClause = "Open Enclave oe_endorsements_t"
	collateralClause   = "SGX DCAP sgx_ql_qve_collateral_t"
)

// The header of oe_endorsements_t, in bytes: version, enclave type, size and
// number of the items; their offsets follow, and then they.
const (
	endorsementsVersion    = 1
	endorsementsTypeSGX    = 2
	endorsementsHeaderSize = 16
	endorsementsItems      = 9
	endorsementsMost       = 200 << 10
)

// The header of a dumped sgx_ql_qve_collateral_t, in bytes: version and TEE type,
// and for each of seven items a pointer that means nothing any more, a size of
// four bytes, and padding.
const (
	collateralHeaderSize = 120
	collateralItems      = 7
	collateralItemSize   = 16
)

// Collateral is what Intel says of a platform, as it lies in Open Enclave's
// endorsements. JSON and PEM have no zero byte at their end; CRLs are in DER,
// PEM or ASCII hex. Nothing is verified. The slices are parts of the input.
type Collateral struct {
	TCBInfo, TCBInfoIssuers []byte
	// RootCACRL is the root's, PCKCRL that of the CA which issued the PCK certificate.
	RootCACRL, PCKCRL, PCKCRLIssuers []byte
	QEIdentity, QEIdentityIssuers    []byte
	// Created is when Open Enclave collected it, such as "2022-04-26T23:43:10Z":
	// nobody's word but the collector's, and empty where it is not said.
	Created string
}

// Parts returns what there is to read, in a fixed order.
func (c *Collateral) Parts() [][]byte {
	return [][]byte{c.TCBInfo, c.TCBInfoIssuers, c.RootCACRL, c.PCKCRL, c.PCKCRLIssuers, c.QEIdentity, c.QEIdentityIssuers}
}

// IsEndorsements tells by its header whether b is Open Enclave's endorsements of
// SGX evidence, with the header that evidence may have or without, or its
// endorsements of a TDX quote.
func IsEndorsements(b []byte) bool {
	b = withoutHeader(b)
	return isBuffer(b) || isDump(b)
}

// isBuffer reports whether b begins as an oe_endorsements_t, or is one of another
// version, enclave type or number of items by its size. A report begins with the
// same eight bytes and is never as long as to have items.
func isBuffer(b []byte) bool {
	if len(b) < endorsementsHeaderSize {
		return false
	}
	version, kind, size, items := word(b, 0), word(b, 4), word(b, 8), word(b, 12)
	if version == endorsementsVersion && kind == endorsementsTypeSGX && items == endorsementsItems {
		return true
	}
	const others = 3 // of the known enclave types the last, and as many versions
	return version >= 1 && version <= others && kind <= others && items >= 1 && uint64(size)+endorsementsHeaderSize == uint64(len(b)) &&
		uint64(items)*4 <= uint64(size)
}

// isDump reports whether b begins as a dumped structure of one of the versions
// that Intel's library writes: 3, 3.1 and 4.
func isDump(b []byte) bool {
	if len(b) < collateralHeaderSize {
		return false
	}
	version, tee := word(b, 0), word(b, 4)
	return (version == 3 || version == 1<<16|3 || version == 4) && (tee == 0 || tee == 0x81)
}

// withoutHeader drops the header that endorsements of wrapped evidence have.
func withoutHeader(b []byte) []byte {
	if IsEvidence(b) {
		if _, data, err := openHeader(b); err == nil {
			return data
		}
	}
	return b
}

func word(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// ParseEndorsements takes endorsements apart. Those of SGX evidence are an
// oe_endorsements_t (bits/attestation.h, common/sgx/endorsements.c):
//
//	 0  4  version, 1
//	 4  4  enclave type, 2
//	 8  4  size of all bytes that follow the next word
//	12  4  number of items, 9
//	16 36  offsets of the items from byte 52 on, ascending
//	52  +  items: version, TCB info, its issuers, PCK CRL, root CRL, issuers of
//	       the PCK CRL, QE identity, its issuers, time of creation
//
// and those of TDX quotes a dump of sgx_ql_qve_collateral_t, header first, with
// the items PCK CRL issuers, root CRL, PCK CRL, TCB info issuers, TCB info, QE
// identity issuers, QE identity. The error is Malformed, or Unsupported for
// endorsements of another version.
func ParseEndorsements(b []byte) (*Collateral, error) {
	b = withoutHeader(b)
	switch {
	case isBuffer(b):
		return parseBuffer(b)
	case isDump(b):
		return parseDump(b)
	default:
		return nil, rats.Errorf(rats.Malformed, "open enclave endorsements: no header of theirs").In("", endorsementsClause)
	}
}

func parseBuffer(b []byte) (*Collateral, error) {
	bad := func(format string, args ...any) (*Collateral, error) {
		return nil, rats.Errorf(rats.Malformed, "open enclave endorsements: "+format, args...).In("", endorsementsClause)
	}
	if version, kind, items := word(b, 0), word(b, 4), word(b, 12); version != endorsementsVersion || kind != endorsementsTypeSGX || items != endorsementsItems {
		return nil, rats.Errorf(rats.Unsupported, "open enclave endorsements: version %d for enclave type %d with %d items, not %d for %d with %d",
			version, kind, items, endorsementsVersion, endorsementsTypeSGX, endorsementsItems).In("", endorsementsClause)
	}
	const data = endorsementsHeaderSize + 4*endorsementsItems
	size := uint64(word(b, 8))
	switch {
	case len(b) > endorsementsMost:
		return bad("%d bytes are over %d", len(b), endorsementsMost)
	case size+endorsementsHeaderSize != uint64(len(b)):
		return bad("%d bytes, where %d follow the header", size, len(b)-endorsementsHeaderSize)
	case len(b) < data:
		return bad("%d bytes are fewer than the %d of header and offsets", len(b), data)
	}
	var at [endorsementsItems + 1]uint32
	at[endorsementsItems] = uint32(len(b) - data) //nolint:gosec // at most endorsementsMost
	for i := range endorsementsItems {
		at[i] = word(b, endorsementsHeaderSize+4*i)
	}
	for i := range endorsementsItems {
		if at[i] >= at[i+1] || at[0] != 0 {
			return bad("the offsets of items %d and %d are not ascending", i, i+1)
		}
	}
	var items [endorsementsItems][]byte
	for i := range items {
		items[i] = b[data+at[i] : data+at[i+1] : data+at[i+1]]
	}
	if len(items[0]) != 4 || word(items[0], 0) != endorsementsVersion {
		return nil, rats.Errorf(rats.Unsupported, "open enclave endorsements: collateral of another version than %d", endorsementsVersion).In("", endorsementsClause)
	}
	return &Collateral{
		TCBInfo: text(items[1]), TCBInfoIssuers: text(items[2]), PCKCRL: items[3], RootCACRL: items[4], PCKCRLIssuers: text(items[5]),
		QEIdentity: text(items[6]), QEIdentityIssuers: text(items[7]), Created: string(text(items[8])),
	}, nil
}

func parseDump(b []byte) (*Collateral, error) {
	bad := func(format string, args ...any) (*Collateral, error) {
		return nil, rats.Errorf(rats.Malformed, "collateral: "+format, args...).In("", collateralClause)
	}
	rest := b[collateralHeaderSize:]
	var items [collateralItems][]byte
	for i := range items {
		size := uint64(word(b, 8+collateralItemSize*i+8))
		if size > uint64(len(rest)) {
			return bad("item %d of %d bytes, where %d are left", i, size, len(rest))
		}
		items[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return bad("%d bytes after the last item", len(rest))
	}
	return &Collateral{
		PCKCRLIssuers: text(items[0]), RootCACRL: items[1], PCKCRL: items[2], TCBInfoIssuers: text(items[3]), TCBInfo: text(items[4]),
		QEIdentityIssuers: text(items[5]), QEIdentity: text(items[6]),
	}, nil
}

// text drops the zero byte at the end of C's strings.
func text(b []byte) []byte { return bytes.TrimSuffix(b, []byte{0}) }
