// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// standing is what an Authorization header makes of a caller.
type standing int

const (
	// anonymous: no token was shown.
	anonymous standing = iota
	// refused: what was shown is no token of this node.
	refused
	// trusted: the token is known.
	trusted
)

// standingOf judges an Authorization header (RFC 6750 section 2.1). On a
// development network any word is a token.
func (g *Gateway) standingOf(header string) standing {
	if header == "" {
		return anonymous
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return refused
	case g.cfg.Network == networkDev || g.cfg.Tokens.Allowed(token):
		return trusted
	default:
		return refused
	}
}

// authorise returns what is wrong with a caller who wants to submit.
func (s standing) authorise() error {
	switch s {
	case trusted:
		return nil
	case anonymous:
		return rats.Errorf(rats.Unauthorized, "a token is needed: Authorization: Bearer TOKEN")
	default:
		return rats.Errorf(rats.Unauthorized, "the token is not one of this node")
	}
}
