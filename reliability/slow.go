// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// patience is how long a slow or silent client holds on to a connection that the
// node does not end.
const patience = 4 * time.Minute

// slowClients are those that hold on to what they can get: connections, buffers,
// goroutines. None of them reads, or sends, at the pace of a client that means it.
func slowClients() []abuser {
	return []abuser{
		{"headers, a byte a second", 60, time.Second, dripping("GET /v1/enclaves HTTP/1.1\r\nHost: node\r\nX-Long: ", "a")},
		{"a body, a byte a second", 60, time.Second, dripping("POST /v1/evidence HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer word\r\nContent-Length: 100000\r\n\r\n{", " ")},
		{"answers that nobody reads", 40, time.Second, unread(strings.Repeat("GET /v1/enclaves?limit=200 HTTP/1.1\r\nHost: node\r\n\r\n", 40))},
		{"events that nobody reads", 20, time.Second, unread("GET /v1/events?after=start HTTP/1.1\r\nHost: node\r\n\r\n")},
		{"a WebSocket that nobody reads", 20, time.Second, unread(upgrade)},
		{"a connection without a word", 100, time.Second, dripping("", "")},
		{"half a request, then a reset", 10, 50 * time.Millisecond, reset},
		{"a TLS greeting", 2, 100 * time.Millisecond, greeting},
	}
}

// upgrade asks for a WebSocket; what follows are masked text frames (RFC 6455
// section 5.2), each asking for something with a long answer.
var upgrade = "GET / HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
	strings.Repeat(frame(`{"jsonrpc":"2.0","id":1,"method":"registry.list","params":{"limit":200}}`), 400)

// frame returns a short masked text frame; a mask of zeros leaves the text as it is.
func frame(text string) string {
	if len(text) > 125 {
		panic("a long frame")
	}
	return string([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text //nolint:gosec // checked above
}

// connect opens a connection from the abusers' network; small says that it takes
// in no more than it has to.
func connect(ctx context.Context, w *world, small bool) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: w.abuserIP()}, Timeout: 10 * time.Second}
	if small {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048)
			}), err)
		}
	}
	c, err := d.DialContext(ctx, "tcp", w.node.host)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("no TCP connection")
	}
	return tcp, nil
}

// dripping sends a beginning and then a byte a second, until the node has
// enough. It returns what the node said before it hung up.
func dripping(beginning, drop string) func(context.Context, *world) string {
	return func(ctx context.Context, w *world) string {
		c, err := connect(ctx, w, false)
		if err != nil {
			return ending(err)
		}
		defer c.Close() //nolint:errcheck // it is over either way
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		over := make(chan string, 1)
		go func() { over <- firstLine(c) }()
		if _, err := io.WriteString(c, beginning); err != nil {
			return "cut off"
		}
		for {
			select {
			case said := <-over:
				return said
			case <-ctx.Done():
				return "given up"
			case <-time.After(time.Second):
				_, _ = io.WriteString(c, drop) // a node that hung up shows in what is read
			}
		}
	}
}

// firstLine reads until the other side hangs up and returns the status it gave.
func firstLine(c net.Conn) string {
	b, _ := io.ReadAll(io.LimitReader(c, 1<<16)) // what came before a reset counts too
	line, _, _ := strings.Cut(string(b), "\r\n")
	if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "HTTP/") {
		return f[1]
	}
	return "cut off"
}

// unread asks and does not read. It holds on until the node has enough.
func unread(question string) func(context.Context, *world) string {
	return func(ctx context.Context, w *world) string {
		c, err := connect(ctx, w, true)
		if err != nil {
			return ending(err)
		}
		defer c.Close() //nolint:errcheck // it is over either way
		if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return ending(err)
		}
		if _, err := io.WriteString(c, question); err != nil {
			return "cut off"
		}
		for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; rest(ctx, time.Second) {
			if hungUp(c) {
				return "cut off"
			}
		}
		return "given up"
	}
}

// hungUp reports whether the other side has ended a connection, without reading
// of it: TCP_INFO's first byte is its state, and 1 is established.
func hungUp(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	state := 0
	if err := raw.Control(func(fd uintptr) {
		state, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	}); err != nil {
		return true
	}
	return state&0xff != 1
}

// reset sends the half of a request and tears the connection down (RST).
func reset(ctx context.Context, w *world) string {
	c, err := connect(ctx, w, false)
	if err != nil {
		return ending(err)
	}
	_, _ = io.WriteString(c, "POST /v1/evidence HTTP/1.1\r\nHost: node\r\nContent-Length: 5000\r\n\r\n{\"evid")
	_ = c.SetLinger(0)
	_ = c.Close()
	return "done"
}

// greeting speaks TLS to a port that does not.
func greeting(ctx context.Context, w *world) string {
	c, err := connect(ctx, w, false)
	if err != nil {
		return ending(err)
	}
	defer c.Close() //nolint:errcheck // it is over either way
	_, _ = io.WriteString(c, "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"+strings.Repeat("\x00", 160))
	return firstLine(c)
}
