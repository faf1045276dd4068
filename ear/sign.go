// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Lifetimes of tokens.
const (
	DefaultLifetime = 5 * time.Minute
	MaxLifetime     = time.Hour
)

// ResultClaim is the member of a submodule that holds the whole
// [attesteer.Result].
const ResultClaim = "attesteer.result"

// ResultProfile names what [ResultClaim] adds to a submodule
// (draft-ietf-rats-ear-03 section 3.1, eat_profile).
const ResultProfile = "tag:github.com,2026:attesteer/attesteer:result/v1"

// Verifier says who appraised (draft-ietf-rats-ar4si section 3.3).
type Verifier struct {
	Developer string `json:"developer"`
	Build     string `json:"build"`
}

// Claims are what a token says beside the result.
type Claims struct {
	// Profile may be empty: [IETF2026].
	Profile Profile
	// IssuedAt is now, by the clock of those who will read the token.
	IssuedAt time.Time
	// Lifetime is at most [MaxLifetime]; zero is [DefaultLifetime]. A token ends
	// earlier where what its result rests on does.
	Lifetime time.Duration
	// Nonce is the caller's, 8 to 64 bytes, or nil.
	Nonce    []byte
	Verifier Verifier
	// Policies name the policies under which the result came about, in the order
	// in which they were applied; see [PolicyID].
	Policies []string
}

// PolicyID names a policy by its content: urn:attesteer:policy:sha256: and, in
// hex, the SHA-256 of its JSON without white space and with sorted members.
func PolicyID(policy any) (string, error) {
	b, err := marshal(policy)
	if err != nil {
		return "", err
	}
	// Maps are written in the order of their keys, structures are not.
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "", rats.Errorf(rats.Internal, "policy: %w", err)
	}
	if b, err = marshal(v); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "urn:attesteer:policy:sha256:" + hex.EncodeToString(sum[:]), nil
}

// Sign makes a token of a result, accepted or not, in the compact form of RFC
// 7515. The same key, result and claims give the same token.
func Sign(k *Key, r *attesteer.Result, c Claims) (string, error) {
	if c.Profile == "" {
		c.Profile = IETF2026
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Lifetime < time.Second || c.Lifetime > MaxLifetime {
		return "", rats.Errorf(rats.Malformed, "lifetime: %v is not between 1s and %v", c.Lifetime, MaxLifetime)
	}
	if c.Nonce != nil {
		if err := c.Profile.checkNonce(c.Nonce); err != nil {
			return "", err
		}
	}
	header, err := marshal(joseHeader{Algorithm: k.public.Algorithm, ID: k.public.ID, Type: c.Profile.headerType()})
	if err != nil {
		return "", err
	}
	payload, err := c.payload(r)
	if err != nil {
		return "", err
	}
	input := encode(header) + "." + encode(payload)
	signature, err := k.sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + encode(signature), nil
}

// end returns when a token ends: after its lifetime, and not after what the
// result rests on. The result may have been judged by another clock, so that
// only the span between its times counts.
func (c *Claims) end(r *attesteer.Result) time.Time {
	life := c.Lifetime
	if r.ValidUntil != nil {
		if left := r.ValidUntil.Sub(r.VerifiedAt); left > 0 {
			life = min(life, left)
		}
	}
	return c.IssuedAt.Truncate(time.Second).Add(max(life.Truncate(time.Second), time.Second))
}

// payload returns the claims in the names of the profile.
func (c *Claims) payload(r *attesteer.Result) ([]byte, error) {
	vector := VectorOf(r)
	status := StatusOf(r, vector)
	result, err := marshal(r)
	if err != nil {
		return nil, err
	}
	nonce := ""
	if c.Nonce != nil {
		nonce = FormatNonce(c.Nonce)
	}
	label := string(r.TEE)
	issued, end := c.IssuedAt.Unix(), c.end(r).Unix()
	switch c.Profile {
	case IETF2026:
		return marshal(claims2026{
			Profile: c.Profile, IssuedAt: &issued, Expires: &end, Nonce: nonce, Status: status, Verifier: &c.Verifier,
			Submods: map[string]submod2026{label: {
				Profile: ResultProfile, Status: status, Vector: vector, Policies: c.Policies, Result: result,
			}},
		})
	case Veraison2023:
		one := submod2023{Status: status, Vector: vector, Evidence: annotated(r), Result: result}
		if len(c.Policies) > 0 {
			one.Policy = c.Policies[0] // it has room for one
		}
		return marshal(claims2023{
			Profile: c.Profile, IssuedAt: &issued, Expires: &end, Nonce: nonce, Verifier: &c.Verifier,
			Submods: map[string]submod2023{label: one},
		})
	default:
		return nil, rats.Errorf(rats.Unsupported, "profile: %.80q is not one of ours", c.Profile)
	}
}

// joseHeader is a token's protected header (RFC 7515 section 4.1).
type joseHeader struct {
	Algorithm Algorithm `json:"alg"`
	ID        string    `json:"kid"`
	Type      string    `json:"typ"`
	// Critical is only read: none of it is understood.
	Critical json.RawMessage `json:"crit,omitempty"`
}

// claims2026 are the claims of [IETF2026] (draft-ietf-rats-ear-03 section 3).
type claims2026 struct {
	Profile Profile `json:"eat_profile"`
	// IssuedAt and Expires are in seconds since 1970.
	IssuedAt *int64                `json:"iat"`
	Expires  *int64                `json:"exp"`
	Nonce    string                `json:"eat_nonce,omitempty"`
	Status   rats.Tier             `json:"ear_status,omitempty"`
	Verifier *Verifier             `json:"ear_verifier_id"`
	Submods  map[string]submod2026 `json:"submods"`
}

type submod2026 struct {
	Profile  string          `json:"eat_profile,omitempty"`
	Status   rats.Tier       `json:"ear_status"`
	Vector   Vector          `json:"ear_trustworthiness_vector"`
	Policies []string        `json:"ear_appraisal_policy_ids,omitempty"`
	Result   json.RawMessage `json:"attesteer.result,omitempty"`
}

// claims2023 are the claims of [Veraison2023].
type claims2023 struct {
	Profile  Profile               `json:"eat_profile"`
	IssuedAt *int64                `json:"iat"`
	Expires  *int64                `json:"exp"`
	Nonce    string                `json:"eat_nonce,omitempty"`
	Verifier *Verifier             `json:"ear.verifier-id"`
	Submods  map[string]submod2023 `json:"submods"`
}

type submod2023 struct {
	Status   rats.Tier       `json:"ear.status"`
	Vector   Vector          `json:"ear.trustworthiness-vector"`
	Policy   string          `json:"ear.appraisal-policy-id,omitempty"`
	Evidence *evidence2023   `json:"ear.veraison.annotated-evidence,omitempty"`
	Result   json.RawMessage `json:"attesteer.result,omitempty"`
}

// evidence2023 is where readers of older tokens look for what was measured.
type evidence2023 struct {
	Format      rats.Format           `json:"format"`
	BuildMode   rats.BuildMode        `json:"build_mode"`
	Fingerprint attesteer.Hex         `json:"fingerprint"`
	ReportData  attesteer.Hex         `json:"report_data"`
	Measurement attesteer.Measurement `json:"measurement"`
}

func annotated(r *attesteer.Result) *evidence2023 {
	return &evidence2023{
		Format: r.Format, BuildMode: r.BuildMode, Fingerprint: r.Fingerprint,
		ReportData: r.ReportData, Measurement: r.Measurement,
	}
}

// marshal writes JSON in the bytes in which every interface of Attesteer does:
// one line, and no character escaped for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
