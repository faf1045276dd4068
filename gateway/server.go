// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// ServerConfig says how a server meets the open internet. A field that is zero
// has the default that it names.
type ServerConfig struct {
	// HeaderTime is how long a caller may take for a TLS handshake, and then for
	// the header of each request: 10 seconds.
	HeaderTime time.Duration
	// IdleTime is how long a connection may wait for its next request: 2 minutes.
	IdleTime time.Duration
	// Stall and MinRate bound how slowly a caller may send a body, or take an
	// answer: the server waits for it as long as Stall, and a second more for each
	// MinRate bytes that pass, but never again longer than Stall. 20 seconds, 16
	// KiB.
	Stall   time.Duration
	MinRate int64
	// HeaderBytes bounds a request's header, which over it is answered with
	// status 431: 32 KiB. Go takes 4 KiB more over HTTP/1.1.
	HeaderBytes int
	// TargetBytes bounds a request's path and query (414), Parameters the number
	// of parameters in the query: 8 KiB, 64.
	TargetBytes, Parameters int
	// Streams bounds the requests at once on one connection of HTTP/2: 64.
	Streams int
	// Connections bounds those that are open at once, and PerAddress those of one
	// address, or of the 64 bits that a subscriber of IPv6 is given: 2048, 128.
	// Less than zero sets no bound. [ServerConfig.Bound] applies them.
	Connections, PerAddress int
	// Proxies are trusted to say in ProxyHeader whom they speak for; the number of
	// their connections is bounded by Connections alone.
	Proxies []netip.Prefix
	// ProxyHeader is "X-Forwarded-For", the default, or "Forwarded". The other
	// one counts for nothing: proxies pass on what they do not write themselves.
	ProxyHeader string
	// StrictTransport has browsers come with TLS only, for as long as it says
	// (RFC 6797). Zero says nothing of the kind.
	StrictTransport time.Duration
}

// Limits that no one had reason to change.
const (
	// readTimeout is for those who serve a [Gateway] by a server of their own.
	readTimeout = 60 * time.Second
	// writeTimeout covers the wait for a block and, at /proof, for the next. What
	// is written moves the end on, by MinRate.
	writeTimeout = submitTimeout + 45*time.Second
	// A connection of HTTP/2 that says nothing is asked whether it lives.
	http2PingAfter   = 30 * time.Second
	http2PingTimeout = 15 * time.Second
)

// Forms of [ServerConfig.ProxyHeader].
const (
	ForwardedFor = "X-Forwarded-For"
	Forwarded    = "Forwarded"
)

func (c ServerConfig) complete() ServerConfig {
	c.HeaderTime = cmp.Or(c.HeaderTime, 10*time.Second)
	c.IdleTime = cmp.Or(c.IdleTime, 2*time.Minute)
	c.Stall = cmp.Or(c.Stall, 20*time.Second)
	c.MinRate = cmp.Or(c.MinRate, 16<<10)
	c.HeaderBytes = cmp.Or(c.HeaderBytes, 32<<10)
	c.TargetBytes = cmp.Or(c.TargetBytes, 8<<10)
	c.Parameters = cmp.Or(c.Parameters, 64)
	c.Streams = cmp.Or(c.Streams, 64)
	c.Connections = cmp.Or(c.Connections, 2048)
	c.PerAddress = cmp.Or(c.PerAddress, 128)
	c.ProxyHeader = cmp.Or(c.ProxyHeader, ForwardedFor)
	return c
}

// Server returns a server of handler with the default limits of time and size.
func Server(handler http.Handler) *http.Server { return ServerConfig{}.Server(handler) }

// Server returns a server of handler with c's limits of time and size. Its
// Shutdown also ends the WebSockets and the event streams of a [Gateway], once
// what they were asked is answered; [Gateway.Drain] waits for that.
func (c ServerConfig) Server(handler http.Handler) *http.Server {
	c = c.complete()
	s := &http.Server{
		Handler:           c.guard(handler),
		ReadHeaderTimeout: c.HeaderTime, IdleTimeout: c.IdleTime, MaxHeaderBytes: c.HeaderBytes,
		// No ReadTimeout: it would end what waits for a block, or streams events,
		// as it ends a body that never comes. The guard sees to bodies.
		WriteTimeout: writeTimeout,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: c.Streams,
			SendPingTimeout:      http2PingAfter, PingTimeout: http2PingTimeout, WriteByteTimeout: c.Stall,
		},
		ConnState: noteState,
	}
	if g, ok := handler.(*Gateway); ok {
		s.RegisterOnShutdown(g.end)
	}
	return s
}

// guard holds every request against the limits before handler sees it.
func (c ServerConfig) guard(handler http.Handler) http.Handler {
	transport := "max-age=" + strconv.FormatInt(int64(c.StrictTransport/time.Second), 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && c.StrictTransport > 0 {
			w.Header().Set("Strict-Transport-Security", transport)
		}
		// Answers are data; pages say for themselves what they may load.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		// A copy: the server looks at its own to see whether a body was left unread.
		r = r.WithContext(r.Context())
		r.RemoteAddr = c.callerBehind(r)
		p := c.pace(w, r)
		defer p.finish()
		if len(r.RequestURI) > c.TargetBytes {
			refuseTarget(p, http.StatusRequestURITooLong, rats.TooLarge, "path and query: over "+strconv.Itoa(c.TargetBytes)+" bytes")
			return
		}
		if strings.Count(r.URL.RawQuery, "&") >= c.Parameters {
			refuseTarget(p, http.StatusBadRequest, rats.Malformed, "query: over "+strconv.Itoa(c.Parameters)+" parameters")
			return
		}
		handler.ServeHTTP(p, r)
	})
}

func refuseTarget(w http.ResponseWriter, status int, kind rats.Kind, detail string) {
	w.Header().Set("Connection", "close")
	writeProblem(w, statusProblem(kind, status, detail))
}
