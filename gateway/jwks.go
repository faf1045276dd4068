// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/ear"
)

// keysMaxAge is for how long others may keep the keys. Whoever meets a kid
// that is not among them asks again.
const keysMaxAge = "public, max-age=300"

// keySetType is the media type of a JWK Set (RFC 7517 section 8.5.2).
const keySetType = "application/jwk-set+json"

const keySetPath = "/.well-known/jwks.json"

type keySetOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         ear.KeySet
}

// keySetEntries serve the keys by which signed results are verified, to
// everyone: who verifies a token need not be one of this node's callers.
func (g *Gateway) keySetEntries() []entry {
	op := forProbes(g.operation(http.MethodGet, keySetPath, "get-keys", "evidence", "Get the keys that verify signed results"))
	op.Description = "A JWK Set (RFC 7517). A key stays in it until the last token that it signed has ended."
	op.Responses = map[string]*huma.Response{"200": {
		Description: "OK",
		Content: map[string]*huma.MediaType{
			keySetType: {Schema: g.schemas.Schema(reflect.TypeFor[ear.KeySet](), true, "")},
		},
	}}
	return []entry{serve("verifier.keys", op, g.getKeys)}
}

func (g *Gateway) getKeys(ctx context.Context, _ *nothing) (*keySetOutput, error) {
	out := &keySetOutput{ContentType: keySetType, CacheControl: keysMaxAge, Body: ear.KeySet{Keys: []ear.JWK{}}}
	if g.cfg.EAR == nil {
		return out, nil
	}
	var err error
	if out.Body, err = g.cfg.EAR.Public(g.cfg.Now()); err != nil {
		return nil, g.fault(ctx, err)
	}
	return out, nil
}
