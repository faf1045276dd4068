// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/gateway"
)

// port is a server on a port of its own.
type port struct {
	address  string
	server   *http.Server
	listener *gateway.Bounded
	// pin is for TLS, which secure says that it has.
	pin    certificate.Pin
	secure bool
}

// stand serves handler within bounds.
func stand(t testing.TB, c gateway.ServerConfig, handler http.Handler, secure bool) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{address: l.Addr().String(), server: c.Server(handler), listener: c.Bound(l), secure: secure}
	p.server.ErrorLog = log.New(io.Discard, "", 0)
	serve := func() error { return p.server.Serve(p.listener) }
	if secure {
		k, err := certificate.SelfMade(t.TempDir(), []string{"127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.server.TLSConfig = k.ServerConfig()
		p.pin = certificate.PinOf(k.Leaf())
		serve = func() error { return p.server.ServeTLS(p.listener, "", "") }
	}
	done := make(chan error, 1)
	go func() { done <- serve() }()
	t.Cleanup(func() {
		_ = p.server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// url returns where it answers.
func (p *port) url() string {
	if p.secure {
		return "https://" + p.address
	}
	return "http://" + p.address
}

// client returns one that trusts it, and keeps one connection for itself.
func (p *port) client(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{ForceAttemptHTTP2: true}
	if p.secure {
		tr.TLSClientConfig = certificate.ClientConfig([]certificate.Pin{p.pin}, nil)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// dial opens a connection that says nothing yet, with TLS only if the port has
// it and plain is not set.
func (p *port) dial(t testing.TB, plain bool) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	if p.secure && !plain {
		conn = tls.Client(conn, certificate.ClientConfig([]certificate.Pin{p.pin}, nil))
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ended demands that the other side ends a connection, and returns what it said
// before that.
func ended(t testing.TB, conn net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection lives on; it said %q", b)
	}
	return string(b)
}

// both runs a test over HTTP/1.1 and, with TLS, over HTTP/2.
func both(t *testing.T, test func(t *testing.T, secure bool)) {
	for name, secure := range map[string]bool{"over HTTP/1.1": false, "over HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			test(t, secure)
		})
	}
}

// fine answers every request.
var fine = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.Proto)
})

func get(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestOnePortSpeaksHTTP2AndHTTP11AndSendsPlainCallersAway(t *testing.T) {
	t.Parallel()
	p := stand(t, gateway.ServerConfig{StrictTransport: time.Hour}, fine, true)
	resp, said := get(t, p.client(t), p.url())
	if said != "HTTP/2.0" || resp.TLS.Version < tls.VersionTLS12 || resp.Header.Get("Strict-Transport-Security") != "max-age=3600" {
		t.Errorf("%s %v %v", said, resp.TLS.Version, resp.Header)
	}
	old := p.client(t)
	old.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	if _, said := get(t, old, p.url()); said != "HTTP/1.1" {
		t.Error(said)
	}
	plain := p.dial(t, true)
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if said := ended(t, plain); !strings.HasPrefix(said, "HTTP/1.0 400 ") || !strings.Contains(said, "HTTPS server") {
		t.Errorf("%q", said)
	}
	ancient := certificate.ClientConfig([]certificate.Pin{p.pin}, nil)
	ancient.MinVersion, ancient.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if conn, err := tls.Dial("tcp", p.address, ancient); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	unsafe := stand(t, gateway.ServerConfig{StrictTransport: time.Hour}, fine, false)
	if resp, _ := get(t, unsafe.client(t), unsafe.url()); resp.Header.Get("Strict-Transport-Security") != "" {
		t.Error("strict transport without TLS, where it counts for nothing (RFC 6797 section 7.2)")
	}
}

func TestWhoDoesNotFinishAHandshakeIsDropped(t *testing.T) {
	t.Parallel()
	p := stand(t, gateway.ServerConfig{HeaderTime: 100 * time.Millisecond}, fine, true)
	silent := p.dial(t, true)
	half := p.dial(t, true)
	_, _ = half.Write([]byte{22, 3, 1, 1, 0, 1, 0}) // the head of a ClientHello that does not come
	ended(t, silent)
	ended(t, half)
}

func TestWhoDoesNotFinishAHeaderIsDropped(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p := stand(t, gateway.ServerConfig{HeaderTime: 100 * time.Millisecond}, fine, secure)
		conn := p.dial(t, false)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		if said := ended(t, conn); strings.Contains(said, " 200 ") {
			t.Errorf("TLS %v: %q", secure, said)
		}
	}
	// Bytes that come now and then do not help.
	p := stand(t, gateway.ServerConfig{HeaderTime: 100 * time.Millisecond}, fine, false)
	conn := p.dial(t, false)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	go drip(conn, "X: y\r\n")
	ended(t, conn)
}

// drip writes again and again, slowly, until that fails.
func drip(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhoSaysNothingBetweenRequestsIsDropped(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		p := stand(t, gateway.ServerConfig{IdleTime: 500 * time.Millisecond}, fine, secure)
		if _, said := get(t, p.client(t), p.url()); !strings.HasPrefix(said, "HTTP/") {
			t.Error(said)
		}
		await(t, "the connection is gone", func() bool { return p.listener.Open() == 0 })
	})
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestRequestsThatAreTooLargeAreAnsweredSo(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		p := stand(t, gateway.ServerConfig{HeaderBytes: 4 << 10, TargetBytes: 1000, Parameters: 3}, fine, secure)
		for name, c := range map[string]struct {
			path, header string
			status       int
		}{
			"as it should be":      {"/?a=1&b=2&c=3", strings.Repeat("x", 1000), 200},
			"a large header":       {"/", strings.Repeat("x", 12<<10), 431},
			"a long path":          {"/" + strings.Repeat("x", 1000), "", 414},
			"a long query":         {"/?" + strings.Repeat("x", 1000), "", 414},
			"many parameters":      {"/?a&b&c&d", "", 400},
			"many empty ones":      {"/?&&&&&&", "", 400},
			"as long as it may be": {"/" + strings.Repeat("x", 999), "", 200},
		} {
			req, err := http.NewRequest(http.MethodGet, p.url()+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Filler", c.header)
			resp, err := p.client(t).Do(req)
			if err != nil {
				// Over HTTP/2 a field that is longer than all may be ends the connection.
				if !secure || c.status != 431 {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != c.status || resp.Header.Get("X-Content-Type-Options") != "nosniff" && c.status != 431 {
				t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
			}
			if kind := "application/problem+json"; c.status == 414 || c.status == 400 {
				var problem struct{ Kind, Detail string }
				if resp.Header.Get("Content-Type") != kind || json.Unmarshal(b, &problem) != nil || problem.Detail == "" {
					t.Errorf("%s: %s", name, b)
				}
			}
		}
	})
}

// reading reads bodies and reports how that ended.
func reading(result chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
		if err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})
}

