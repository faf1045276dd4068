// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// abuser is one way of not meaning well.
type abuser struct {
	name string
	// clients do it at once, each again and again with a pause between.
	clients int
	pause   time.Duration
	// once does it once and returns a word for what came of it: an HTTP status,
	// or how the connection ended.
	once func(ctx context.Context, w *world) string
}

// abusers are those that send what is wrong and read the answer.
func abusers() []abuser {
	return []abuser{
		{"not JSON", 2, 20 * time.Millisecond, posting("/v1/evidence", func(*world) []byte { return noise(2000) })},
		{"JSON of another shape", 1, 20 * time.Millisecond, posting("/v1/evidence", func(*world) []byte {
			return []byte(`{"evidence":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)
		})},
		{"evidence with a flipped bit", 2, 20 * time.Millisecond, posting("/v1/evidence", flipped)},
		{"evidence again and again", 1, 20 * time.Millisecond, posting("/v1/evidence", replayed)},
		{"evidence of noise", 1, 20 * time.Millisecond, posting("/v1/evidence", func(*world) []byte { return evidenceBody(noise(5000)) })},
		{"endorsements of noise", 1, 50 * time.Millisecond, posting("/v1/endorsements", func(*world) []byte {
			return []byte(`{"endorsements":[{"kind":"tcb_info","body":"` + base64.StdEncoding.EncodeToString(noise(9000)) + `","issuers":[]}]}`)
		})},
		{"a wrong token", 1, 20 * time.Millisecond, wrongToken},
		{"paths that are none", 1, 20 * time.Millisecond, getting(func() string { return "/v1/" + strings.Repeat("../%2e/x", rand.IntN(200)) })},
		{"queries that are none", 1, 20 * time.Millisecond, getting(func() string { return "/v1/enclaves?limit=-1&cursor=%ff&" + strings.Repeat("q=1&", 500) })},
		{"JSON-RPC of noise", 1, 20 * time.Millisecond, posting("/", func(*world) []byte { return noise(500) })},
		{"full batches of JSON-RPC", 1, 50 * time.Millisecond, posting("/", batch)},
		{"frames of noise", 1, 50 * time.Millisecond, frames(func() (websocket.MessageType, []byte) { return websocket.MessageText, noise(500) })},
		{"binary frames", 1, 50 * time.Millisecond, frames(func() (websocket.MessageType, []byte) { return websocket.MessageBinary, noise(500) })},
		{"bodies of 25 MB", 1, 200 * time.Millisecond, posting("/v1/evidence", func(w *world) []byte { return w.huge })},
		{"chunked bodies of 25 MB", 1, 200 * time.Millisecond, chunked},
		{"frames of 25 MB", 1, 200 * time.Millisecond, frames(func() (websocket.MessageType, []byte) { return websocket.MessageText, make([]byte, 25<<20) })},
		{"headers of 1 MB", 1, 100 * time.Millisecond, largeHeader},
		{"a path of 1 MB", 1, 100 * time.Millisecond, getting(func() string { return "/v1/enclaves/" + strings.Repeat("a", 1<<20) })},
	}
}

// noise returns printable bytes without a meaning.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = ' ' + byte(rand.IntN(95)) //nolint:gosec // below 95
	}
	return b
}

func evidenceBody(raw []byte) []byte {
	b, err := json.Marshal(map[string][]byte{"evidence": raw})
	if err != nil {
		panic(err) // a string always encodes
	}
	return b
}

// flipped returns good evidence but for one bit of its signed part.
func flipped(w *world) []byte {
	q := bytes.Clone(w.sample)
	q[48+rand.IntN(384)] ^= 1 << rand.IntN(8)
	return evidenceBody(q)
}

func replayed(w *world) []byte { return evidenceBody(w.sample) }

func batch(*world) []byte {
	one := `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["` + strings.Repeat("00", 5000) + `"]}`
	return []byte("[" + strings.TrimSuffix(strings.Repeat(one+",", 64), ",") + "]")
}

// posting posts bodies with a word for a token.
func posting(path string, body func(*world) []byte) func(context.Context, *world) string {
	return func(ctx context.Context, w *world) string {
		return asked(w, func() (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.node.url+path, bytes.NewReader(body(w)))
			if err == nil {
				req.Header.Set("Authorization", "Bearer word")
			}
			return req, err
		})
	}
}

func getting(path func() string) func(context.Context, *world) string {
	return func(ctx context.Context, w *world) string {
		return asked(w, func() (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, w.node.url+path(), nil)
		})
	}
}

func wrongToken(ctx context.Context, w *world) string {
	return asked(w, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.node.url+"/v1/evidence", bytes.NewReader(evidenceBody(w.sample)))
		if err == nil {
			req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(noise(30)))
		}
		return req, err
	})
}

func chunked(ctx context.Context, w *world) string {
	return asked(w, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.node.url+"/v1/evidence", io.MultiReader(bytes.NewReader(w.huge)))
		if err == nil {
			req.Header.Set("Authorization", "Bearer word")
		}
		return req, err
	})
}

func largeHeader(ctx context.Context, w *world) string {
	return asked(w, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.node.url+"/v1/enclaves", nil)
		if err == nil {
			req.Header.Set("X-Large", strings.Repeat("a", 1<<20))
		}
		return req, err
	})
}

// asked makes a request and returns the status of its answer.
func asked(w *world, make func() (*http.Request, error)) string {
	req, err := make()
	if err != nil {
		return "not sent"
	}
	resp, err := w.abusing.Do(req)
	if err != nil {
		return ending(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read as far as it matters
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.Status[:3]
}

// frames opens a WebSocket, sends a few messages and reads what comes back.
func frames(next func() (websocket.MessageType, []byte)) func(context.Context, *world) string {
	return func(ctx context.Context, w *world) string {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		conn, resp, err := websocket.Dial(ctx, "ws://"+w.node.host+"/", &websocket.DialOptions{HTTPClient: w.abusing})
		if err != nil {
			if resp != nil {
				return resp.Status[:3]
			}
			return ending(err)
		}
		defer conn.CloseNow() //nolint:errcheck // it is over either way
		for range 3 {
			kind, msg := next()
			if err := conn.Write(ctx, kind, msg); err != nil {
				return ending(err)
			}
			if _, _, err := conn.Read(ctx); err != nil {
				return ending(err)
			}
		}
		return "answered"
	}
}

// ending is a word for how a connection ended.
func ending(err error) string {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return "closed " + closed.Code.String()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "given up"
	default:
		return "cut off"
	}
}
