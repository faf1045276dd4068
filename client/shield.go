// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// A transaction is shielded on its way to a node, against whatever stands
// between: once the node took it, it is as public as all others. Padding is that
// of the original's clients, RSAES-OAEP (RFC 8017 section 7.1) with SHA-256, for
// MGF1 too, and an empty label.
const (
	// ShieldingBits is the size of a shielding key's modulus.
	ShieldingBits = 3072
	// ShieldBlock is the length of what one encryption yields, in bytes.
	ShieldBlock = ShieldingBits / 8
	// ShieldPlain is how many bytes go into one: two hashes and two bytes less
	// (RFC 8017 section 7.1.1).
	ShieldPlain = ShieldBlock - 2*sha256.Size - 2
	// MaxShieldBlocks bounds those of [ShieldInBlocks]: each costs the node
	// milliseconds.
	MaxShieldBlocks = 128
	// ShieldTag begins what [Shield] yields. No block begins so by chance.
	ShieldTag = "attesteer/shield"
	// MaxCyphertext is the length of the longest cyphertext, in bytes.
	MaxCyphertext = len(ShieldTag) + ShieldBlock + record.MaxTransaction + 16
)

// shieldingKey is the JSON of a shielding key: numbers of modulus and exponent,
// the lowest byte first.
type shieldingKey struct {
	N []uint16 `json:"n"`
	E []uint16 `json:"e"`
}

// exponentLength is the length of an exponent in that JSON, in bytes.
const exponentLength = 4

// FormatShieldingKey returns a key as author_getShieldingKey answers it:
// {"n":[384 numbers],"e":[4 numbers]}, each a byte, the lowest first.
func FormatShieldingKey(key *rsa.PublicKey) ([]byte, error) {
	if key.N.BitLen() != ShieldingBits {
		return nil, rats.Errorf(rats.Internal, "a shielding key of %d bits", key.N.BitLen())
	}
	out := shieldingKey{
		N: numbers(key.N.FillBytes(make([]byte, ShieldBlock))),
		E: numbers(big.NewInt(int64(key.E)).FillBytes(make([]byte, exponentLength))),
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return b, nil
}

// numbers returns bytes in reverse; []byte would become base64.
func numbers(b []byte) []uint16 {
	out := make([]uint16, 0, len(b))
	for _, v := range slices.Backward(b) {
		out = append(out, uint16(v))
	}
	return out
}

// ParseShieldingKey is the reverse of [FormatShieldingKey]: [rats.Malformed] for
// what is no such key.
func ParseShieldingKey(text []byte) (*rsa.PublicKey, error) {
	var in shieldingKey
	if json.Unmarshal(text, &in) != nil || len(in.N) != ShieldBlock || len(in.E) != exponentLength {
		return nil, rats.Errorf(rats.Malformed, "shielding key: not {\"n\":[%d numbers],\"e\":[%d numbers]}", ShieldBlock, exponentLength)
	}
	n, e := new(big.Int), new(big.Int)
	for _, part := range []struct {
		to   *big.Int
		from []uint16
	}{{n, in.N}, {e, in.E}} {
		b := make([]byte, 0, len(part.from))
		for _, v := range slices.Backward(part.from) {
			if v > 0xff {
				return nil, rats.Errorf(rats.Malformed, "shielding key: %d is no byte", v)
			}
			b = append(b, byte(v))
		}
		part.to.SetBytes(b)
	}
	if n.BitLen() != ShieldingBits || n.Bit(0) == 0 || e.BitLen() > 31 || e.Bit(0) == 0 || e.Cmp(big.NewInt(1)) <= 0 {
		return nil, rats.Errorf(rats.Malformed, "shielding key: no RSA key of %d bits", ShieldingBits)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// Shield encrypts a signed transaction to a node's shielding key: [ShieldTag],
// a block that holds a fresh key of 32 bytes, and the transaction under that key
// in AES-256-GCM with a nonce of zeros, which a key that is used once allows,
// and the shard as additional data.
func Shield(key *rsa.PublicKey, shard Shard, tx []byte) (Request, error) {
	if len(tx) > record.MaxTransaction {
		return Request{}, rats.Errorf(rats.TooLarge, "transaction: %d bytes, at most %d", len(tx), record.MaxTransaction)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return Request{}, rats.Errorf(rats.Internal, "key: %w", err)
	}
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, secret, nil)
	if err != nil {
		return Request{}, rats.Errorf(rats.Malformed, "shielding key: %w", err)
	}
	aead, err := ShieldAEAD(secret)
	if err != nil {
		return Request{}, err
	}
	out := append([]byte(ShieldTag), block...)
	out = aead.Seal(out, make([]byte, aead.NonceSize()), tx, shard[:]) //nolint:gosec // the key is used once
	return Request{Shard: shard, Cyphertext: out}, nil
}

// ShieldAEAD returns the cipher of the second half of what [Shield] yields.
func ShieldAEAD(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "cipher: %w", err)
	}
	return aead, nil
}

// ShieldInBlocks encrypts a signed transaction as the original's clients do:
// every [ShieldPlain] bytes by themselves, one block after the other. It is slow
// and long, and [rats.TooLarge] over [MaxShieldBlocks]; what speaks for it is
// that a shell can do it.
func ShieldInBlocks(key *rsa.PublicKey, shard Shard, tx []byte) (Request, error) {
	if len(tx) > MaxShieldBlocks*ShieldPlain {
		return Request{}, rats.Errorf(rats.TooLarge, "transaction: %d bytes, at most %d in blocks", len(tx), MaxShieldBlocks*ShieldPlain)
	}
	r := Request{Shard: shard}
	for part := range slices.Chunk(tx, ShieldPlain) {
		block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, part, nil)
		if err != nil {
			return Request{}, rats.Errorf(rats.Malformed, "shielding key: %w", err)
		}
		r.Cyphertext = append(r.Cyphertext, block...)
	}
	return r, nil
}
