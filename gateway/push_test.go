// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer/rats"
)

// side is the other side of a connection: it keeps what it is sent.
type side struct {
	sent    chan string
	ended   chan string
	goods   atomic.Pointer[rats.Error]
	stuck   chan struct{} // while it is open nothing is taken
	refuses atomic.Bool
}

func newSide() *side {
	s := &side{sent: make(chan string, 4*maxQueued), ended: make(chan string, 4), stuck: make(chan struct{})}
	close(s.stuck)
	return s
}

func (s *side) send(msg []byte) error {
	<-s.stuck
	if s.refuses.Load() {
		return errors.New("gone")
	}
	s.sent <- string(msg)
	return nil
}

func (s *side) good() error {
	if e := s.goods.Load(); e != nil {
		return e
	}
	return nil
}

func (s *side) expire(reason string) { s.ended <- "expire: " + reason }
func (s *side) cut(reason string)    { s.ended <- "cut: " + reason }

// await returns what comes, or fails the test.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// opened returns pushes, and ends them with the test.
func opened(t testing.TB, s *side) *pushes {
	t.Helper()
	p, _ := newPushes(t.Context(), new(atomic.Uint64), s)
	p.every = time.Millisecond
	t.Cleanup(func() {
		p.discard()
		p.stop()
	})
	return p
}

// listen subscribes on behalf of call 1, and has it answered. The subscription
// says that it begins and, in ended, that it ended.
func listen(t testing.TB, p *pushes) (id string, ended chan error) {
	t.Helper()
	begun, ended := make(chan struct{}), make(chan error, 1)
	id, err := p.subscribeFor("1", func(ctx context.Context, _ string) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	p.answered([]byte(`{"jsonrpc":"2.0","id":1,"result":true}`))
	await(t, begun)
	return id, ended
}

func TestASubscriptionBeginsWhenItsCallIsAnswered(t *testing.T) {
	for name, c := range map[string]struct{ call, others, answer string }{
		"a number":      {`7`, `{"jsonrpc":"2.0","id":"7","result":1}`, `{"jsonrpc":"2.0","id":7,"result":1}`},
		"a string":      {`"7"`, `{"jsonrpc":"2.0","id":7,"result":1}`, `{"jsonrpc":"2.0","id":"7","result":1}`},
		"in a batch":    {`7`, `[{"jsonrpc":"2.0","id":8,"result":1}]`, `[{"jsonrpc":"2.0","id":8,"result":1},{"jsonrpc":"2.0","id":7,"result":1}]`},
		"with an error": {`7`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}`, `{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"x"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSide()
			p := opened(t, s)
			id, err := p.subscribeFor(c.call, func(_ context.Context, id string) { _ = p.send([]byte(id)) })
			if err != nil {
				t.Fatal(err)
			}
			p.answered([]byte(c.others))
			select {
			case msg := <-s.sent:
				t.Errorf("%s was sent before the answer", msg)
			case <-time.After(10 * time.Millisecond):
			}
			p.answered([]byte(c.answer))
			if got := await(t, s.sent); got != id {
				t.Errorf("%s, not %s", got, id)
			}
		})
	}
}

