// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// maxToken bounds a token in bytes; ours have about 6 KB.
const maxToken = 1 << 20

// leeway is by how much a verifier's clock may be ahead of its reader's.
const leeway = time.Minute

// lastSecond is the end of the year 9999, after which RFC 3339 has no times.
const lastSecond = 253402300799

// Token is what a token says. Who reads it has to hold Nonce against its own,
// and Status, or the result, against what it wants.
type Token struct {
	Profile  Profile   `json:"profile"`
	IssuedAt time.Time `json:"issued_at"`
	Expires  time.Time `json:"expires"`
	// Nonce is in the form of [FormatNonce]; empty where there is none.
	Nonce    string   `json:"nonce,omitempty"`
	Verifier Verifier `json:"verifier"`
	// KeyID is the kid of the key that signed.
	KeyID string `json:"kid"`
	// Submods holds what was appraised, by its label: for Attesteer's tokens, the
	// TEE's name.
	Submods map[string]Appraisal `json:"submods"`
}

// Appraisal is what a token says of one attester.
type Appraisal struct {
	Status   rats.Tier `json:"status"`
	Vector   Vector    `json:"vector"`
	Policies []string  `json:"policies,omitempty"`
	// Result is the JSON of an attesteer.Result; nil in the tokens of others.
	Result json.RawMessage `json:"result,omitempty"`
}

// Verify checks a token's signature by a set of keys and its times, and reads
// it. Its errors: [rats.Malformed] for what is no token, [rats.Unsupported] for
// an algorithm or profile that is not known, [rats.UntrustedRoot] for a key
// outside the set, [rats.BadSignature], and [rats.Expired] for a token outside
// its time.
func Verify(token string, keys KeySet, at time.Time) (*Token, error) {
	payload, kid, err := open(token, keys)
	if err != nil {
		return nil, err
	}
	t, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	t.KeyID = kid
	switch {
	case !at.Before(t.Expires):
		return nil, rats.Errorf(rats.Expired, "the token ended at %s", t.Expires.Format(time.RFC3339))
	case t.IssuedAt.After(at.Add(leeway)):
		return nil, rats.Errorf(rats.Expired, "the token begins at %s", t.IssuedAt.Format(time.RFC3339))
	}
	return t, nil
}

// open returns the signed payload of a compact JWS (RFC 7515 section 5.2) and
// the name of the key that signed it.
func open(token string, keys KeySet) (payload []byte, kid string, err error) {
	if len(token) > maxToken {
		return nil, "", rats.Errorf(rats.Malformed, "token: %d bytes", len(token))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, "", rats.Errorf(rats.Malformed, "token: %d parts, and a JWS has 3", len(parts))
	}
	var raw [3][]byte
	for i, part := range parts {
		if raw[i], err = decode(part); err != nil {
			return nil, "", rats.Errorf(rats.Malformed, "token: part %d is not base64url", i+1)
		}
	}
	var h joseHeader
	if err := json.Unmarshal(raw[0], &h); err != nil {
		return nil, "", rats.Errorf(rats.Malformed, "token: header: %w", err)
	}
	if err := h.check(); err != nil {
		return nil, "", err
	}
	key, err := keys.find(h.ID)
	if err != nil {
		return nil, "", err
	}
	input := token[:len(parts[0])+1+len(parts[1])]
	if err := key.check(h.Algorithm, []byte(input), raw[2]); err != nil {
		return nil, "", rats.Errorf(rats.BadSignature, "token: key %.60s: %w", key.ID, err)
	}
	return raw[1], key.ID, nil
}

// check refuses what a signature would not make good.
func (h *joseHeader) check() error {
	if h.Algorithm != ES256 && h.Algorithm != EdDSA {
		return rats.Errorf(rats.Unsupported, "token: algorithm %.20q is neither %s nor %s", h.Algorithm, ES256, EdDSA)
	}
	if h.Critical != nil { // RFC 7515 section 4.1.11
		return rats.Errorf(rats.Unsupported, "token: crit names extensions that are not understood")
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "", "jwt", "eat+jwt", "eat-jwt", "ear+jwt":
		return nil
	default: // a token of another kind, signed by the same key (RFC 8725 section 3.11)
		return rats.Errorf(rats.Unsupported, "token: typ %.40q is not an attestation result", h.Type)
	}
}

