// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestAStreamSaysHowFarItIsWhereNothingMatches(t *testing.T) {
	l := newEventLog(100)
	g := following(t, l, nil)
	g.streams.beat = 10 * time.Millisecond
	_, url := serveStreams(t, g)
	r := listenTo(t, url+"?after=start&tee=tdx")
	for {
		beat := r.next()
		if beat.comment == "" || beat.event != "" || beat.data != "" {
			t.Fatalf("%+v is no heartbeat", beat)
		}
		if beat.id == "99" {
			break
		}
	}
	if beat := r.next(); beat.id != "" {
		t.Errorf("it says again where it is: %+v", beat)
	}
	l.append(record.Event{Record: record.Record{TEE: rats.TDX}})
	for {
		if e := r.next(); e.data != "" {
			if e.id != "100" {
				t.Errorf("%+v", e)
			}
			return
		}
	}
}

func TestAStreamSaysWhenThePastIsTold(t *testing.T) {
	_, url := serveStreams(t, following(t, newEventLog(3*eventsAtOnce), nil))
	r := listenTo(t, url+"?after=start&tee=tdx")
	if told := r.next(); told.id != strconv.Itoa(3*eventsAtOnce-1) || told.data != "" {
		t.Errorf("%+v", told)
	}
}

func TestAHeadAnswersAsTheStreamWouldAndTakesNoPlace(t *testing.T) {
	g := following(t, newEventLog(1), func(c *Config) { c.Streams.All = 1 })
	for range 2 {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/v1/events", nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != eventStreamType || w.Body.Len() != 0 {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
}

func TestStreamsAreBoundedOnTheNodeAndForAnAddress(t *testing.T) {
	for name, c := range map[string]struct {
		limit  Streams
		status int
	}{
		"node":    {Streams{All: 2, PerAddress: -1}, http.StatusServiceUnavailable},
		"address": {Streams{All: -1, PerAddress: 2}, http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			g := following(t, newEventLog(1), func(cfg *Config) { cfg.Streams = c.limit })
			_, url := serveStreams(t, g)
			first, second := listenTo(t, url), listenTo(t, url)
			over := streamOf(t, url)
			body, err := io.ReadAll(over.b)
			if err != nil || over.resp.StatusCode != c.status || over.resp.Header.Get("Retry-After") == "" ||
				!strings.Contains(string(body), `"kind":"quota_exceeded"`) {
				t.Errorf("%v %s %v %s", err, over.resp.Status, over.resp.Header, body)
			}
			if err := first.resp.Body.Close(); err != nil {
				t.Error(err)
			}
			settle(t, func() bool { return g.streams.count() == 1 })
			listenTo(t, url)
			_ = second
		})
	}
	s := newStreams(Streams{All: -1, PerAddress: 1})
	leave, err := s.enter("[2001:db8::1]:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.enter("[2001:db8::2]:1"); err == nil {
		t.Error("a subscriber of IPv6 has as many places as addresses")
	}
	if _, err := s.enter("[2001:db8:0:1::1]:1"); err != nil {
		t.Errorf("another subscriber: %v", err)
	}
	leave()
	leave()
	if len(s.open) != 1 || s.all != 1 {
		t.Errorf("%d places are taken by %d addresses", s.all, len(s.open))
	}
}

func TestAStoppingServerEndsStreamsAtAPlaceToGoOnFrom(t *testing.T) {
	l := newEventLog(3)
	server, url := serveStreams(t, following(t, l, nil))
	r, filtered := listenTo(t, url+"?after=0"), listenTo(t, url+"?after=0&tee=tdx")
	r.event(1)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatalf("it waits for streams: %v", err)
	}
	if last := r.ends(); last != "2" {
		t.Errorf("the last id is %q", last)
	}
	if last := filtered.ends(); last != "2" {
		t.Errorf("the last id of one that saw nothing is %q", last)
	}
}

func TestATokenThatEndsEndsItsStreams(t *testing.T) {
	l, tokens := newEventLog(1), new(expiring)
	_, url := serveStreams(t, following(t, l, func(c *Config) { c.Tokens = tokens }))
	with, without := listenTo(t, url, "Authorization", "Bearer x"), listenTo(t, url)
	l.add(1)
	with.event(1)
	tokens.ended.Store(true)
	with.ends()
	l.add(1)
	without.event(1)
	without.event(2)
	if again := streamOf(t, url, "Authorization", "Bearer x", "Last-Event-ID", "1"); again.resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("it may come again: %s", again.resp.Status)
	}
}

// pipes is a listener of connections that hold nothing on the way.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestAReaderThatDoesNotReadIsDroppedAndHoldsNobodyUp(t *testing.T) {
	l := newEventLog(0)
	g := following(t, l, nil)
	server := ServerConfig{Stall: 2 * time.Second}.Server(g)
	listener := make(pipes)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { close(listener) })
	open := func() net.Conn {
		here, there := net.Pipe()
		t.Cleanup(func() { _ = here.Close() })
		listener <- there
		if _, err := io.WriteString(here, "GET /v1/events?after=start HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return here
	}
	slow, quick := open(), open()
	// Its answer has begun: else its stream might begin when the rest is over.
	if _, err := io.ReadFull(slow, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(quick), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, resp: resp, b: bufio.NewReader(resp.Body)}
	r.next()
	for n := range 50 {
		l.add(1)
		r.event(n)
	}
	settle(t, func() bool { return g.streams.count() == 1 })
	l.add(1)
	r.event(50)
	_ = slow.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if b, err := io.ReadAll(slow); !errors.Is(err, io.EOF) && err != nil {
		t.Errorf("the connection of the slow one is open: %d bytes, %v", len(b), err)
	}
}

func TestAFaultOfTheStoreEndsAStreamAndSaysNothingOfItself(t *testing.T) {
	l := newEventLog(1)
	l.fault = errors.New("secret: the disk is gone")
	_, url := serveStreams(t, following(t, l, nil))
	r := listenTo(t, url+"?after=start")
	rest, err := io.ReadAll(r.b)
	if err != nil || strings.Contains(string(rest), "secret") || strings.Contains(string(rest), "data") {
		t.Errorf("%s, %v", rest, err)
	}
}

func TestNoStreamLeavesAGoroutineBehind(t *testing.T) {
	l := newEventLog(10)
	g := following(t, l, func(c *Config) { c.Tokens = new(expiring) })
	server, url := serveStreams(t, g)
	before := runtime.NumGoroutine()
	var open []*reader
	for i := range 20 {
		r := listenTo(t, url+"?after=start", "Authorization", "Bearer dev")
		r.event(0)
		if i%2 == 0 {
			_ = r.resp.Body.Close()
		} else {
			open = append(open, r)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for _, r := range open {
		r.ends()
	}
	settle(t, func() bool { return g.streams.count() == 0 && runtime.NumGoroutine() <= before })
}
