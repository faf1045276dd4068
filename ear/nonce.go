// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// minNonce is the shortest nonce in bytes (RFC 9711 section 4.1).
const minNonce = 8

// maxNonceText bounds what a nonce is read from, white space included.
const maxNonceText = 1024

// ParseNonce reads a caller's nonce: an even number of hex digits in either case,
// with or without 0x, in which white space does not count, and else base64url or
// base64, padded or not. A nonce has 8 to 64 bytes (RFC 9711 section 4.1); anything
// else is [rats.Malformed].
func ParseNonce(text string) ([]byte, error) {
	digits := text
	if len(text) <= maxNonceText {
		digits = strings.Join(strings.Fields(text), "")
	}
	// What is longer than 64 bytes in hex is no nonce in any form.
	if len(digits) > len("0x")+2*IETF2026.maxNonce() {
		return nil, rats.Errorf(rats.Malformed, "nonce: %d characters are over %d bytes", len(digits), IETF2026.maxNonce())
	}
	if len(digits) > 1 && strings.EqualFold(digits[:2], "0x") {
		digits = digits[2:]
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
		if b, err = decode(plain); err != nil {
			return nil, rats.Errorf(rats.Malformed, "nonce: neither hex nor base64url")
		}
	}
	return b, IETF2026.checkNonce(b)
}

// FormatNonce returns the form in which a token carries a nonce: base64url with
// padding, the only one whose lengths are the 12 to 88 characters of
// draft-ietf-rats-ear-03 section 3.
func FormatNonce(nonce []byte) string { return base64.URLEncoding.EncodeToString(nonce) }

func (p Profile) checkNonce(b []byte) error {
	if len(b) < minNonce || len(b) > p.maxNonce() {
		return rats.Errorf(rats.Malformed, "nonce: %d bytes, and %s takes %d to %d", len(b), p, minNonce, p.maxNonce())
	}
	return nil
}
