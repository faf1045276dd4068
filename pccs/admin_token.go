// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bufio"
	"bytes"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// maxTokens bounds the hashes in one file.
const maxTokens = 64

// TokenHashes are the tokens that one of the service's two headers is held
// against, each as its SHA-512: the token itself is never kept. The zero value
// takes none.
type TokenHashes struct{ sums [][sha512.Size]byte }

// HashToken returns the hash by which a token is kept.
func HashToken(token string) [sha512.Size]byte { return sha512.Sum512([]byte(token)) }

// ParseTokenHashes reads a file of hashes: one a line, 128 hex digits as in the
// configuration of Intel's service, with a name behind it if one is wanted; lines
// that are empty or begin with # say nothing. A file without any is an error
// ([rats.Malformed]), as is a line that is none: a token that is taken by
// accident is worse than one that is not.
func ParseTokenHashes(b []byte) (TokenHashes, error) {
	var t TokenHashes
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		digits, _, _ := strings.Cut(line, " ")
		sum, err := hex.DecodeString(digits)
		switch {
		case err != nil || len(sum) != sha512.Size:
			// The line is not shown: it may be the token itself.
			return TokenHashes{}, rats.Errorf(rats.Malformed, "line %d: no SHA-512 in 128 hex digits", n)
		case len(t.sums) == maxTokens:
			return TokenHashes{}, rats.Errorf(rats.TooLarge, "over %d tokens", maxTokens)
		}
		t.sums = append(t.sums, [sha512.Size]byte(sum))
	}
	if err := lines.Err(); err != nil {
		return TokenHashes{}, rats.Errorf(rats.Malformed, "line too long")
	}
	if len(t.sums) == 0 {
		return TokenHashes{}, rats.Errorf(rats.Malformed, "no hash of a token")
	}
	return t, nil
}

// Add takes one more token.
func (t *TokenHashes) Add(sum [sha512.Size]byte) { t.sums = append(t.sums, sum) }

// None reports that no token is taken.
func (t TokenHashes) None() bool { return len(t.sums) == 0 }

// match reports whether a token is one of them, in a time that does not tell how
// near it came, nor to which.
func (t TokenHashes) match(token string) bool {
	sum := HashToken(token)
	found := 0
	for i := range t.sums {
		found |= subtle.ConstantTimeCompare(sum[:], t.sums[i][:])
	}
	return found == 1
}