func TestWhatIsPushedComesWholeAndInOrder(t *testing.T) {
	s := newSide()
	p := opened(t, s)
	listen(t, p)
	for i := range 100 {
		if err := p.send([]byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if got := await(t, s.sent); got != strconv.Itoa(i) {
			t.Fatalf("%s at %d", got, i)
		}
	}
}

func TestASubscriptionEndsWithoutTheOthers(t *testing.T) {
	p := opened(t, newSide())
	id, ended := listen(t, p)
	other, _ := listen(t, p)
	if id == other {
		t.Errorf("both are %s", id)
	}
	if !p.unsubscribe(id) || p.unsubscribe(id) || p.unsubscribe("no") {
		t.Error("a subscription ends once, and only one that there is")
	}
	await(t, ended)
	if len(p.open) != 1 || p.open[other] == nil {
		t.Errorf("%d are open", len(p.open))
	}
}

func TestSubscriptionsOfAConnectionAreBounded(t *testing.T) {
	p := opened(t, newSide())
	var id string
	for range maxSubscriptions {
		id, _ = listen(t, p)
	}
	idle := func(context.Context, string) {}
	if _, err := p.subscribeFor("2", idle); rats.KindOf(err) != rats.QuotaExceeded {
		t.Errorf("one more: %v", err)
	}
	p.unsubscribe(id)
	if _, err := p.subscribeFor("3", idle); err != nil {
		t.Errorf("where another ended: %v", err)
	}
}

func TestAConnectionThatDoesNotReadIsCutAndHoldsNobodyUp(t *testing.T) {
	for name, size := range map[string]int{"many messages": 1, "large messages": maxQueuedBytes / 3} {
		t.Run(name, func(t *testing.T) {
			s := newSide()
			s.stuck = make(chan struct{})
			p := opened(t, s)
			_, ended := listen(t, p)
			msg, n := bytes.Repeat([]byte("x"), size), 0
			for p.send(msg) == nil {
				if n++; n > maxQueued+1 {
					t.Fatal("no bound")
				}
			}
			if want := min(maxQueued, maxQueuedBytes/size); n < want {
				t.Errorf("cut after %d messages, not %d", n, want)
			}
			if got := await(t, s.ended); !strings.HasPrefix(got, "cut: too slow") {
				t.Error(got)
			}
			await(t, ended)
			if p.bytes != 0 || p.queue != nil {
				t.Errorf("%d bytes are kept", p.bytes)
			}
			if p.send(msg) == nil {
				t.Error("sent afterwards")
			}
			close(s.stuck)
		})
	}
}

func TestAMessageOverTheBoundIsSentByItself(t *testing.T) {
	s := newSide()
	p := opened(t, s)
	listen(t, p)
	if err := p.send(make([]byte, maxQueuedBytes+1)); err != nil || len(await(t, s.sent)) != maxQueuedBytes+1 {
		t.Error(err)
	}
}

func TestATokenThatEndsEndsItsSubscriptions(t *testing.T) {
	s := newSide()
	p := opened(t, s)
	_, ended := listen(t, p)
	s.goods.Store(rats.Errorf(rats.Unauthorized, "the token was revoked"))
	await(t, ended)
	if got := await(t, s.ended); got != "expire: unauthorized: the token was revoked" {
		t.Error(got)
	}
}

func TestAConnectionThatEndsSendsWhatWasQueuedAndNoMore(t *testing.T) {
	s := newSide()
	p := opened(t, s)
	if _, err := p.subscribeFor("1", func(ctx context.Context, _ string) {
		<-ctx.Done()
		_ = p.send([]byte("farewell"))
	}); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if got := await(t, s.sent); got != "farewell" {
		t.Error(got)
	}
	if p.send([]byte("late")) == nil {
		t.Error("queued after the end")
	}
	if _, err := p.subscribeFor("1", nil); err == nil {
		t.Error("subscribed after the end")
	}
	p.stop() // once more
}

func TestAConnectionThatIsGoneEndsItsSubscriptions(t *testing.T) {
	s := newSide()
	p := opened(t, s)
	_, ended := listen(t, p)
	s.refuses.Store(true)
	if err := p.send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	await(t, ended)
}

// TestPushesLeaveTheCountOfAnswersAlone has a server push between a call and its
// answer, and before and after a batch.
func TestPushesLeaveTheCountOfAnswersAlone(t *testing.T) {
	s := newSide()
	in := &parked{in: make(chan []byte, 8), sent: make(chan []byte, 8)}
	l := newLine(in)
	p, ctx := newPushes(t.Context(), new(atomic.Uint64), s)
	l.pushes = p
	server := jrpc2.NewServer(assigner{
		"listen": func(ctx context.Context, _ *jrpc2.Request) (any, error) {
			p, ok := pushesIn(ctx)
			if !ok {
				return "no", nil
			}
			id, err := p.subscribe(ctx, func(_ context.Context, id string) { _ = p.send([]byte("first of " + id)) })
			if err != nil {
				return err.Error(), nil
			}
			_ = p.send([]byte("meanwhile")) // of another subscription
			return id, nil
		},
	}, &jrpc2.ServerOptions{NewContext: func() context.Context { return ctx }}).Start(l)
	for _, msg := range []string{
		`{"jsonrpc":"2.0","id":null,"method":"listen"}`,
		`[{"jsonrpc":"2.0","id":1,"method":"listen"},{"jsonrpc":"2.0","id":2,"method":"listen"},{"jsonrpc":"2.0","method":"listen"}]`,
	} {
		in.in <- []byte(msg)
		answer := await(t, in.sent)
		n := max(bytes.Count(answer, []byte(`"result"`)), 1)
		seen := map[string]int{}
		for range 2 * n {
			seen[strings.Fields(await(t, s.sent))[0]]++
		}
		if seen["meanwhile"] != n || seen["first"] != n {
			t.Errorf("%s: %v", msg, seen)
		}
		l.idle(t.Context())
		if l.pending != 0 {
			t.Errorf("%s: %d wait", msg, l.pending)
		}
		if !json.Valid(answer) {
			t.Errorf("%s", answer)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	close(in.in)
	_ = server.Wait()
	p.stop()
}
