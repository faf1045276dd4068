// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on the keys of enclaves: RSA moduli in bits, and a key in any spelling
// in bytes.
const (
	MinKeyBits = 2048
	MaxKeyBits = 8192
	MaxKey     = 2048
)

// Algorithm names the kind of an enclave's key, and with it how it signs.
type Algorithm string

// The algorithms.
const (
	// Ed25519 signs the message itself: 64 bytes (RFC 8032 5.1.6).
	Ed25519 Algorithm = "ed25519"
	// ECDSAP256 signs SHA-256 of the message, in ASN.1 (FIPS 186-5, RFC 3279 2.2.3).
	ECDSAP256 Algorithm = "ecdsa-p256"
	// ECDSAP384 signs SHA-384 of the message, in ASN.1.
	ECDSAP384 Algorithm = "ecdsa-p384"
	// RSA signs SHA-256 of the message, by PSS with a salt of any length and
	// SHA-256 in its mask, or by PKCS #1 v1.5 (RFC 8017 8.1, 8.2).
	RSA Algorithm = "rsa"
)

// Key is a public key of an enclave's.
type Key struct {
	Algorithm Algorithm
	// Bits is the size of the modulus, or of the curve's field.
	Bits int
	// SHA256 is that of the SubjectPublicKeyInfo in DER, whatever the spelling.
	SHA256 [32]byte
	public crypto.PublicKey
}

// ReadKey reads a public key as SubjectPublicKeyInfo (RFC 5280 4.1), in DER or
// as one PEM block "PUBLIC KEY", which white space and zero bytes may follow, as
// enclaves fill their buffers up: Ed25519, P-256, P-384, or RSA of 2048 to 8192
// bits. Other keys are Unsupported, all else Malformed.
func ReadKey(data []byte) (*Key, error) {
	if len(data) == 0 || len(data) > MaxKey {
		return nil, rats.Errorf(rats.Malformed, "key of %d bytes, not 1 to %d", len(data), MaxKey)
	}
	der := data
	if block, rest := pem.Decode(data); block != nil {
		if block.Type != "PUBLIC KEY" || len(bytes.Trim(rest, "\x00 \t\r\n")) > 0 {
			return nil, rats.Errorf(rats.Malformed, "PEM of %q, or more than one key", block.Type)
		}
		der = block.Bytes
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "key: %w", err)
	}
	key, err := keyOf(public)
	if err != nil {
		return nil, err
	}
	key.SHA256 = sha256.Sum256(der)
	return key, nil
}

func keyOf(public crypto.PublicKey) (*Key, error) {
	switch p := public.(type) {
	case ed25519.PublicKey:
		if !smallOrder([ed25519.PublicKeySize]byte(p)) {
			return &Key{Algorithm: Ed25519, Bits: 256, public: p}, nil
		}
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			return &Key{Algorithm: ECDSAP256, Bits: 256, public: p}, nil
		case elliptic.P384():
			return &Key{Algorithm: ECDSAP384, Bits: 384, public: p}, nil
		}
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= MinKeyBits && bits <= MaxKeyBits {
			return &Key{Algorithm: RSA, Bits: bits, public: p}, nil
		}
	}
	return nil, rats.Errorf(rats.Unsupported, "the key is none of Ed25519, P-256, P-384 and RSA of %d to %d bits", MinKeyBits, MaxKeyBits)
}

// Verify checks a signature over message: BadSignature.
func (k *Key) Verify(message, signature []byte) error {
	if !k.signed(message, signature) {
		return rats.Errorf(rats.BadSignature, "the enclave's key (%s) did not sign this", k.Algorithm)
	}
	return nil
}

func (k *Key) signed(message, signature []byte) bool {
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(p, message, signature)
	case *ecdsa.PublicKey:
		if k.Algorithm == ECDSAP384 {
			sum := sha512.Sum384(message)
			return ecdsa.VerifyASN1(p, sum[:], signature)
		}
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(p, sum[:], signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}
		return rsa.VerifyPSS(p, crypto.SHA256, sum[:], signature, salt) == nil ||
			rsa.VerifyPKCS1v15(p, crypto.SHA256, sum[:], signature) == nil
	default:
		return false
	}
}

// smallOrder reports whether an Ed25519 key is one of the eight points whose
// order divides eight (RFC 8032 5.1). For those anyone can make signatures that
// verify, and report data of zeros alone, which are common, are one of them.
//
// On −x² + y² = 1 + d·x²·y² a point with y = 1 has order 1, with y = −1 order 2,
// with y = 0 order 4; doubling (x, y) gives y = 0 where y² = −x², which is
// d·y⁴ + 2·y² − 1 = 0.
func smallOrder(key [ed25519.PublicKeySize]byte) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	key[31] &= 0x7f // the sign of x
	slices.Reverse(key[:])
	y := new(big.Int).SetBytes(key[:])
	y.Mod(y, p)
	square := new(big.Int).Mul(y, y)
	eight := new(big.Int).Mul(square, square)
	eight.Mul(eight, d).Add(eight, new(big.Int).Lsh(square, 1)).Sub(eight, big.NewInt(1))
	product := square.Sub(square, big.NewInt(1))
	product.Mul(product, y).Mul(product, eight).Mod(product, p)
	return product.Sign() == 0
}
