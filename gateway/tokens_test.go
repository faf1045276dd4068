// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// wound is a clock that goes when it is wound.
type wound struct {
	mu sync.Mutex // guards at
	at time.Time
}

// newWound returns a clock 42.7 seconds before the next minute.
func newWound() *wound { return &wound{at: time.Date(2020, 3, 14, 12, 0, 17, 300_000_000, time.UTC)} }

func (w *wound) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *wound) wind(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// guarded is a node whose callers have tokens.
type guarded struct {
	*house
	clock *wound
	store *token.Store
	dir   string
}

func openGuarded(t testing.TB, network string, change func(*gateway.Config)) *guarded {
	t.Helper()
	g := &guarded{clock: newWound(), dir: t.TempDir()}
	var err error
	if g.store, err = token.Open(g.dir, g.clock.now()); err != nil {
		t.Fatal(err)
	}
	g.house = open(t, network, func(_ *ledger.Config, gc *gateway.Config) {
		gc.Tokens, gc.TokenAdmin, gc.Now = g.store, g.store, g.clock.now
		if change != nil {
			change(gc)
		}
	})
	return g
}

func (g *guarded) create(t testing.TB, r token.Request) token.Made {
	t.Helper()
	if r.Scopes == nil {
		r.Scopes = token.Scopes{token.Read, token.Submit}
	}
	m, err := g.store.Create(r, g.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	invalid = `Bearer error="invalid_token"`
	missing = `Bearer realm="attesteer"`
	badRPC  = `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["00"]}`
	nameRPC = `{"jsonrpc":"2.0","id":1,"method":"system_name"}`
)

func lacking(s token.Scope) string {
	return `Bearer error="insufficient_scope", scope="` + string(s) + `"`
}

// refusal is how a token is refused: its HTTP status, and what is asked for.
type refusal struct {
	status    int
	challenge string
}

// TestEveryStatusOfATokenOnEveryWayIn tries each kind of token where it is let
// in and where not. What is let in is malformed: that it is, says so.
func TestEveryStatusOfATokenOnEveryWayIn(t *testing.T) {
	g := openGuarded(t, "test", nil)
	text := map[string]string{
		"none": "", "the word of commands": "dev", "another word": "anything",
		"of another node": otherToken(t), "read": g.create(t, token.Request{Scopes: token.Scopes{token.Read}}).Token,
		"submit": g.create(t, token.Request{Scopes: token.Scopes{token.Submit}}).Token,
		"admin":  g.create(t, token.Request{Scopes: token.Scopes{token.Admin}}).Token,
	}
	text["mistyped"] = text["admin"][:20] + "~" + text["admin"][21:]
	expired := g.create(t, token.Request{Expires: g.clock.now().Add(time.Minute)})
	revoked := g.create(t, token.Request{})
	text["expired"], text["revoked"] = expired.Token, revoked.Token
	g.clock.wind(time.Minute)
	if _, err := g.store.Revoke(revoked.ID, g.clock.now()); err != nil {
		t.Fatal(err)
	}
	bad := refusal{401, invalid}
	for name, want := range map[string]struct{ read, submit, admin refusal }{
		"none":                 {refusal{}, refusal{401, missing}, refusal{401, missing}},
		"the word of commands": {refusal{}, refusal{401, missing}, refusal{401, missing}},
		"read":                 {refusal{}, refusal{403, lacking(token.Submit)}, refusal{403, lacking(token.Admin)}},
		"submit":               {refusal{}, refusal{}, refusal{403, lacking(token.Admin)}},
		"admin":                {},
		"another word":         {bad, bad, bad},
		"of another node":      {bad, bad, bad},
		"mistyped":             {bad, bad, bad},
		"expired":              {bad, bad, bad},
		"revoked":              {bad, bad, bad},
	} {
		t.Run(name, func(t *testing.T) {
			tok := text[name]
			g.get(t, "/v1/ledger", bearer(tok)...).meets(t, want.read, 200)
			g.get(t, "/v1/admin/tokens", bearer(tok)...).meets(t, want.admin, 200)
			g.call(t, http.MethodDelete, "/v1/admin/tokens/x", tok, nil).meets(t, want.admin, 404)
			g.post(t, "/v1/admin/tokens", tok, `{"scopes":["x"]}`).meets(t, want.admin, 400)
			g.post(t, "/v1/evidence", tok, `{"evidence":"AA=="}`).meets(t, want.submit, 400)
			g.post(t, "/v1/attesteer/forward_dcap_quote", tok, `{"quote":"00"}`).meets(t, want.submit, 200)
			g.get(t, "/v1/attesteer/get_methods", bearer(tok)...).meets(t, want.read, 200)
			g.post(t, "/", tok, badRPC).meets(t, want.submit, 200)
			g.post(t, "/", tok, nameRPC).meets(t, want.read, 200)
			g.socketMeets(t, tok, want.read, want.submit)
			for _, path := range []string{"/healthz", "/openapi.json", "/page"} { // look at no token
				g.get(t, path, bearer(tok)...).meets(t, refusal{}, 200)
			}
		})
	}
	said := func(tok string) string { return string(g.get(t, "/v1/ledger", bearer(tok)...).body) }
	for name, word := range map[string]string{"expired": "expired at", "revoked": "revoked", "mistyped": "mistyped", "another word": "no token of this node"} {
		if got := said(text[name]); !strings.Contains(got, word) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := string(g.post(t, "/v1/evidence", text["read"], "{}").body); !strings.Contains(got, "scope submit") {
		t.Errorf("the scope is not named: %s", got)
	}
	for name, tok := range text {
		if name != "the word of commands" && tok != "" && strings.Contains(g.logged.String(), tok) {
			t.Errorf("the token %q is in the log", name)
		}
	}
}

// otherToken is a token that another node made.
func otherToken(t testing.TB) string {
	t.Helper()
	s, err := token.Open(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Create(token.Request{Scopes: token.Scopes{token.Admin}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return m.Token
}

func bearer(tok string) []string {
	if tok == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + tok}
}

// meets demands a refusal, or without one the status of what was let in.
func (r reply) meets(t testing.TB, want refusal, let int) {
	t.Helper()
	if want.status == 0 {
		want.status = let
	}
	if r.status != want.status || r.header.Get("WWW-Authenticate") != want.challenge {
		t.Errorf("%d %s %s; want %+v", r.status, r.header, r.body, want)
	}
	if want.challenge != "" && !strings.Contains(string(r.body), "unauthorized") && !strings.Contains(string(r.body), hex.EncodeToString([]byte("unauthorized"))) {
		t.Errorf("the kind is not named: %s", r.body)
	}
}

// socketMeets tries a read and a submission on a WebSocket: a token that is not
// good does not open one, and what one may not do is answered call by call.
func (g *guarded) socketMeets(t *testing.T, tok string, read, submit refusal) {
	t.Helper()
	if read.status == 401 && tok != "" {
		if r := g.get(t, "/", append(bearer(tok), "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")...); r.status != 401 {
			t.Errorf("it opens a WebSocket: %d", r.status)
		}
		return
	}
	header := http.Header{}
	if tok != "" {
		header.Set("Authorization", "Bearer "+tok)
	}
	conn := g.dial(t, header)
	for msg, want := range map[string]refusal{nameRPC: read, badRPC: submit} {
		got := as[inner](t, talk(t, conn, msg))
		if got.Result == nil {
			t.Fatalf("%+v", got)
		}
		text := *got.Result
		if strings.HasPrefix(text, "0x") {
			text = returnedText(t, text)
		}
		if (want.status != 0) != strings.HasPrefix(text, "unauthorized: ") {
			t.Errorf("%s: %s, want %+v", msg, text, want)
		}
	}
}

// TestAQuotaIsFreeAgainAfterTheSecondsThatRetryAfterSays tries each way in, with
// a quota of one call a minute.
func TestAQuotaIsFreeAgainAfterTheSecondsThatRetryAfterSays(t *testing.T) {
	g := openGuarded(t, "test", nil)
	one := token.Quota{PerMinute: 1}
	for name, c := range map[string]struct {
		call func(tok string) reply
		let  int
	}{
		"a read":                  {func(tok string) reply { return g.get(t, "/v1/ledger", bearer(tok)...) }, 200},
		"a submission":            {func(tok string) reply { return g.post(t, "/v1/evidence", tok, `{"evidence":"AA=="}`) }, 400},
		"endorsements":            {func(tok string) reply { return g.post(t, "/v1/endorsements", tok, `{"endorsements":[]}`) }, 400},
		"a compatible read":       {func(tok string) reply { return g.get(t, "/v1/attesteer/get_methods", bearer(tok)...) }, 200},
		"a compatible submission": {func(tok string) reply { return g.post(t, "/v1/attesteer/forward_dcap_quote", tok, `{"quote":"00"}`) }, 200},
		"JSON-RPC":                {func(tok string) reply { return g.post(t, "/", tok, badRPC) }, 200},
		"a batch of JSON-RPC": {func(tok string) reply {
			return g.post(t, "/", tok, `[`+badRPC+`,{"jsonrpc":"2.0","id":2,"method":"no_such"}]`)
		}, 200},
		"a notification": {func(tok string) reply {
			return g.post(t, "/", tok, `{"jsonrpc":"2.0","method":"system_name"}`)
		}, 204},
	} {
		t.Run(name, func(t *testing.T) {
			tok := g.create(t, token.Request{Submissions: one, Reads: one}).Token
			rest := time.Minute - time.Duration(g.clock.now().Second())*time.Second - time.Duration(g.clock.now().Nanosecond())
			if r := c.call(tok); r.status != c.let {
				t.Fatalf("the first: %d %s", r.status, r.body)
			}
			over := func(want string) {
				t.Helper()
				r := c.call(tok)
				if r.status != 429 || r.header.Get("Retry-After") != want {
					t.Errorf("%d %s %s, want Retry-After %s", r.status, r.header, r.body, want)
				}
				if name != "a notification" && !strings.Contains(string(r.body), "quota_exceeded") && !strings.Contains(string(r.body), hex.EncodeToString([]byte("quota_exceeded"))) {
					t.Errorf("the kind is not named: %s", r.body)
				}
			}
			seconds := int((rest + time.Second - 1) / time.Second)
			over(fmt.Sprint(seconds))
			g.clock.wind(time.Duration(seconds-1) * time.Second)
			over("1")
			g.clock.wind(time.Second)
			if r := c.call(tok); r.status != c.let {
				t.Errorf("then: %d %s", r.status, r.body)
			}
		})
	}
	t.Run("a WebSocket", func(t *testing.T) {
		tok := g.create(t, token.Request{Reads: one}).Token
		conn := g.dial(t, http.Header{"Authorization": {"Bearer " + tok}})
		ask := func() string { return *as[inner](t, talk(t, conn, nameRPC)).Result }
		if got := ask(); got != "attesteer" {
			t.Errorf("the first: %s", got)
		}
		if got := returnedText(t, ask()); !strings.HasPrefix(got, "quota_exceeded: ") {
			t.Errorf("the second: %s", got)
		}
		g.clock.wind(time.Minute)
		if got := ask(); got != "attesteer" {
			t.Errorf("then: %s", got)
		}
	})
	t.Run("a batch of which a part is let in", func(t *testing.T) {
		tok := g.create(t, token.Request{Reads: one}).Token
		r := g.post(t, "/", tok, `[`+nameRPC+`,`+strings.Replace(nameRPC, `"id":1`, `"id":2`, 1)+`]`)
		if r.status != 200 || !strings.Contains(string(r.body), `"attesteer"`) || !strings.Contains(string(r.body), hex.EncodeToString([]byte("quota_exceeded"))) {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestAnAddressIsToldWhenItMayCallAgain(t *testing.T) {
	g := openGuarded(t, "test", func(gc *gateway.Config) { gc.Rate = gateway.Rate{PerSecond: 0.5, Burst: 12} })
	read := func(want int, after string) {
		t.Helper()
		r := g.get(t, "/v1/ledger")
		if r.status != want || r.header.Get("Retry-After") != after {
			t.Errorf("%d %s %s, want %d after %q", r.status, r.header, r.body, want, after)
		}
	}
	// What makes a block costs more than a look.
	if r := g.post(t, "/v1/endorsements", "", `{"endorsements":[]}`); r.status != 400 {
		t.Errorf("%d %s", r.status, r.body)
	}
	read(200, "")
	read(200, "")
	read(429, "2")
	g.clock.wind(time.Second)
	read(429, "1")
	g.clock.wind(time.Second)
	read(200, "")
	if r := g.post(t, "/", "", nameRPC); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("JSON-RPC: %d %s", r.status, r.header)
	}
	if r := g.get(t, "/v1/attesteer/get_methods"); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("compatible: %d %s", r.status, r.header)
	}
	// Who tries tokens out is an address like others; who has one is none.
	g.get(t, "/v1/ledger", bearer(otherToken(t))...).wants(t, 429, rats.QuotaExceeded)
	if r := g.get(t, "/v1/ledger", bearer(g.create(t, token.Request{}).Token)...); r.status != 200 {
		t.Errorf("with a token: %d %s", r.status, r.body)
	}
	// The calls of a connection count one by one, and so do those of a batch.
	g.clock.wind(6 * time.Second)
	conn := g.dial(t, nil) // one of three
	for i, want := range []bool{true, true, false} {
		got := *as[inner](t, talk(t, conn, nameRPC)).Result
		if (got == "attesteer") != want {
			t.Errorf("call %d of a WebSocket: %s", i, got)
		}
	}
	g.clock.wind(4 * time.Second)
	r := g.post(t, "/", "", "["+nameRPC+`,{"jsonrpc":"2.0","id":2,"method":"system_name"},{"jsonrpc":"2.0","id":3,"method":"system_name"}]`)
	if n := strings.Count(string(r.body), `"attesteer"`); r.status != 200 || n != 2 {
		t.Errorf("%d calls of a batch were let in: %d %s", n, r.status, r.body)
	}
}

func TestReadsMayNeedATokenToo(t *testing.T) {
	g := openGuarded(t, "test", func(gc *gateway.Config) { gc.ReadsNeedToken = true })
	read := g.create(t, token.Request{Scopes: token.Scopes{token.Read}}).Token
	submit := g.create(t, token.Request{Scopes: token.Scopes{token.Submit}}).Token
	none, noRead := refusal{401, missing}, refusal{403, lacking(token.Read)}
	for _, path := range []string{"/v1/ledger", "/v1/enclaves", "/v1/endorsements", "/v1/attesteer/get_methods", "/page"} {
		g.get(t, path).meets(t, none, 0)
		g.get(t, path, bearer("dev")...).meets(t, none, 0)
		g.get(t, path, bearer(read)...).meets(t, refusal{}, 200)
		g.get(t, path, bearer(submit)...).meets(t, noRead, 0)
	}
	g.post(t, "/", "", nameRPC).meets(t, none, 0)
	g.post(t, "/", submit, nameRPC).meets(t, noRead, 0)
	g.post(t, "/", read, nameRPC).meets(t, refusal{}, 200)
	push := `{"endorsements":[]}`
	g.post(t, "/v1/endorsements", "", push).meets(t, none, 0)
	g.post(t, "/v1/endorsements", read, push).meets(t, refusal{403, lacking(token.Submit)}, 0)
	g.post(t, "/v1/endorsements", submit, push).meets(t, refusal{}, 400)
	g.socketMeets(t, "", none, none)
	g.socketMeets(t, submit, noRead, refusal{})
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		if r := g.get(t, path); r.status != 200 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestOnADevelopmentNetworkAnyWordIsATokenAndATokenIsWhatItIs(t *testing.T) {
	g := openGuarded(t, "dev", nil)
	expired := g.create(t, token.Request{Expires: g.clock.now().Add(time.Minute)}).Token
	g.clock.wind(time.Minute)
	read := g.create(t, token.Request{Scopes: token.Scopes{token.Read}}).Token
	admin := g.create(t, token.Request{Scopes: token.Scopes{token.Admin}}).Token
	for tok, want := range map[string]struct{ submit, admin refusal }{
		"dev":         {refusal{}, refusal{403, lacking(token.Admin)}},
		"anything":    {refusal{}, refusal{403, lacking(token.Admin)}},
		otherToken(t): {refusal{}, refusal{403, lacking(token.Admin)}},
		"":            {refusal{401, missing}, refusal{401, missing}},
		read:          {refusal{403, lacking(token.Submit)}, refusal{403, lacking(token.Admin)}},
		expired:       {refusal{401, invalid}, refusal{401, invalid}},
		admin:         {},
	} {
		g.post(t, "/v1/evidence", tok, `{"evidence":"AA=="}`).meets(t, want.submit, 400)
		g.get(t, "/v1/admin/tokens", bearer(tok)...).meets(t, want.admin, 200)
	}
	// The original's clients show none over JSON-RPC.
	g.post(t, "/", "", badRPC).meets(t, refusal{}, 200)
	g.get(t, "/v1/ledger", "Authorization", "Basic YTpi").meets(t, refusal{401, invalid}, 0)
}
