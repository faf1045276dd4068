// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"

	"github.com/creachadair/jrpc2"
	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// served is an operation of the API as JSON-RPC serves it. A call of it goes the
// way of a request over REST: through the same guard, the same validation and
// the same handler, so what is decided about the one is decided about the other.
type served struct {
	op     *huma.Operation
	name   string
	params []parameter
	handle func(huma.Context)
}

// parameter is one parameter of a method.
type parameter struct {
	name string
	// in is path, query or body: where REST has it.
	in       string
	required bool
	doc      string
	schema   *huma.Schema
}

// parametersOf returns the parameters that an operation has by the given names.
func parametersOf(op *huma.Operation, order []string, schemas huma.Registry) []parameter {
	found := make(map[string]parameter)
	for _, p := range op.Parameters {
		found[p.Name] = parameter{name: p.Name, in: p.In, required: p.Required, doc: p.Description, schema: p.Schema}
	}
	if op.RequestBody != nil {
		body := op.RequestBody.Content[jsonType].Schema
		for body.Ref != "" {
			body = schemas.SchemaFromRef(body.Ref)
		}
		for name, s := range body.Properties {
			found[name] = parameter{name: name, in: inBody, required: slices.Contains(body.Required, name), doc: s.Description, schema: s}
		}
	}
	out := make([]parameter, 0, len(order))
	for _, name := range order {
		out = append(out, found[name])
	}
	return out
}

const (
	inPath  = "path"
	inQuery = "query"
	inBody  = "body"
)

// add serves an operation under its name.
func (r *rpc) add(s *served) {
	r.served = append(r.served, s)
	r.assign[s.name] = func(ctx context.Context, req *jrpc2.Request) (any, error) {
		result, p := r.serve(ctx, s, json.RawMessage(req.ParamString()))
		if p != nil {
			return nil, rpcError(p)
		}
		return result, nil
	}
}

// serve makes one call. A panic costs the call its answer and the node nothing.
func (r *rpc) serve(ctx context.Context, s *served, params json.RawMessage) (result json.RawMessage, p *problem) {
	began := r.g.cfg.Now()
	defer func() {
		if fault := recover(); fault != nil {
			r.g.log.LogAttrs(ctx, slog.LevelError, "a method panicked", slog.Any("fault", fault),
				slog.String("method", s.name), slog.String("stack", string(debug.Stack())))
			result, p = nil, problemOf(rats.Internal)
		}
		var err error
		if p != nil {
			err = p
		}
		r.g.leaveCall(ctx, s.name, err, r.g.cfg.Now().Sub(began))
	}()
	c := &rpcContext{op: s.op, ctx: ctx, query: make(url.Values), header: make(http.Header)}
	c.unread = s.read(c, params)
	s.handle(c)
	if c.problem != nil {
		return nil, c.problem
	}
	result, err := c.result()
	if err != nil {
		return nil, problemOf(r.g.fault(ctx, err))
	}
	return result, nil
}

// read fills a context with parameters, by name or by position.
func (s *served) read(c *rpcContext, params json.RawMessage) error {
	given, err := s.named(params)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	for i := range s.params {
		p := &s.params[i]
		raw, ok := given[p.name]
		switch {
		case !ok:
		case p.in == inBody:
			body.WriteByte(separator(body.Len()))
			name, err := json.Marshal(p.name)
			if err != nil {
				return rats.Errorf(rats.Internal, "encode: %w", err)
			}
			body.Write(append(name, ':'))
			body.Write(raw)
		default:
			text, err := p.text(raw)
			if err != nil {
				return err
			}
			if text != "" { // as good as not given, over REST too
				c.query.Set(p.name, text)
			}
		}
	}
	if s.op.RequestBody != nil && (body.Len() > 0 || s.op.RequestBody.Required) {
		if body.Len() == 0 {
			body.WriteByte('{')
		}
		body.WriteByte('}')
		c.body = body.Bytes()
	}
	return nil
}

func separator(before int) byte {
	if before == 0 {
		return '{'
	}
	return ','
}

// named returns what is given by the names of the parameters; by position, null
// passes one over.
func (s *served) named(params json.RawMessage) (map[string]json.RawMessage, error) {
	params = bytes.TrimSpace(params)
	given := make(map[string]json.RawMessage)
	switch {
	case len(params) == 0:
		return given, nil
	case params[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(params, &list); err != nil {
			return nil, rats.Errorf(rats.Malformed, "parameters: not JSON")
		}
		if len(list) > len(s.params) {
			return nil, rats.Errorf(rats.Malformed, "wrong number of parameters: %d, at most %d", len(list), len(s.params))
		}
		for i, raw := range list {
			if string(raw) != "null" || s.params[i].required {
				given[s.params[i].name] = raw
			}
		}
		return given, nil
	}
	dec := json.NewDecoder(bytes.NewReader(params))
	if _, err := dec.Token(); err != nil {
		return nil, rats.Errorf(rats.Malformed, "parameters: not JSON")
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "parameters: not JSON")
		}
		name, _ := token.(string)
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, rats.Errorf(rats.Malformed, "parameters: not JSON")
		}
		if _, twice := given[name]; twice {
			return nil, rats.Errorf(rats.Malformed, "%.40s: given twice", name)
		}
		if !slices.ContainsFunc(s.params, func(p parameter) bool { return p.name == name }) {
			return nil, rats.Errorf(rats.Malformed, "%.40s: no such parameter", name)
		}
		given[name] = raw
	}
	return given, nil
}

// text returns a parameter as path and query have it; null is as good as
// nothing. What the text has to be is checked where REST's is.
func (p *parameter) text(raw json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", rats.Errorf(rats.Malformed, "%s: not JSON", p.name)
	}
	var is string
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		if p.takes(huma.TypeString) {
			return v, nil
		}
		is = "a string"
	case float64:
		if p.takes(huma.TypeInteger) || p.takes(huma.TypeNumber) {
			return string(raw), nil
		}
		is = "a number"
	case bool:
		if p.takes(huma.TypeBoolean) {
			return string(raw), nil
		}
		is = "a boolean"
	case []any:
		is = "a list"
	default:
		is = "an object"
	}
	return "", rats.Errorf(rats.Malformed, "%s: %s, want %s", p.name, is, p.typeName())
}

// takes reports whether a parameter may be of a JSON type.
func (p *parameter) takes(kind string) bool {
	return p.schema.Type == kind ||
		slices.ContainsFunc(p.schema.OneOf, func(s *huma.Schema) bool { return s.Type == kind })
}

// typeName is the JSON type of a parameter, for people.
func (p *parameter) typeName() string {
	if len(p.schema.OneOf) == 0 {
		return p.schema.Type
	}
	name := p.schema.OneOf[0].Type
	for _, s := range p.schema.OneOf[1:] {
		name += " or " + s.Type
	}
	return name
}
