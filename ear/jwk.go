// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/attesteer/attesteer/rats"
)

// Algorithm is how a token is signed, by its name in a JWS header (RFC 7518
// section 3.1, RFC 8037 section 3.1).
type Algorithm string

// The algorithms of signatures.
const (
	// ES256 is ECDSA with P-256 and SHA-256.
	ES256 Algorithm = "ES256"
	// EdDSA is Ed25519.
	EdDSA Algorithm = "EdDSA"
)

// JWK is a public key (RFC 7517). It has no place for a private one.
type JWK struct {
	KeyType string `json:"kty"`
	Curve   string `json:"crv"`
	// X and Y are base64url: 32 bytes each, big-endian, for P-256 (RFC 7518
	// section 6.2.1); for Ed25519 X is the 32 bytes of the key (RFC 8037 section 2).
	X string `json:"x"`
	Y string `json:"y,omitempty"`
	// Use is "sig".
	Use       string    `json:"use,omitempty"`
	Algorithm Algorithm `json:"alg,omitempty"`
	// ID is the key's RFC 7638 thumbprint where Attesteer made it.
	ID string `json:"kid,omitempty"`
}

// KeySet is what /.well-known/jwks.json serves (RFC 7517 section 5).
type KeySet struct {
	Keys []JWK `json:"keys"`
}

// ParseKeySet reads a JWK Set. Keys that no token of ours is signed with are
// left out (RFC 7517 section 5); what is no JWK Set is [rats.Malformed].
func ParseKeySet(data []byte) (KeySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return KeySet{}, rats.Errorf(rats.Malformed, "JWK Set: %w", err)
	}
	if raw.Keys == nil {
		return KeySet{}, rats.Errorf(rats.Malformed, "JWK Set: no member keys")
	}
	var s KeySet
	for _, one := range raw.Keys {
		var k JWK
		if err := json.Unmarshal(one, &k); err != nil {
			continue // of a type whose members have other types
		}
		if _, err := k.public(); err == nil && (k.Use == "" || k.Use == "sig") {
			s.Keys = append(s.Keys, k)
		}
	}
	return s, nil
}

// newJWK describes a public key, *ecdsa.PublicKey on P-256 or ed25519.PublicKey.
func newJWK(public crypto.PublicKey) (JWK, error) {
	k := JWK{Use: "sig"}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, X, Y (SEC 1 section 2.3.3)
		if p.Curve != elliptic.P256() || err != nil {
			return JWK{}, rats.Errorf(rats.Unsupported, "key: only P-256 of the NIST curves is used")
		}
		k.KeyType, k.Curve, k.Algorithm = "EC", "P-256", ES256
		k.X, k.Y = encode(point[1:33]), encode(point[33:])
	case ed25519.PublicKey:
		k.KeyType, k.Curve, k.Algorithm = "OKP", "Ed25519", EdDSA
		k.X = encode(p)
	default:
		return JWK{}, rats.Errorf(rats.Unsupported, "key: neither P-256 nor Ed25519")
	}
	k.ID = k.Thumbprint()
	return k, nil
}

// Thumbprint is the key's name by RFC 7638: base64url of SHA-256 over its
// required members in lexical order.
func (k JWK) Thumbprint() string {
	var b bytes.Buffer
	b.WriteString(`{"crv":"` + k.Curve + `","kty":"` + k.KeyType + `","x":"` + k.X + `"`)
	if k.KeyType == "EC" {
		b.WriteString(`,"y":"` + k.Y + `"`)
	}
	b.WriteString(`}`)
	sum := sha256.Sum256(b.Bytes())
	return encode(sum[:])
}

// public returns the key, which is on its curve.
func (k JWK) public() (crypto.PublicKey, error) {
	x, err := decode(k.X)
	if err != nil || len(x) != 32 {
		return nil, rats.Errorf(rats.Malformed, "key: x is not base64url of 32 bytes")
	}
	switch {
	case k.KeyType == "OKP" && k.Curve == "Ed25519" && (k.Algorithm == EdDSA || k.Algorithm == ""):
		return ed25519.PublicKey(x), nil
	case k.KeyType == "EC" && k.Curve == "P-256" && (k.Algorithm == ES256 || k.Algorithm == ""):
		y, err := decode(k.Y)
		if err != nil || len(y) != 32 {
			return nil, rats.Errorf(rats.Malformed, "key: y is not base64url of 32 bytes")
		}
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "key: %w", err)
		}
		return p, nil
	default:
		return nil, rats.Errorf(rats.Unsupported, "key: neither P-256 with ES256 nor Ed25519 with EdDSA")
	}
}

// encode is base64url without padding (RFC 7515 section 2).
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode takes only what encode writes.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, err
	}
	if encode(b) != s { // Go's decoder passes over line breaks
		return nil, base64.CorruptInputError(0)
	}
	return b, nil
}
