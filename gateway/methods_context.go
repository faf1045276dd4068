// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// rpcContext is one call of JSON-RPC to the handler of an operation: it has no
// headers, and its answer is kept.
type rpcContext struct {
	op  *huma.Operation
	ctx context.Context //nolint:containedctx // huma asks for it
	// query holds the parameters of path and query.
	query url.Values
	body  []byte
	// unread is what is wrong with the parameters' form.
	unread error

	status int
	header http.Header
	answer bytes.Buffer
	// problem is what the answer is, where it is one.
	problem *problem
}

var _ huma.Context = (*rpcContext)(nil)

// result returns the answer as JSON; what is none is a string.
func (c *rpcContext) result() (json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
	switch {
	case c.answer.Len() == 0:
		return json.RawMessage("null"), nil
	case kind == jsonType || strings.HasSuffix(kind, "+json"):
		return c.answer.Bytes(), nil
	}
	text, err := json.Marshal(c.answer.String())
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return text, nil
}

// unplace takes from an error of huma's where REST has the value that is wrong.
func unplace(m *huma.ErrorModel) {
	for _, e := range m.Errors {
		if _, name, ok := strings.Cut(e.Location, "."); ok {
			e.Location = name
		} else {
			e.Location = "parameters"
		}
	}
}

// Operation implements [huma.Context].
func (c *rpcContext) Operation() *huma.Operation { return c.op }

// Context implements [huma.Context].
func (c *rpcContext) Context() context.Context { return c.ctx }

// TLS implements [huma.Context].
func (c *rpcContext) TLS() *tls.ConnectionState { return nil }

// Version implements [huma.Context].
func (c *rpcContext) Version() huma.ProtoVersion { return huma.ProtoVersion{} }

// Method implements [huma.Context].
func (c *rpcContext) Method() string { return c.op.Method }

// Host implements [huma.Context].
func (c *rpcContext) Host() string { return "" }

// RemoteAddr implements [huma.Context].
func (c *rpcContext) RemoteAddr() string { return callerIn(c.ctx).remote }

// URL implements [huma.Context]: without parameters, whose names were checked.
func (c *rpcContext) URL() url.URL { return url.URL{Path: c.op.Path} }

// Param implements [huma.Context].
func (c *rpcContext) Param(name string) string { return c.query.Get(name) }

// Query implements [huma.Context].
func (c *rpcContext) Query(name string) string { return c.query.Get(name) }

// Header implements [huma.Context].
func (c *rpcContext) Header(string) string { return "" }

// EachHeader implements [huma.Context].
func (c *rpcContext) EachHeader(func(name, value string)) {}

// BodyReader implements [huma.Context].
func (c *rpcContext) BodyReader() io.Reader { return bytes.NewReader(c.body) }

// GetMultipartForm implements [huma.Context].
func (c *rpcContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, errors.New("no form")
}

// SetReadDeadline implements [huma.Context]: all is read.
func (c *rpcContext) SetReadDeadline(time.Time) error { return nil }

// SetStatus implements [huma.Context].
func (c *rpcContext) SetStatus(status int) { c.status = status }

// Status implements [huma.Context].
func (c *rpcContext) Status() int { return c.status }

// SetHeader implements [huma.Context].
func (c *rpcContext) SetHeader(name, value string) { c.header.Set(name, value) }

// AppendHeader implements [huma.Context].
func (c *rpcContext) AppendHeader(name, value string) { c.header.Add(name, value) }

// BodyWriter implements [huma.Context].
func (c *rpcContext) BodyWriter() io.Writer { return &c.answer }
