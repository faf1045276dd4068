// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// keyHash is the claim that names the certificate's key.
const keyHash = "pubkey-hash"

// maxClaims bounds how many claims are read.
const maxClaims = 32

// Claim is one of the claims of tagged evidence.
type Claim struct {
	Name  string
	Value []byte
}

// claimSet is a map of claims, and where each lies in the bytes that were hashed.
type claimSet struct {
	// claims have no name where it is no text, and a nil value where it is no
	// string of bytes.
	claims []Claim
	// entries are name and value of each, as they were received.
	entries [][]byte
}

// readClaims reads a map of claims: of definite length, names in text. Others are
// allowed and passed over, as the common format demands. A name that occurs twice
// makes it Malformed (RFC 8949 section 5.6).
func readClaims(raw []byte) (*claimSet, error) {
	c := cbor{rest: raw}
	n := c.head(majorMap)
	if c.bad || n > maxClaims {
		return nil, malformedCBOR("claims", "not a map of a few claims")
	}
	s := &claimSet{}
	for range n {
		var claim Claim
		before := c.rest
		if c.next(majorText) {
			claim.Name = string(c.take(c.head(majorText)))
		} else {
			c.skip(0)
		}
		if c.next(majorBytes) {
			claim.Value = c.bytes()
		} else {
			c.skip(0)
		}
		if c.bad {
			break
		}
		if !printable(claim.Name) {
			return nil, malformedCBOR("claims", "a name that is not printable")
		}
		if claim.Name != "" && slices.ContainsFunc(s.claims, func(o Claim) bool { return o.Name == claim.Name }) {
			return nil, malformedCBOR("claims", "the same claim more than once")
		}
		s.claims, s.entries = append(s.claims, claim), append(s.entries, before[:len(before)-len(c.rest)])
	}
	if c.bad || len(c.rest) != 0 {
		return nil, malformedCBOR("claims", "cut short, too deep or with more behind them")
	}
	return s, nil
}

// printable reports whether a name is UTF-8 that can be shown (RFC 8949 section
// 5.3.1 wants the former).
func printable(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsControl) < 0
}

// keyHash returns the algorithm and value of the claim that names the key, a byte
// string that holds [algorithm, hash]. Gramine's own verifier takes claims
// without it, which name no key at all.
func (s *claimSet) keyHash() (alg uint64, hash []byte, err error) {
	at := slices.IndexFunc(s.claims, func(c Claim) bool { return c.Name == keyHash })
	if at < 0 {
		return 0, nil, rats.Errorf(rats.BindingMismatch, "the claims have no %s: nothing binds the evidence to the certificate's key", keyHash)
	}
	entry := cbor{rest: s.claims[at].Value}
	items := entry.head(majorArray)
	alg, hash = entry.head(majorUnsigned), entry.bytes()
	if entry.bad || items != 2 || len(entry.rest) != 0 {
		return 0, nil, malformedCBOR("claims", keyHash+" is not [algorithm, hash]")
	}
	return alg, hash, nil
}

// readable returns the claims that have a name and a value of bytes.
func (s *claimSet) readable() []Claim {
	return slices.DeleteFunc(slices.Clone(s.claims), func(c Claim) bool { return c.Name == "" || c.Value == nil })
}

// without returns the map without one of its entries.
func (s *claimSet) without(at int) []byte {
	n := byte(len(s.entries) - 1) //nolint:gosec // at most maxClaims
	out := []byte{majorMap<<5 | n}
	if n >= oneByte {
		out = []byte{majorMap<<5 | oneByte, n}
	}
	return append(out, bytes.Join(slices.Delete(slices.Clone(s.entries), at, at+1), nil)...)
}
