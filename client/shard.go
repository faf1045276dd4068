// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/hex"
	"math/big"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Shard names the ledger that a compatible call is about: the hash of its
// genesis, which /v1/ledger answers as genesis_hash. The original has a shard
// for each state that it keeps; a node here has one.
type Shard [32]byte

// alphabet is that of base 58: digits and letters without 0, O, I and l.
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// maxShardText is the length of the longest text of 32 bytes.
const maxShardText = 44

// String returns the shard in base 58, as the compatible methods write it: the
// number that its bytes are, the first one the highest, after a 1 for each
// leading byte that is zero.
func (s Shard) String() string {
	n, base, digit := new(big.Int).SetBytes(s[:]), big.NewInt(int64(len(alphabet))), new(big.Int)
	var digits []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		digits = append(digits, alphabet[digit.Int64()])
	}
	var out strings.Builder
	for i := 0; i < len(s) && s[i] == 0; i++ {
		out.WriteByte(alphabet[0])
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out.WriteByte(digits[i])
	}
	return out.String()
}

// ParseShard is the reverse of [Shard.String]: [rats.Malformed] for other text.
func ParseShard(text string) (Shard, error) {
	var s Shard
	if len(text) > maxShardText {
		return s, rats.Errorf(rats.Malformed, "shard: %d characters, at most %d", len(text), maxShardText)
	}
	n, base := new(big.Int), big.NewInt(int64(len(alphabet)))
	zeros := 0
	for i := range len(text) {
		digit := strings.IndexByte(alphabet, text[i])
		if digit < 0 {
			return s, rats.Errorf(rats.Malformed, "shard: not base58")
		}
		if digit == 0 && n.Sign() == 0 {
			zeros++
		}
		n.Add(n.Mul(n, base), big.NewInt(int64(digit)))
	}
	if length := zeros + (n.BitLen()+7)/8; length != len(s) {
		return s, rats.Errorf(rats.Malformed, "shard: %d bytes, a hash has %d", length, len(s))
	}
	n.FillBytes(s[:])
	return s, nil
}

// parseGenesisHash reads the hash of /v1/ledger.
func parseGenesisHash(text string) (Shard, error) {
	var s Shard
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return s, rats.Errorf(rats.Malformed, "the node's genesis_hash is no hash")
	}
	copy(s[:], b)
	return s, nil
}
