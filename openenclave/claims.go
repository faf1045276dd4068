// SPDX-License-Identifier: Apache-2.0

package openenclave

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

const (
	// claimsClause is what errors about custom claims cite.
	claimsClause = "Open Enclave oe_custom_claims_header_t"

	claimsVersion = 1
	// claimsHeaderSize and claimSize are the lengths of the headers before all
	// claims and before each, in bytes.
	claimsHeaderSize = 16
	claimSize        = 16
)

// Claim is a custom claim: something that an enclave says of its own accord. The
// value is of any content; C programs often leave a zero byte at its end.
type Claim struct {
	Name  string
	Value []byte
}

// AreClaims tells from its first eight bytes whether a custom claims buffer was
// made of claims: the buffer is opaque to Open Enclave, which puts a key in PEM
// there for attested TLS.
func AreClaims(b []byte) bool {
	return len(b) >= 8 && binary.LittleEndian.Uint64(b) == claimsVersion
}

// ParseClaims reads serialised custom claims (common/custom_claims.c). Numbers
// are little-endian and 64 bits wide:
//
//	0 8  version, 1
//	8 8  number of claims
//
// and for each claim
//
//	 0 8  length n of the name, with the zero byte at its end
//	 8 8  length m of the value
//	16 n  name
//	 + m  value
//
// An empty buffer has no claims. Names are UTF-8 without what [Deceives], and
// each stands once; nothing may follow the last value. The values are parts of b.
// The error is Malformed.
func ParseClaims(b []byte) ([]Claim, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < claimsHeaderSize || !AreClaims(b) {
		return nil, badClaims("no header of version %d", claimsVersion)
	}
	count := binary.LittleEndian.Uint64(b[8:])
	b = b[claimsHeaderSize:]
	if count > uint64(len(b)/claimSize) {
		return nil, badClaims("%d claims in %d bytes", count, len(b))
	}
	out := make([]Claim, 0, count)
	seen := make(map[string]bool, count)
	for i := range count {
		c, rest, err := readClaim(b)
		switch {
		case err != nil:
			return nil, badClaims("claim %d: %s", i+1, err)
		case seen[c.Name]:
			return nil, badClaims("claim %d: %q stands twice", i+1, c.Name)
		}
		seen[c.Name] = true
		out, b = append(out, c), rest
	}
	if len(b) > 0 {
		return nil, badClaims("%d bytes after the last claim", len(b))
	}
	return out, nil
}

func readClaim(b []byte) (c Claim, rest []byte, err error) {
	if len(b) < claimSize {
		return c, nil, fmt.Errorf("%d bytes where its lengths should be", len(b))
	}
	name, value := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	b = b[claimSize:]
	if name > uint64(len(b)) || value > uint64(len(b))-name {
		return c, nil, fmt.Errorf("a name of %d bytes and a value of %d, where %d are left", name, value, len(b))
	}
	text, ended := bytes.CutSuffix(b[:name], []byte{0})
	c = Claim{Name: string(text), Value: b[name : name+value : name+value]}
	if !ended || !isName(c.Name) {
		return c, nil, errors.New("the name is no text, or does not end in a zero byte")
	}
	return c, b[name+value:], nil
}

// Deceives reports whether a character has no place in text that is shown as
// somebody else wrote it: control characters, and those that hide or turn around
// what stands beside them.
func Deceives(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff
}

// isName reports whether a name can be shown and written back.
func isName(name string) bool {
	return name != "" && utf8.ValidString(name) && strings.IndexFunc(name, Deceives) < 0
}

// AppendClaims appends claims as [ParseClaims] reads them, and no claims as Open
// Enclave hands out none: as nothing. The error is Malformed, for names that no
// reader would take.
func AppendClaims(b []byte, claims ...Claim) ([]byte, error) {
	if len(claims) == 0 {
		return b, nil
	}
	b = binary.LittleEndian.AppendUint64(b, claimsVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(claims)))
	seen := make(map[string]bool, len(claims))
	for _, c := range claims {
		if !isName(c.Name) || seen[c.Name] {
			return nil, badClaims("a name is no text, or stands twice: %q", c.Name)
		}
		seen[c.Name] = true
		b = binary.LittleEndian.AppendUint64(b, uint64(len(c.Name)+1))
		b = binary.LittleEndian.AppendUint64(b, uint64(len(c.Value)))
		b = append(append(b, c.Name...), 0)
		b = append(b, c.Value...)
	}
	return b, nil
}

func badClaims(format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "custom claims: "+format, args...).In("", claimsClause)
}
