// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/hex"
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
	"github.com/attesteer/attesteer/simtee"
)

func TestOperationsAreAnsweredUnderEveryKindOfID(t *testing.T) {
	h := open(t, "dev", nil)
	conn := h.dial(t, nil)
	for _, id := range []string{
		`1`, `0`, `-7`, `1.5`, `-0.25`, `1e3`, `123456789012345678901234567890`, `18446744073709551616`, `0.1e-400`,
		`"1"`, `""`, `"null"`, `"\u00e9 \"quoted\" \\u003c"`, `"` + strings.Repeat("x", 5000) + `"`, `null`,
	} {
		for way, ask := range map[string]func(msg string) []byte{
			"POST":      func(msg string) []byte { return h.post(t, "/", "", msg).body },
			"WebSocket": func(msg string) []byte { return talk(t, conn, msg) },
		} {
			for _, c := range []struct{ method, params, want string }{
				{"registry.endorsements", `{"kind":"pck_crl"}`, `"result":{"endorsements":[]}`},
				{"registry.get", `[]`, `"error":{"code":-32602`},
				{"registry.nothing", `[]`, `"error":{"code":-32601`},
			} {
				got := string(ask(message(id, c.method, c.params)))
				if !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":`+id+`,`+c.want) {
					t.Errorf("id %.60s of %s by %s: %.300s", id, c.method, way, got)
				}
			}
		}
	}
}

// mix is a batch of everything that a batch may hold.
func mix(id string, raw []byte) string {
	return strings.Join([]string{
		`[` + message(`"get"`, "registry.get", `["`+id+`"]`),
		message("null", "system_name", ""),
		`{"jsonrpc":"2.0","method":"registry.submit","params":` + evidenceJSON(raw) + `}`,
		`{"jsonrpc":"2.0","method":"registry.get","params":["bad"]}`,
		message("1.5", "registry.get", `{"id":"`+strings.Repeat("00", 32)+`"}`),
		message("2", "registry.no", ""),
		`7`,
		message("3", "attesteer_forwardDcapQuote", `[]`),
		message("4", "verifier.keys", "") + `]`,
	}, ",")
}

func TestABatchMixesOperationsWithEverythingElse(t *testing.T) {
	h, _, id := recorded(t)
	conn := h.dial(t, http.Header{"Authorization": {"Bearer any"}})
	for i, ask := range []func(msg string) []byte{
		func(msg string) []byte { return h.post(t, "/", "any", msg).body },
		func(msg string) []byte { return talk(t, conn, msg) },
	} {
		raw := quote(t, uint64(20+i), simtee.Enclave{})
		all := as[[]rpcAnswer](t, ask(mix(id, raw)))
		got := make(map[string]rpcAnswer)
		for _, a := range all {
			got[string(a.ID)+map[bool]string{true: " error"}[a.Error != nil]] = a
		}
		if len(all) != 7 || len(got) != 7 {
			t.Fatalf("%d answers: %+v", len(all), all)
		}
		if want := h.get(t, "/v1/enclaves/"+id).body; string(got[`"get"`].Result) != string(want) {
			t.Errorf("%s, want %s", got[`"get"`].Result, want)
		}
		for id, code := range map[string]int{"1.5 error": -32015, "2 error": -32601, "null error": -32600} {
			if got[id].Error == nil || got[id].Error.Code != code {
				t.Errorf("id %s: %+v", id, got[id].Error)
			}
		}
		if string(got["null"].Result) != `"attesteer"` || !strings.HasPrefix(string(got["3"].Result), `"0x`) || !strings.HasPrefix(string(got["4"].Result), `{"keys":[`) {
			t.Errorf("%+v", got)
		}
		h.hasRecorded(t, raw)
	}
}

// hasRecorded waits until evidence is recorded.
func (h *house) hasRecorded(t testing.TB, raw []byte) {
	t.Helper()
	signer := hex.EncodeToString(raw[48+320 : 48+384])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if page, err := h.client("").List(t.Context(), map[string][]string{"signer": {signer}}); err == nil && len(page.Enclaves) == 1 {
			return
		}
	}
	t.Errorf("nothing is recorded for signer %s", signer)
}

