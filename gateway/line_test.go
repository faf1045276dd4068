// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"
)

// ask gives one message to a server with two methods, as a POST would, and
// returns its answer.
func ask(t testing.TB, msg string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p := &posted{body: []byte(msg)}
	l := newLine(p)
	p.wait = func() { l.idle(ctx) }
	_ = jrpc2.NewServer(assigner{
		"echo": func(_ context.Context, req *jrpc2.Request) (any, error) { return req.ParamString(), nil },
		"slow": func(context.Context, *jrpc2.Request) (any, error) {
			time.Sleep(20 * time.Millisecond)
			return "late", nil
		},
	}, &jrpc2.ServerOptions{DisableBuiltin: true}).Start(l).Wait()
	if ctx.Err() != nil {
		t.Fatalf("%s: no answer in time", msg)
	}
	if l.pending != 0 {
		t.Errorf("%s: %d messages wait for an answer that was given", msg, l.pending)
	}
	return string(p.said())
}

func TestCallsAreAnsweredUnderEveryKindOfID(t *testing.T) {
	for _, id := range []string{`1`, `0`, `-7`, `"1"`, `""`, `"null"`, `null`} {
		got := ask(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"slow","params":[]}`)
		if want := `{"jsonrpc":"2.0","id":` + id + `,"result":"late"}`; got != want {
			t.Errorf("id %s: %s, want %s", id, got, want)
		}
	}
}

func TestWhatIsWrongWithARequestHasTheCodeOfJSONRPC(t *testing.T) {
	for _, c := range []struct {
		name, msg string
		code      int
		id        string
	}{
		{"nothing", ``, -32700, `null`},
		{"no JSON", `{"jsonrpc":`, -32700, `null`},
		{"not UTF-8", "\xff", -32700, `null`},
		{"a string that is not UTF-8", `{"jsonrpc":"2.0","id":"` + "\xff" + `","method":"echo"}`, -32700, `null`},
		{"two values", `{} {}`, -32700, `null`},
		{"a number", `1`, -32600, `null`},
		{"null", `null`, -32600, `null`},
		{"a string", `"x"`, -32600, `null`},
		{"an empty object", `{}`, -32600, `null`},
		{"an empty batch", `[]`, -32600, `null`},
		{"another version", `{"jsonrpc":"1.0","id":1,"method":"echo"}`, -32600, `1`},
		{"no version", `{"id":1,"method":"echo"}`, -32600, `1`},
		{"no method", `{"jsonrpc":"2.0","id":1}`, -32600, `1`},
		{"a method that is a number", `{"jsonrpc":"2.0","id":1,"method":1}`, -32600, `1`},
		{"parameters that are a string", `{"jsonrpc":"2.0","id":1,"method":"echo","params":"bar"}`, -32600, `1`},
		{"an unknown field", `{"jsonrpc":"2.0","id":1,"method":"echo","extra":true}`, -32600, `1`},
		{"an id that is an object", `{"jsonrpc":"2.0","id":{},"method":"echo"}`, -32600, `null`},
		{"a response", `{"jsonrpc":"2.0","id":1,"result":1}`, -32600, `1`},
		{"an unknown method", `{"jsonrpc":"2.0","id":"a","method":"nope"}`, -32601, `"a"`},
		{"an unknown method under null", `{"jsonrpc":"2.0","id":null,"method":"nope"}`, -32601, `null`},
		{"the library's own method", `{"jsonrpc":"2.0","id":1,"method":"rpc.serverInfo"}`, -32601, `1`},
		{"a bad notification", `{"jsonrpc":"2.0","method":1}`, -32600, `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got struct {
				ID    json.RawMessage `json:"id"`
				Error struct{ Code int }
			}
			text := ask(t, c.msg)
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%v in %q", err, text)
			}
			if got.Error.Code != c.code || string(got.ID) != c.id {
				t.Errorf("%s, want code %d for id %s", text, c.code, c.id)
			}
		})
	}
}

