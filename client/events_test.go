// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// script is a node that answers each request for a stream by the next of its
// parts, and ends the test's wait after the last.
type script struct {
	mu    sync.Mutex // guards what follows
	asked []*http.Request
	parts []func(w http.ResponseWriter, r *http.Request)
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Clone(context.Background()))
	var part func(http.ResponseWriter, *http.Request)
	if len(s.parts) > 0 {
		part, s.parts = s.parts[0], s.parts[1:]
	}
	s.mu.Unlock()
	if part == nil {
		http.Error(w, "the script is over", http.StatusTeapot)
		return
	}
	part(w, r)
}

// says is a stream that says something and ends.
func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

// refuses is an answer of a status.
func refuses(status int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

const begin = "retry: 1\n\n"

func event(n int) string {
	return fmt.Sprintf("id: %d\nevent: recorded\ndata: {\"sequence\":%d,\"event\":\"recorded\",\"later\":1}\n\n", n, n)
}

// play follows a script to its end and returns the sequences and the last error.
func play(t *testing.T, f client.Follow, parts ...func(http.ResponseWriter, *http.Request)) (seen []uint64, asked []*http.Request, last error) {
	t.Helper()
	s := &script{parts: parts}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for e, err := range client.New(server.URL, "word", &http.Client{Timeout: time.Minute}).Events(t.Context(), f) {
		if err != nil {
			last = err
			continue
		}
		seen = append(seen, e.Sequence)
	}
	return seen, s.asked, last
}

func TestAFollowerGoesOnWhereItWasAndSeesEachEventOnce(t *testing.T) {
	var told []string
	seen, asked, last := play(t, client.Follow{
		Filters: url.Values{"tee": {"sgx"}, "after": {"99"}},
		Interrupted: func(err error, wait time.Duration) {
			told = append(told, err.Error(), wait.Truncate(time.Second).String())
		},
		Resumed: func(after string) { told = append(told, "after "+after) },
	},
		says(begin+"id: 4\n\n"),
		says(begin+event(5)+event(6)+"id: 9\n\n:\n\n"),
		says(begin+event(9)+event(10)+event(11)),
		refuses(http.StatusBadGateway),
		refuses(http.StatusServiceUnavailable, "Retry-After", "0"),
		says(begin+": a comment\r\nid: 12\r\nevent: of a kind to come\r\ndata: {\"sequence\":\r\ndata: 12}\r\n\r\nid: 13\ndata: {\"seq"),
		says(event(13)),
	)
	if want := []uint64{5, 6, 10, 11, 12, 13}; !slices.Equal(seen, want) {
		t.Errorf("%d, want %d", seen, want)
	}
	if rats.KindOf(last) != rats.Internal || !strings.Contains(last.Error(), "418") {
		t.Errorf("%v", last)
	}
	var from []string
	for _, r := range asked {
		from = append(from, r.Header.Get("Last-Event-ID"))
		if r.URL.RawQuery != "tee=sgx" || r.Header.Get("Authorization") != "Bearer word" || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
	}
	if want := []string{"", "4", "9", "11", "11", "11", "12", "13"}; !slices.Equal(from, want) {
		t.Errorf("asked after %q, want %q", from, want)
	}
	want := []string{
		"the node ended the stream", "0s", "after 4", "the node ended the stream", "0s", "after 9", "the node ended the stream", "0s",
		"internal: the node answered 502 Bad Gateway", "0s", "internal: the node answered 503 Service Unavailable", "0s", "after 11",
		"the node ended the stream", "0s", "after 12", "the node ended the stream", "0s",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestAFollowerBeginsWhereItIsTold(t *testing.T) {
	for _, after := range []string{"41", client.FromStart} {
		_, asked, _ := play(t, client.Follow{After: after}, says(begin))
		if got := asked[0].Header.Get("Last-Event-ID"); got != after {
			t.Errorf("asked after %q, want %q", got, after)
		}
	}
}

func TestARefusalForGoodEndsAFollower(t *testing.T) {
	for status, kind := range map[int]rats.Kind{400: rats.Internal, 401: rats.Unauthorized, 403: rats.Internal, 404: rats.Internal, 302: rats.Internal} {
		seen, asked, last := play(t, client.Follow{}, says(begin+event(1)), refuses(status), says(event(2)))
		if !slices.Equal(seen, []uint64{1}) || rats.KindOf(last) != kind || len(asked) != 2 {
			t.Errorf("%d: events %d, asked %d times, %v", status, seen, len(asked), last)
		}
	}
	problem := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"kind":"malformed","detail":"after: there is no event 41"}`)
	}
	if _, _, last := play(t, client.Follow{After: "41"}, problem); !errors.Is(last, rats.Malformed) || !strings.Contains(last.Error(), "no event 41") {
		t.Errorf("%v", last)
	}
}

func TestAFollowerThatNeverFoundItsNodeSaysSo(t *testing.T) {
	for _, first := range []func(http.ResponseWriter, *http.Request){refuses(http.StatusServiceUnavailable), refuses(http.StatusTooManyRequests)} {
		if _, asked, last := play(t, client.Follow{}, first, says(event(1))); last == nil || len(asked) != 1 {
			t.Errorf("asked %d times, %v", len(asked), last)
		}
	}
	for _, err := range client.New("http://127.0.0.1:1", "", nil).Events(t.Context(), client.Follow{}) {
		var network *url.Error
		if !errors.As(err, &network) {
			t.Errorf("%v", err)
		}
	}
}

func TestWhatIsNoStreamOfEventsIsAnError(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+event(1)) }
	for name, part := range map[string]func(http.ResponseWriter, *http.Request){
		"a page":       page,
		"no JSON":      says("data: <html>\n\n"),
		"another JSON": says("data: {\"sequence\":\"1\"}\n\n"),
		"endless":      says("data: " + strings.Repeat("x", 5<<20)),
	} {
		seen, asked, last := play(t, client.Follow{}, part, says(event(1)))
		if len(seen) != 0 || last == nil || len(asked) != 1 {
			t.Errorf("%s: events %d, asked %d times, %v", name, seen, len(asked), last)
		}
	}
}

func TestANodeThatFallsSilentIsAskedAgain(t *testing.T) {
	t.Parallel() // it mostly waits
	silent := func(w http.ResponseWriter, r *http.Request) {
		says(begin+event(1))(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	mute := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	var told []string
	seen, _, _ := play(t, client.Follow{
		Silence:     2 * time.Second,
		Interrupted: func(err error, _ time.Duration) { told = append(told, err.Error()) },
	}, silent, mute, says(event(2)))
	if !slices.Equal(seen, []uint64{1, 2}) {
		t.Errorf("%d", seen)
	}
	if want := []string{"the node fell silent", "the node fell silent", "the node ended the stream"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

func TestAHeartbeatIsNoSilence(t *testing.T) {
	t.Parallel() // it mostly waits
	alive := func(w http.ResponseWriter, r *http.Request) {
		for range 30 {
			says(":\n\n")(w, r)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
		says(event(1))(w, r)
	}
	seen, asked, _ := play(t, client.Follow{Silence: 2 * time.Second}, alive)
	if !slices.Equal(seen, []uint64{1}) || len(asked) != 2 {
		t.Errorf("events %d, asked %d times", seen, len(asked))
	}
}

func TestANodeIsLeftAloneAsLongAsItAsks(t *testing.T) {
	var waits []time.Duration
	_, _, last := play(t, client.Follow{Interrupted: func(_ error, wait time.Duration) { waits = append(waits, wait) }},
		says(begin), refuses(http.StatusTooManyRequests, "Retry-After", "1"), refuses(http.StatusInternalServerError, "Retry-After", "yesterday"))
	if last == nil || len(waits) != 3 || waits[1] < time.Second || waits[2] > 100*time.Millisecond {
		t.Errorf("%v, %v", waits, last)
	}
}

func TestAFollowerEndsWithItsContextAndItsCaller(t *testing.T) {
	open := func(w http.ResponseWriter, r *http.Request) {
		says(begin+event(1)+event(2))(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	server := httptest.NewServer(&script{parts: []func(http.ResponseWriter, *http.Request){open, open, says(begin)}})
	defer server.Close()
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	c := client.New(server.URL, "", own)
	before := runtime.NumGoroutine()
	for e, err := range c.Events(t.Context(), client.Follow{}) {
		if err != nil || e.Sequence != 1 {
			t.Errorf("%+v %v", e, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	var last error
	for e, err := range c.Events(ctx, client.Follow{}) {
		if err != nil {
			last = err
		} else if e.Sequence == 2 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
	ctx, cancel = context.WithCancel(t.Context())
	for _, err := range c.Events(ctx, client.Follow{Interrupted: func(error, time.Duration) { cancel() }}) { // in its pause
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
	for end := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
}
