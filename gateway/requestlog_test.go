// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// logged returns the JSON objects that a house logged, those with a message.
func logged(t *testing.T, h *house, msg string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(h.logged.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if v["msg"] == msg {
			out = append(out, v)
		}
	}
	return out
}

// awaitLogged waits for n lines with a message: a line comes after the answer.
func awaitLogged(t *testing.T, h *house, msg string, n int) []map[string]any {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if out := logged(t, h, msg); len(out) >= n || time.Now().After(deadline) {
			if len(out) < n {
				t.Fatalf("%d lines %q, want %d:\n%s", len(out), msg, n, h.logged)
			}
			return out
		}
	}
}

func logsJSON(h *logbook) *slog.Logger {
	return slog.New(slog.NewJSONHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestARequestIsLoggedByItsRouteAndAName(t *testing.T) {
	book := new(logbook)
	h := open(t, "dev", func(_ *ledger.Config, c *gateway.Config) { c.Logger = logsJSON(book) })
	h.logged = book
	unknown := strings.Repeat("ab", 32)
	r := h.call(t, "GET", "/v1/enclaves/"+unknown+"?x=hidden-value", "secret-word", nil, "X-Request-Id", "my-request_7")
	if got := r.header.Get("X-Request-Id"); got != "my-request_7" {
		t.Errorf("the name of the request came back as %q", got)
	}
	for _, bad := range []string{"", "with space", "quote\"", strings.Repeat("x", 65), "a=b", "ü"} {
		r := h.get(t, "/v1/ledger", "X-Request-Id", bad)
		if got := r.header.Get("X-Request-Id"); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got) {
			t.Errorf("%q came back as %q", bad, got)
		}
	}
	lines := awaitLogged(t, h, "request", 7)
	first := lines[0]
	for key, want := range map[string]any{
		"request": "my-request_7", "method": "GET", "route": "/v1/enclaves/{id}", "remote": "127.0.0.1",
		"token": "0123456789ab", "level": "INFO", "status": float64(r.status),
	} {
		if first[key] != want {
			t.Errorf("%s is %v, want %v", key, first[key], want)
		}
	}
	h.get(t, "/healthz")
	h.post(t, "/", "", `{"jsonrpc":"2.0","id":1,"method":"system_name"}`, "X-Request-Id", "rpc-1")
	calls := awaitLogged(t, h, "rpc", 1)
	if calls[0]["method"] != "system_name" || calls[0]["outcome"] != "ok" || calls[0]["request"] != "rpc-1" {
		t.Errorf("%v", calls[0])
	}
	for _, line := range awaitLogged(t, h, "request", 9) {
		switch line["route"] {
		case "/healthz":
			if line["level"] != "DEBUG" {
				t.Errorf("a probe is logged at %v", line["level"])
			}
		case "/ json-rpc", "/v1/ledger", "/v1/enclaves/{id}":
		default:
			t.Errorf("the route %v", line["route"])
		}
	}
}

// TestTheLogOfABusyRunHoldsNoEvidenceAndNoSecret has calls of every form made,
// good and bad ones, with everything logged that can be.
func TestTheLogOfABusyRunHoldsNoEvidenceAndNoSecret(t *testing.T) {
	book := new(logbook)
	h := open(t, "test", func(_ *ledger.Config, c *gateway.Config) {
		c.Logger, c.Source = logsJSON(book), simtee.Source{}
		c.Rate = gateway.Rate{PerSecond: 1e6, Burst: 1e6}
	})
	h.logged = book
	raw := quote(t, 1, simtee.Enclave{})
	broken := append([]byte(nil), raw...)
	broken[len(broken)-9] ^= 1
	const wrong = "att_wrong-token-that-nobody-made"
	for _, token := range []string{"secret-word", wrong, ""} {
		for _, evidence := range [][]byte{raw, broken, raw[:700], []byte(wrong + "in the body")} {
			b64 := base64.StdEncoding.EncodeToString(evidence)
			body := fmt.Sprintf(`{"evidence":%q,"url":"https://user:url-password@my.example/?key=url-key"}`, b64)
			h.post(t, "/v1/evidence", token, body)
			h.post(t, "/v1/appraisals", token, fmt.Sprintf(`{"evidence":%q}`, b64))
			h.post(t, "/v1/evidence", token, body[:len(body)/2])
			h.post(t, "/v1/attesteer/forward_dcap_quote", token, fmt.Sprintf(`{"quote":"%x"}`, evidence))
			h.post(t, "/", token, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["0x%x"]}`, evidence))
			h.post(t, "/", token, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%x"}`, evidence))
		}
		h.get(t, "/v1/enclaves?q=query-secret&token="+wrong, "Authorization", "Bearer "+token)
		h.get(t, "/path-secret/"+wrong, "Authorization", "Basic "+wrong)
		h.call(t, "PURGE-method-secret", "/v1/enclaves", token, nil)
	}
	lines := awaitLogged(t, h, "request", 80)
	if len(logged(t, h, "evidence was not recorded")) == 0 || len(logged(t, h, "rpc")) == 0 || len(lines) == 0 {
		t.Fatal("nothing was logged that could hold anything")
	}
	said := book.String()
	for _, secret := range []string{wrong, "att_", "secret-word", "url-password", "url-key", "query-secret", "path-secret", "method-secret", "Bearer", "Authorization"} {
		if i := strings.Index(said, secret); i >= 0 {
			t.Errorf("the log holds %q: …%.200s", secret, said[max(i-100, 0):])
		}
	}
	lower := strings.ToLower(said)
	for i := 0; i+12 <= len(raw); i++ {
		piece := raw[i : i+12]
		if strings.Count(string(piece), string(piece[:1])) > 6 {
			continue // padding
		}
		if strings.Contains(lower, hex.EncodeToString(piece)) || strings.Contains(said, base64.StdEncoding.EncodeToString(piece)) {
			t.Fatalf("the log holds bytes %d to %d of the evidence: %x", i, i+12, piece)
		}
	}
}