func TestWhoSendsABodyTooSlowlyIsDropped(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		result := make(chan error, 1)
		p := stand(t, gateway.ServerConfig{Stall: 200 * time.Millisecond}, reading(result), secure)
		body, w := io.Pipe()
		defer func() { _ = w.Close() }()
		go drip(w, "x")
		req, err := http.NewRequest(http.MethodPost, p.url(), body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 1 << 20
		resp, err := p.client(t).Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestTimeout {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
		select {
		case err := <-result:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the body ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the body is still awaited")
		}
		await(t, "the connection is gone, or idle", func() bool { return secure || p.listener.Open() == 0 })
	})
}

func TestABodyThatNobodyReadsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	p := stand(t, gateway.ServerConfig{Stall: 100 * time.Millisecond}, fine, false)
	conn := p.dial(t, false)
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
	if said := ended(t, conn); !strings.HasPrefix(said, "HTTP/1.1 200 ") {
		t.Errorf("%q", said)
	}
}

func TestWhoTakesAnAnswerTooSlowlyIsDropped(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		result := make(chan error, 1)
		p := stand(t, gateway.ServerConfig{Stall: 200 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 64<<20))
			result <- err
		}), secure)
		resp, err := p.client(t).Get(p.url())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		select {
		case err := <-result:
			if err == nil {
				t.Error("64 MiB went to nobody")
			}
		case <-time.After(patience):
			t.Error("the answer is still being written")
		}
	})
}

func TestWorkThatTakesLongerThanAStallIsNotCutOff(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		p := stand(t, gateway.ServerConfig{Stall: time.Second}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			select { // as for a block
			case <-time.After(1500 * time.Millisecond):
			case <-r.Context().Done():
				t.Error("the call was given up")
			}
			_, _ = w.Write(b)
		}), secure)
		c := p.client(t)
		for range 2 { // over one connection
			resp, err := c.Post(p.url(), "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || string(b) != "hello" {
				t.Errorf("%q %v", b, err)
			}
		}
	})
}

func TestAStreamMayBeSilentForLongerThanAStall(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		p := stand(t, gateway.ServerConfig{Stall: time.Second}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := range 3 {
				if i > 0 {
					time.Sleep(1500 * time.Millisecond)
				}
				_, _ = fmt.Fprintf(w, "data: %d\n", i)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
		}), secure)
		resp, err := p.client(t).Get(p.url())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		var got []string
		for lines.Scan() {
			got = append(got, lines.Text())
		}
		if lines.Err() != nil || len(got) != 3 {
			t.Errorf("%q %v", got, lines.Err())
		}
	})
}

func TestAStopFinishesWhatWasBegun(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		p := stand(t, gateway.ServerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-goOn
			_, _ = io.WriteString(w, "finished")
		}), secure)
		answer := make(chan string, 1)
		c := p.client(t)
		go func() {
			resp, err := c.Get(p.url())
			if err != nil {
				answer <- err.Error()
				return
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(resp.Body)
			_ = resp.Body.Close()
			answer <- fmt.Sprint(b.String(), err)
		}()
		<-begun
		stopped := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		go func() { stopped <- p.server.Shutdown(ctx) }()
		await(t, "the port is closed", func() bool {
			conn, err := net.Dial("tcp", p.address)
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
		close(goOn)
		if got := <-answer; got != "finished<nil>" {
			t.Error(got)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
