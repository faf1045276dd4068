// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"mime"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
)

// developer is whom signed results name as the one who makes the verifier.
const developer = "https://github.com/attesteer/attesteer"

// tokenWish is how a caller wants a signed result.
type tokenWish struct {
	profile ear.Profile
	nonce   []byte
}

// wishOf returns what a caller of an appraisal wants: nil for the bare result.
// A token is asked for by Accept, or by naming a profile where Accept leaves
// the choice.
func wishOf(in *appraisalInput) (*tokenWish, error) {
	token, named := preferred(in.Accept)
	var profile string
	for _, name := range []string{value(in.Body.Profile), in.Profile, named} {
		if name == "" {
			continue
		}
		p, err := ear.ParseProfile(name)
		if err != nil {
			return nil, err
		}
		if profile != "" && profile != string(p) {
			return nil, rats.Errorf(rats.Malformed, "profile: both %s and %s are asked for", profile, p)
		}
		profile = string(p)
	}
	if token == tokenNo || token == tokenMaybe && profile == "" {
		if profile != "" || in.Body.Nonce != nil {
			return nil, rats.Errorf(rats.Malformed, "profile, nonce: only a token has them, which takes Accept: %s", ear.TokenType)
		}
		return nil, nil //nolint:nilnil // no token is wanted, and nothing is wrong
	}
	p, err := ear.ParseProfile(profile)
	if err != nil {
		return nil, err
	}
	wish := &tokenWish{profile: p}
	if in.Body.Nonce != nil {
		wish.nonce, err = ear.ParseNonce(*in.Body.Nonce)
	}
	return wish, err
}

// wanted is whether Accept asks for a token.
type wanted int

const (
	tokenMaybe wanted = iota
	tokenNo
	tokenYes
)

// preferred reads an Accept header (RFC 9110 section 12.5.1): whether a token
// is wanted rather than JSON, and the profile that its media type names (RFC
// 9782 section 4.2, or the parameter's short name).
func preferred(accept string) (want wanted, profile string) {
	var forToken, forJSON, forAny float64
	for _, item := range splitQuoted(accept) {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		switch kind {
		// The draft's own examples have the second spelling.
		case ear.TokenType, "application/eat-jwt":
			if quality > forToken {
				forToken, profile = quality, params["eat_profile"]
				if profile == "" {
					profile = params["profile"]
				}
			}
		case jsonType:
			forJSON = max(forJSON, quality)
		case "*/*", "application/*":
			forAny = max(forAny, quality)
		}
	}
	switch {
	case forToken > 0 && forToken >= forJSON:
		return tokenYes, profile
	case accept == "" || forAny > forJSON:
		return tokenMaybe, ""
	default:
		return tokenNo, ""
	}
}

// splitQuoted splits a header's list at commas outside of quotes: the tags of
// profiles have commas.
func splitQuoted(list string) []string {
	quoted := false
	return strings.FieldsFunc(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}

// signed makes a token of a result that came about under a policy.
func (g *Gateway) signed(r *attesteer.Result, policy policyBody, wish *tokenWish) (string, error) {
	if g.cfg.EAR == nil {
		return "", rats.Errorf(rats.Unsupported, "this node signs no results")
	}
	id, err := policyID(policy)
	if err != nil {
		return "", err
	}
	now := g.cfg.Now()
	key, err := g.cfg.EAR.Signer(now)
	if err != nil {
		return "", err
	}
	return ear.Sign(key, r, ear.Claims{
		Profile: wish.profile, IssuedAt: now, Lifetime: g.cfg.EARLifetime, Nonce: wish.nonce, Policies: []string{id},
		Verifier: ear.Verifier{Developer: developer, Build: "attesteer " + g.cfg.Version},
	})
}

// policyID names a policy as its caller gave it, without what the network adds.
func policyID(body policyBody) (string, error) {
	var p attesteer.Policy
	if body != nil {
		var err error
		if p, err = attesteer.ParsePolicy(body); err != nil {
			return "", err
		}
	}
	return ear.PolicyID(p)
}
