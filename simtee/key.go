// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
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

// point returns the public key as x ‖ y, big-endian.
func point(key *ecdsa.PrivateKey) ([64]byte, error) {
	uncompressed, err := key.PublicKey.Bytes()
	if err != nil {
		return [64]byte{}, internal("public key", err)
	}
	return [64]byte(uncompressed[1:]), nil
}

// sign returns r ‖ s, big-endian, over SHA-256 of message. The nonce is RFC
// 6979's, so that equal messages have equal signatures.
func sign(key *ecdsa.PrivateKey, message []byte) (rs [64]byte, err error) {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return rs, internal("signature", err)
	}
	var signature struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &signature); err != nil {
		return rs, internal("signature", err)
	}
	signature.R.FillBytes(rs[:32])
	signature.S.FillBytes(rs[32:])
	return rs, nil
}

// internal wraps what the standard library refuses, which no caller's input can cause.
func internal(what string, err error) error {
	return rats.Errorf(rats.Internal, "simulated platform: %s: %w", what, err)
}
