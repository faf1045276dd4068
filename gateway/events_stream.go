// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/attesteer/attesteer/rats"
)

const (
	// eventStreamType is the media type of server-sent events (WHATWG HTML
	// section 9.2.5).
	eventStreamType = "text/event-stream"
	// heartbeat is how often a stream says something, so that whoever is in
	// between does not end it, and its reader knows that it lives.
	heartbeat = 15 * time.Second
	// reconnection is how long a reader waits before it asks again.
	reconnection = 3 * time.Second
	// streamPiece is about what is written at once.
	streamPiece = 32 << 10
	// streamWrite is how long a reader may take for one step of a stream where
	// the server sets no bound of its own.
	streamWrite = 20 * time.Second
)

// Streams bounds the event streams that are open at once: of the node, and of
// one address, or of the 64 bits that a subscriber of IPv6 is given. A field
// that is zero has its default, 512 and 32; less than zero sets no bound.
type Streams struct {
	All, PerAddress int
}

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"the id of the last event that was seen; it counts, and after does not"`
	After       string `query:"after" doc:"the sequence of the last event that was seen, or the word start for all there are; without, what happens from now on" example:"41"`
	EventQuery
}

// eventEntries are the ways to follow what happens to records: as a stream, and
// over a WebSocket.
func (g *Gateway) eventEntries() []entry {
	op := g.operation(http.MethodGet, "/v1/events", "follow-events", "enclaves", "Follow what happens to records")
	op.Description = "Server-sent events: id is the sequence, event the kind, data an Event as in a record's history. " +
		"A line of nothing but an id says how far the stream is. It goes on until either side ends it."
	op.Responses = map[string]*huma.Response{
		"200": {Description: "OK", Content: map[string]*huma.MediaType{eventStreamType: {Schema: &huma.Schema{
			Type: huma.TypeString, Description: "events in the form of WHATWG HTML section 9.2.5, each with an Event as its data",
		}}}},
		"503": {Description: "The node has no room for another stream now."},
	}
	return append([]entry{serve("", op, g.getEvents)}, g.subscriptionEntries()...)
}

func (g *Gateway) getEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	f, err := g.follow(ctx, in.EventQuery, cmp.Or(in.LastEventID, in.After))
	if err != nil {
		return nil, err
	}
	leave, err := g.streams.enter(callerIn(ctx).remote)
	if err != nil {
		g.meter().Refused("stream")
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer leave()
		defer g.opened(streamEvents)()
		r, w := humago.Unwrap(ctx)
		g.stream(w, r, f)
	}}, nil
}

// stream writes what a follower finds until the reader is gone or too slow, its
// token has ended, or the node stops. Whatever ends it, the reader can go on
// from the last id that it has.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request, f *follower) {
	s := &eventStream{w: w, control: http.NewResponseController(w), written: f.place()}
	h := w.Header()
	h.Set("Content-Type", eventStreamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect before it passes on
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	_ = s.control.SetReadDeadline(time.Time{}) // the request was read; a test's answer knows none
	beat := time.NewTicker(g.streams.beat)
	defer beat.Stop()
	tokens, done := g.tokenTicks(r.Context())
	defer done()
	err := s.begin()
	for err == nil {
		committed := g.cfg.Registry.Committed()
		found, rest, fault := f.step(r.Context())
		if fault != nil {
			_ = g.fault(r.Context(), fault)
			break
		}
		if err = s.events(found, f, rest); err != nil {
			break
		}
		select {
		case <-pause(committed, rest):
		case <-beat.C:
			err = s.beat(f.place())
		case <-tokens:
			err = g.stillGood(r.Context())
		case <-g.ending():
			err = errStopping
		case <-r.Context().Done():
			return
		}
	}
	// Whoever hears it learns the place to go on from.
	_ = s.beat(f.place())
}

// errStopping ends streams.
var errStopping = rats.Errorf(rats.Internal, "the node is stopping")

// tokenTicks returns a channel that says when to look at the caller's token;
// who showed none is never looked at.
func (g *Gateway) tokenTicks(ctx context.Context) (ticks <-chan time.Time, done func()) {
	if callerIn(ctx).entry == nil {
		return nil, func() {}
	}
	t := time.NewTicker(g.streams.look)
	return t.C, t.Stop
}

// stillGood says whether the token with which a call was let in still is good.
func (g *Gateway) stillGood(ctx context.Context) error {
	c := callerIn(ctx)
	if c.entry == nil {
		return nil
	}
	return g.cfg.Tokens.Check(c.entry.ID, g.cfg.Now())
}

// eventStream writes server-sent events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	b       bytes.Buffer
	// written is the place that the reader knows.
	written string
	// present: all events that there were have been looked at.
	present bool
}

// begin says when to ask again, and from where: who is cut off before the first
// event misses none.
func (s *eventStream) begin() error {
	fmt.Fprintf(&s.b, "retry: %d\nid: %s\n\n", reconnection/time.Millisecond, s.written)
	return s.flush()
}

// events writes what a follower found. Where there is no rest for the first
// time, it says how far that was: then the past is told.
func (s *eventStream) events(all []*happening, f *follower, rest bool) error {
	if !rest && !s.present {
		s.present = true
		if place := f.place(); place != s.written {
			return s.beat(place)
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, h := range all {
		data, err := h.json()
		if err != nil {
			return err
		}
		s.written = strconv.FormatUint(h.Sequence, 10)
		fmt.Fprintf(&s.b, "id: %s\nevent: %s\ndata: %s\n\n", s.written, h.Kind, data)
		if s.b.Len() >= streamPiece {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return s.flush()
}

// beat shows that the stream lives and, where it went past events that did not
// match, how far it is: an id without data is kept and tells of nothing.
func (s *eventStream) beat(place string) error {
	s.b.WriteString(":\n")
	if place != s.written {
		s.written = place
		fmt.Fprintf(&s.b, "id: %s\n", place)
	}
	s.b.WriteString("\n")
	return s.flush()
}

// flush sends what was written. A reader that does not take it in time is gone:
// the deadline is set anew for each step, since a server has one for the whole
// answer, and lifted after it, since over HTTP/2 one that passes ends the stream.
func (s *eventStream) flush() error {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite)) // as above
	_, err := s.w.Write(s.b.Bytes())
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil {
		_ = s.control.SetWriteDeadline(time.Time{})
	}
	s.b.Reset()
	return err
}

// streams counts those that are open.
type streams struct {
	limit Streams
	// beat is [heartbeat] and look [tokenInterval], but in tests.
	beat, look time.Duration

	mu   sync.Mutex // guards what follows
	open map[netip.Prefix]int
	all  int
}

func newStreams(limit Streams) *streams {
	limit.All, limit.PerAddress = cmp.Or(limit.All, 512), cmp.Or(limit.PerAddress, 32)
	return &streams{limit: limit, beat: heartbeat, look: tokenInterval, open: make(map[netip.Prefix]int)}
}

// enter takes a place for a stream of a remote address, which leave gives back.
func (s *streams) enter(remote string) (leave func(), err error) {
	who := network(remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.limit.PerAddress > 0 && s.open[who] >= s.limit.PerAddress:
		return nil, noRoom(http.StatusTooManyRequests, fmt.Sprintf("%d streams of this address are open", s.open[who]))
	case s.limit.All > 0 && s.all >= s.limit.All:
		return nil, noRoom(http.StatusServiceUnavailable, "the node has no room for another stream")
	}
	s.all++
	s.open[who]++
	return sync.OnceFunc(func() { s.leave(who) }), nil
}

func (s *streams) leave(who netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.open[who]--; s.open[who] == 0 {
		delete(s.open, who)
	}
}

// noRoom is the problem of a stream too many: others end, but not at once.
func noRoom(status int, detail string) error {
	p := statusProblem(rats.QuotaExceeded, status, detail)
	p.header = http.Header{"Retry-After": {"10"}}
	return p
}
