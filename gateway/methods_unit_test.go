// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// methodOf returns a method of the API by its name.
func methodOf(t testing.TB, g *Gateway, name string) *served {
	t.Helper()
	for _, s := range g.rpc.served {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no method %s", name)
	return nil
}

func TestEachParameterHasAPlaceATypeAndAWord(t *testing.T) {
	g := described(t)
	for _, s := range g.rpc.served {
		for _, p := range s.params {
			if p.schema == nil || p.in != inPath && p.in != inQuery && p.in != inBody {
				t.Errorf("%s %s: %+v", s.name, p.name, p)
				continue
			}
			if p.in != inBody && !p.takes("string") && !p.takes("integer") && !p.takes("boolean") {
				t.Errorf("%s %s has no type that a path or a query holds", s.name, p.name)
			}
		}
	}
}

// leaking is an index whose fault must not get out.
type leaking struct{ Index }

func (leaking) List(context.Context, record.Filter) (record.Page, error) {
	return record.Page{}, rats.Errorf(rats.Internal, "secret: the disk is gone")
}

func TestNothingOfAFaultLeavesTheNodeOverRPC(t *testing.T) {
	for name, index := range map[string]Index{"an error": leaking{}, "a panic": panicking{}} {
		cfg := described(t).cfg
		cfg.Index = index
		g, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"registry.list"}`)))
		if want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal","data":{"kind":"internal"}}}`; w.Body.String() != want {
			t.Errorf("%s: %s, want %s", name, w.Body, want)
		}
	}
}

func TestCodesOfKindsAreFixedAndApart(t *testing.T) {
	if rpcCode(rats.Malformed) != -32602 || rpcCode(rats.Internal) != -32603 || rpcCode(rats.BadSignature) != -32003 || rpcCode(rats.TooLarge) != -32018 {
		t.Error("a code has changed")
	}
	seen := make(map[int]bool)
	for _, k := range rats.Kinds() {
		code := int(rpcCode(k))
		// Of the range for servers, jrpc2 has -32099 to -32096 for itself.
		if seen[code] || k != rats.Malformed && k != rats.Internal && (code > -32000 || code < -32095) {
			t.Errorf("%s: %d", k, code)
		}
		seen[code] = true
	}
}

func TestEscapesForHTMLAreUndoneAndNoOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{"<", ">", "&", `\`, `\u003c`, `\\u003e`, `"`, "u0026", "\u2028", "\x00", "é", "x"}))
		v := map[string]string{strings.Join(pieces.Draw(t, "name"), ""): strings.Join(pieces.Draw(t, "value"), "")}
		escaped, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if got := unescaped(escaped); string(got)+"\n" != want.String() {
			t.Errorf("%s: %s, want %s", escaped, got, want.String())
		}
	})
}

func TestANameThatStandsTwiceInABodyIsRefused(t *testing.T) {
	for text, taken := range map[string]bool{
		`{"a":1,"b":[{"a":1},{"a":2}],"c":{"a":1}}`: true, `[]`: true, `"a"`: true, `{"a":"a","b":"a"}`: true, ` {} `: true, `[[1,1],[1]]`: true,
		`{"a":1,"a":1}`: false, `{"a":1,"\u0061":2}`: false, `{"b":{"a":1,"a":2}}`: false, `[1,[{"a":{"b":[],"b":0}}]]`: false,
		`{"a":1`: false, `{"a":1}}`: false, ``: false,
	} {
		var v any
		if err := readJSON([]byte(text), &v); (err == nil) != taken {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzParameters: whatever stands for parameters is refused as malformed, or
// becomes what REST would have: texts, and a body that is one JSON object.
func FuzzParameters(f *testing.F) {
	g := described(f)
	for _, seed := range []string{
		``, `null`, `[]`, `{}`, `[null,"sgx",1]`, `{"id":"00","id":1}`, `{"evidence":"AA==","policy":{"a":[1,{"b":2}]}}`,
		`{"limit":1e3,"q":"\u0000"}`, `{"after":18446744073709551615}`, `[["a"],{"b":{}}]`, `{"body":true}`, `{"":0}`,
	} {
		for i := range g.rpc.served {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, params string) {
		if i < 0 || i >= len(g.rpc.served) || params != "" && !json.Valid([]byte(params)) {
			return // text that is no JSON never comes here
		}
		if params = strings.TrimSpace(params); params == "null" {
			params = "" // jrpc2 has done so
		}
		if params != "" && params[0] != '[' && params[0] != '{' {
			return // nor does what is no list and no object
		}
		s := g.rpc.served[i]
		c := &rpcContext{query: make(url.Values)}
		if err := s.read(c, []byte(params)); err != nil {
			if rats.KindOf(err) != rats.Malformed {
				t.Errorf("%s %q: %v", s.name, params, err)
			}
			return
		}
		var body map[string]json.RawMessage
		if c.body != nil && (json.Unmarshal(c.body, &body) != nil || s.op.RequestBody == nil) {
			t.Errorf("%s %q: body %q", s.name, params, c.body)
		}
		if total := len(body) + len(c.query); total > len(s.params) {
			t.Errorf("%s %q: %d of %d parameters", s.name, params, total, len(s.params))
		}
	})
}
