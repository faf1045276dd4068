// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// A line is logged for each request once it is answered. It says which route
// served it, never the path or the query, which hold what the caller put there;
// and whose token it showed, by the id that "token list" shows, never the token.

// requestIDHeader carries the name under which a request is in the log.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds a name that a caller gives.
const maxRequestID = 64

// requestIDKey is the context key of a request's name.
type requestIDKey struct{}

// requestID is the caller's own name for a request where it gave one that
// cannot be taken for anything else in a log, and a random one if not.
func requestID(r *http.Request) string {
	given := r.Header.Get(requestIDHeader)
	if len(given) > 0 && len(given) <= maxRequestID && strings.Trim(given, requestIDLetters) == "" {
		return given
	}
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "" // it never fails (crypto/rand)
	}
	return hex.EncodeToString(b[:])
}

const requestIDLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// named adds the name of the request, within which something is logged, to what
// is logged.
type named struct{ slog.Handler }

// Handle implements [slog.Handler].
func (n named) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok && id != "" {
		r.AddAttrs(slog.String("request", id))
	}
	return n.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (n named) WithAttrs(attrs []slog.Attr) slog.Handler { return named{n.Handler.WithAttrs(attrs)} }

// WithGroup implements [slog.Handler].
func (n named) WithGroup(name string) slog.Handler { return named{n.Handler.WithGroup(name)} }

// passage is a request on its way through.
type passage struct {
	g     *Gateway
	out   *observed
	began time.Time
}

// enter names a request and counts it as one that is being served.
func (g *Gateway) enter(w http.ResponseWriter, r *http.Request) (*passage, *http.Request) {
	id := requestID(r)
	w.Header().Set(requestIDHeader, id)
	ctx := context.WithValue(r.Context(), requestIDKey{}, id)
	r = r.WithContext(withCaller(ctx, g.callerOf(r)))
	g.meter().InFlight(1)
	return &passage{g: g, out: &observed{ResponseWriter: w}, began: g.cfg.Now()}, r
}

// leave answers for what panicked, which is not nil then, and counts and logs
// the request.
func (p *passage) leave(r *http.Request, fault any) {
	g := p.g
	defer g.meter().InFlight(-1)
	route, stream := routeOf(r)
	aborted := fault == http.ErrAbortHandler //nolint:errorlint // net/http compares it so too
	if fault != nil && !aborted {
		g.log.LogAttrs(r.Context(), slog.LevelError, "a call panicked", slog.Any("fault", fault),
			slog.String("route", route), slog.String("stack", string(debug.Stack())))
		if p.out.status == 0 {
			writeProblem(p.out, problemOf(rats.Internal))
		}
	}
	took := g.cfg.Now().Sub(p.began)
	g.meter().Request(route, r.Method, p.out.status, took, stream)
	g.log.LogAttrs(r.Context(), levelOf(route), "request", requestAttrs(r, route, p.out.status, took)...)
	if aborted {
		panic(fault)
	}
}

// levelOf keeps probes and the parts of pages out of an ordinary log.
func levelOf(route string) slog.Level {
	switch route {
	case "/healthz", "/readyz", "/assets/{name}":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func requestAttrs(r *http.Request, route string, status int, took time.Duration) []slog.Attr {
	c := callerIn(r.Context())
	attrs := []slog.Attr{
		slog.String("method", wordOf(r.Method)), slog.String("route", route),
		slog.Int("status", status), slog.Duration("took", took), slog.String("remote", hostOf(c.remote)),
	}
	if c.entry != nil {
		attrs = append(attrs, slog.String("token", c.entry.ID))
	}
	return attrs
}

// wordOf is a method as it is logged: a caller may send any word as one.
func wordOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// hostOf is the address without the port, which says nothing.
func hostOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// leaveCall counts and logs a JSON-RPC call that is over.
func (g *Gateway) leaveCall(ctx context.Context, method string, err error, took time.Duration) {
	kind, outcome := rats.None, "ok"
	if err != nil {
		kind = rats.KindOf(err)
		outcome = kind.String()
	}
	g.meter().Call(method, kind, took)
	g.log.LogAttrs(ctx, slog.LevelInfo, "rpc", slog.String("method", method), slog.String("outcome", outcome),
		slog.Duration("took", took))
}
