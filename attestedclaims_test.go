// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// item returns the head of an item in CBOR with an argument below 256, and what
// follows it.
func item(major byte, n int, rest ...[]byte) []byte {
	head := []byte{major<<5 | byte(n)}
	if n >= 24 {
		head = []byte{major<<5 | 24, byte(n)}
	}
	return append(head, bytes.Join(rest, nil)...)
}

func textItem(s string) []byte  { return item(3, len(s), []byte(s)) }
func bytesItem(b []byte) []byte { return item(2, len(b), b) }

// keyClaim returns the claim pubkey-hash with an algorithm and a hash.
func keyClaim(algorithm int, hash []byte) []byte {
	return append(textItem("pubkey-hash"), bytesItem(item(4, 2, item(0, algorithm), bytesItem(hash)))...)
}

// withClaims returns a certificate whose tagged evidence has the given claims.
func withClaims(t *testing.T, claims []byte) sim {
	t.Helper()
	return attested(t, simtee.AttestedTLS{Profile: simtee.Tagged, Claims: func([]byte) []byte { return claims }})
}

func TestClaimsOfTaggedEvidenceNameTheKeyOnce(t *testing.T) {
	key := spki(t, simtee.AttestedKey(simtee.Tagged))
	s256, s384, s512, other := sha256.Sum256(key), sha512.Sum384(key), sha512.Sum512(key), sha256.Sum256([]byte("another"))
	good := keyClaim(1, s256[:])
	nonce := append(textItem("nonce"), bytesItem(make([]byte, 16))...)
	many := item(5, 33, good)
	for i := range 32 {
		many = append(append(many, textItem(strings.Repeat("k", i+1))...), bytesItem(nil)...)
	}
	deep := bytes.Repeat([]byte{0x81}, 6)
	for _, tt := range []struct {
		name   string
		claims []byte
		kind   rats.Kind
		says   string
	}{
		{"SHA-256", item(5, 1, good), rats.None, ""},
		{"SHA-384", item(5, 1, keyClaim(7, s384[:])), rats.None, ""},
		{"SHA-512", item(5, 1, keyClaim(8, s512[:])), rats.None, ""},
		{"a nonce behind it", item(5, 2, good, nonce), rats.None, ""},
		{"a nonce before it", item(5, 2, nonce, good), rats.None, ""},
		{"claims of other kinds", item(5, 5, good, textItem("n"), item(0, 9), textItem("m"), item(5, 1, textItem("a"), []byte{0xf6}),
			item(0, 7), bytesItem([]byte("by number")), textItem("t"), item(6, 1, item(0, 200))), rats.None, ""},
		{"a head that is longer than it need be", slices.Concat([]byte{0xb8, 1, 0x78, 11}, []byte("pubkey-hash"),
			bytesItem(slices.Concat([]byte{0x82, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1}, bytesItem(s256[:])))), rats.None, ""},

		{"none at all", item(5, 0), rats.BindingMismatch, "no pubkey-hash"},
		{"a nonce alone", item(5, 1, nonce), rats.BindingMismatch, "no pubkey-hash"},
		{"the hash of another key", item(5, 1, keyClaim(1, other[:])), rats.BindingMismatch, "not that of the certificate's key"},
		{"half of the hash", item(5, 1, keyClaim(1, s256[:16])), rats.BindingMismatch, "not that of the certificate's key"},
		{"no hash", item(5, 1, keyClaim(1, nil)), rats.BindingMismatch, "not that of the certificate's key"},
		{"the hash by another algorithm than said", item(5, 1, keyClaim(7, s256[:])), rats.BindingMismatch, "not that of the certificate's key"},
		{"SHA-1", item(5, 1, keyClaim(3, make([]byte, 20))), rats.Unsupported, "algorithm 3"},
		{"SHA3-256", item(5, 1, keyClaim(10, s256[:])), rats.Unsupported, "algorithm 10"},
		{"two", item(5, 2, good, good), rats.Malformed, "more than once"},
		{"a good one and one of another key", item(5, 2, good, keyClaim(1, other[:])), rats.Malformed, "more than once"},
		{"a nonce twice", item(5, 3, good, nonce, nonce), rats.Malformed, "more than once"},
		{"the hash bare", item(5, 1, textItem("pubkey-hash"), bytesItem(s256[:])), rats.Malformed, "not [algorithm, hash]"},
		{"the entry not in bytes", item(5, 1, textItem("pubkey-hash"), item(4, 2, item(0, 1), bytesItem(s256[:]))), rats.Malformed, "not [algorithm, hash]"},
		{"another spelling of its name", item(5, 1, textItem("PubKey-Hash"), good[12:]), rats.BindingMismatch, "no pubkey-hash"},
		{"three in the entry", item(5, 1, textItem("pubkey-hash"), bytesItem(item(4, 3, item(0, 1), bytesItem(s256[:]), item(0, 0)))), rats.Malformed, "not [algorithm, hash]"},
		{"no map", good, rats.Malformed, "not a map"},
		{"a map without an end", slices.Concat([]byte{0xbf}, good, []byte{0xff}), rats.Malformed, "not a map"},
		{"a claim fewer than it says", item(5, 2, good), rats.Malformed, "cut short"},
		{"a claim more than it says", item(5, 1, good, nonce), rats.Malformed, "more behind"},
		{"more claims than are read", many, rats.Malformed, "a few claims"},
		{"2^64 claims", append([]byte{0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, good...), rats.Malformed, "a few claims"},
		{"a claim of 2^63 items", item(5, 2, good, textItem("n"), []byte{0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0}), rats.Malformed, "cut short"},
		{"a claim too deep", item(5, 2, good, textItem("n"), deep, []byte{0}), rats.Malformed, "too deep"},
		{"a name that nothing can show", item(5, 2, good, textItem("\x1b[2J"), bytesItem(nil)), rats.Malformed, "printable"},
		{"a name that is no UTF-8", item(5, 2, good, textItem("\xff"), bytesItem(nil)), rats.Malformed, "printable"},
		{"nothing", nil, rats.Malformed, "not a map"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := withClaims(t, tt.claims).verify(t, trusting(), simTime)
			if rats.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q and %q", err, tt.kind, tt.says)
			}
			checkAnswer(t, r, err)
			if (r.RuntimeKey != nil) != (err == nil) || (len(r.CustomClaims) > 0) != (err == nil) {
				t.Errorf("key %v, claims %v", r.RuntimeKey, r.CustomClaims)
			}
		})
	}
}

