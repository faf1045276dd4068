// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"

	"github.com/attesteer/attesteer/rats"
)

// Bind checks that report data, 64 bytes, name the certificate's key, a
// SubjectPublicKeyInfo in DER, by the rule of this kind of evidence. It returns
// that rule in words, and the key as the rule has it: where report data begin with
// a hash of the key, these are the bytes that were hashed. Report data of other
// content are a BindingMismatch. It says nothing of who made the report data: that
// is for the evidence's own verification.
func (e *Evidence) Bind(key []byte, reportData [64]byte) (rule string, held []byte, err error) {
	for _, c := range e.candidates(key) {
		if reportData == padded(c.hash) {
			if c.err != nil {
				return "", nil, c.err
			}
			return c.rule, c.held, nil
		}
	}
	if e.Kind == SDKQuote {
		return "", nil, rats.Errorf(rats.BindingMismatch, "%s names no key (extension %s): it counts only beside tagged evidence", e.Kind, e.OID)
	}
	return "", nil, rats.Errorf(rats.BindingMismatch, "the report data are not those of %s for the certificate's key (extension %s)", e.Kind, e.OID)
}

// candidate is what report data may begin with, the rest being zeros.
type candidate struct {
	hash []byte
	rule string
	held []byte
	// err says why evidence with these report data names the key nevertheless not.
	err error
}

func (e *Evidence) candidates(key []byte) []candidate {
	der := sha256.Sum256(key)
	written := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}), 0)
	text := sha256.Sum256(written)
	inDER := candidate{der[:], "report data begin with SHA-256 of the key in DER", key, nil}
	inPEM := candidate{text[:], "report data begin with SHA-256 of the key in PEM, with its final NUL", written, nil}
	switch e.Kind {
	case OEReport:
		// Open Enclave's rule, and EGo's.
		return []candidate{inPEM, inDER}
	case OEEvidence:
		return []candidate{inPEM}
	case Gramine:
		return []candidate{inDER}
	case Dstack:
		sum := sha512.Sum512(append([]byte("ratls-cert:"), key...))
		return []candidate{{sum[:], "report data are SHA-512 of ratls-cert: and the key in DER", key, nil}}
	case Tagged:
		return e.taggedCandidates(key)
	}
	return nil
}

// taggedCandidates: the report data are a hash of the claims, by which of the
// three hashes their length tells, and the claims have a hash of the key.
func (e *Evidence) taggedCandidates(key []byte) []candidate {
	err := claimsName(e.claims, key)
	s256, s384, s512 := sha256.Sum256(e.claims), sha512.Sum384(e.claims), sha512.Sum512(e.claims)
	return []candidate{
		{s256[:], "report data begin with SHA-256 of the claims, whose pubkey-hash is that of the key in DER", key, err},
		{s384[:], "report data begin with SHA-384 of the claims, whose pubkey-hash is that of the key in DER", key, err},
		{s512[:], "report data are SHA-512 of the claims, whose pubkey-hash is that of the key in DER", key, err},
	}
}

// claimsName checks that claims name the key once.
func claimsName(claims, key []byte) error {
	alg, hash, err := readKeyHash(claims)
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
	}
	return "Intel SGX SDK, sgx_ttls"
}
