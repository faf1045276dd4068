// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer/rats"
)

const (
	// maxSockets bounds the connections that are open at once, and
	// maxSocketsPerAddress those of one address: behind a proxy, whose connections
	// are not counted by address, one caller has not all of them.
	maxSockets           = 1024
	maxSocketsPerAddress = maxSockets / 4
	// pingInterval is how often a silent connection is asked whether it lives.
	pingInterval = 30 * time.Second
	pingTimeout  = 15 * time.Second
	// sendTimeout is how long a caller may take to read an answer.
	sendTimeout = 20 * time.Second
	// maxCallsAtOnce bounds the calls of one connection that run at once.
	maxCallsAtOnce = 8
)

// isUpgrade reports whether a request asks for a WebSocket (RFC 6455 section 4.1).
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// options are those of every jrpc2 server: only our own methods, for the caller
// whom ctx names.
func (r *rpc) options(ctx context.Context) *jrpc2.ServerOptions {
	return &jrpc2.ServerOptions{
		DisableBuiltin: true, Concurrency: maxCallsAtOnce,
		NewContext: func() context.Context { return ctx },
	}
}

// enter lets in who showed nothing wrong, and answers who did.
func enter(w http.ResponseWriter, req *http.Request) (*caller, bool) {
	c := callerIn(req.Context())
	if c.fault != nil {
		writeProblem(w, problemOf(c.fault))
	}
	return c, c.fault == nil
}

// servePost serves JSON-RPC by POST: one message, single or batch, and its
// answer. Errors of JSON-RPC are answers like others, with status 200, but for
// what is no JSON, which has 400, and a message of which nothing was let in, which
// has the status of the reason.
func (r *rpc) servePost(w http.ResponseWriter, req *http.Request) {
	if _, ok := enter(w, req); !ok {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, r.g.cfg.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		writeProblem(w, problemOf(rats.Errorf(rats.TooLarge, "body: over %d bytes", large.Limit)))
		return
	case err != nil:
		writeProblem(w, problemOf(rats.Errorf(rats.Malformed, "the body broke off")))
		return
	}
	decided := new(outcome)
	ctx := context.WithValue(req.Context(), outcomeKey{}, decided)
	p := &posted{body: body}
	l := newLine(p)
	p.wait = func() { l.idle(ctx) }
	server := jrpc2.NewServer(r.assign, r.options(ctx)).Start(l)
	_ = server.Wait() // it ends with the message
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	status, answer := http.StatusOK, p.said()
	switch {
	case answer == nil:
		status = http.StatusNoContent
	case l.wasNoJSON():
		status = http.StatusBadRequest
	}
	if refused := decided.problem(); refused != nil {
		refused.setHeader(w.Header())
		status = refused.Status
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a caller that went away needs no answer
}

// posted is the transport of one POST.
type posted struct {
	body []byte
	// wait returns when the answer is there.
	wait func()

	mu     sync.Mutex // guards answer
	answer []byte
}

func (p *posted) recv() ([]byte, error) {
	if p.body == nil {
		p.wait()
		return nil, io.EOF
	}
	body := p.body
	p.body = nil
	return body, nil
}

func (p *posted) send(msg []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = msg
	return nil
}

func (p *posted) said() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answer
}

func (p *posted) close() error { return nil }

// serveSocket serves JSON-RPC over a WebSocket until either side ends it.
func (r *rpc) serveSocket(w http.ResponseWriter, req *http.Request) {
	c, ok := enter(w, req)
	if !ok {
		return
	}
	if p := r.g.checkHandshake(req); p != nil {
		writeProblem(w, p)
		return
	}
	c.prepaid.Store(0) // that paid for the connection; each call counts
	k := &socket{g: r.g, who: network(c.remote)}
	conn, err := websocket.Accept(&holding{ResponseWriter: w, hold: k.linger}, req, &websocket.AcceptOptions{
		InsecureSkipVerify: r.g.cfg.Origins.allow(req.Header.Get("Origin")), // else it looks at the origin too
	})
	if err != nil {
		return // answered
	}
	conn.SetReadLimit(r.g.cfg.MaxBody)
	ctx, cancel := context.WithCancel(context.WithoutCancel(req.Context()))
	defer cancel()
	k.conn, k.ctx, k.line = conn, ctx, newLine(k)
	k.pushes, ctx = newPushes(ctx, &r.sockets.subscriptions, k)
	k.line.pushes, k.pushes.opened = k.pushes, r.g.opened
	if !r.sockets.add(k) {
		r.g.meter().Refused("stream")
		_ = conn.Close(websocket.StatusTryAgainLater, "no room for another connection")
		return
	}
	defer r.sockets.remove(k)
	defer r.g.opened(streamSocket)()
	go k.ping()
	_ = jrpc2.NewServer(r.assign, r.options(ctx)).Start(k.line).Wait() // why it ended concerns the caller alone
	k.pushes.discard()                                                 // nobody is there to be sent them
	k.pushes.stop()
}

