// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// The compatible REST calls answer in an envelope around a JSON-RPC response
// that is itself a string. Errors of the call keep HTTP status 200 and stand in
// the envelope; only tokens, rates, sizes and bodies that are not the documented
// JSON use HTTP status.

const (
	compatiblePrefix = "/v1/attesteer/"
	compatibleMark   = "compatible"
	// noError is the original's word for no error: a string, not JSON's null.
	noError = "null"
)

// envelope is the compatible answer; its fields stand in the documented order.
type envelope struct {
	Data    string `json:"data" doc:"a JSON-RPC response, as a string"`
	Code    int    `json:"error_code" doc:"0, or the exit code of the error's kind"`
	Message string `json:"error_message" doc:"the word null, or kind: detail"`
}

// response is the JSON-RPC response inside.
type response struct {
	Version string `json:"jsonrpc"`
	Result  any    `json:"result"`
	ID      int    `json:"id"`
}

// envelop returns the envelope around what a method returned.
func envelop(result any, err error) envelope {
	out := envelope{Message: noError}
	if err != nil {
		result = returnedError(err)
		out.Code, out.Message = rats.KindOf(err).ExitCode(), outwardText(err)
	}
	data, err := json.Marshal(response{Version: "2.0", Result: result, ID: 1})
	if err != nil {
		return envelop(nil, rats.Errorf(rats.Internal, "encode: %w", err))
	}
	out.Data = string(data)
	return out
}

// envelopeOf returns a problem as the compatible calls show it.
func envelopeOf(p *problem) envelope {
	return envelop(nil, &rats.Error{Kind: p.Kind, Detail: p.Detail})
}

// writeEnvelope answers outside huma.
func writeEnvelope(w http.ResponseWriter, p *problem) {
	p.setHeader(w.Header())
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(p.Status)
	b, err := json.Marshal(envelopeOf(p))
	if err != nil {
		return // the status says enough
	}
	_, _ = w.Write(b) // a caller that went away needs no answer
}

type envelopeOutput struct {
	Body envelope
}

type quoteInput struct {
	Body struct {
		Quote string  `json:"quote" doc:"the evidence in hex, with or without 0x"`
		URL   *string `json:"url,omitempty" nullable:"true" doc:"where the enclave serves" example:"yourdomain.example"`
	}
}

func (g *Gateway) compatibleEntries() []entry {
	forward := func(ctx context.Context, in *quoteInput) (envelope, error) {
		return g.envelopedCall(ctx, "attesteer_forwardDcapQuote", in.Body.Quote, in.Body.URL)
	}
	return []entry{
		serveEnveloped(g.compatible(http.MethodGet, "get_methods", "List the JSON-RPC methods"),
			func(ctx context.Context, _ *nothing) (envelope, error) { return g.envelopedCall(ctx, "rpc_methods") }),
		serveEnveloped(withToken(g.compatible(http.MethodPost, "forward_dcap_quote", "Have a DCAP quote verified and recorded")),
			forward),
		serveEnveloped(withToken(g.compatible(http.MethodPost, "forward_ias_attestation_report", "Have an IAS report verified and recorded")),
			g.forwardIASReport),
	}
}

func (g *Gateway) compatible(method, name, summary string) huma.Operation {
	op := g.operation(method, compatiblePrefix+name, name, "compatible", summary)
	op.Metadata = map[string]any{compatibleMark: true}
	return op
}

// serveEnveloped makes an entry of a handler that puts into the envelope what has
// gone wrong, and returns as errors what has an HTTP status too.
func serveEnveloped[I any](op huma.Operation, handle func(context.Context, *I) (envelope, error)) entry {
	return entry{rest: op, register: func(api huma.API) { registerEnveloped(api, op, handle) }}
}

func registerEnveloped[I any](api huma.API, op huma.Operation, handle func(context.Context, *I) (envelope, error)) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[envelope](), true, "")
	op.Responses = map[string]*huma.Response{"default": {
		Description: "The same envelope, for a token, rate, size or body that is refused.",
		Content:     map[string]*huma.MediaType{jsonType: {Schema: schema}},
	}}
	huma.Register(api, op, func(ctx context.Context, in *I) (*envelopeOutput, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(err) // outward puts it into an envelope
		}
		return &envelopeOutput{Body: out}, nil
	})
}

// envelopedCall calls a JSON-RPC method on behalf of REST. A nil *string counts
// as no parameter.
func (g *Gateway) envelopedCall(ctx context.Context, method string, params ...any) (envelope, error) {
	var raw []json.RawMessage
	for _, p := range params {
		if s, ok := p.(*string); ok && s == nil {
			continue
		}
		b, err := json.Marshal(p)
		if err != nil {
			return envelop(nil, rats.Errorf(rats.Internal, "encode: %w", err)), nil
		}
		raw = append(raw, b)
	}
	result, err := g.rpc.call(ctx, method, raw)
	if err != nil {
		err = g.fault(ctx, err)
	}
	switch rats.KindOf(err) {
	case rats.Unauthorized, rats.QuotaExceeded, rats.TooLarge:
		return envelope{}, err
	default:
		return envelop(result, err), nil
	}
}
