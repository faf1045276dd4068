// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// caller is who makes a call: what its Authorization header proves, and where
// it comes from.
type caller struct {
	// remote is an address, "host:port".
	remote string
	// entry is its token, as it was when the request or connection began; nil
	// for who showed none.
	entry *token.Entry
	// word: it showed a word that counts as a token, on a development network.
	word bool
	// fault is what is wrong with what it showed.
	fault error
	// prepaid are the calls that its address was already charged for.
	prepaid atomic.Int32
}

// developmentWord is what commands show that have no token. Where a word counts
// for nothing it counts as none, so that they may read.
const developmentWord = "dev"

// callerOf judges a request's Authorization header (RFC 6750 section 2.1). On a
// development network any word is a token that reads and submits; one that this
// node made counts there too as what it is.
func (g *Gateway) callerOf(r *http.Request) *caller {
	c := &caller{remote: r.RemoteAddr}
	header := r.Header.Get("Authorization")
	if header == "" {
		return c
	}
	scheme, text, _ := strings.Cut(header, " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		c.fault = invalidToken("the form is Authorization: Bearer TOKEN")
		return c
	}
	e, err := g.cfg.Tokens.Verify(text, g.cfg.Now())
	switch {
	case err == nil:
		c.entry = &e
	case errors.Is(err, token.ErrUnknown) && g.cfg.Network == networkDev:
		c.word = true
	case errors.Is(err, token.ErrUnknown) && text == developmentWord:
	default:
		c.fault = g.tokenFault(r.Context(), err)
	}
	return c
}

// tokenFault turns what a store of tokens says into what a caller hears: that a
// token is not good, or nothing about a fault of the store's.
func (g *Gateway) tokenFault(ctx context.Context, err error) error {
	var over *token.QuotaError
	switch {
	case errors.As(err, &over):
		return err
	case rats.KindOf(err) == rats.Unauthorized:
		return invalidToken(rats.AsError(err).Detail)
	default:
		return g.fault(ctx, rats.Errorf(rats.Internal, "tokens: %w", err))
	}
}

// invalidToken is the 401 of RFC 6750 section 3.1 for a token that is not good.
func invalidToken(detail string) error {
	return challenge(http.StatusUnauthorized, detail, `Bearer error="invalid_token"`)
}

// missingToken is that of a call without one: no error is named (section 3.1).
func missingToken() error {
	return challenge(http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN", `Bearer realm="attesteer"`)
}

// lackingScope is the 403 of section 3.1.
func lackingScope(s token.Scope, detail string) error {
	return challenge(http.StatusForbidden, detail, `Bearer error="insufficient_scope", scope="`+string(s)+`"`)
}

func challenge(status int, detail, challenge string) error {
	p := statusProblem(rats.Unauthorized, status, detail)
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}

// callerKey is the context key of a call's caller.
type callerKey struct{}

func withCaller(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerIn returns who makes a call; who is not known is nobody in particular.
func callerIn(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{}
}

// need is what a call takes.
type need struct {
	scope token.Scope
	// anonymous: whoever shows no token may call too, and a token without the
	// scope is no worse.
	anonymous bool
}

// reading is what reads take.
func (g *Gateway) reading() need {
	return need{scope: token.Read, anonymous: !g.cfg.ReadsNeedToken}
}

// pushCost is how many requests a submission without a token counts for
// against its address: it makes a block.
const pushCost = 10

// permit decides whether a call may be made, and counts it: for a token against
// its quota, else against its address. It is asked once for each call, also of
// those that share a connection.
func (g *Gateway) permit(ctx context.Context, n need) error {
	c := callerIn(ctx)
	switch {
	case c.fault != nil:
		return c.fault
	case c.word:
		if n.scope == token.Admin {
			return lackingScope(n.scope, "any word reads and submits on a development network; this call takes a token of scope admin")
		}
		return nil
	case c.entry == nil:
		if !n.anonymous {
			return missingToken()
		}
		cost := 1
		if n.scope == token.Submit {
			cost = pushCost
		}
		return g.charge(c, cost-int(c.prepaid.Swap(0)))
	case !n.anonymous && !c.entry.Scopes.Allow(n.scope):
		return lackingScope(n.scope, "the token lacks the scope "+string(n.scope))
	}
	if err := g.cfg.Tokens.Use(c.entry.ID, n.scope, g.cfg.Now()); err != nil {
		return g.meterRefusal(g.tokenFault(ctx, err), "token")
	}
	return nil
}

// throttle counts a request without a good token against its address, before
// anything is done for it.
func (g *Gateway) throttle(c *caller) error {
	if c.entry != nil || c.word {
		return nil
	}
	if err := g.charge(c, 1); err != nil {
		return err
	}
	c.prepaid.Store(1)
	return nil
}

func (g *Gateway) charge(c *caller, cost int) error {
	if wait := g.limiter.take(c.remote, cost); wait > 0 {
		g.meter().Refused("address")
		return &token.QuotaError{What: "too many requests from this address", After: wait}
	}
	return nil
}

// signingKey returns the key of the registrar in whose name a caller submits:
// its token's, or else the node's own.
func (g *Gateway) signingKey(ctx context.Context) (ed25519.PrivateKey, error) {
	e := callerIn(ctx).entry
	if e == nil || e.Registrar == "" {
		return g.cfg.Key, nil
	}
	key, err := g.cfg.Tokens.Key(e.Registrar)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "registrar of token %s: %w", e.ID, err)
	}
	return key, nil
}