func TestANotificationIsDoneAndNotAnswered(t *testing.T) {
	h := open(t, "dev", nil)
	note := func(n uint64) (raw []byte, msg string) {
		raw = quote(t, n, simtee.Enclave{})
		return raw, `{"jsonrpc":"2.0","method":"registry.submit","params":` + evidenceJSON(raw) + `}`
	}
	raw, msg := note(1)
	if r := h.post(t, "/", "any", msg); r.status != http.StatusNoContent || len(r.body) != 0 {
		t.Errorf("%d %s", r.status, r.body)
	}
	h.hasRecorded(t, raw)

	raw, msg = note(2)
	conn := h.dial(t, http.Header{"Authorization": {"Bearer any"}})
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	// The answer to what is asked next is the first that comes.
	if got := as[rpcAnswer](t, talk(t, conn, message("1", "registry.endorsements", `{"kind":"pck_crl"}`))); string(got.ID) != "1" || got.Error != nil {
		t.Errorf("%+v", got)
	}
	h.hasRecorded(t, raw)

	// One that fails says so to nobody, and needs a token like others.
	for _, token := range []string{"any", ""} {
		r := h.post(t, "/", token, `{"jsonrpc":"2.0","method":"registry.submit","params":["AA=="]}`)
		if want := map[string]int{"any": http.StatusNoContent, "": http.StatusUnauthorized}[token]; r.status != want || len(r.body) != 0 {
			t.Errorf("token %q: %d %s", token, r.status, r.body)
		}
	}
}

func TestOperationsTakeTheTokensThatTheirCallsTake(t *testing.T) {
	h := open(t, "test", func(_ *ledger.Config, gc *gateway.Config) { gc.Rate = gateway.Rate{PerSecond: 1000, Burst: 1000} })
	raw := quote(t, 1, simtee.Enclave{})
	for _, c := range []struct {
		method, params, token string
		status                int
		kind                  rats.Kind
	}{
		{"registry.list", ``, "", 200, rats.None},
		{"registry.list", ``, "dev", 200, rats.None},
		{"verifier.appraise", evidenceJSON(raw), "", 200, rats.None},
		{"registry.submit", evidenceJSON(raw), "", 401, rats.Unauthorized},
		{"registry.submit", `{}`, "", 401, rats.Unauthorized}, // before anything is read
		{"registry.submit", evidenceJSON(raw), "dev", 401, rats.Unauthorized},
		{"registry.submit", evidenceJSON(raw), "secret-word", 200, rats.UntrustedRoot},
		{"registry.withdraw", `["` + strings.Repeat("00", 32) + `"]`, "", 401, rats.Unauthorized},
		{"registry.withdraw", `["` + strings.Repeat("00", 32) + `"]`, "secret-word", 200, rats.NotFound},
		{"registry.publish", `{"endorsements":[{"body":"AAAA"}]}`, "", 200, rats.Malformed},
	} {
		r := h.post(t, "/", c.token, message("1", c.method, c.params))
		got := as[rpcAnswer](t, r.body)
		kind := rats.None
		if got.Error != nil {
			kind = got.Error.Data.Kind
		}
		if r.status != c.status || kind != c.kind || (r.status == 401) != (r.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s with %q: %d %s %.300s", c.method, c.token, r.status, r.header, r.body)
		}
	}
	// On a connection the call is refused, and the connection goes on.
	conn := h.dial(t, nil)
	if got := as[rpcAnswer](t, talk(t, conn, message("1", "registry.submit", evidenceJSON(raw)))); got.Error == nil || got.Error.Data.Kind != rats.Unauthorized || got.Error.Code != -32016 {
		t.Errorf("%+v", got.Error)
	}
	if got := as[rpcAnswer](t, talk(t, conn, message("1", "registry.list", ""))); got.Error != nil {
		t.Errorf("%+v", got.Error)
	}
}

func TestReadsNeedATokenOverRPCWhereTheyDoOverREST(t *testing.T) {
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.ReadsNeedToken = true })
	for token, want := range map[string]int{"": 401, "any": 200} {
		for _, method := range []string{"registry.list", "registry.ledger"} {
			if r := h.post(t, "/", token, message("1", method, "")); r.status != want {
				t.Errorf("%s with %q: %d %s", method, token, r.status, r.body)
			}
		}
	}
	// The keys are everyone's.
	if r := h.post(t, "/", "", message("1", "verifier.keys", "")); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestEachCallOfABatchCounts(t *testing.T) {
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Rate = gateway.Rate{PerSecond: 0.001, Burst: 3} })
	var calls []string
	for i := range 5 {
		calls = append(calls, message(fmt.Sprint(i), "registry.list", ""))
	}
	r := h.post(t, "/", "", `[`+strings.Join(calls, ",")+`]`)
	answered, refused := 0, 0
	for _, a := range as[[]rpcAnswer](t, r.body) {
		switch {
		case a.Error == nil:
			answered++
		case a.Error.Code == -32017 && a.Error.Data.Kind == rats.QuotaExceeded && a.Error.Data.RetryAfter > 0:
			refused++
		}
	}
	if r.status != 200 || answered != 3 || refused != 2 {
		t.Errorf("%d: %d answered, %d refused: %s", r.status, answered, refused, r.body)
	}
	r = h.post(t, "/", "", message("1", "registry.list", ""))
	if p := as[client.Problem](t, r.body); r.status != 429 || p.Kind != rats.QuotaExceeded || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}