func TestNotificationsAreNotAnswered(t *testing.T) {
	for _, msg := range []string{
		`{"jsonrpc":"2.0","method":"echo"}`, `{"jsonrpc":"2.0","method":"nope"}`,
		`{"jsonrpc":"2.0","method":"echo","params":null}`, `[{"jsonrpc":"2.0","method":"slow"}]`,
	} {
		if got := ask(t, msg); got != "" {
			t.Errorf("%s: %s", msg, got)
		}
	}
}

func TestABatchIsAnsweredAsOne(t *testing.T) {
	text := ask(t, `[{"jsonrpc":"2.0","id":1,"method":"slow"},{"jsonrpc":"2.0","method":"echo"},1,
		{"jsonrpc":"2.0","id":null,"method":"echo","params":["\u0000"]},{"jsonrpc":"2.0","id":null,"method":"echo"}]`)
	var got []struct {
		ID     json.RawMessage
		Result *string
		Error  *struct{ Code int }
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if len(got) != 4 || string(got[0].ID) != "1" || *got[0].Result != "late" || got[1].Error.Code != -32600 ||
		string(got[2].ID) != "null" || *got[2].Result != `["\u0000"]` || string(got[3].ID) != "null" || got[3].Result == nil {
		t.Errorf("%s", text)
	}
	large := `[1`
	for range maxBatch {
		large += `,1`
	}
	var one struct{ Error struct{ Code int } }
	if err := json.Unmarshal([]byte(ask(t, large+`]`)), &one); err != nil || one.Error.Code != -32600 {
		t.Errorf("a batch over the bound: %+v, %v", one, err)
	}
}

// FuzzLine holds a line against whatever comes: a message ends, and what it is
// answered with is JSON.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":null,"method":"echo","params":[1]}`, `[]`, `[{}]`, `{`, `{"jsonrpc":"2.0","method":"echo"}`,
		`{"jsonrpc":"2.0","id":1,"method":"echo","params":null}`, `[{"jsonrpc":"2.0","id":1,"method":"echo"},{"jsonrpc":"2.0","id":1,"method":"echo"}]`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32700}}`, `{"jsonrpc":"2.0","id":1,"id":null,"method":"echo"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, msg string) {
		if got := ask(t, msg); got != "" && !json.Valid([]byte(got)) {
			t.Errorf("%q: %q", msg, got)
		}
	})
}

// parked is a transport whose other side sends what it is given.
type parked struct {
	in   chan []byte
	sent chan []byte
}

func (p *parked) recv() ([]byte, error) {
	msg, ok := <-p.in
	if !ok {
		return nil, io.EOF
	}
	return msg, nil
}

func (p *parked) send(msg []byte) error {
	p.sent <- msg
	return nil
}

func (p *parked) close() error { return nil }

func TestALineThatDrainsAnswersWhatItTook(t *testing.T) {
	p := &parked{in: make(chan []byte, 8), sent: make(chan []byte, 8)}
	l := newLine(p)
	entered, release := make(chan struct{}), make(chan struct{})
	server := jrpc2.NewServer(assigner{
		"wait": func(ctx context.Context, _ *jrpc2.Request) (any, error) {
			close(entered)
			select {
			case <-release:
				return "done", nil
			case <-ctx.Done():
				return "cancelled", nil
			}
		},
	}, nil).Start(l)
	p.in <- []byte(`{"jsonrpc":"2.0","id":1,"method":"wait"}`)
	<-entered
	l.drain()
	p.in <- []byte(`{"jsonrpc":"2.0","id":2,"method":"wait"}`) // comes too late
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		l.idle(t.Context())
	}()
	select {
	case <-idle:
		t.Fatal("idle while a call is at work")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-idle
	if got := string(<-p.sent); got != `{"jsonrpc":"2.0","id":1,"result":"done"}` {
		t.Errorf("%s", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	_ = server.Wait()
	select {
	case msg := <-p.sent:
		t.Errorf("answered after it drained: %s", msg)
	default:
	}
}
