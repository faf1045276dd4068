// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/attesteer/attesteer/gateway"
)

// wss opens a WebSocket over TLS.
func (p *port) wss(t testing.TB, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	c := p.client(t)
	c.Timeout = 0
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = false // a WebSocket begins in HTTP/1.1 (RFC 6455)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "wss://"+p.address+"/", &websocket.DialOptions{HTTPClient: c, HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp, err
}

func TestOneSecurePortServesRESTPagesAndWebSockets(t *testing.T) {
	t.Parallel()
	h := open(t, "dev", nil)
	p := stand(t, gateway.ServerConfig{Stall: time.Second, IdleTime: time.Second}, h.gateway, true)
	c := p.client(t)
	if resp, body := get(t, c, p.url()+"/v1/ledger"); resp.ProtoMajor != 2 || !strings.Contains(body, `"chain_id"`) {
		t.Errorf("%s %s", resp.Proto, body)
	} else if h := resp.Header; h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Cache-Control") == "" {
		t.Errorf("%v", h)
	}
	if resp, body := get(t, c, p.url()+"/enclaves"); resp.StatusCode != 200 || body != "page /enclaves" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	resp, err := c.Post(p.url(), "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"system_name"}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !strings.Contains(string(b), `"result":"attesteer"`) {
		t.Errorf("%s %v", b, err)
	}

	t.Run("a WebSocket outlives what bounds requests", func(t *testing.T) {
		conn, _, err := p.wss(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := string(talk(t, conn, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)); !strings.Contains(got, "attesteer") {
				t.Error(got)
			}
			time.Sleep(1500 * time.Millisecond)
		}
	})
	t.Run("a frame that is too large ends it", func(t *testing.T) {
		conn, _, err := p.wss(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_ = conn.Write(ctx, websocket.MessageText, []byte(strings.Repeat(" ", 2<<20)))
		if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
			t.Errorf("%v", err)
		}
	})
	t.Run("only pages of this site may connect", func(t *testing.T) {
		for origin, good := range map[string]bool{
			"https://" + p.address: true, "https://evil.example": false, "https://" + p.address + ".evil.example": false, "null": false,
		} {
			_, resp, err := p.wss(t, http.Header{"Origin": {origin}})
			if good != (err == nil) || !good && (resp == nil || resp.StatusCode != http.StatusForbidden) {
				t.Errorf("%s: %v", origin, err)
			}
		}
	})
	t.Run("only pages of this site may post", func(t *testing.T) {
		for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			req, err := http.NewRequest(http.MethodPost, p.url()+"/v1/evidence", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(header[0], header[1])
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var problem struct{ Kind string }
			err = json.NewDecoder(resp.Body).Decode(&problem)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden || problem.Kind != "unauthorized" || err != nil {
				t.Errorf("%v: %d %v %v", header, resp.StatusCode, problem, err)
			}
		}
	})
}

func TestAStopEndsWebSocketsAndStreamsOverTLS(t *testing.T) {
	t.Parallel()
	h := open(t, "dev", nil)
	p := stand(t, gateway.ServerConfig{}, h.gateway, true)
	conn, _, err := p.wss(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, conn, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)
	stream, err := p.client(t).Get(p.url() + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	if kind := stream.Header.Get("Content-Type"); stream.StatusCode != 200 || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("%d %s", stream.StatusCode, kind)
	}

	h.gateway.Leave()
	if resp, _ := get(t, p.client(t), p.url()+"/readyz"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d to who should go elsewhere", resp.StatusCode)
	}
	if resp, _ := get(t, p.client(t), p.url()+"/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz says %d", resp.StatusCode)
	}
	if got := string(talk(t, conn, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)); !strings.Contains(got, "attesteer") {
		t.Errorf("who is here is not served: %s", got)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	closed := make(chan error, 1)
	go func() {
		_, _, err := conn.Read(ctx)
		closed <- err
	}()
	if err := p.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := h.gateway.Drain(ctx); err != nil {
		t.Error(err)
	}
	if err := <-closed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v", err)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
}
