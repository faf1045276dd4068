// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
)

// gate answers once it is opened.
type gate struct {
	mu      sync.Mutex // guards what follows
	waiting int
	open    chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.open:
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "open")
}

func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += n
}

func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

// ask sends a request over a connection of its own and does not wait.
func (p *port) ask(t testing.TB) net.Conn {
	t.Helper()
	conn := p.dial(t, false)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestConnectionsAreBoundedInTotal(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		g := newGate()
		p := stand(t, gateway.ServerConfig{Connections: 2, PerAddress: -1}, g, secure)
		first, second := p.ask(t), p.ask(t)
		await(t, "two are served", func() bool { return g.inside() == 2 })
		third := p.dial(t, true)
		if said := ended(t, third); said != "" {
			t.Errorf("a third one hears %q", said)
		}
		if total, address := p.listener.Refused(); total != 1 || address != 0 {
			t.Errorf("refused: %d in total, %d of an address", total, address)
		}
		close(g.open)
		for _, conn := range []net.Conn{first, second} {
			b := make([]byte, 15)
			if _, err := io.ReadFull(conn, b); err != nil || string(b) != "HTTP/1.1 200 OK" {
				t.Errorf("%q %v", b, err)
			}
			_ = conn.Close()
		}
		await(t, "their places are free", func() bool { return p.listener.Open() == 0 })
		if _, said := get(t, p.client(t), p.url()); said != "open" {
			t.Error(said)
		}
	}
}

