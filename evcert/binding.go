// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"

	"github.com/attesteer/attesteer/rats"
)

// Bound is what report data that name the certificate's key say beside that.
type Bound struct {
	// Rule is that by which they name it, in words.
	Rule string
	// Held is the key as the rule has it: where report data begin with a hash of
	// the key, these are the bytes that were hashed; otherwise it is in DER.
	Held []byte
	// Hashed are the bytes of which report data begin with the SHA-256, nil where
	// it is another hash.
	Hashed []byte
	// Claims are those of tagged evidence, in their order, pubkey-hash among them:
	// those with a name in text and a value of bytes. The common format knows no
	// others, and others are passed over.
	Claims []Claim

	all  *claimSet
	hash func([]byte) []byte
}

// Bind checks that report data, 64 bytes, name the certificate's key, a
// SubjectPublicKeyInfo in DER, by the rule of this kind of evidence. Report data
// of other content are a BindingMismatch. It says nothing of who made the report
// data: that is for the evidence's own verification.
func (e *Evidence) Bind(key []byte, reportData [64]byte) (*Bound, error) {
	if e.Kind == Tagged {
		return e.bindTagged(key, reportData)
	}
	for _, c := range e.candidates(key) {
		if reportData == padded(c.hash) {
			b := &Bound{Rule: c.rule, Held: c.held}
			if e.Kind != Dstack {
				b.Hashed = c.held
			}
			return b, nil
		}
	}
	if e.Kind == SDKQuote {
		return nil, rats.Errorf(rats.BindingMismatch, "%s names no key (extension %s): from version 2.22 on it counts only beside tagged evidence", e.Kind, e.OID)
	}
	return nil, e.mismatch()
}

func (e *Evidence) mismatch() error {
	return rats.Errorf(rats.BindingMismatch, "the report data are not those of %s for the certificate's key (extension %s)", e.Kind, e.OID)
}

// Without returns the value of the claim of a name, and what the report data
// would be if it were left out of the claims, nothing else of which changes. It
// reports whether there is such a claim.
func (b *Bound) Without(name string) (value []byte, reportData [64]byte, ok bool) {
	if b.all == nil {
		return nil, reportData, false
	}
	for i, c := range b.all.claims {
		if c.Name == name && c.Value != nil {
			return c.Value, padded(b.hash(b.all.without(i))), true
		}
	}
	return nil, reportData, false
}

// candidate is what report data may begin with, the rest being zeros.
type candidate struct {
	hash []byte
	rule string
	held []byte
}

func (e *Evidence) candidates(key []byte) []candidate {
	der := sha256.Sum256(key)
	written := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}), 0)
	text := sha256.Sum256(written)
	inDER := candidate{der[:], "report data begin with SHA-256 of the key in DER", key}
	inPEM := candidate{text[:], "report data begin with SHA-256 of the key in PEM, with its final NUL", written}
	switch e.Kind {
	case OEReport:
		// Open Enclave's rule, and EGo's.
		return []candidate{inPEM, inDER}
	case OEEvidence, SDKQuote:
		// Intel's SDK had Open Enclave's rule before version 2.22.
		return []candidate{inPEM}
	case Gramine:
		return []candidate{inDER}
	case Dstack:
		sum := sha512.Sum512(append([]byte("ratls-cert:"), key...))
		return []candidate{{sum[:], "report data are SHA-512 of ratls-cert: and the key in DER", key}}
	case Tagged: // bindTagged
	}
	return nil
}

// bindTagged: the report data are a hash of the claims, and these have a hash of
// the key. The common format hashes claims with SHA-256; what fits by SHA-384 or
// SHA-512 says as much.
func (e *Evidence) bindTagged(key []byte, reportData [64]byte) (*Bound, error) {
	for _, h := range []struct {
		rule string
		sum  func([]byte) []byte
	}{
		{"report data begin with SHA-256 of the claims", func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }},
		{"report data begin with SHA-384 of the claims", func(b []byte) []byte { s := sha512.Sum384(b); return s[:] }},
		{"report data are SHA-512 of the claims", func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }},
	} {
		if reportData != padded(h.sum(e.claims)) {
			continue
		}
		set, err := readClaims(e.claims)
		if err != nil {
			return nil, err
		}
		if err := set.names(key); err != nil {
			return nil, err
		}
		b := &Bound{
			Rule: h.rule + ", whose " + keyHash + " is that of the key in DER", Held: key,
			Claims: set.readable(), all: set, hash: h.sum,
		}
		if len(h.sum(nil)) == sha256.Size {
			b.Hashed = e.claims
		}
		return b, nil
	}
	return nil, e.mismatch()
}

// names checks that the claims name the key, once.
func (s *claimSet) names(key []byte) error {
	alg, hash, err := s.keyHash()
	if err != nil {
		return err
	}
	var want []byte
	// Named Information Hash Algorithm Registry (IANA, RFC 6920).
	switch alg {
	case 1:
		sum := sha256.Sum256(key)
		want = sum[:]
	case 7:
		sum := sha512.Sum384(key)
		want = sum[:]
	case 8:
		sum := sha512.Sum512(key)
		want = sum[:]
	default:
		return rats.Errorf(rats.Unsupported, "the claim pubkey-hash is by hash algorithm %d, not SHA-256, SHA-384 or SHA-512", alg)
	}
	if !bytes.Equal(hash, want) {
		return rats.Errorf(rats.BindingMismatch, "the claim pubkey-hash is not that of the certificate's key")
	}
	return nil
}

func padded(hash []byte) (out [64]byte) {
	copy(out[:], hash)
	return out
}

// Spec is where the rule is laid down.
func (e *Evidence) Spec() string {
	switch e.Kind {
	case Tagged:
		return "Interoperable RA-TLS, Confidential Computing Consortium"
	case OEReport, OEEvidence:
		return "Open Enclave, attested TLS"
	case Gramine:
		return "Gramine, RA-TLS before 1.8"
	case Dstack:
		return "dstack, RA-TLS"
	case SDKQuote:
		return "Intel SGX SDK, sgx_ttls"
	}
	return "attested TLS"
}
