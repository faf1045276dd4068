// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// dial opens a WebSocket as the original's clients do: at the root, with no
// header but what is given.
func (h *house) dial(t testing.TB, header http.Header) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http")+"/", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// talk sends one text frame and reads one.
func talk(t testing.TB, conn *websocket.Conn, msg string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	kind, b, err := conn.Read(ctx)
	if err != nil || kind != websocket.MessageText {
		t.Fatalf("%s: %v %v", msg, kind, err)
	}
	return b
}

func TestJSONRPCOverAWebSocket(t *testing.T) {
	h := open(t, "dev", nil)
	conn := h.dial(t, nil)
	// One connection answers it all: what is wrong with one message does not end it.
	checkRPC(t, h, func(t *testing.T, msg string) inner { return as[inner](t, talk(t, conn, msg)) })

	t.Run("an id can be used again whatever became of it", func(t *testing.T) {
		for range 3 {
			for msg, want := range map[string]string{
				`{"jsonrpc":"2.0","id":"x","method":"no_such"}`:                             `"code":-32601`,
				`{"jsonrpc":"2.0","id":"x","method":"system_name","params":"x"}`:            `"code":-32600`,
				`{"jsonrpc":"2.0","id":"x","method":"attesteer_forwardDcapQuote"}`:          `"result":"0x`,
				`{"jsonrpc":"2.0","id":"x","method":"system_name"}`:                         `"result":"attesteer"`,
				`[{"jsonrpc":"2.0","id":"x","method":"no"},{"jsonrpc":"2.0","method":"a"}]`: `"code":-32601`,
			} {
				if got := string(talk(t, conn, msg)); !strings.Contains(got, want) {
					t.Errorf("%s: %s", msg, got)
				}
			}
		}
	})
	t.Run("answers come in the order in which they are ready", func(t *testing.T) {
		for i := range 20 {
			msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"system_name"}`, i)
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(msg)); err != nil {
				t.Fatal(err)
			}
		}
		seen := make(map[string]bool)
		for range 20 {
			_, b, err := conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[string(as[inner](t, b).ID)] = true
		}
		if len(seen) != 20 {
			t.Errorf("%d of 20 answers", len(seen))
		}
	})
}

func TestAFrameThatIsNoTextEndsItsConnectionAlone(t *testing.T) {
	h := open(t, "dev", nil)
	other := h.dial(t, nil)
	for _, c := range []struct {
		kind websocket.MessageType
		msg  string
		want websocket.StatusCode
	}{
		{websocket.MessageBinary, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`, websocket.StatusUnsupportedData},
		{websocket.MessageText, `{"jsonrpc":"2.0","id":"` + "\xff" + `","method":"system_name"}`, websocket.StatusInvalidFramePayloadData},
	} {
		conn := h.dial(t, nil)
		if err := conn.Write(t.Context(), c.kind, []byte(c.msg)); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.Read(t.Context())
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != c.want || !strings.Contains(closed.Reason, "text") {
			t.Errorf("%v, want %d", err, c.want)
		}
	}
	if got := as[inner](t, talk(t, other, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)); got.Result == nil {
		t.Errorf("%+v", got)
	}
	h.lives(t, 1)
}

func TestAMessageOverTheBoundEndsItsConnectionAlone(t *testing.T) {
	h := open(t, "dev", nil)
	conn := h.dial(t, nil)
	_ = conn.Write(t.Context(), websocket.MessageText, make([]byte, 2<<20)) // it may break off
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, err := conn.Read(ctx)
	var closed websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.StatusMessageTooBig || err == nil {
		t.Errorf("%v", err)
	}
	h.lives(t, 1)
}

