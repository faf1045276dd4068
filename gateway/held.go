// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// kept is an answer that can be given again. It is not changed once it is whole.
type kept struct {
	status int
	header http.Header
	body   []byte
}

// write gives the answer.
func (k *kept) write(ctx huma.Context) {
	for name, values := range k.header {
		for i, value := range values {
			if i == 0 {
				ctx.SetHeader(name, value)
			} else {
				ctx.AppendHeader(name, value)
			}
		}
	}
	ctx.SetStatus(k.status)
	if len(k.body) > 0 {
		_, _ = ctx.BodyWriter().Write(k.body) // that the caller went away is no concern of ours
	}
}

// size is about what it takes in memory, in bytes.
func (k *kept) size() int {
	n := len(k.body)
	for name, values := range k.header {
		n += len(name)
		for _, value := range values {
			n += len(value)
		}
	}
	return n
}

// held is a request's context that keeps the answer back until it is whole.
type held struct {
	requestContext
	// ctx stands in for the request's own, and in for its body, if it is not nil.
	ctx context.Context //nolint:containedctx // huma asks for it
	in  io.Reader

	status int
	header http.Header
	body   bytes.Buffer
}

var _ huma.Context = (*held)(nil)

// overREST returns the outermost context of a request over REST; a call over
// JSON-RPC has neither headers nor an answer of its own.
func overREST(ctx huma.Context) (*answer, bool) {
	a, ok := ctx.(*answer)
	if !ok {
		return nil, false
	}
	_, rpc := a.requestContext.(*rpcContext)
	return a, !rpc
}

// keepBack serves a request by next, and returns the answer instead of giving it.
// in may be nil.
func keepBack(ctx context.Context, a *answer, in io.Reader, next func(huma.Context)) *kept {
	h := &held{requestContext: a.requestContext, ctx: ctx, in: in, header: make(http.Header)}
	a.requestContext = h
	defer func() { a.requestContext = h.requestContext }()
	next(a)
	return &kept{status: h.status, header: h.header, body: h.body.Bytes()}
}

// Context implements [huma.Context].
func (h *held) Context() context.Context { return h.ctx }

// BodyReader implements [huma.Context].
func (h *held) BodyReader() io.Reader {
	if h.in != nil {
		return h.in
	}
	return h.requestContext.BodyReader()
}

// SetStatus implements [huma.Context].
func (h *held) SetStatus(status int) { h.status = status }

// Status implements [huma.Context].
func (h *held) Status() int { return h.status }

// SetHeader implements [huma.Context].
func (h *held) SetHeader(name, value string) { h.header.Set(name, value) }

// AppendHeader implements [huma.Context].
func (h *held) AppendHeader(name, value string) { h.header.Add(name, value) }

// BodyWriter implements [huma.Context].
func (h *held) BodyWriter() io.Writer { return &h.body }

// Unwrap lets humago find the request.
func (h *held) Unwrap() huma.Context { return h.requestContext }
