// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"math/big"
	"strings"
)

// A token reads
//
//	att_<id>_<secret><checksum>
//
// id: 12 lower-case hex digits, which are no secret and name the token;
// secret: 32 random bytes in 43 digits of base 62; checksum: CRC-32 (IEEE) of
// all that stands before it, in 6 digits of base 62. Prefix and checksum let a
// scanner of secrets know one when it sees one, and a typo be told from a token
// of another node. It has no character on which a double click stops short.
const (
	prefix      = "att_"
	idBytes     = 6
	idDigits    = 2 * idBytes
	secretBytes = 32
	// 62^43 > 2^256 and 62^6 > 2^32.
	secretDigits   = 43
	checksumDigits = 6
	textLength     = len(prefix) + idDigits + 1 + secretDigits + checksumDigits
)

// newText makes a token's text and the id in it.
func newText() (text, id string) {
	var b [idBytes + secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the process
	id = hex.EncodeToString(b[:idBytes])
	body := prefix + id + "_" + base62(new(big.Int).SetBytes(b[idBytes:]), secretDigits)
	return body + checksum(body), id
}

// base62 writes n in that many digits, 0-9 a-z A-Z.
func base62(n *big.Int, digits int) string {
	s := n.Text(62)
	return strings.Repeat("0", digits-len(s)) + s
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return base62(new(big.Int).SetUint64(uint64(sum)), checksumDigits)
}

// shape is what a text is at first sight.
type shape int

const (
	// foreign: nothing that this package made.
	foreign shape = iota
	// mistyped: a token, but for a character.
	mistyped
	// whole: a token of some node.
	whole
	// aged: a token of the form that had no id and no checksum.
	aged
)

// parse looks at a text without knowing any token, and returns the id that it
// would be kept under.
func parse(text string) (id string, s shape) {
	rest, ours := strings.CutPrefix(text, prefix)
	switch {
	case !ours:
		return "", foreign
	case len(text) == agedLength:
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:agedIDBytes]), aged
	case len(text) != textLength || rest[idDigits] != '_' || !isHex(rest[:idDigits]):
		return "", mistyped
	}
	body, sum := text[:textLength-checksumDigits], text[textLength-checksumDigits:]
	if sum != checksum(body) {
		return "", mistyped
	}
	return rest[:idDigits], whole
}

// Tokens were once att_ and 32 bytes in base64url, under an id from their hash.
const (
	agedLength  = len(prefix) + 43
	agedIDBytes = 4
)

// digest is what is kept of a token: SHA-256 of its whole text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// isHex reports whether s is lower-case hex.
func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}
