// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/token"
)

func TestOperatorsMakeAndRevokeTokensOverTheAPI(t *testing.T) {
	g := openGuarded(t, "test", nil)
	boss := g.create(t, token.Request{Name: "boss", Scopes: token.Scopes{token.Admin}})
	r := g.post(t, "/v1/admin/tokens", boss.Token,
		`{"name":"a client","scopes":["submit","read"],"expires":"90d","per_minute":5,"per_day":100,"reads_per_minute":7,"registrar":null}`)
	made := as[token.Made](t, r.body)
	if r.status != 201 || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %s", r.status, r.header, r.body)
	}
	want := token.View{
		ID: made.ID, Name: "a client", State: token.Active, Scopes: token.Scopes{token.Read, token.Submit},
		Created: made.Created, Expires: made.Expires, Submissions: &token.Quota{PerMinute: 5, PerDay: 100}, Reads: &token.Quota{PerMinute: 7},
	}
	if !sameJSON(t, made.View, want) || !made.Expires.Equal(made.Created.Add(90*24*time.Hour)) {
		t.Errorf("%+v", made)
	}
	if r := g.post(t, "/v1/evidence", made.Token, `{"evidence":"AA=="}`); r.status != 400 {
		t.Errorf("it is not let in: %d %s", r.status, r.body)
	}
	conn := g.dial(t, http.Header{"Authorization": {"Bearer " + made.Token}})
	if got := as[inner](t, talk(t, conn, nameRPC)); *got.Result != "attesteer" {
		t.Errorf("%+v", got)
	}

	r = g.get(t, "/v1/admin/tokens", bearer(boss.Token)...)
	list := as[struct {
		Tokens []token.View `json:"tokens"`
	}](t, r.body)
	if len(list.Tokens) != 2 || list.Tokens[slices.IndexFunc(list.Tokens, func(v token.View) bool { return v.ID == made.ID })].LastUsed == nil {
		t.Errorf("%s", r.body)
	}

	r = g.call(t, http.MethodDelete, "/v1/admin/tokens/"+made.ID, boss.Token, nil)
	if v := as[token.View](t, r.body); r.status != 200 || v.State != token.Revoked || v.Revoked == nil {
		t.Errorf("%d %s", r.status, r.body)
	}
	g.post(t, "/v1/evidence", made.Token, "{}").meets(t, refusal{401, invalid}, 0)
	if got := returnedText(t, *as[inner](t, talk(t, conn, nameRPC)).Result); !strings.HasPrefix(got, "unauthorized: ") {
		t.Errorf("the connection that it opened: %s", got)
	}
	log := g.logged.String()
	for _, line := range []string{`msg="a token was made" token=` + made.ID, `msg="a token was revoked" token=` + made.ID, "by=" + boss.ID, "remote=127.0.0.1:"} {
		if !strings.Contains(log, line) {
			t.Errorf("%s is not in the log", line)
		}
	}
	secret := made.Token[len("att_")+13:]
	if strings.Contains(log, secret) || strings.Contains(string(r.body), secret) {
		t.Error("the secret is in the log, or in an answer")
	}

	for body, kind := range map[string]rats.Kind{
		`{"scopes":["root"]}`: rats.Malformed, `{"scopes":[]}`: rats.Malformed, `{"expires":"yesterday"}`: rats.Malformed, `{"expires":"2019-01-01T00:00:00Z"}`: rats.Malformed,
		`{"per_day":-1}`: rats.Malformed, `{"per_day":1e12}`: rats.Malformed, `{"token":"mine"}`: rats.Malformed, `{"name":"a\u001bb"}`: rats.Malformed,
		`{"registrar":"x"}`: rats.Malformed, `{"registrar":"` + strings.Repeat("ab", 32) + `"}`: rats.NotFound,
	} {
		g.post(t, "/v1/admin/tokens", boss.Token, body).wants(t, kind.HTTPStatus(), kind)
	}
	g.call(t, http.MethodDelete, "/v1/admin/tokens/ffffffffffff", boss.Token, nil).wants(t, 404, rats.NotFound)
	// Without anything it reads and submits.
	if made := as[token.Made](t, g.post(t, "/v1/admin/tokens", boss.Token, `{}`).body); made.Expires != nil || !slices.Equal(made.Scopes, want.Scopes) {
		t.Errorf("%+v", made)
	}
}