// TestTaggedEvidenceIsReadAsItsTagSays, and what follows it or is left out is
// noticed.
func TestTaggedEvidenceIsReadAsItsTagSays(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func([]byte) []byte
		kind rats.Kind
	}{
		{"a report", func(b []byte) []byte { b[2]++; return b }, rats.Unsupported},
		{"an older report", func(b []byte) []byte { b[2] += 2; return b }, rats.Unsupported},
		{"an unknown tag", func(b []byte) []byte { b[1]++; return b }, rats.Unsupported},
		{"no tag", func(b []byte) []byte { return b[3:] }, rats.Malformed},
		{"three items", func(b []byte) []byte { b[3]++; return append(b, 0) }, rats.Malformed},
		{"one item", func(b []byte) []byte { b[3]--; return b }, rats.Malformed},
		{"a byte behind", func(b []byte) []byte { return append(b, 0) }, rats.Malformed},
		{"in a string of bytes", func(b []byte) []byte {
			return append([]byte{0x59, byte(len(b) >> 8), byte(len(b))}, b...)
		}, rats.Malformed},
	} {
		s := attested(t, simtee.AttestedTLS{Profile: simtee.Tagged, Template: func(c *x509.Certificate) {
			c.ExtraExtensions[0].Value = tt.edit(c.ExtraExtensions[0].Value)
		}})
		if r, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != tt.kind || r != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestClaimsOfTaggedEvidenceAreShown(t *testing.T) {
	s := attested(t, simtee.AttestedTLS{Profile: simtee.Gramine, Nonce: []byte("of today")})
	r, err := s.verify(t, trusting(), simTime)
	if err != nil || len(r.CustomClaims) != 2 {
		t.Fatalf("%v, %+v", err, r)
	}
	if c := r.CustomClaims; c[0].Name != "pubkey-hash" || c[1].Name != "nonce" || string(c[1].Value) != "of today" || c[1].Text == nil || r.Block != nil {
		t.Errorf("%+v", c)
	}
}

// TestAClaimOfTaggedEvidenceCanNameABlock, which is then no part of who the
// enclave is: without it the claims are those of a certificate that names none.
func TestAClaimOfTaggedEvidenceCanNameABlock(t *testing.T) {
	key := spki(t, simtee.AttestedKey(simtee.Tagged))
	sum, block := sha256.Sum256(key), bytes.Repeat([]byte{0xb1}, 32)
	claim := append(textItem(attesteer.BlockClaim), bytesItem(block)...)
	without := hashing(item(5, 1, keyClaim(1, sum[:])))
	for _, claims := range [][]byte{item(5, 2, keyClaim(1, sum[:]), claim), item(5, 2, claim, keyClaim(1, sum[:]))} {
		r, err := withClaims(t, claims).verify(t, trusting(), simTime)
		if err != nil || !bytes.Equal(r.Block, block) || !bytes.Equal(r.SubjectWithoutBlock, without[:]) {
			t.Errorf("%v, block %x, subject %x, want %x", err, r.Block, r.SubjectWithoutBlock, without)
		}
	}
	number := item(5, 2, keyClaim(1, sum[:]), textItem(attesteer.BlockClaim), item(0, 9))
	if r, err := withClaims(t, number).verify(t, trusting(), simTime); err != nil || r.Block != nil {
		t.Errorf("a number: %v, block %x", err, r.Block)
	}
}
