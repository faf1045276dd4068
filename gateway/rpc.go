// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/token"
)

// method is one compatible method. What it returns is the result as it is; an
// error becomes a returned value of status error, which JSON-RPC takes for a
// success: such is the original's way.
type method struct {
	name string
	// submits: a token of that scope is needed, but on a development network.
	submits bool
	// params and about are for the documentation. Without params whatever comes as
	// such is passed over, as the original does.
	params, about string
	call          func(ctx context.Context, params []json.RawMessage) (any, error)
}

// rpc serves the methods over every transport.
type rpc struct {
	g       *Gateway
	methods map[string]method
	// served are the operations of the API that have a name here.
	served  []*served
	assign  assigner
	sockets *sockets
}

// newRPC makes the table of the compatible methods; those of the API are added
// when it is described.
func newRPC(g *Gateway) *rpc {
	r := &rpc{g: g, methods: make(map[string]method), assign: make(assigner), sockets: newSockets()}
	for _, m := range append([]method{
		{name: "attesteer_forwardDcapQuote", submits: true, params: "quote, url?", about: "Have a DCAP quote verified and recorded", call: r.forwardDCAPQuote},
		{name: "rpc_methods", about: "List the compatible methods but this one", call: r.names},
		{name: "system_health", about: "Whether the node takes part in its ledger", call: r.health},
		{name: "system_name", about: "The word attesteer", call: constant("attesteer")},
		{name: "system_version", about: "The node's version", call: constant(g.cfg.Version)},
	}, r.authorMethods()...) {
		r.methods[m.name] = m
		r.assign[m.name] = r.handle(m)
	}
	return r
}

// assigner finds methods by their names. It has an answer for unknown names too:
// of a call that it has nobody for, jrpc2 keeps the id as one in use.
type assigner map[string]jrpc2.Handler

var _ jrpc2.Assigner = assigner(nil)

// Assign implements [jrpc2.Assigner].
func (a assigner) Assign(_ context.Context, name string) jrpc2.Handler {
	if h, ok := a[name]; ok {
		return h
	}
	return unknownMethod
}

func unknownMethod(context.Context, *jrpc2.Request) (any, error) {
	return nil, jrpc2.Errorf(jrpc2.MethodNotFound, "method not found")
}

// call calls a method for a caller whose right to it was judged before.
func (r *rpc) call(ctx context.Context, name string, params []json.RawMessage) (any, error) {
	m, ok := r.methods[name]
	if !ok {
		return nil, rats.Errorf(rats.Internal, "no method %s", name)
	}
	return m.call(ctx, params)
}

// handle returns a method as jrpc2 calls it. A panic costs the call its answer
// and the node nothing.
func (r *rpc) handle(m method) jrpc2.Handler {
	return func(ctx context.Context, req *jrpc2.Request) (result any, _ error) {
		var err error
		began := r.g.cfg.Now()
		defer func() { r.g.leaveCall(ctx, m.name, err, r.g.cfg.Now().Sub(began)) }()
		defer func() {
			if fault := recover(); fault != nil {
				r.g.log.LogAttrs(ctx, slog.LevelError, "a method panicked", slog.Any("fault", fault),
					slog.String("method", m.name), slog.String("stack", string(debug.Stack())))
				err = rats.Internal
				result = returnedError(err)
			}
		}()
		if err = r.permit(ctx, m); err != nil {
			return returnedError(err), nil
		}
		var params []json.RawMessage
		if m.params != "" && req.HasParams() && req.UnmarshalParams(&params) != nil {
			err = rats.Errorf(rats.Malformed, "parameters have to be a list")
			return returnedError(err), nil
		}
		var out any
		if out, err = m.call(ctx, params); err != nil {
			return returnedError(r.g.fault(ctx, err)), nil
		}
		return out, nil
	}
}

// permit decides whether a call may be made, and counts it. What was decided
// about the calls of one POST decides its status.
func (r *rpc) permit(ctx context.Context, m method) error {
	n := r.g.reading()
	if m.submits {
		n = need{scope: token.Submit}
	}
	// The original's clients send no token.
	n.anonymous = n.anonymous || r.g.cfg.Network == networkDev
	err := r.g.permit(ctx, n)
	decided(ctx, err)
	return err
}

// outcome is what was decided about the calls of one POST.
type outcome struct {
	mu      sync.Mutex // guards what follows
	let     bool
	refusal error
}

// outcomeKey is the context key of a POST's outcome.
type outcomeKey struct{}

// decided tells the POST that a call came by, if it did, whether it was let in.
func decided(ctx context.Context, err error) {
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		o.add(err)
	}
}

func (o *outcome) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.let = true
	} else if o.refusal == nil {
		o.refusal = err
	}
}

// problem returns why nothing of a message was let in; nil if something was.
func (o *outcome) problem() *problem {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.let || o.refusal == nil {
		return nil
	}
	return problemOf(o.refusal)
}

// names answers with the documented methods in alphabetical order, as one
// string; itself it leaves out, as the original does.
func (r *rpc) names(context.Context, []json.RawMessage) (any, error) {
	var names []string
	for name := range r.methods {
		if name != "rpc_methods" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "methods: [" + strings.Join(names, ", ") + "]", nil
}

// health answers with JSON in a string: the original's type is a string.
func (r *rpc) health(ctx context.Context, _ []json.RawMessage) (any, error) {
	s, err := r.g.cfg.Ledger.Status(ctx)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(struct {
		Healthy bool          `json:"healthy"`
		ChainID string        `json:"chain_id"`
		Height  uint64        `json:"height"`
		Time    record.Millis `json:"time"`
	}{!s.CatchingUp, s.ChainID, s.Height, s.Time})
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return string(b), nil
}

// forwardDCAPQuote takes [quote in hex, url?] and answers with the transaction
// that recorded the quote, where the original answers with the extrinsic that
// it hopes will.
func (r *rpc) forwardDCAPQuote(ctx context.Context, params []json.RawMessage) (any, error) {
	if len(params) < 1 || len(params) > 2 {
		return nil, rats.Errorf(rats.Malformed, "wrong number of parameters: %d, expected 1 or 2", len(params))
	}
	var quote, url string
	if err := json.Unmarshal(params[0], &quote); err != nil {
		return nil, rats.Errorf(rats.Malformed, "quote: not a string")
	}
	if len(params) == 2 {
		if err := json.Unmarshal(params[1], &url); err != nil { // null leaves it empty
			return nil, rats.Errorf(rats.Malformed, "url: not a string")
		}
	}
	raw, err := decodeHex("quote", quote)
	if err != nil {
		return nil, err
	}
	return r.forward(ctx, record.Submission{Evidence: raw, URL: url}, "")
}

// forward has evidence recorded and answers with the transaction.
func (r *rpc) forward(ctx context.Context, s record.Submission, format rats.Format) (any, error) {
	out, err := r.g.submitEvidence(ctx, s, format)
	r.g.logSubmission(ctx, out, err)
	if err != nil {
		return nil, err
	}
	// An OpaqueExtrinsic is a Vec<u8> of the signed bytes.
	return returnValue(appendVec(nil, out.tx), returnOK), nil
}

func constant(text string) func(context.Context, []json.RawMessage) (any, error) {
	return func(context.Context, []json.RawMessage) (any, error) { return text, nil }
}