// tally is a meter that keeps what it is told.
type tally struct {
	mu   sync.Mutex
	said []string
}

var _ gateway.Meter = (*tally)(nil)

func (m *tally) add(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, fmt.Sprintf(format, args...))
}

func (m *tally) Request(route, method string, status int, _ time.Duration, stream bool) {
	m.add("request %s %s %d %t", method, route, status, stream)
}
func (m *tally) InFlight(n int)                                 { m.add("in flight %+d", n) }
func (m *tally) Call(name string, k rats.Kind, _ time.Duration) { m.add("call %s %v", name, k) }
func (m *tally) Stream(kind string, n int)                      { m.add("stream %s %+d", kind, n) }
func (m *tally) Refused(what string)                            { m.add("refused %s", what) }
func (m *tally) Verdict(call string, tee rats.TEE, tier rats.Tier, k rats.Kind) {
	m.add("verdict %s %s %s %v", call, tee, tier, k)
}
func (m *tally) Appraised(time.Duration)                   { m.add("appraised") }
func (m *tally) Submitted(outcome string, _ time.Duration) { m.add("submitted %s", outcome) }

func (m *tally) count(what string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.said {
		if s == what {
			n++
		}
	}
	return n
}

func TestWhatAGatewayDoesIsCounted(t *testing.T) {
	m := new(tally)
	h := open(t, "dev", func(_ *ledger.Config, c *gateway.Config) { c.Meter = m })
	raw := quote(t, 1, simtee.Enclave{})
	body := fmt.Sprintf(`{"evidence":%q}`, base64.StdEncoding.EncodeToString(raw))
	h.post(t, "/v1/evidence", "dev", body)
	h.post(t, "/v1/evidence", "dev", body)
	h.post(t, "/v1/appraisals", "dev", body)
	h.post(t, "/v1/evidence", "dev", `{"evidence":"AAAA"}`)
	h.post(t, "/", "", `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["zz"]}`)
	h.get(t, "/no/such/page")
	h.get(t, "/v1/nothing")
	conn := h.dial(t, nil)
	talk(t, conn, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)
	if n := m.count("stream websocket +1"); n != 1 {
		t.Errorf("%d WebSockets were opened", n)
	}
	_ = conn.CloseNow()
	// What is counted may be so after the answer.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if m.count("request GET / websocket 101 true") == 1 && m.count("stream websocket -1") == 1 && m.count("in flight +1") == m.count("in flight -1") {
			break
		}
	}
	for what, want := range map[string]int{
		"request POST /v1/evidence 201 false": 1, "request POST /v1/evidence 409 false": 1, "request POST /v1/evidence 400 false": 1,
		"request POST /v1/appraisals 200 false": 1, "request POST / json-rpc 200 false": 1, "request GET none 404 false": 1,
		"request GET / websocket 101 true": 1, "stream websocket -1": 1, "call system_name ": 1,
		"call attesteer_forwardDcapQuote malformed": 1, "submitted recorded": 1, "submitted refused": 2,
		"verdict record sgx affirming ": 1, "verdict appraise sgx affirming ": 1, "appraised": 1,
	} {
		if got := m.count(what); got != want {
			t.Errorf("%q was counted %d times, want %d; all: %q", what, got, want, m.said)
			break
		}
	}
	if up, down := m.count("in flight +1"), m.count("in flight -1"); up != down {
		t.Errorf("%d requests began, %d ended", up, down)
	}
}
