// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// tokenBody says what a token is to be; null is as good as nothing.
type tokenBody struct {
	Name           string   `json:"name,omitempty" maxLength:"100" doc:"whom the token is for"`
	Scopes         []string `json:"scopes,omitempty" nullable:"true" minItems:"1" maxItems:"3" enum:"read,submit,admin" doc:"without, read and submit"`
	Expires        *string  `json:"expires,omitempty" nullable:"true" doc:"when it ends, in RFC 3339, or how long it is good; without, it is until it is revoked" example:"90d"`
	PerMinute      uint32   `json:"per_minute,omitempty" maximum:"4294967295" doc:"submissions in a minute; 0 sets no bound"`
	PerDay         uint32   `json:"per_day,omitempty" maximum:"4294967295" doc:"submissions in a day of UTC; 0 sets no bound"`
	ReadsPerMinute uint32   `json:"reads_per_minute,omitempty" maximum:"4294967295" doc:"reads in a minute; 0 sets no bound"`
	ReadsPerDay    uint32   `json:"reads_per_day,omitempty" maximum:"4294967295" doc:"reads in a day of UTC; 0 sets no bound"`
	Registrar      *string  `json:"registrar,omitempty" nullable:"true" doc:"in whose name it submits: the word new, or the public key of a registrar that another token has; without, the node's" example:"new"`
}

type createTokenInput struct {
	Body tokenBody
}

type createTokenOutput struct {
	Body token.Made
}

type listTokensOutput struct {
	Body tokenList
}

type tokenList struct {
	Tokens []token.View `json:"tokens"`
}

type revokeTokenInput struct {
	ID string `path:"id" doc:"the token's id, no secret"`
}

type revokeTokenOutput struct {
	Body token.View
}

// tokenEntries are the operator's calls, which are not served over JSON-RPC.
func (g *Gateway) tokenEntries() []entry {
	const tag, path = "admin", "/v1/admin/tokens"
	create := forAdmins(g.operation(http.MethodPost, path, "create-token", tag, "Make a token"))
	create.DefaultStatus = http.StatusCreated
	create.Description = "The token is shown in this answer, and never again."
	revoke := forAdmins(g.operation(http.MethodDelete, path+"/{id}", "revoke-token", tag, "Revoke a token, at once and for good"))
	revoke.Description = "Also ends calls on connections that it opened. Revoking it again changes nothing."
	return []entry{
		serve("", create, g.postToken),
		serve("", forAdmins(g.operation(http.MethodGet, path, "list-tokens", tag, "List tokens, oldest first")), g.getTokens),
		serve("", revoke, g.deleteToken),
	}
}

func (g *Gateway) postToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	made, err := g.createToken(ctx, &in.Body)
	if err != nil {
		return nil, g.adminFault(ctx, err)
	}
	return &createTokenOutput{Body: made}, nil
}

func (g *Gateway) getTokens(ctx context.Context, _ *nothing) (*listTokensOutput, error) {
	admin, err := g.tokenAdmin()
	if err != nil {
		return nil, err
	}
	all, err := admin.List(g.cfg.Now())
	if err != nil {
		return nil, g.adminFault(ctx, err)
	}
	return &listTokensOutput{Body: tokenList{Tokens: all}}, nil
}

func (g *Gateway) deleteToken(ctx context.Context, in *revokeTokenInput) (*revokeTokenOutput, error) {
	v, err := g.revokeToken(ctx, in.ID)
	if err != nil {
		return nil, g.adminFault(ctx, err)
	}
	return &revokeTokenOutput{Body: v}, nil
}

func (g *Gateway) tokenAdmin() (TokenAdmin, error) {
	if g.cfg.TokenAdmin == nil {
		return nil, rats.Errorf(rats.Unsupported, "tokens of this node are not made over the API")
	}
	return g.cfg.TokenAdmin, nil
}

// adminFault keeps what is wrong with the node's files from being told as what
// is wrong with the call.
func (g *Gateway) adminFault(ctx context.Context, err error) error {
	var file *token.FileError
	if errors.As(err, &file) {
		err = rats.Errorf(rats.Internal, "tokens: %w", err)
	}
	return g.fault(ctx, err)
}

func (g *Gateway) createToken(ctx context.Context, b *tokenBody) (token.Made, error) {
	admin, err := g.tokenAdmin()
	if err != nil {
		return token.Made{}, err
	}
	now := g.cfg.Now()
	r := token.Request{
		Name: b.Name, Registrar: value(b.Registrar),
		Submissions: token.Quota{PerMinute: b.PerMinute, PerDay: b.PerDay},
		Reads:       token.Quota{PerMinute: b.ReadsPerMinute, PerDay: b.ReadsPerDay},
	}
	names := b.Scopes
	if len(names) == 0 {
		names = []string{string(token.Read), string(token.Submit)}
	}
	if r.Scopes, err = token.ParseScopes(names); err != nil {
		return token.Made{}, err
	}
	if r.Expires, err = token.ParseExpiry(value(b.Expires), now); err != nil {
		return token.Made{}, err
	}
	made, err := admin.Create(r, now)
	if err != nil {
		return token.Made{}, err
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "a token was made", audited(ctx, &made.View)...)
	return made, nil
}

func (g *Gateway) revokeToken(ctx context.Context, id string) (token.View, error) {
	admin, err := g.tokenAdmin()
	if err != nil {
		return token.View{}, err
	}
	v, err := admin.Revoke(id, g.cfg.Now())
	if err != nil {
		return token.View{}, err
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "a token was revoked", audited(ctx, &v)...)
	return v, nil
}

// audited says who changed which token, by their ids.
func audited(ctx context.Context, v *token.View) []slog.Attr {
	c, by := callerIn(ctx), ""
	if c.entry != nil {
		by = c.entry.ID
	}
	return []slog.Attr{
		slog.String("token", v.ID), slog.String("name", v.Name), slog.Any("scopes", v.Scopes),
		slog.String("by", by), slog.String("remote", c.remote),
	}
}
