// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/attesteer/attesteer/rats"
)

// seedTag is the published seed of everything: whoever reads it holds the keys.
const seedTag = "attesteer/simtee/v1"

// derive returns 32 bytes that label and numbers name.
func derive(label string, numbers ...uint32) [32]byte {
	b := append([]byte(seedTag), 0)
	b = append(b, label...)
	b = append(b, 0)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return sha256.Sum256(b)
}

// Key returns the P-256 key that a label names, none of the vendor's own: for
// faults in which a key signs that should not.
func Key(label string) *ecdsa.PrivateKey { return deriveKey("foreign " + label) }

// deriveKey returns the P-256 key that label and numbers name.
func deriveKey(label string, numbers ...uint32) *ecdsa.PrivateKey {
	// One in 2^32 hashes is not a scalar below the group's order: then the
	// counter takes the next.
	for counter := uint32(0); ; counter++ {
		scalar := derive("key "+label, append([]uint32{counter}, numbers...)...)
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]); err == nil {
			return key
		}
	}
}

// point returns the public key as x ‖ y, big-endian, 64 bytes on P-256.
func point(key *ecdsa.PrivateKey) ([]byte, error) {
	uncompressed, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, internal("public key", err)
	}
	return uncompressed[1:], nil
}

// signDER returns an ECDSA-Sig-Value (RFC 3279 2.2.3). The nonce is RFC 6979's,
// so that equal messages have equal signatures.
func signDER(key *ecdsa.PrivateKey, digest [32]byte) ([]byte, error) {
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, internal("signature", err)
	}
	return der, nil
}

// sign returns r ‖ s, big-endian, over SHA-256 of message, by a key on P-256.
func sign(key *ecdsa.PrivateKey, message []byte) (rs [64]byte, err error) {
	der, err := signDER(key, sha256.Sum256(message))
	if err != nil {
		return rs, err
	}
	var signature struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &signature); err != nil {
		return rs, internal("signature", err)
	}
	if signature.R.BitLen() > 256 || signature.S.BitLen() > 256 {
		return rs, internal("signature", errors.New("the key is not on P-256"))
	}
	signature.R.FillBytes(rs[:32])
	signature.S.FillBytes(rs[32:])
	return rs, nil
}

// internal wraps what the standard library refuses, which nothing but an edit of
// [Faults] can cause.
func internal(what string, err error) error {
	return rats.Errorf(rats.Internal, "simulated platform: %s: %w", what, err)
}
