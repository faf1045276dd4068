// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Key is a key of a [Ring]: one that signs, or what is left of it once another
// has taken its place.
type Key struct {
	// private is nil where only the public half was kept.
	private crypto.Signer
	public  JWK
	created time.Time
}

// NewKey makes a key.
func NewKey(alg Algorithm, created time.Time) (*Key, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, rats.Errorf(rats.Unsupported, "key: algorithm %.20q is neither %s nor %s", alg, ES256, EdDSA)
	}
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "key: %w", err)
	}
	return keyOf(private, created)
}

// keyOf names a private key by its public half.
func keyOf(private crypto.Signer, created time.Time) (*Key, error) {
	public, err := newJWK(private.Public())
	if err != nil {
		return nil, err
	}
	return &Key{private: private, public: public, created: created.UTC().Truncate(time.Second)}, nil
}

// Public returns the key's public half.
func (k *Key) Public() JWK { return k.public }

// Created returns when the key was made, in whole seconds.
func (k *Key) Created() time.Time { return k.created }

// keyFile is a key as it is kept: a JWK with our own member for its age.
type keyFile struct {
	JWK
	// Private is base64url of 32 bytes: the scalar (RFC 7518 section 6.2.2) or
	// Ed25519's seed (RFC 8037 section 2).
	Private string `json:"d,omitempty"`
	// Created is in seconds since 1970.
	Created int64 `json:"iat,omitempty"`
}

// ParseKey reads a key: a JWK, or PKCS #8 or SEC 1 in PEM. A key that does not
// say when it was made counts as made at the time that is given.
func ParseKey(data []byte, created time.Time) (*Key, error) {
	if block, _ := pem.Decode(data); block != nil {
		return parsePEM(block, created)
	}
	var f keyFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, rats.Errorf(rats.Malformed, "key: neither PEM nor a JWK")
	}
	if f.Created != 0 {
		created = time.Unix(f.Created, 0)
	}
	public, err := f.public()
	if err != nil {
		return nil, err
	}
	described, err := newJWK(public)
	if err != nil {
		return nil, err
	}
	k := &Key{public: described, created: created.UTC().Truncate(time.Second)}
	if f.Private == "" {
		return k, nil
	}
	if k.private, err = parsePrivate(described.Algorithm, f.Private); err != nil {
		return nil, err
	}
	if p, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !p.Equal(k.private.Public()) {
		return nil, rats.Errorf(rats.Malformed, "key: its halves do not belong together")
	}
	return k, nil
}

func parsePrivate(alg Algorithm, text string) (crypto.Signer, error) {
	d, err := decode(text)
	if err != nil || len(d) != 32 {
		return nil, rats.Errorf(rats.Malformed, "key: d is not base64url of 32 bytes")
	}
	if alg == EdDSA {
		return ed25519.NewKeyFromSeed(d), nil
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "key: d is no scalar of P-256")
	}
	return private, nil
}

func parsePEM(block *pem.Block, created time.Time) (*Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil && block.Type == "EC PRIVATE KEY" {
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "key: PEM of type %.30q holds no private key that can be read", block.Type)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, rats.Errorf(rats.Unsupported, "key: %T does not sign", parsed)
	}
	return keyOf(private, created)
}

// marshal writes the key as [ParseKey] reads it, with its private half or
// without.
func (k *Key) marshal(withPrivate bool) ([]byte, error) {
	f := keyFile{JWK: k.public, Created: k.created.Unix()}
	if withPrivate {
		switch p := k.private.(type) {
		case *ecdsa.PrivateKey:
			d, err := p.Bytes()
			if err != nil {
				return nil, rats.Errorf(rats.Internal, "key: %w", err)
			}
			f.Private = encode(d)
		case ed25519.PrivateKey:
			f.Private = encode(p.Seed())
		}
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "key: %w", err)
	}
	return append(b, '\n'), nil
}

// sign signs a JWS signing input (RFC 7515 section 5.1). The same key and input
// give the same signature: ECDSA takes its nonce from them (RFC 6979), so that
// no fault of a random number generator gives the key away.
func (k *Key) sign(input []byte) ([]byte, error) {
	switch p := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(p, input), nil
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(input)
		der, err := p.Sign(nil, sum[:], crypto.SHA256)
		if err != nil {
			return nil, rats.Errorf(rats.Internal, "sign: %w", err)
		}
		return flatten(der)
	default:
		return nil, rats.Errorf(rats.Internal, "sign: the key's private half is not kept any more")
	}
}

// flatten turns an ECDSA signature in DER into r and s, 32 bytes each,
// big-endian (RFC 7518 section 3.4).
func flatten(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, rats.Errorf(rats.Internal, "sign: %w", err)
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

// errSignature is what check returns for a signature that does not verify.
var errSignature = errors.New("the signature does not verify")

// check verifies a signature over a JWS signing input.
func (k JWK) check(alg Algorithm, input, signature []byte) error {
	public, err := k.public()
	if err != nil {
		return err
	}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		// The key decides about the algorithm, not the token (RFC 8725 section 3.1).
		if alg != ES256 || len(signature) != 64 {
			return errSignature
		}
		sum := sha256.Sum256(input)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if !ecdsa.Verify(p, sum[:], r, s) {
			return errSignature
		}
	case ed25519.PublicKey:
		if alg != EdDSA || !ed25519.Verify(p, input, signature) {
			return errSignature
		}
	}
	return nil
}
