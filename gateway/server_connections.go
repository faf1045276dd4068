// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Bounded is a listener that bounds the connections that are open at once, in
// total and of one address. One that is too many is closed at once, which its
// caller sees; to let it wait would look like a node that is down. Where all
// places are taken, the connection that has been idle the longest gives its own
// away, which HTTP provides for (RFC 9112 section 9.5).
type Bounded struct {
	net.Listener
	config ServerConfig

	mu   sync.Mutex // guards what follows
	open map[netip.Prefix]int
	all  int
	// idle holds the connections without a request, the longest first.
	idle *list.List

	refused [2]atomic.Uint64
}

// Bound returns l with c's bounds on connections. A [http.Server] of
// [ServerConfig.Server] tells it which of them are idle.
func (c ServerConfig) Bound(l net.Listener) *Bounded {
	return &Bounded{Listener: l, config: c.complete(), open: make(map[netip.Prefix]int), idle: list.New()}
}

// Open returns how many connections are open.
func (b *Bounded) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// Idle returns how many of them wait for a request.
func (b *Bounded) Idle() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.idle.Len()
}

// Refused returns how many connections were too many, in total and of their
// address.
func (b *Bounded) Refused() (inTotal, ofAddress uint64) {
	return b.refused[0].Load(), b.refused[1].Load()
}

// Accept implements [net.Listener].
func (b *Bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p := b.admit(conn); p != nil {
			return p, nil
		}
		_ = conn.Close()
	}
}

// admit gives a connection its place, or returns nil.
func (b *Bounded) admit(conn net.Conn) *counted {
	remote := conn.RemoteAddr().String()
	who := network(remote)
	p := &counted{Conn: conn, of: b, who: who}
	if peer, err := netip.ParseAddrPort(remote); err == nil {
		p.uncounted = trusts(b.config.Proxies, peer.Addr())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit := b.config.PerAddress; limit > 0 && !p.uncounted && b.open[who] >= limit {
		b.refused[1].Add(1)
		return nil
	}
	if limit := b.config.Connections; limit > 0 && b.all >= limit && !b.evict() {
		b.refused[0].Add(1)
		return nil
	}
	b.all++
	if !p.uncounted {
		b.open[who]++
	}
	return p
}

// evict takes the place of the connection that has been idle the longest. The
// caller holds mu.
func (b *Bounded) evict() bool {
	first := b.idle.Front()
	if first == nil {
		return false
	}
	p, ok := first.Value.(*counted)
	if !ok {
		return false
	}
	b.release(p)
	_ = p.Conn.Close() // its server hears of it as if the caller had gone
	return true
}

// release frees a place, once. The caller holds mu.
func (b *Bounded) release(p *counted) {
	if p.free {
		return
	}
	p.free = true
	if p.idle != nil {
		b.idle.Remove(p.idle)
		p.idle = nil
	}
	b.all--
	if p.uncounted {
		return
	}
	if b.open[p.who]--; b.open[p.who] == 0 {
		delete(b.open, p.who)
	}
}

// counted is a connection that has a place.
type counted struct {
	net.Conn
	of  *Bounded
	who netip.Prefix
	// uncounted: a trusted proxy's, which speaks for many.
	uncounted bool

	// idle and free are guarded by of.mu.
	idle *list.Element
	free bool
}

// Close implements [net.Conn].
func (p *counted) Close() error {
	p.of.mu.Lock()
	p.of.release(p)
	p.of.mu.Unlock()
	return p.Conn.Close()
}

// CloseWrite lets a server end its side first, so that its last words are read.
func (p *counted) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// noteState is a [http.Server]'s ConnState: it keeps count of who is idle.
func noteState(conn net.Conn, state http.ConnState) {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = inner.NetConn()
	}
	p, ok := conn.(*counted)
	if !ok {
		return
	}
	b := p.of
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.free:
	case state == http.StateIdle && p.idle == nil:
		p.idle = b.idle.PushBack(p)
	case state != http.StateIdle && p.idle != nil:
		b.idle.Remove(p.idle)
		p.idle = nil
	}
}
