// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const site = "https://app.example"

// openTo is a node that pages of some sites may call.
func openTo(t *testing.T, texts ...string) *house {
	t.Helper()
	o, err := gateway.ParseOrigins(texts)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Origins = o })
}

func TestPagesOfAnAllowedSiteMayCall(t *testing.T) {
	h := openTo(t, "https://another.example:8443", site)
	fromThere := []string{"Origin", site, "Sec-Fetch-Site", "cross-site"}
	for _, r := range []reply{
		h.get(t, "/v1/enclaves", fromThere...),
		h.post(t, "/v1/evidence", "any", evidenceJSON(quote(t, 1, simtee.Enclave{})), fromThere...),
		h.post(t, "/", "", `{"jsonrpc":"2.0","id":1,"method":"system_name"}`, fromThere...),
		h.get(t, "/v1/enclaves?nonsense=1", fromThere...), // a page has to be able to read what is wrong
	} {
		if r.header.Get("Access-Control-Allow-Origin") != site || !strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "ETag") ||
			!strings.Contains(strings.Join(r.header.Values("Vary"), ","), "Origin") || r.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%d %v", r.status, r.header)
		}
		if r.status == http.StatusForbidden {
			t.Errorf("%s", r.body)
		}
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {site}}})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()

	r := h.call(t, http.MethodOptions, "/v1/evidence", "", nil, "Origin", site,
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,idempotency-key")
	if r.status != http.StatusNoContent || len(r.body) != 0 || r.header.Get("Access-Control-Allow-Origin") != site ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "POST") || r.header.Get("Access-Control-Max-Age") == "" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer"} {
		if !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("%s may not be sent: %v", name, r.header)
		}
	}
}

func TestPagesOfOtherSitesMayNot(t *testing.T) {
	for name, h := range map[string]*house{"one site is allowed": openTo(t, site), "none is": open(t, "dev", nil)} {
		for _, origin := range []string{"https://evil.example", "http://app.example", site + ":8443", site + ".evil.example", "null"} {
			read := h.get(t, "/v1/enclaves", "Origin", origin)
			asked := h.call(t, http.MethodOptions, "/v1/evidence", "", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
			if read.header.Get("Access-Control-Allow-Origin") != "" || asked.header.Get("Access-Control-Allow-Origin") != "" || asked.status != http.StatusMethodNotAllowed {
				t.Errorf("%s, %s: %v, %d %v", name, origin, read.header, asked.status, asked.header)
			}
			h.post(t, "/v1/evidence", "any", "{}", "Origin", origin).wants(t, http.StatusForbidden, rats.Unauthorized)
			_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
			if err == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %v", name, origin, err)
			}
		}
	}
}

func TestAllSitesMayBeAllowed(t *testing.T) {
	h := openTo(t, gateway.AnyOrigin)
	r := h.get(t, "/v1/ledger", "Origin", "null")
	if r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Vary") != "" {
		t.Errorf("%v", r.header)
	}
	// Who is no browser is answered as ever.
	if r := h.get(t, "/v1/ledger"); r.header.Get("Access-Control-Allow-Origin") != "" || r.status != http.StatusOK {
		t.Errorf("%d %v", r.status, r.header)
	}
}

func TestWhatIsNoOriginIsRefused(t *testing.T) {
	for _, text := range []string{"", "app.example", "https://app.example/", "https://app.example/x", "ftp://app.example", "https://", "null", "https://u@app.example", "https://*.example/"} {
		if _, err := gateway.ParseOrigins([]string{text}); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v", text, err)
		}
	}
}
