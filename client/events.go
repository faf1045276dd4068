// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxEvent bounds a line of a stream.
	maxEvent = 4 << 20
	// maxRefusal bounds what is read of an answer that says no.
	maxRefusal = 1 << 20
	// usualSilence is four of a node's heartbeats.
	usualSilence = time.Minute
	// shortestPause and longestPause bound the time before a stream that was lost
	// is asked for again.
	shortestPause = time.Second
	longestPause  = 30 * time.Second
)

// FromStart is the place before the first event of a ledger.
const FromStart = "start"

// Follow says which events to follow, and from where.
type Follow struct {
	// Filters are those of the API: id, event, q, tee, fingerprint, mr_signer,
	// signer, url, status, tier, state, registrar. An event has to match all.
	Filters url.Values
	// After is the sequence of the last event that the caller knows, or
	// [FromStart]; empty is what happens from now on.
	After string
	// Silence is how long a node may say nothing, not even that it lives, before
	// the stream counts as lost; zero is a minute.
	Silence time.Duration
	// Interrupted, if it is not nil, is told of each loss of the stream, and in
	// what time it will be asked for again; Resumed that it is there again, and
	// after which event it goes on.
	Interrupted func(err error, wait time.Duration)
	Resumed     func(after string)
}

// Events follows what happens to records, in its order, until the caller breaks
// off, ctx ends, or the node refuses for good; the last yields the error and
// ends. Once a stream was open its loss is none: it is asked for again, at
// growing intervals, and goes on where it was, so that the caller sees every
// event once. A place that the ledger does not have, as after it was founded
// anew, is [rats.Malformed].
//
// A caller that takes longer than Silence for an event makes a stream of it that
// is lost and asked for again, and misses nothing either.
func (c *Client) Events(ctx context.Context, f Follow) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		s := &stream{client: c, follow: f, after: f.After, least: shortestPause}
		if s.follow.Silence <= 0 {
			s.follow.Silence = usualSilence
		}
		s.run(ctx, yield)
	}
}

// stream is a follower of one node.
type stream struct {
	client *Client
	follow Follow
	// after is the last id that was seen.
	after string
	// opened: the node gave a stream before; open: since the last pause.
	opened, open bool
	// least is the pause that the node asks for, and pause the last that was made.
	least, pause time.Duration
}

// loss is an error after which a stream is asked for again.
type loss struct {
	error
	// wait is how long the node asks to be left alone.
	wait time.Duration
}

func (l loss) Unwrap() error { return l.error }

// errBroken says that the caller has enough.
var errBroken = errors.New("broken off")

var (
	errSilent = errors.New("the node fell silent")
	errEnded  = errors.New("the node ended the stream")
)

func (s *stream) run(ctx context.Context, yield func(*Event, error) bool) {
	for {
		err := s.once(ctx, yield)
		var lost loss
		switch {
		case errors.Is(err, errBroken):
			return
		case ctx.Err() != nil:
			yield(nil, ctx.Err())
			return
		case !errors.As(err, &lost) || !s.opened:
			yield(nil, err)
			return
		}
		wait := s.interval(lost)
		if s.follow.Interrupted != nil {
			s.follow.Interrupted(lost.error, wait)
		}
		sleep(ctx, wait)
	}
}

// interval returns the time before the next attempt: twice the last, or from the
// beginning where there was a stream in between, and never less than the node
// asks for. A part of it is chance, so that not all come back at once.
func (s *stream) interval(lost loss) time.Duration {
	if s.open {
		s.open, s.pause = false, 0
	}
	s.pause = min(max(2*s.pause, s.least), max(longestPause, s.least))
	return max(s.pause/2+rand.N(s.pause/2+1), lost.wait) //nolint:gosec // chance, no secret
}

