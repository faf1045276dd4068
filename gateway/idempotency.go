// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// A caller that does not know what became of a call makes it again with the same
// Idempotency-Key, and gets the answer of the first
// (draft-ietf-httpapi-idempotency-key-header-07).

const (
	idempotencyHeader = "Idempotency-Key"
	// replayedHeader says that an answer was given before.
	replayedHeader = "Idempotency-Replayed"
	// maxIdempotencyKey bounds a key, in bytes.
	maxIdempotencyKey = 255
)

// once marks a call of which a repetition with the same key has no effect.
func (g *Gateway) once(op huma.Operation) huma.Operation {
	longest := maxIdempotencyKey + 2
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: idempotencyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &longest},
		Description: "of the caller's choosing, such as a UUID: the same call with the same key has its effect once, and gets the answer of the first for 24 hours; another call with it is refused with status 422",
	})
	op.Middlewares = append(op.Middlewares, g.repeat)
	return op
}

// repeat serves a call that has a key, or answers as it was answered before.
func (g *Gateway) repeat(ctx huma.Context, next func(huma.Context)) {
	a, ok := overREST(ctx)
	if !ok {
		next(ctx)
		return
	}
	key, given, err := idempotencyKey(ctx)
	if err != nil {
		g.giveProblem(a, err)
		return
	}
	if !given {
		next(ctx)
		return
	}
	body, whole, in := g.readBody(ctx)
	if !whole { // it is refused for what it is
		keepBack(a.Context(), a, in, next).write(a.requestContext)
		return
	}
	who := callerName(ctx)
	for {
		at, first, err := g.attempts.join(who, key, fingerprint(ctx, body))
		if err != nil {
			g.giveProblem(a, err)
			return
		}
		if first {
			g.attempt(a, at, body, next)
			return
		}
		select {
		case <-at.done:
		case <-ctx.Context().Done():
			return // nobody is there to be answered
		}
		if at.answer != nil {
			again := *at.answer
			again.header = again.header.Clone()
			again.header.Set(replayedHeader, "true")
			again.write(a.requestContext)
			return
		}
		// The first came to nothing: somebody else may try.
	}
}

// attempt serves the first call with a key. It is not ended by its caller's going
// away: that is when callers try again.
func (g *Gateway) attempt(a *answer, at *attempt, body []byte, next func(huma.Context)) {
	ctx := context.WithoutCancel(a.Context())
	got := func() (got *kept) {
		defer func() { // also if next panics
			if got != nil && decisive(got.status) {
				g.attempts.settle(at, got)
			} else {
				g.attempts.settle(at, nil)
			}
		}()
		return keepBack(ctx, a, bytes.NewReader(body), next)
	}()
	got.write(a.requestContext)
}

// decisive reports whether an answer stands for good. What was not done for want
// of something, or may work the next time, can be tried again with the same key.
func decisive(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout,
		http.StatusFailedDependency, http.StatusTooManyRequests:
		return false
	}
	return status >= 200 && status < 500
}

// readBody reads what a caller sent; whole is false where it is too much or ended
// early, and in gives all of it again.
func (g *Gateway) readBody(ctx huma.Context) (body []byte, whole bool, in io.Reader) {
	// Else a body that never comes is waited for. As huma's own, the time is the machine's.
	_ = ctx.SetReadDeadline(time.Now().Add(ctx.Operation().BodyReadTimeout))
	rest := ctx.BodyReader()
	if rest == nil {
		return nil, true, nil
	}
	body, err := io.ReadAll(io.LimitReader(rest, g.cfg.MaxBody+1))
	if err != nil {
		return nil, false, io.MultiReader(bytes.NewReader(body), failing{err})
	}
	return body, int64(len(body)) <= g.cfg.MaxBody, io.MultiReader(bytes.NewReader(body), rest)
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// giveProblem answers with what is wrong.
func (g *Gateway) giveProblem(a *answer, err error) {
	p := problemOf(err)
	p.setHeaders(a.requestContext)
	a.status = p.Status
	a.SetHeader("Content-Type", problemType)
	a.SetStatus(p.Status)
	_ = compactJSON().Marshal(a.BodyWriter(), p) // that the caller went away is no concern of ours
}

func (p *problem) setHeaders(ctx huma.Context) {
	for name := range p.header {
		ctx.SetHeader(name, p.header.Get(name))
	}
}

// fingerprint tells calls apart that came with one key.
func fingerprint(ctx huma.Context, body []byte) [sha256.Size]byte {
	h := sha256.New()
	u := ctx.URL()
	h.Write(fmt.Appendf(nil, "%s\x00%s\x00%s\x00", ctx.Method(), u.EscapedPath(), u.RawQuery))
	h.Write(body)
	return [sha256.Size]byte(h.Sum(nil))
}

// callerName names whose key it is: nobody meets another's answers. The words of
// a development network count as so many callers. It is a hash, since it is written
// down, and a word is its caller's secret.
func callerName(ctx huma.Context) string {
	c := callerIn(ctx.Context())
	var name string
	switch {
	case c.entry != nil:
		name = "token " + c.entry.ID
	case c.word:
		name = "word " + ctx.Header("Authorization")
	default:
		name = "address " + network(c.remote).String()
	}
	h := sha256.Sum256([]byte(name))
	return hex.EncodeToString(h[:])
}

// idempotencyKey reads a call's key: a string (RFC 9651 section 3.3.3), or what
// is between its quotes, as most clients send it.
func idempotencyKey(ctx huma.Context) (key string, given bool, err error) {
	var all []string
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, idempotencyHeader) {
			all = append(all, value)
		}
	})
	switch len(all) {
	case 0:
		return "", false, nil
	case 1:
		key, err = parseIdempotencyKey(strings.Trim(all[0], " "))
	default:
		err = errors.New("given more than once")
	}
	if err != nil {
		return "", false, rats.Errorf(rats.Malformed, "%s: %s", idempotencyHeader, err)
	}
	return key, true, nil
}

func parseIdempotencyKey(text string) (string, error) {
	inner, quoted := strings.CutPrefix(text, `"`)
	if quoted {
		if inner, quoted = strings.CutSuffix(inner, `"`); !quoted {
			return "", errors.New("the string does not end")
		}
	}
	var key []byte
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		switch {
		case c == '\\' && quoted && i+1 < len(inner) && (inner[i+1] == '"' || inner[i+1] == '\\'):
			i++
			c = inner[i]
		case c == '\\' || c == '"':
			return "", errors.New("not one string")
		case c < ' ' || c > '~':
			return "", errors.New("not printable ASCII")
		case !quoted && (c == ' ' || c == ',' || c == ';'):
			return "", errors.New("with spaces, commas or semicolons it takes quotes")
		}
		key = append(key, c)
	}
	if len(key) == 0 || len(key) > maxIdempotencyKey {
		return "", fmt.Errorf("%d bytes, want 1 to %d", len(key), maxIdempotencyKey)
	}
	return string(key), nil
}
