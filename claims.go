// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"unicode/utf8"

	"github.com/attesteer/attesteer/openenclave"
)

// BlockClaim is the name of the custom claim by which evidence is bound to a
// block of a ledger: its value is the block's hash, 32 bytes.
const BlockClaim = "attesteer_block"

// CustomClaim is something that an enclave says of its own accord, bound to its
// evidence by the report data.
type CustomClaim struct {
	Name  string `json:"name"`
	Value Hex    `json:"value"`
	// Text is the value where it is printable, without the zero byte at the end
	// that C leaves there; null elsewhere.
	Text *string `json:"text"`
}

// NewCustomClaim returns a claim with its value as text where it is printable.
func NewCustomClaim(name string, value []byte) CustomClaim {
	c := CustomClaim{Name: name, Value: value}
	text := bytes.TrimSuffix(value, []byte{0})
	if !printable(text) {
		return c
	}
	s := string(text)
	c.Text = &s
	return c
}

// printable reports whether text is UTF-8 that a terminal shows.
func printable(text []byte) bool {
	return len(text) > 0 && utf8.Valid(text) && bytes.IndexFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && openenclave.Deceives(r)
	}) < 0
}
