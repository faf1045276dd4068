// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// Evidence is what an enclave brings forward to show which code it runs.
type Evidence struct {
	// Raw are the bytes as the platform made them; [Decode] turns text into them.
	Raw []byte
	// Format is what the caller knows of them; empty to have it recognised.
	// Evidence of another format than the one stated is Malformed.
	Format rats.Format
}

// Decode returns the bytes of evidence that may be written as text: hex, with
// or without 0x, of either case, or base64, standard or URL, padded or not;
// white space is ignored. Anything else is returned as it is. Which of them it
// is is told by the content. Comments before it, lines that begin with #, are
// left out.
func Decode(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // that some editors put before a text
	for len(data) > 0 && data[0] == '#' {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	if len(data) == 0 {
		return nil, rats.Errorf(rats.Malformed, "the evidence is empty")
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 || bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN ")) {
		return data, nil
	}
	text := bytes.Join(bytes.Fields(data), nil)
	digits := text
	if bytes.HasPrefix(text, []byte("0x")) || bytes.HasPrefix(text, []byte("0X")) {
		digits = text[2:]
	}
	switch {
	case len(digits) == 0:
		return nil, rats.Errorf(rats.Malformed, "the evidence is empty")
	case consistsOf(digits, "0123456789abcdefABCDEF"):
		if len(digits)%2 != 0 {
			return nil, rats.Errorf(rats.Malformed, "hex with an odd number of digits (%d)", len(digits))
		}
		out := make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(out, digits); err != nil {
			return nil, rats.Errorf(rats.Malformed, "hex: %w", err)
		}
		return out, nil
	}
	plain := bytes.TrimRight(text, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out := make([]byte, enc.DecodedLen(len(plain)))
		if n, err := enc.Strict().Decode(out, plain); err == nil && n > 0 {
			return out[:n], nil
		}
	}
	return data, nil
}

func consistsOf(text []byte, alphabet string) bool {
	return len(bytes.Trim(text, alphabet)) == 0
}
