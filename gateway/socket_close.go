// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
)

// A client that has said everything may send its Close frame at once and still
// wait for the answers: websocat does when its input ends, and the documented
// session of the original is such a client. RFC 6455 section 5.5.1 has an
// endpoint send no more after its own Close frame, not after the other's. The
// library answers a Close frame as soon as it reads it, so the frame is held
// back from it until the answers are out.

// holding is a ResponseWriter whose connection, when it is taken for a
// WebSocket, holds back a Close frame until hold returns.
type holding struct {
	http.ResponseWriter
	hold func()
}

// Hijack implements [http.Hijacker].
func (h *holding) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	// Frames that came with the request are read through the same eyes.
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	c := &heldConn{Conn: conn, hold: h.hold, early: append([]byte(nil), early...)}
	buffered.Reader.Reset(c)
	return c, buffered, nil
}

// heldConn is a server's connection under a WebSocket.
type heldConn struct {
	net.Conn
	hold func()
	// early is what was read before and is to be read first.
	early  []byte
	frames frameScan
	// last begins with the Close frame; nil until it comes. asked: hold was
	// called for it.
	last  []byte
	asked bool
}

// Read reads up to the Close frame; behind that nothing is looked at.
func (c *heldConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.last != nil && !c.asked {
		c.asked = true
		c.hold()
	}
	if len(c.last) > 0 {
		n := copy(p, c.last)
		c.last = c.last[n:]
		return n, nil
	}
	n, err := c.fill(p)
	if c.asked || n == 0 {
		return n, err
	}
	at := c.frames.closeIn(p[:n])
	if at == n {
		return n, err
	}
	c.last = append([]byte(nil), p[at:n]...)
	if at > 0 {
		return at, nil
	}
	return c.Read(p)
}

func (c *heldConn) fill(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// frameScan follows the frames of a connection by their headers (RFC 6455
// section 5.2). What is wrong with them it leaves to who reads them.
type frameScan struct {
	// header is what came of the frame's; rest is what is still to come of the
	// payload.
	header [14]byte
	have   int
	rest   uint64
}

const (
	opcodeBits  = 0x0f
	opcodeClose = 0x08
	lengthBits  = 0x7f
	maskBit     = 0x80
)

// closeIn returns where in b, which continues what it was given before, a Close
// frame begins, or the length of b.
func (s *frameScan) closeIn(b []byte) int {
	for at := 0; at < len(b); {
		if s.rest > 0 {
			n := min(s.rest, uint64(len(b)-at))
			s.rest -= n
			at += int(n) //nolint:gosec // at most what is left of b
			continue
		}
		if s.have == 0 && b[at]&opcodeBits == opcodeClose {
			return at
		}
		s.header[s.have] = b[at]
		s.have++
		at++
		if size, ok := s.payload(); ok {
			s.have, s.rest = 0, size
		}
	}
	return len(b)
}

// payload returns the length of the payload once the header is whole.
func (s *frameScan) payload() (size uint64, whole bool) {
	if s.have < 2 {
		return 0, false
	}
	extended := 0
	size = uint64(s.header[1] & lengthBits)
	switch size {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	length := 2 + extended
	if s.header[1]&maskBit != 0 {
		length += 4
	}
	if s.have < length {
		return 0, false
	}
	if extended > 0 {
		size = 0
		for _, v := range s.header[2 : 2+extended] {
			size = size<<8 | uint64(v)
		}
	}
	return size, true
}

// linger returns when all that the other side asked before its Close frame is
// answered, or when that takes too long. Nothing is pushed afterwards.
func (k *socket) linger() {
	k.lingering.Store(true) // a ping would wait behind the Close frame for its pong
	ctx, cancel := context.WithTimeout(k.ctx, submitTimeout)
	defer cancel()
	k.line.idle(ctx)
	k.pushes.settle(ctx)
	k.pushes.stop()
}
