// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"testing"

	"github.com/creachadair/jrpc2"
)

func TestAnIDThatIsUsedTwiceIsAnsweredTwice(t *testing.T) {
	for _, id := range []string{`1`, `1.0`, `-0`, `1e3`, `"a"`, `"<&>"`, `"\u003c\u00e9"`, `""`, `null`} {
		got := ask(t, `[{"jsonrpc":"2.0","id":`+id+`,"method":"slow"},{"jsonrpc":"2.0","method":"echo","id":`+id+`,"params":["x"]},`+
			`{"jsonrpc":"2.0","id":`+id+`,"method":"nope"},{"jsonrpc":"2.0","id": `+id+` }]`)
		want := `[{"jsonrpc":"2.0","id":` + id + `,"result":"late"},{"jsonrpc":"2.0","id":` + id + `,"result":"[\"x\"]"},` +
			`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"method not found"}},` +
			`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32600,"message":"empty method name"}}]`
		if got != want {
			t.Errorf("id %s:\n%s, want\n%s", id, got, want)
		}
	}
}

func TestAnIDIsTakenAgainWhileItWaitsForItsAnswer(t *testing.T) {
	p := &parked{in: make(chan []byte, 8), sent: make(chan []byte, 8)}
	l := newLine(p)
	release := make(chan struct{})
	server := jrpc2.NewServer(assigner{
		"wait": func(context.Context, *jrpc2.Request) (any, error) { <-release; return "late", nil },
		"echo": func(context.Context, *jrpc2.Request) (any, error) { return "at once", nil },
	}, &jrpc2.ServerOptions{DisableBuiltin: true, Concurrency: 2}).Start(l)
	p.in <- []byte(`{"jsonrpc":"2.0","id":7,"method":"wait"}`)
	p.in <- []byte(`{"jsonrpc":"2.0","id":7,"method":"echo"}`)
	if got, want := string(<-p.sent), `{"jsonrpc":"2.0","id":7,"result":"at once"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	close(release)
	if got, want := string(<-p.sent), `{"jsonrpc":"2.0","id":7,"result":"late"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(l.ids.given); n != 0 {
		t.Errorf("%d ids are remembered of calls that were answered", n)
	}
	close(p.in)
	_ = server.Wait()
}

func TestAResultThatLooksLikeAnIDStaysAsItIs(t *testing.T) {
	n := newIDs()
	one, _ := n.alias([]byte(`"mine"`))
	for _, c := range []struct{ msg, want string }{
		{fmt.Sprintf(`{"id":%s,"result":"mine"}`, one), `{"id":"mine","result":"mine"}`},
		{fmt.Sprintf(`{"id":%s}`, one), `{"id":null}`}, // it was answered
		{string(n.before) + `9"`, `null`},
		{string(n.before) + `x"`, `null`},
		{string(n.before), string(n.before)},
		{`{}`, `{}`},
	} {
		if got := string(n.restore([]byte(c.msg))); got != c.want {
			t.Errorf("%s: %s, want %s", c.msg, got, c.want)
		}
	}
}
