// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// pushed is the notification of an event.
type pushed struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  struct {
		Subscription string       `json:"subscription"`
		Result       client.Event `json:"result"`
	} `json:"params"`
}

// subscribed has a follower of everything after a place push over p.
func subscribed(t testing.TB, g *Gateway, p *pushes, call, after string) (id string) {
	t.Helper()
	f, err := g.follow(t.Context(), EventQuery{}, after)
	if err != nil {
		t.Fatal(err)
	}
	id, err = p.subscribeFor(call, func(ctx context.Context, id string) { g.pushEvents(ctx, p, id, f) })
	if err != nil {
		t.Fatal(err)
	}
	p.answered([]byte(`{"jsonrpc":"2.0","id":` + call + `,"result":"` + id + `"}`))
	return id
}

func TestASubscriberIsPushedEveryEventOnceHoweverLongThePastIs(t *testing.T) {
	const past, present = 10 * maxQueued, 20
	l := newEventLog(past)
	g := following(t, l, nil)
	s := newSide()
	p := opened(t, s)
	id := subscribed(t, g, p, "1", fromTheStart)
	for n := range past + present {
		if n >= past {
			l.add(1)
		}
		var got pushed
		if err := json.Unmarshal([]byte(await(t, s.sent)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Version != "2.0" || got.Method != "registry.event" || got.Params.Subscription != id || got.Params.Result.Sequence != uint64(n) {
			t.Fatalf("%+v, want event %d", got, n)
		}
	}
	if !p.unsubscribe(id) {
		t.Error("it had ended by itself")
	}
	l.add(1)
	select {
	case msg := <-s.sent:
		t.Errorf("it goes on: %s", msg)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestEventsLeaveRoomForWhatCannotWait(t *testing.T) {
	l := newEventLog(10 * maxQueued)
	g := following(t, l, nil)
	s := newSide()
	s.stuck = make(chan struct{})
	p := opened(t, s)
	subscribed(t, g, p, "1", fromTheStart)
	subscribed(t, g, p, "2", fromTheStart)
	waiting := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.taken != nil && (len(p.queue) >= maxQueued/2 || p.bytes > maxQueuedBytes/4)
	}
	settle(t, waiting)
	if err := p.send([]byte("at once")); err != nil {
		t.Fatalf("there is no room for another message: %v", err)
	}
	select {
	case reason := <-s.ended:
		t.Errorf("a subscriber that is behind is ended: %s", reason)
	case <-time.After(20 * time.Millisecond):
	}
	close(s.stuck)
	for got := ""; got != "at once"; {
		got = await(t, s.sent)
	}
}

func TestAFaultOfTheStoreEndsASubscriptionWithItsConnection(t *testing.T) {
	l := newEventLog(1)
	l.fault = rats.Errorf(rats.Internal, "secret: the disk is gone")
	g := following(t, l, nil)
	s := newSide()
	subscribed(t, g, opened(t, s), "1", fromTheStart)
	if reason := await(t, s.ended); reason != "expire: internal" {
		t.Error(reason)
	}
}

func TestSubscribingTakesAConnection(t *testing.T) {
	g := following(t, newEventLog(1), nil)
	if _, err := g.subscribe(t.Context(), new(subscribeParams)); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), "WebSocket") {
		t.Errorf("%v", err)
	}
	if _, err := g.unsubscribe(t.Context(), &unsubscribeParams{Subscription: "1"}); rats.KindOf(err) != rats.NotFound {
		t.Errorf("%v", err)
	}
}

func TestWhereASubscriptionBeginsIsANumberOrAWord(t *testing.T) {
	g := following(t, newEventLog(5), nil)
	for text, want := range map[string]string{
		`{}`: "", `{"after":null}`: "", `{"after":41}`: "41", `{"after":"41"}`: "41", `{"after":"start"}`: "start", `{"after":0}`: "0",
		`{"after":18446744073709551615}`: "18446744073709551615", `{"after":-1}`: "-1", `{"after":1e3}`: "1e3",
	} {
		c := &rpcContext{query: make(url.Values)}
		if err := methodOf(t, g, "registry.subscribe").read(c, []byte(text)); err != nil || c.Query("after") != want {
			t.Errorf("%s: %q, %v", text, c.Query("after"), err)
		}
	}
	for _, text := range []string{`{"after":true}`, `{"after":[1]}`, `{"after":{}}`} {
		c := &rpcContext{query: make(url.Values)}
		if err := methodOf(t, g, "registry.subscribe").read(c, []byte(text)); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, after := range []string{"-1", "1e3", "5"} {
		if _, err := g.follow(t.Context(), EventQuery{}, after); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", after, err)
		}
	}
}
