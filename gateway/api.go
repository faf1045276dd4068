// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// describe builds the REST API: handlers, and the document that describes them,
// from the same types.
func (g *Gateway) describe() huma.API {
	api := huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Attesteer", Version: g.cfg.Version,
				Description: "Public remote attestation: evidence is verified by every node of a ledger, and recorded where anyone can look it up and check it.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: g.schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{tokenScheme: {
					Type: "http", Scheme: "bearer", Description: "A token of the node. On a development network any word is one.",
				}},
			},
		},
		OpenAPIPath:                  "/openapi",
		Formats:                      map[string]huma.Format{jsonType: compactJSON(), "json": compactJSON()},
		DefaultFormat:                jsonType,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{outward},
	}, twofold{Adapter: humago.NewAdapter(g.mux, ""), rpc: g.rpc, schemas: g.schemas})
	api.UseMiddleware(g.guard)
	for _, e := range g.entries() {
		e.register(api)
	}
	straighten(g.schemas.Map())
	return api
}

const (
	jsonType    = "application/json"
	tokenScheme = "token"
)

// operation describes one call. Errors are described once, as the default.
func (g *Gateway) operation(method, path, id, tag, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		Security: security(g.reading()),
		// Huma takes a body that fills its bound for one that is over it.
		MaxBodyBytes: g.cfg.MaxBody + 1, BodyReadTimeout: readTimeout,
	}
}

// security describes what a call takes, and is what [Gateway.guard] goes by: a
// list of what is enough, of which an empty entry is nothing at all.
func security(n need) []map[string][]string {
	var all []map[string][]string
	if n.anonymous {
		all = append(all, map[string][]string{})
	}
	return append(all, map[string][]string{tokenScheme: {string(n.scope)}})
}

// needOf reads it again; ok is false for a call that nobody is asked about.
func needOf(op *huma.Operation) (n need, ok bool) {
	for _, enough := range op.Security {
		if scopes := enough[tokenScheme]; len(scopes) > 0 {
			n.scope = token.Scope(scopes[0])
		} else {
			n.anonymous = true
		}
	}
	return n, len(op.Security) > 0
}

// withToken marks a call that needs a token to submit.
func withToken(op huma.Operation) huma.Operation {
	op.Security = security(need{scope: token.Submit})
	return op
}

// forAdmins marks a call that needs a token of an operator's.
func forAdmins(op huma.Operation) huma.Operation {
	op.Security = security(need{scope: token.Admin})
	return op
}

// forAnyone marks a submission that needs no token unless reads need one.
func (g *Gateway) forAnyone(op huma.Operation) huma.Operation {
	op.Security = security(need{scope: token.Submit, anonymous: !g.cfg.ReadsNeedToken})
	return op
}

// forProbes marks a call that looks at no token.
func forProbes(op huma.Operation) huma.Operation {
	op.Security = nil
	return op
}

// register adds a call whose errors are problems.
func register[I, O any](api huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	op.Responses["default"] = &huma.Response{
		Description: "What is wrong, by its kind.",
		Content: map[string]*huma.MediaType{problemType: {
			Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Problem](), true, ""),
		}},
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(err)
		}
		return out, nil
	})
}

// requestContext lets answer embed a context that has a method of that name.
type requestContext = huma.Context

// answer is a request's context whose status can be decided when the body is.
type answer struct {
	requestContext
	status int // overrides, when it is not zero
}

// SetStatus implements [huma.Context].
func (a *answer) SetStatus(status int) {
	if a.status != 0 {
		status = a.status
	}
	a.requestContext.SetStatus(status)
}

// Unwrap lets humago find the request.
func (a *answer) Unwrap() huma.Context { return a.requestContext }

// guard asks for a token where one is needed, and counts the call, before
// anything of it is read.
func (g *Gateway) guard(ctx huma.Context, next func(huma.Context)) {
	a := &answer{requestContext: ctx}
	err := g.admitCall(ctx)
	if err == nil {
		next(a)
		return
	}
	p := problemOf(err)
	if call, ok := ctx.(*rpcContext); ok {
		call.problem = p
		return
	}
	for name := range p.header {
		ctx.SetHeader(name, p.header.Get(name))
	}
	// That the caller went away is no concern of ours.
	_ = huma.WriteErr(g.api, a, p.Status, p.Detail)
}

// admitCall returns why a call is not let in, or has no form that huma could read.
func (g *Gateway) admitCall(ctx huma.Context) error {
	if n, ok := needOf(ctx.Operation()); ok {
		err := g.permit(ctx.Context(), n)
		decided(ctx.Context(), err)
		if err != nil {
			return err
		}
	}
	if call, ok := ctx.(*rpcContext); ok {
		return call.unread
	}
	u := ctx.URL()
	return checkQuery(u.RawQuery)
}

// checkQuery refuses a query of which readers differ in what they take, or would
// pass over a part: then a list might lack the filter that its caller wrote.
func checkQuery(query string) error {
	seen := make(map[string]bool)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			_, err = url.QueryUnescape(value)
		}
		switch {
		case err != nil:
			return rats.Errorf(rats.Malformed, "query: %.40q is not percent-encoded", pair)
		case seen[name]:
			return rats.Errorf(rats.Malformed, "query.%.40s: given twice", name)
		case strings.Contains(name, ";"): // net/url passes such a pair over
			return rats.Errorf(rats.Malformed, "query.%.40s: unknown query parameter", name)
		}
		seen[name] = true
	}
	return nil
}

// outward is the last that sees an answer: it turns huma's own errors into
// ours, in the form of the call.
func outward(ctx huma.Context, _ string, body any) (any, error) {
	a, ok := ctx.(*answer)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", ctx)
	}
	call, overRPC := a.requestContext.(*rpcContext)
	var p *problem
	switch v := body.(type) {
	case *huma.ErrorModel:
		if overRPC {
			unplace(v)
		}
		p = problemOfModel(v)
		if strings.HasPrefix(ctx.Operation().Path, azurePrefix) {
			p.speakAzure()
		}
	case *problem:
		p = v
	default:
		return body, nil
	}
	if overRPC {
		call.problem = p
	}
	a.status = p.Status
	if ctx.Operation().Metadata[compatibleMark] != nil {
		ctx.SetHeader("Content-Type", jsonType)
		return envelopeOf(p), nil
	}
	return p, nil
}

// compactJSON writes JSON without an end of line: the compatible answers are
// documented to the byte.
func compactJSON() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return err
			}
			_, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
			return err
		},
		Unmarshal: readJSON,
	}
}
