// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/token"
)

// eventLog is a log of events that a test writes.
type eventLog struct {
	Registry
	mu     sync.Mutex // guards what follows
	events []record.Event
	next   chan struct{}
	// read counts the events that were read.
	read int
	// fault is what reading fails with.
	fault error
}

func newEventLog(n int) *eventLog {
	l := &eventLog{next: make(chan struct{})}
	l.add(n)
	return l
}

func (l *eventLog) add(n int) {
	for range n {
		l.append(record.Event{Kind: record.Recorded, Record: record.Record{TEE: rats.SGX, State: record.Active}})
	}
}

// append adds an event as one block.
func (l *eventLog) append(e record.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Sequence = uint64(len(l.events))
	l.events = append(l.events, e)
	close(l.next)
	l.next = make(chan struct{})
}

func (l *eventLog) Events(from uint64, limit int) ([]record.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil {
		return nil, l.fault
	}
	if from >= uint64(len(l.events)) {
		return nil, nil
	}
	out := l.events[from:min(from+uint64(limit), uint64(len(l.events)))]
	l.read += len(out)
	return out, nil
}

func (l *eventLog) History(id record.ID) ([]record.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record.Event
	for _, e := range l.events {
		if e.Record.ID == id {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l *eventLog) EventCount() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.events))
}

func (l *eventLog) Committed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *eventLog) Time() record.Millis { return 0 }

// behind is a ledger that may not have all blocks yet.
type behind struct {
	Ledger
	catchingUp bool
}

func (b behind) Status(context.Context) (Status, error) { return Status{CatchingUp: b.catchingUp}, nil }

// following returns a gateway that stands on a log, with short times.
func following(t testing.TB, l *eventLog, change func(*Config)) *Gateway {
	t.Helper()
	cfg := described(t).cfg
	cfg.Registry, cfg.Ledger = l, behind{}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.streams.beat, g.streams.look = time.Hour, time.Millisecond
	return g
}

// told is a line or several of a stream that end with an empty one.
type told struct{ id, event, data, retry, comment string }

// reader reads a stream as WHATWG HTML section 9.2.6 has it.
type reader struct {
	t    testing.TB
	resp *http.Response
	b    *bufio.Reader
}

// listenTo opens a stream that has to begin.
func listenTo(t testing.TB, url string, header ...string) *reader {
	t.Helper()
	r := streamOf(t, url, header...)
	if r.resp.StatusCode != http.StatusOK || r.resp.Header.Get("Content-Type") != "text/event-stream" ||
		r.resp.Header.Get("Cache-Control") != "no-store" || r.resp.Header.Get("X-Accel-Buffering") != "no" {
		b, _ := io.ReadAll(r.b)
		t.Fatalf("%s %v %s", r.resp.Status, r.resp.Header, b)
	}
	if first := r.next(); first.retry != "3000" || first.id == "" || first.data != "" {
		t.Errorf("it begins with %+v", first)
	}
	return r
}

func streamOf(t testing.TB, url string, header ...string) *reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &reader{t: t, resp: resp, b: bufio.NewReader(resp.Body)}
}

// next returns what comes next, or fails the test.
func (r *reader) next() told {
	r.t.Helper()
	out, err := r.read()
	if err != nil {
		r.t.Fatalf("the stream ended: %v", err)
	}
	return out
}

func (r *reader) read() (out told, err error) {
	for {
		line, err := r.b.ReadString('\n')
		if err != nil {
			return out, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return out, nil
		case name == "":
			out.comment += "." + value
		case name == "id":
			out.id = value
		case name == "event":
			out.event = value
		case name == "data":
			out.data += value
		case name == "retry":
			out.retry = value
		default:
			return out, errors.New("a field that nobody knows: " + line)
		}
	}
}

// event returns the next event, which has to be numbered n.
func (r *reader) event(n int) client.Event {
	r.t.Helper()
	got := r.next()
	var e client.Event
	if err := json.Unmarshal([]byte(got.data), &e); err != nil {
		r.t.Fatalf("%v in %+v", err, got)
	}
	if got.id != strconv.Itoa(n) || e.Sequence != uint64(n) || string(e.Event) != got.event {
		r.t.Fatalf("%+v, want event %d", got, n)
	}
	return e
}

// ends reads until the end of a stream, and returns the last id on the way.
func (r *reader) ends() (last string) {
	r.t.Helper()
	for {
		got, err := r.read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.t.Errorf("it broke off: %v", err)
			}
			return last
		}
		if got.id != "" {
			last = got.id
		}
	}
}

// serveStreams serves a gateway until the test ends.
func serveStreams(t testing.TB, g *Gateway) (server *http.Server, url string) {
	t.Helper()
	server = Server(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return server, "http://" + l.Addr().String() + "/v1/events"
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// settle waits until something is so.
func settle(t testing.TB, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
	}
}

// expiring are tokens of which all end at once.
type expiring struct {
	Tokens
	ended atomic.Bool
}

func (e *expiring) Verify(string, time.Time) (token.Entry, error) {
	return token.Entry{ID: "0123456789ab", Scopes: token.Scopes{token.Read}}, e.Check("", time.Time{})
}

func (e *expiring) Use(string, token.Scope, time.Time) error { return nil }

func (e *expiring) Check(string, time.Time) error {
	if e.ended.Load() {
		return rats.Errorf(rats.Unauthorized, "the token has ended")
	}
	return nil
}