func sleep(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// once follows one stream to its end.
func (s *stream) once(ctx context.Context, yield func(*Event, error) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	heard, watched := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(watched)
		watch(ctx, s.follow.Silence, heard, func() { cancel(errSilent) })
	}()
	defer func() {
		cancel(nil)
		<-watched
	}()
	resp, err := s.ask(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to lose
	if s.opened && s.follow.Resumed != nil {
		s.follow.Resumed(s.after)
	}
	s.opened, s.open = true, true
	return cause(ctx, s.read(resp.Body, heard, yield))
}

// watch calls silent when nothing is heard for some time, and returns when ctx ends.
func watch(ctx context.Context, silence time.Duration, heard <-chan struct{}, silent func()) {
	for {
		quiet, stop := context.WithTimeout(ctx, silence)
		select {
		case <-heard:
			stop()
			continue
		case <-quiet.Done():
		}
		stop()
		silent()
		return
	}
}

// cause tells silence from other losses.
func cause(ctx context.Context, err error) error {
	var lost loss
	if errors.As(err, &lost) && errors.Is(context.Cause(ctx), errSilent) {
		return loss{error: errSilent}
	}
	return err
}

// ask asks for the stream from where the last one ended.
func (s *stream) ask(ctx context.Context) (*http.Response, error) {
	filters := maps.Clone(s.follow.Filters)
	delete(filters, "after")
	req, err := s.client.request(ctx, http.MethodGet, "/v1/events", filters, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", eventStream)
	if s.after != "" {
		req.Header.Set("Last-Event-ID", s.after)
	}
	unbounded := *s.client.http
	unbounded.Timeout = 0 // that of a call; a stream has its own
	resp, err := unbounded.Do(req)
	if err != nil {
		return nil, loss{error: s.client.fault(err)}
	}
	if resp.StatusCode == http.StatusOK {
		if !isEventStream(resp.Header.Get("Content-Type")) {
			_ = resp.Body.Close() // it is not what was asked for
			return nil, s.client.fault(errors.New("it does not stream events"))
		}
		return resp, nil
	}
	defer resp.Body.Close()                                      //nolint:errcheck // nothing is left to lose
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // the status says enough
	refused := refusal(resp, body)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		return nil, loss{refused, retryAfter(resp.Header)}
	}
	return nil, refused
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

func isEventStream(contentType string) bool {
	media, _, _ := bytes.Cut([]byte(contentType), []byte(";"))
	return string(bytes.ToLower(bytes.TrimSpace(media))) == eventStream
}

// retryAfter reads how many seconds a node asks to be left alone (RFC 9110
// section 10.2.3), up to an hour; a date counts for nothing.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// read reads server-sent events (WHATWG HTML section 9.2.6), whose lines end as
// nodes end them.
func (s *stream) read(body io.Reader, heard chan<- struct{}, yield func(*Event, error) bool) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	var data []byte
	id := s.after
	for lines.Scan() {
		select {
		case heard <- struct{}{}:
		default:
		}
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "data":
			data = append(append(data, value...), '\n')
		case "retry":
			s.retry(string(value))
		case "":
			if len(lines.Bytes()) > 0 {
				continue // a comment
			}
			if err := s.dispatch(id, data, yield); err != nil {
				return err
			}
			data = data[:0]
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return s.client.fault(fmt.Errorf("an event is over %d bytes", maxEvent))
	case err != nil:
		return loss{error: s.client.fault(err)}
	}
	return loss{error: errEnded}
}

// dispatch hands an event over that is whole, and is now known.
func (s *stream) dispatch(id string, data []byte, yield func(*Event, error) bool) error {
	if len(data) == 0 {
		s.after = id
		return nil
	}
	e := new(Event)
	if err := json.Unmarshal(data, e); err != nil {
		return fmt.Errorf("the node's answer: %w", err)
	}
	if last, err := strconv.ParseUint(s.after, 10, 64); err == nil && e.Sequence <= last {
		return nil // it was seen
	}
	s.after = id
	if !yield(e, nil) {
		return errBroken
	}
	return nil
}

// retry takes the pause that a node asks for, in milliseconds.
func (s *stream) retry(text string) {
	if ms, err := strconv.ParseUint(text, 10, 32); err == nil {
		s.least = min(max(time.Duration(ms)*time.Millisecond, time.Millisecond), longestPause)
	}
}
