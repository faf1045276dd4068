// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"encoding/hex"
	"fmt"
)

// Hex is bytes that JSON shows in lower-case hex.
type Hex []byte

// String returns lower-case hex without a prefix.
func (h Hex) String() string { return hex.EncodeToString(h) }

// MarshalText writes lower-case hex.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads hex of either case.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("hex: %w", err)
	}
	*h = b
	return nil
}