func sameJSON(t testing.TB, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

func TestNothingOfAListThatCannotBeReadLeavesTheNode(t *testing.T) {
	g := openGuarded(t, "test", nil)
	admin := g.create(t, token.Request{Scopes: token.Scopes{token.Admin}}).Token
	file := filepath.Join(g.dir, "config", "tokens.json")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range []reply{
		g.get(t, "/v1/ledger", bearer(admin)...), g.get(t, "/v1/admin/tokens", bearer(admin)...), g.post(t, "/", admin, nameRPC),
	} {
		r.wants(t, 500, rats.Internal)
		if strings.Contains(string(r.body), "tokens.json") {
			t.Errorf("%s", r.body)
		}
	}
	if !strings.Contains(g.logged.String(), file) {
		t.Error("the log does not name the file")
	}
	if r := g.get(t, "/v1/ledger"); r.status != 200 {
		t.Errorf("without a token: %d %s", r.status, r.body)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := g.get(t, "/v1/admin/tokens", bearer(admin)...); r.status != 200 {
		t.Errorf("mended: %d %s", r.status, r.body)
	}
}

func TestWithoutAnAdminTokensAreNotMadeOverTheAPI(t *testing.T) {
	g := openGuarded(t, "test", func(gc *gateway.Config) { gc.TokenAdmin = nil })
	admin := g.create(t, token.Request{Scopes: token.Scopes{token.Admin}}).Token
	g.get(t, "/v1/admin/tokens", bearer(admin)...).wants(t, 422, rats.Unsupported)
	g.post(t, "/v1/admin/tokens", admin, `{}`).wants(t, 422, rats.Unsupported)
	g.call(t, http.MethodDelete, "/v1/admin/tokens/x", admin, nil).wants(t, 422, rats.Unsupported)
}

func TestATokenSubmitsInTheNameOfItsRegistrar(t *testing.T) {
	g := openGuarded(t, "dev", nil)
	own := g.create(t, token.Request{Registrar: token.NewRegistrar})
	for i, c := range []struct{ token, registrar string }{
		{own.Token, own.Registrar},
		{g.create(t, token.Request{Registrar: own.Registrar}).Token, own.Registrar},
		{g.create(t, token.Request{}).Token, g.registrar(t)},
		{"any-word", g.registrar(t)},
	} {
		raw := quote(t, uint64(i), simtee.Enclave{})
		got, err := g.client(c.token).SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
		if err != nil {
			t.Fatal(err)
		}
		if got.Record.Registrar == nil || *got.Record.Registrar != c.registrar {
			t.Errorf("%d: registrar %v, want %s", i, got.Record.Registrar, c.registrar)
		}
	}
	raw := quote(t, 9, simtee.Enclave{})
	msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["%x"]}`, raw)
	conn := g.dial(t, http.Header{"Authorization": {"Bearer " + own.Token}})
	tx := returnedTx(t, *as[inner](t, talk(t, conn, msg)).Result)
	if got := hex.EncodeToString(tx.Registrar[:]); got != own.Registrar {
		t.Errorf("over a WebSocket: %s", got)
	}
	// A key that is gone is the node's fault, and no other is used instead.
	second := g.create(t, token.Request{Registrar: token.NewRegistrar})
	if err := os.Remove(filepath.Join(g.dir, "config", "registrars", second.Registrar)); err != nil {
		t.Fatal(err)
	}
	g.post(t, "/v1/evidence", second.Token, evidenceJSON(quote(t, 10, simtee.Enclave{}))).wants(t, 500, rats.Internal)
}

// registrar is the node's own.
func (g *guarded) registrar(t testing.TB) string {
	t.Helper()
	return hex.EncodeToString(registrarKey(t, g.house)[ed25519.SeedSize:])
}

func TestManyCallersShareAStoreWithItsAdmin(t *testing.T) {
	g := openGuarded(t, "test", nil)
	admin := g.create(t, token.Request{Scopes: token.Scopes{token.Admin}}).Token
	const bound = 20
	counted := g.create(t, token.Request{Reads: token.Quota{PerDay: bound}}).Token
	var let, over int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for range 10 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/v1/ledger", nil)
				if i == 0 {
					req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/v1/admin/tokens", strings.NewReader("{}"))
				}
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+map[bool]string{true: admin, false: counted}[i == 0])
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				mu.Lock()
				switch resp.StatusCode {
				case 200:
					let++
				case 429:
					over++
				case 201:
				default:
					t.Errorf("status %d", resp.StatusCode)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if let != bound || over != 50-bound {
		t.Errorf("%d were let in, %d not", let, over)
	}
	if list, err := g.store.List(g.clock.now()); err != nil || len(list) != 12 {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}
