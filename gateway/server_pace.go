// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// pieceBytes is how much is written between two looks at the time.
const pieceBytes = 64 << 10

// budget is the time that a server still waits for one side of an exchange: a
// stall at first and at most, and a second more for each rate bytes that passed.
// Time in which the server itself was busy does not count, so that a stream of
// few events lives on; nor does what passed long ago, so that a caller who stops
// is not waited for because the buffers between took much.
type budget struct {
	stall time.Duration
	rate  int64
	left  time.Duration
}

func newBudget(stall time.Duration, rate int64) budget { return budget{stall, rate, stall} }

// until returns the time at which a wait that begins now has to end.
func (b *budget) until(now time.Time) time.Time { return now.Add(b.left) }

// passed notes what a wait brought.
func (b *budget) passed(n int, took time.Duration) {
	earned := time.Duration(n) * time.Second / time.Duration(b.rate)
	b.left = min(b.left-took+earned, b.stall)
}

// paced is an answer that a caller may not take too slowly; its request's body
// is a [pacedBody].
type paced struct {
	http.ResponseWriter
	control *http.ResponseController
	budget  budget
	body    *pacedBody
	// multiplexed: a deadline that passes ends the stream, even when nothing is
	// being written (HTTP/2), so it is lifted after each write.
	multiplexed bool
	hijacked    bool
}

// pace puts w and r's body under c's limits.
func (c ServerConfig) pace(w http.ResponseWriter, r *http.Request) *paced {
	p := &paced{
		ResponseWriter: w, control: http.NewResponseController(w),
		budget: newBudget(c.Stall, c.MinRate), multiplexed: r.ProtoMajor >= 2,
	}
	if r.Body != nil && r.Body != http.NoBody {
		p.body = &pacedBody{ReadCloser: r.Body, control: p.control, budget: p.budget}
		// What the handler leaves unread, the server reads.
		_ = p.control.SetReadDeadline(p.body.budget.until(time.Now())) // one that knows no deadlines is a test's
		r.Body = p.body
	}
	return p
}

// Unwrap lets [http.ResponseController] find what the server gave.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write implements [http.ResponseWriter].
func (p *paced) Write(b []byte) (int, error) {
	n := 0
	for {
		piece := b[n:min(n+pieceBytes, len(b))]
		wrote, err := p.timed(func() (int, error) { return p.ResponseWriter.Write(piece) })
		n += wrote
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// FlushError is what [http.ResponseController] flushes by.
func (p *paced) FlushError() error {
	_, err := p.timed(func() (int, error) { return 0, p.control.Flush() })
	return err
}

// timed runs a write under the deadline of what was written until now.
func (p *paced) timed(write func() (int, error)) (int, error) {
	start := time.Now()
	p.leaveUnread(start)
	_ = p.control.SetWriteDeadline(p.budget.until(start)) // as above
	n, err := write()
	p.budget.passed(n, time.Since(start))
	if p.multiplexed && err == nil {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
	return n, err
}

// Hijack implements [http.Hijacker]: who takes the connection keeps its time.
func (p *paced) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := p.control.Hijack()
	p.hijacked = err == nil
	return conn, buffered, err
}

// finish bounds what the server still does when the handler has returned: to
// send what is buffered, and to read what is left of the body.
func (p *paced) finish() {
	if p.hijacked {
		return
	}
	now := time.Now()
	p.leaveUnread(now)
	_ = p.control.SetWriteDeadline(p.budget.until(now))
}

// leaveUnread bounds how long the server reads what the handler left of a body,
// which it does before it sends the head of the answer. The answer itself has
// time left after that.
func (p *paced) leaveUnread(now time.Time) {
	if p.body != nil && !p.body.ended {
		_ = p.control.SetReadDeadline(now.Add(p.budget.stall / 2))
	}
}

// pacedBody is a body that a caller may not send too slowly.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	budget  budget
	// ended: all of it was read.
	ended bool
}

// Read implements [io.Reader].
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	start := time.Now()
	_ = b.control.SetReadDeadline(b.budget.until(start))
	n, err := b.ReadCloser.Read(p)
	b.budget.passed(n, time.Since(start))
	if errors.Is(err, io.EOF) {
		b.ended = true
		// What waits for a block now must not end with the body's time.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
