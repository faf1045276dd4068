// SPDX-License-Identifier: Apache-2.0

package ear

import "github.com/attesteer/attesteer/rats"

// Profile is an EAT profile (RFC 9711 section 6): it decides the names of a
// token's claims.
type Profile string

// The profiles that are written and read.
const (
	// IETF2026 is draft-ietf-rats-ear-03's.
	IETF2026 Profile = "tag:ietf.org,2026:rats/ear#03"
	// Veraison2023 is the one of the software that was deployed before, with
	// dots and hyphens in its names (github.com/veraison/ear v1).
	Veraison2023 Profile = "tag:github.com,2023:veraison/ear"
)

// Profiles returns every profile, the usual one first.
func Profiles() []Profile { return []Profile{IETF2026, Veraison2023} }

// ParseProfile reads a profile's tag or its short name, "ietf-2026" or
// "veraison-2023"; an empty name is [IETF2026]. Any other is [rats.Unsupported].
func ParseProfile(name string) (Profile, error) {
	switch name {
	case "", "ietf-2026", string(IETF2026):
		return IETF2026, nil
	case "veraison-2023", string(Veraison2023):
		return Veraison2023, nil
	default:
		return "", rats.Errorf(rats.Unsupported, "profile: %.80q is neither %s nor %s", name, IETF2026, Veraison2023)
	}
}

// headerType is the token's typ: the media type of RFC 9782 without
// "application/" (RFC 7515 section 4.1.9), and what older software writes.
func (p Profile) headerType() string {
	if p == Veraison2023 {
		return "JWT"
	}
	return "eat+jwt"
}

// maxNonce is the longest nonce in bytes: RFC 9711 section 4.1 has 64. Veraison's
// reader takes 74 characters at most, which 54 bytes fill.
func (p Profile) maxNonce() int {
	if p == Veraison2023 {
		return 54
	}
	return 64
}

// MediaType is the type of a token of this profile (RFC 9782 section 4.2).
func (p Profile) MediaType() string {
	return TokenType + `; eat_profile="` + string(p) + `"`
}

// TokenType is the media type of EATs as JSON Web Tokens (RFC 9782).
const TokenType = "application/eat+jwt"