// checkHandshake refuses, as a problem, what the library would refuse in plain
// text: a page of another site (RFC 6455 section 10.2), and a version that is not
// spoken (section 4.2.2).
func (g *Gateway) checkHandshake(req *http.Request) *problem {
	if origin := req.Header.Get("Origin"); origin != "" && !g.cfg.Origins.allow(origin) {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, req.Host) {
			return statusProblem(rats.Unauthorized, http.StatusForbidden, "sent by a page of another site")
		}
	}
	if v := req.Header.Get("Sec-WebSocket-Version"); v != "13" {
		p := statusProblem(rats.Unsupported, http.StatusUpgradeRequired, "WebSocket version 13 is spoken here")
		p.header = http.Header{"Sec-WebSocket-Version": {"13"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}} //nolint:canonicalheader // the standard's spelling
		return p
	}
	return nil
}

// socket is the transport of one WebSocket.
type socket struct {
	g *Gateway
	// who is the address of the other side.
	who    netip.Prefix
	conn   *websocket.Conn
	ctx    context.Context //nolint:containedctx // it is the connection's life
	line   *line
	pushes *pushes
	// lingering: the other side has sent its Close frame.
	lingering atomic.Bool
}

var _ listener = (*socket)(nil)

func (k *socket) recv() ([]byte, error) {
	kind, msg, err := k.conn.Read(k.ctx)
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		_ = k.conn.Close(websocket.StatusUnsupportedData, "JSON-RPC comes in text frames")
		return nil, errNoText
	}
	if !utf8.Valid(msg) { // RFC 6455 section 8.1
		_ = k.conn.Close(websocket.StatusInvalidFramePayloadData, "text frames are UTF-8")
		return nil, errNoText
	}
	return msg, nil
}

func (k *socket) send(msg []byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, sendTimeout)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, msg)
}

func (k *socket) close() error { return k.conn.CloseNow() }

// good implements [listener]: the token with which the connection was opened
// has to be good still, and is not counted.
func (k *socket) good() error {
	c := callerIn(k.ctx)
	if c.entry == nil {
		return nil
	}
	if err := k.g.cfg.Tokens.Check(c.entry.ID, k.g.cfg.Now()); err != nil {
		return k.g.tokenFault(k.ctx, err)
	}
	return nil
}

// expire implements [listener].
func (k *socket) expire(reason string) { go k.finish(websocket.StatusPolicyViolation, reason) }

// cut implements [listener].
func (k *socket) cut(reason string) {
	go func() {
		_ = k.conn.Close(websocket.StatusPolicyViolation, reason)
		_ = k.line.Close()
	}()
}

// finish ends the connection once what it was asked is answered, and what was
// to be pushed is out.
func (k *socket) finish(code websocket.StatusCode, reason string) {
	k.line.drain()
	k.pushes.stop()
	k.line.idle(k.ctx)
	_ = k.conn.Close(code, reason)
	_ = k.line.Close()
}

// ping ends a connection whose other side is gone without a word.
func (k *socket) ping() {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-tick.C:
		}
		if k.lingering.Load() {
			return
		}
		ctx, cancel := context.WithTimeout(k.ctx, pingTimeout)
		err := k.conn.Ping(ctx)
		cancel()
		if err != nil {
			_ = k.conn.CloseNow()
			return
		}
	}
}

// sockets are the open connections.
type sockets struct {
	mu       sync.Mutex // guards what follows
	open     map[*socket]bool
	of       map[netip.Prefix]int // how many of them an address has
	draining bool
	// empty is closed when draining and nothing is open.
	empty chan struct{}

	// subscriptions counts those that there ever were.
	subscriptions atomic.Uint64
}

func newSockets() *sockets {
	return &sockets{open: make(map[*socket]bool), of: make(map[netip.Prefix]int), empty: make(chan struct{})}
}

func (s *sockets) add(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || len(s.open) >= maxSockets || s.of[k.who] >= maxSocketsPerAddress {
		return false
	}
	s.open[k] = true
	s.of[k.who]++
	return true
}

func (s *sockets) remove(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, k)
	if s.of[k.who]--; s.of[k.who] == 0 {
		delete(s.of, k.who)
	}
	if s.draining && len(s.open) == 0 {
		close(s.empty)
	}
}

// drain has every connection end once what it was asked is answered.
func (s *sockets) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	if len(s.open) == 0 {
		close(s.empty)
	}
	for k := range s.open {
		k.line.drain()
		go k.finish(websocket.StatusGoingAway, "the node is stopping")
	}
}

func (s *sockets) wait(ctx context.Context) error {
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