func TestAWebSocketShowsItsTokenWhenItOpens(t *testing.T) {
	h := open(t, "test", nil)
	msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["%x"]}`, quote(t, 1, simtee.Enclave{}))
	for token, want := range map[string]string{"": "unauthorized: ", "secret-word": "untrusted_root: "} {
		header := http.Header{}
		if token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
		got := as[inner](t, talk(t, h.dial(t, header), msg))
		if text := returnedText(t, *got.Result); !strings.HasPrefix(text, want) {
			t.Errorf("token %q: %s", token, text)
		}
	}
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer wrong-word"}},
	})
	if err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestAWebSocketFromAPageOfAnotherSiteIsRefused(t *testing.T) {
	h := open(t, "dev", nil)
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {"https://evil.example"}},
	})
	if err == nil || resp.StatusCode != 403 {
		t.Errorf("%v", err)
	}
}

func TestAWebSocketElsewhereIsNoCall(t *testing.T) {
	h := open(t, "dev", nil)
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http")+"/v1/rpc", nil)
	if err == nil || resp.StatusCode != 404 {
		t.Errorf("%v", err)
	}
}

// slow holds transactions back until it is told to go on.
type slow struct {
	gateway.Ledger
	entered chan struct{}
	release chan struct{}
}

func (s *slow) Submit(ctx context.Context, tx []byte) (registry.TxResult, error) {
	s.entered <- struct{}{}
	<-s.release
	return s.Ledger.Submit(ctx, tx)
}

func TestAStoppingNodeAnswersWhatItWasAskedOverAWebSocket(t *testing.T) {
	held := &slow{entered: make(chan struct{}), release: make(chan struct{})}
	h := open(t, "dev", nil)
	cfg := gateway.Config{
		Registry: h.node.Registry(), Index: noIndex{}, Source: simtee.Source{}, Key: registrarKey(t, h), Network: "dev", Tokens: words{},
	}
	held.Ledger = adapter{h.node}
	cfg.Ledger = held
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.Server(g)
	url := serve(t, server)
	busy := (&house{url: url}).dial(t, nil)
	idle := (&house{url: url}).dial(t, nil)
	if got := as[inner](t, talk(t, idle, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)); got.Result == nil {
		t.Fatalf("%+v", got)
	}
	raw := quote(t, 1, simtee.Enclave{})
	if err := busy.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["%x"]}`, raw)); err != nil {
		t.Fatal(err)
	}
	<-held.entered

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	_, _, err = idle.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("the idle one: %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- g.Drain(ctx) }()
	select {
	case err := <-drained:
		t.Fatalf("drained while a call is at work: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(held.release)
	_, b, err := busy.Read(ctx)
	if err != nil {
		t.Fatalf("the busy one: %v", err)
	}
	if tx := returnedTx(t, *as[inner](t, b).Result); string(tx.Tx.Submission.Evidence) != string(raw) {
		t.Error("another answer")
	}
	if _, _, err = busy.Read(ctx); !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("the busy one, afterwards: %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// noIndex holds nothing.
type noIndex struct{}

func (noIndex) List(context.Context, record.Filter) (record.Page, error) { return record.Page{}, nil }

func registrarKey(t testing.TB, h *house) []byte {
	t.Helper()
	key, err := ledger.LoadRegistrarKey(h.home)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAHandshakeThatIsRefusedIsAProblem(t *testing.T) {
	h := open(t, "dev", nil)
	for name, tt := range map[string]struct {
		header []string
		status int
		kind   rats.Kind
	}{
		"a page of another site": {[]string{"Origin", "https://evil.example", "Sec-WebSocket-Version", "13"}, http.StatusForbidden, rats.Unauthorized},
		"an origin that is none": {[]string{"Origin", "null", "Sec-WebSocket-Version", "13"}, http.StatusForbidden, rats.Unauthorized},
		"another version":        {[]string{"Sec-WebSocket-Version", "12"}, http.StatusUpgradeRequired, rats.Unsupported},
		"no version":             {nil, http.StatusUpgradeRequired, rats.Unsupported},
	} {
		got := h.get(t, "/", append([]string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, tt.header...)...)
		p := as[client.Problem](t, got.body)
		if got.status != tt.status || p.Kind != tt.kind || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}
