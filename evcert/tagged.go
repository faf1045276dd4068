// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// Tags of evidence in CBOR (DICE Attestation Architecture, TCG, and the registry
// of CBOR tags): 60000 for a quote with an ECDSA signature, of an enclave or a
// trust domain. The two after it are reports that only the same machine can check.
const (
	tagQuote        = 60000
	tagReport       = 60001
	tagLegacyReport = 60002
)

// Bounds on what is read of claims.
const (
	maxClaims = 32
	maxDepth  = 4
)

// keyHash is the claim that names the certificate's key.
const keyHash = "pubkey-hash"

// Major types of CBOR (RFC 8949 section 3.1).
const (
	majorUnsigned = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorTag      = 6
)

// readTagged reads 60000([quote, claims]), both byte strings; claims are a map in
// CBOR, which is hashed as it was sent.
func readTagged(value []byte) (quote, claims []byte, err error) {
	c := cbor{rest: value}
	switch tag := c.head(majorTag); {
	case c.bad:
		return nil, nil, malformedCBOR("evidence", "no tag")
	case tag == tagReport, tag == tagLegacyReport:
		return nil, nil, rats.Errorf(rats.Unsupported, "the extension %s holds a report (tag %d), which none but the machine that made it can check", oidTagged, tag)
	case tag != tagQuote:
		return nil, nil, rats.Errorf(rats.Unsupported, "the extension %s holds CBOR of tag %d, not a quote (%d)", oidTagged, tag, tagQuote)
	}
	items := c.head(majorArray)
	quote, claims = c.bytes(), c.bytes()
	if c.bad || items != 2 || len(c.rest) != 0 {
		return nil, nil, malformedCBOR("evidence", "not [quote, claims]")
	}
	return quote, claims, nil
}

// readKeyHash returns the one pubkey-hash of claims: a byte string that holds
// [algorithm, hash]. Other claims are passed over. Gramine's own verifier takes
// claims without it, which name no key at all.
func readKeyHash(claims []byte) (alg uint64, hash []byte, err error) {
	c := cbor{rest: claims}
	n := c.head(majorMap)
	if c.bad || n > maxClaims {
		return 0, nil, malformedCBOR("claims", "not a map of a few claims")
	}
	var found []byte
	times := 0
	for range n {
		if c.text() != keyHash {
			c.skip(0)
			continue
		}
		found = c.bytes()
		times++
	}
	switch {
	case c.bad || len(c.rest) != 0:
		return 0, nil, malformedCBOR("claims", "cut short, too deep or with more behind them")
	case times == 0:
		return 0, nil, rats.Errorf(rats.BindingMismatch, "the claims have no %s: nothing binds the evidence to the certificate's key", keyHash)
	case times > 1:
		return 0, nil, malformedCBOR("claims", keyHash+" more than once")
	}
	entry := cbor{rest: found}
	items := entry.head(majorArray)
	alg, hash = entry.head(majorUnsigned), entry.bytes()
	if entry.bad || items != 2 || len(entry.rest) != 0 {
		return 0, nil, malformedCBOR("claims", keyHash+" is not [algorithm, hash]")
	}
	return alg, hash, nil
}

func malformedCBOR(what, why string) error {
	return rats.Errorf(rats.Malformed, "the extension %s: %s: %s", oidTagged, what, why)
}

// cbor reads what claims are written in: definite lengths in their shortest form
// (RFC 8949 section 4.2.1). It stays bad once it met anything else.
type cbor struct {
	rest []byte
	bad  bool
}

// head reads the head of an item of a major type and returns its argument.
func (c *cbor) head(major byte) uint64 {
	if len(c.rest) == 0 || c.rest[0]>>5 != major {
		c.bad = true
	}
	_, n := c.any()
	return n
}

// any reads the head of whatever item comes.
func (c *cbor) any() (major byte, n uint64) {
	if c.bad || len(c.rest) == 0 {
		c.bad = true
		return 0, 0
	}
	major, info := c.rest[0]>>5, c.rest[0]&31
	c.rest = c.rest[1:]
	if info < 24 {
		return major, uint64(info)
	}
	size := 1 << (info - 24)
	if info > 27 || len(c.rest) < size {
		c.bad = true
		return 0, 0
	}
	var wide [8]byte
	copy(wide[8-size:], c.rest)
	n, c.rest = binary.BigEndian.Uint64(wide[:]), c.rest[size:]
	least := uint64(24)
	if size > 1 {
		least = 1 << (4 * size)
	}
	if n < least && major <= majorTag {
		c.bad = true
	}
	return major, n
}

// take returns the next n bytes.
func (c *cbor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cbor) bytes() []byte { return c.take(c.head(majorBytes)) }

func (c *cbor) text() string { return string(c.take(c.head(majorText))) }

// skip passes over one item.
func (c *cbor) skip(depth int) {
	if depth > maxDepth {
		c.bad = true
	}
	switch major, n := c.any(); {
	case c.bad:
	case major == majorBytes, major == majorText:
		c.take(n)
	case major == majorArray, major == majorMap:
		if n > uint64(len(c.rest)) {
			c.bad = true
			return
		}
		if major == majorMap {
			n *= 2
		}
		for i := uint64(0); i < n && !c.bad; i++ {
			c.skip(depth + 1)
		}
	case major == majorTag:
		c.skip(depth + 1)
	}
}
