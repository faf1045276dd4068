// SPDX-License-Identifier: Apache-2.0

package rats

import (
	"encoding/hex"
	"fmt"
)

// Hex is bytes that JSON shows in lower-case hex, their one spelling.
type Hex []byte

// String returns lower-case hex without a prefix.
func (h Hex) String() string { return hex.EncodeToString(h) }

// MarshalText writes lower-case hex.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads lower-case hex and nothing else.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("hex: %w", err)
	}
	if hex.EncodeToString(b) != string(text) {
		return fmt.Errorf("hex: not in lower case")
	}
	*h = b
	return nil
}