// find returns the key of that name; a token that names none can only mean the
// only one.
func (s KeySet) find(id string) (JWK, error) {
	if id == "" && len(s.Keys) == 1 {
		return s.Keys[0], nil
	}
	for _, k := range s.Keys {
		if id != "" && k.ID == id {
			return k, nil
		}
	}
	return JWK{}, rats.Errorf(rats.UntrustedRoot, "token: its key %.60q is not among the %d given", id, len(s.Keys))
}

// parseClaims reads the claims of either profile. Claims that are not known are
// passed over (draft-ietf-rats-ear-03 section 4).
func parseClaims(payload []byte) (*Token, error) {
	var kind struct {
		Profile string `json:"eat_profile"`
	}
	if err := json.Unmarshal(payload, &kind); err != nil {
		return nil, rats.Errorf(rats.Malformed, "claims: %w", err)
	}
	var t *Token
	var err error
	switch Profile(kind.Profile) {
	case IETF2026:
		t, err = parse2026(payload)
	case Veraison2023:
		t, err = parse2023(payload)
	default:
		return nil, rats.Errorf(rats.Unsupported, "claims: profile %.80q", kind.Profile)
	}
	if err != nil {
		return nil, err
	}
	t.Profile = Profile(kind.Profile)
	return t, t.check()
}

func parse2026(payload []byte) (*Token, error) {
	var c claims2026
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, rats.Errorf(rats.Malformed, "claims: %w", err)
	}
	t, err := newToken(c.IssuedAt, c.Expires, c.Verifier, c.Nonce)
	if err != nil {
		return nil, err
	}
	worst := rats.TierNone
	for label, s := range c.Submods {
		t.Submods[label] = Appraisal{Status: s.Status, Vector: s.Vector, Policies: s.Policies, Result: s.Result}
		worst = worse(worst, s.Status)
	}
	if c.Status != "" && !within(c.Status, worst) {
		return nil, rats.Errorf(rats.Malformed, "claims: status %.20q, and a submodule has %.20q", c.Status, worst)
	}
	return t, nil
}

func parse2023(payload []byte) (*Token, error) {
	var c claims2023
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, rats.Errorf(rats.Malformed, "claims: %w", err)
	}
	t, err := newToken(c.IssuedAt, c.Expires, c.Verifier, c.Nonce)
	if err != nil {
		return nil, err
	}
	for label, s := range c.Submods {
		a := Appraisal{Status: s.Status, Vector: s.Vector, Result: s.Result}
		if s.Policy != "" {
			a.Policies = []string{s.Policy}
		}
		t.Submods[label] = a
	}
	return t, nil
}

// newToken begins a token by the claims that every one must have. That a token
// ends is our demand: both profiles leave it open, and one without an end could
// be shown for ever.
func newToken(issued, expires *int64, v *Verifier, nonce string) (*Token, error) {
	if issued == nil || expires == nil || v == nil {
		return nil, rats.Errorf(rats.Malformed, "claims: iat, exp or the verifier's name is missing")
	}
	for _, second := range []int64{*issued, *expires} {
		if second < 0 || second > lastSecond {
			return nil, rats.Errorf(rats.Malformed, "claims: %d is no time", second)
		}
	}
	if nonce != "" {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(nonce, "="))
		if err != nil || IETF2026.checkNonce(b) != nil {
			return nil, rats.Errorf(rats.Malformed, "claims: eat_nonce is not base64url of 8 to 64 bytes")
		}
		nonce = FormatNonce(b)
	}
	return &Token{
		IssuedAt: time.Unix(*issued, 0).UTC(), Expires: time.Unix(*expires, 0).UTC(),
		Verifier: *v, Nonce: nonce, Submods: make(map[string]Appraisal),
	}, nil
}

// check holds the appraisals against draft-ietf-rats-ear-03 section 3.1: there
// is one, and no status is better than its vector allows.
func (t *Token) check() error {
	if len(t.Submods) == 0 {
		return rats.Errorf(rats.Malformed, "claims: submods is empty")
	}
	for label, a := range t.Submods {
		if !within(a.Status, a.Vector.tier()) {
			return rats.Errorf(rats.Malformed, "claims: %.40q has status %.20q, and its vector %s", label, a.Status, a.Vector.tier())
		}
		if bytes.Equal(a.Result, []byte("null")) {
			return rats.Errorf(rats.Malformed, "claims: %.40q has no result", label)
		}
	}
	return nil
}

// within reports whether a status is a tier, and no better than the worst that
// it stands for. None claims nothing, whatever it stands for.
func within(status, worst rats.Tier) bool {
	return slices.Contains(tiers(), status) && (status == rats.TierNone || worse(status, worst) == status)
}