func TestAnIdleConnectionGivesItsPlaceAway(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p := stand(t, gateway.ServerConfig{Connections: 2, PerAddress: -1}, fine, secure)
		older, newer := p.client(t), p.client(t)
		get(t, older, p.url())
		await(t, "one is idle", func() bool { return p.listener.Idle() == 1 })
		get(t, newer, p.url())
		await(t, "two are idle", func() bool { return p.listener.Idle() == 2 })
		get(t, p.client(t), p.url())
		await(t, "another two are idle", func() bool { return p.listener.Idle() == 2 })
		if n := p.listener.Open(); n != 2 {
			t.Errorf("%d are open", n)
		}
		// A client whose connection went takes another; net/http sees to that,
		// that is, once the client has heard of it.
		await(t, "the older one is served again", func() bool {
			resp, err := older.Get(p.url())
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		if total, _ := p.listener.Refused(); total != 0 {
			t.Errorf("%d were refused", total)
		}
	}
}

// from returns a connection from another address of this machine.
func (p *port) from(t testing.TB, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.DialContext(t.Context(), "tcp", p.address)
	if err != nil {
		t.Skipf("this machine has not all of 127.0.0.0/8: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	g := newGate()
	p := stand(t, gateway.ServerConfig{PerAddress: 2, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}, g, false)
	p.ask(t)
	p.ask(t)
	await(t, "two are served", func() bool { return g.inside() == 2 })
	ended(t, p.dial(t, true))
	if total, address := p.listener.Refused(); total != 0 || address != 1 {
		t.Errorf("refused: %d in total, %d of an address", total, address)
	}
	for range 2 {
		_, _ = io.WriteString(p.from(t, "127.0.0.2"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	await(t, "another address is served", func() bool { return g.inside() == 4 })
	ended(t, p.from(t, "127.0.0.2"))
	for range 4 { // a proxy speaks for many
		_, _ = io.WriteString(p.from(t, "127.0.0.9"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	await(t, "a proxy is served", func() bool { return g.inside() == 8 })
	close(g.open)
}

func TestPlacesAreGivenBackHoweverAConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p := stand(t, gateway.ServerConfig{Connections: 4, PerAddress: 4, HeaderTime: 50 * time.Millisecond}, fine, secure)
		for i := range 40 {
			conn := p.dial(t, i%4 == 0)
			switch i % 4 {
			case 0: // says nothing that is understood
				_, _ = io.WriteString(conn, "\x00\x01\x02 nonsense\r\n\r\n")
			case 1: // asks, and goes without waiting
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			case 2: // is silent until it is dropped
				ended(t, conn)
			case 3: // asks for the last time
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				ended(t, conn)
			}
			_ = conn.Close()
		}
		await(t, "all places are free", func() bool { return p.listener.Open() == 0 && p.listener.Idle() == 0 })
	}
}

func TestRequestsAtOnceOnOneConnectionAreBounded(t *testing.T) {
	t.Parallel()
	p := stand(t, gateway.ServerConfig{Streams: 3}, fine, true)
	config := certificate.ClientConfig([]certificate.Pin{p.pin}, nil)
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", p.address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// A client's preface with no settings of its own (RFC 9113 section 3.4); the
	// server's first frame holds its own, six bytes each (section 6.5).
	_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	head := make([]byte, 9)
	if _, err := io.ReadFull(conn, head); err != nil || head[3] != 4 {
		t.Fatalf("%x %v", head, err)
	}
	settings := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, settings); err != nil {
		t.Fatal(err)
	}
	said := make(map[uint16]uint32)
	for ; len(settings) >= 6; settings = settings[6:] {
		said[binary.BigEndian.Uint16(settings)] = binary.BigEndian.Uint32(settings[2:])
	}
	if n, ok := said[3]; !ok || n != 3 { // SETTINGS_MAX_CONCURRENT_STREAMS
		t.Errorf("the server says %v", said)
	}
}

// hops returns whom a server takes for the caller behind a header.
func hops(t testing.TB, c gateway.ServerConfig, header http.Header) string {
	t.Helper()
	p := stand(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	}), false)
	req, err := http.NewRequest(http.MethodGet, p.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := p.client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(string(b))
	if err != nil {
		t.Errorf("%q is no address: %v", b, err)
	}
	return host
}

func TestOnlyATrustedProxyMaySayWhomItSpeaksFor(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	forwarded := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		header  string
		sent    http.Header
		want    string
	}{
		"no proxy is trusted":                      {nil, "", xff("203.0.113.7"), "127.0.0.1"},
		"another proxy is trusted":                 {proxies[1:], "", xff("203.0.113.7"), "127.0.0.1"},
		"a proxy says nothing":                     {proxies, "", nil, "127.0.0.1"},
		"a proxy names its caller":                 {proxies, "", xff("203.0.113.7"), "203.0.113.7"},
		"the caller wrote a name before":           {proxies, "", xff("198.51.100.1, 203.0.113.7"), "203.0.113.7"},
		"the caller wrote a line before":           {proxies, "", xff("198.51.100.1", "203.0.113.7"), "203.0.113.7"},
		"the caller calls itself a proxy":          {proxies, "", xff("10.1.1.1, 203.0.113.7"), "203.0.113.7"},
		"two proxies in a row":                     {proxies, "", xff("198.51.100.1, 203.0.113.7, 10.0.0.2"), "203.0.113.7"},
		"proxies all the way":                      {proxies, "", xff("10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		"with ports":                               {proxies, "", xff("203.0.113.7:4711"), "203.0.113.7"},
		"IPv6":                                     {proxies, "", xff("2001:db8::7"), "2001:db8::7"},
		"IPv6 in brackets with a port":             {proxies, "", xff("[2001:db8::7]:4711, 2001:db8:1::9"), "2001:db8::7"},
		"IPv4 as IPv6":                             {proxies, "", xff("203.0.113.7, ::ffff:10.0.0.2"), "203.0.113.7"},
		"nonsense last":                            {proxies, "", xff("203.0.113.7, nonsense"), "127.0.0.1"},
		"nonsense before a proxy":                  {proxies, "", xff("203.0.113.7, nonsense, 10.0.0.2"), "10.0.0.2"},
		"empty":                                    {proxies, "", xff(""), "127.0.0.1"},
		"the header that is not asked for":         {proxies, "", forwarded("for=203.0.113.7"), "127.0.0.1"},
		"a forged one beside the proxy's":          {proxies, "", http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Forwarded": {"for=198.51.100.1"}}, "203.0.113.7"},
		"Forwarded":                                {proxies, gateway.Forwarded, forwarded("for=198.51.100.1, for=203.0.113.7;proto=https;by=10.0.0.1"), "203.0.113.7"},
		"Forwarded, in other letters":              {proxies, gateway.Forwarded, forwarded(`proto=https; For="[2001:db8::7]:47011"`), "2001:db8::7"},
		"Forwarded, hidden":                        {proxies, gateway.Forwarded, forwarded("for=198.51.100.1, for=_hidden"), "127.0.0.1"},
		"Forwarded, unknown":                       {proxies, gateway.Forwarded, forwarded("for=unknown"), "127.0.0.1"},
		"Forwarded, with a caller's host":          {proxies, gateway.Forwarded, forwarded(`for=203.0.113.7;host="a, for=198.51.100.1"`), "203.0.113.7"},
		"Forwarded, with a semicolon in a host":    {proxies, gateway.Forwarded, forwarded(`for=203.0.113.7;host="a;for=198.51.100.1"`), "203.0.113.7"},
		"Forwarded, with a quote in a host":        {proxies, gateway.Forwarded, forwarded(`for=203.0.113.7;host="a\", for=198.51.100.1"`), "203.0.113.7"},
		"Forwarded, with quotes left open":         {proxies, gateway.Forwarded, forwarded(`x="a, for=203.0.113.7`), "127.0.0.1"},
		"Forwarded, with a line left open before":  {proxies, gateway.Forwarded, forwarded(`x="a`, "for=203.0.113.7"), "203.0.113.7"},
		"Forwarded is wanted, the other is forged": {proxies, gateway.Forwarded, xff("198.51.100.1"), "127.0.0.1"},
	} {
		if got := hops(t, gateway.ServerConfig{Proxies: c.proxies, ProxyHeader: c.header}, c.sent); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTheRateOfAnAddressIsThatOfTheCallerBehindAProxy(t *testing.T) {
	t.Parallel()
	h := open(t, "test", func(_ *ledger.Config, gc *gateway.Config) {
		gc.Rate = gateway.Rate{PerSecond: 0.001, Burst: 2}
	})
	p := stand(t, gateway.ServerConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, h.gateway, false)
	direct := stand(t, gateway.ServerConfig{}, h.gateway, false)
	c := p.client(t)
	status := func(p *port, from string) int {
		req, err := http.NewRequest(http.MethodGet, p.url()+"/v1/ledger", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", from)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, caller := range []string{"203.0.113.1", "203.0.113.2", "2001:db8::1"} {
		for i, want := range []int{200, 200, 429} {
			if got := status(p, caller); got != want {
				t.Errorf("call %d of %s: %d", i+1, caller, got)
			}
		}
	}
	for _, forged := range []string{"198.51.100.9, 203.0.113.1", "10.0.0.1,203.0.113.2", "2001:db8::ffff"} {
		if got := status(p, forged); got != 429 {
			t.Errorf("%s: %d", forged, got)
		}
	}
	for i, want := range []int{200, 200, 429, 429} {
		if got := status(direct, strings.Repeat("1", i+1)+".1.1.1"); got != want {
			t.Errorf("call %d of one that is no proxy: %d, want %d", i+1, got, want)
		}
	}
}
