// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/metrics"
)

// TestAnOperatorSeesWhatANodeDoesAndNoSecretOfIt follows one node through its
// metrics, its readiness and its log.
func TestAnOperatorSeesWhatANodeDoesAndNoSecretOfIt(t *testing.T) {
	const key = "topsecret-subscription-key"
	t.Setenv("ATTESTEER_PCS_API_KEY", key)
	pcs, service, _ := simulatedPCCS(t)
	pcs.SetKey(key)
	home, port := t.TempDir(), freePort(t)
	p := startNode(t, home, "--network", "dev", "--metrics-listen", port, "--log-format", "json", "--log-level", "debug",
		"--endorsements", service)
	secret := newToken(t, home, "--name", "somebody")
	file := filepath.Join(t.TempDir(), "quote.bin")
	if code, _, errs := command(t, "attest", "--tee", "sim-sgx", "-o", file); code != 0 {
		t.Fatalf("attest: exit %d %s", code, errs)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"evidence":"` + base64.StdEncoding.EncodeToString(raw) + `"}`
	if status, b := call(t, http.MethodPost, p.url+"/v1/evidence", secret, body); status != http.StatusCreated {
		t.Fatalf("%d %s", status, b)
	}
	if status, b := call(t, http.MethodPost, p.url+"/v1/evidence", "att_no-token-of-this-node", `{"evidence":"AAAA"}`); status/100 != 4 {
		t.Fatalf("%d %s", status, b)
	}
	if status, b := call(t, http.MethodGet, p.url+"/readyz", "", ""); status != http.StatusOK || string(b) != `{"status":"ok","reasons":[]}` {
		t.Errorf("/readyz: %d %s", status, b)
	}
	page := awaitMetrics(t, "http://"+port+"/metrics", []string{
		`attesteer_verdicts_total\{call="record",kind="none",tee="sgx",tier="affirming"\} 1`,
		`attesteer_http_requests_total\{method="POST",route="/v1/evidence",status="2xx"\} 1`,
		`attesteer_submission_duration_seconds_count\{outcome="recorded"\} 1`,
		`attesteer_endorsement_fetches_total\{outcome="got",service="127.0.0.1:\d+"\} [1-9]`,
		`attesteer_endorsement_service_up\{service="127.0.0.1:\d+"\} 1`,
		`attesteer_endorsements\{kind="tcb_info",state="current",tee="sgx"\} 1`,
		`attesteer_endorsement_soonest_expires_in_seconds\{kind="tcb_info",number="\d+",scope="[0-9a-f]{12}",tee="sgx"\} `,
		`attesteer_ledger_height [1-9]`, `attesteer_ledger_validators 1`, `attesteer_ledger_peers 0`, `attesteer_ledger_catching_up 0`,
		`attesteer_ledger_events_total [1-9]`, `attesteer_pool_transactions 0`, `attesteer_index_lag_events 0`, `attesteer_index_bytes [1-9]`,
		`attesteer_home_free_bytes [1-9]`, `attesteer_tokens\{state="active"\} 1`, `attesteer_ready 1`,
		`attesteer_condition\{code="endorsements_stale"\} 0`, `attesteer_build_info\{goversion="go1\.`,
	})
	if strings.Contains(page, "attesteer_tls_certificate") {
		t.Error("a node without TLS has a certificate that ends")
	}
	if status, _ := call(t, http.MethodGet, "http://"+port+"/v1/ledger", "", ""); status != http.StatusNotFound {
		t.Errorf("the API is served to monitoring: %d", status)
	}
	if status, _ := call(t, http.MethodGet, p.url+"/metrics", "", ""); status != http.StatusNotFound {
		t.Errorf("metrics are served to everybody: %d", status)
	}
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	wantCleanLog(t, p.stderr.String(), []string{key, secret, secret[16:], "att_", "Bearer"}, raw)
}

// awaitMetrics waits until a page of metrics has all lines, since what a node did
// is counted when it is done, after the answer; it returns the page.
func awaitMetrics(t *testing.T, url string, lines []string) (page string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status, b := call(t, http.MethodGet, url, "", "")
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, b)
		}
		page = string(b)
		missing := slices.IndexFunc(lines, func(want string) bool { return !regexp.MustCompile(`(?m)^` + want).MatchString(page) })
		if missing < 0 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("no metric is %s", lines[missing])
			break
		}
	}
	for _, d := range metrics.Table() {
		if d.Name != "attesteer_tls_certificate_expiry_timestamp_seconds" && !strings.Contains(page, "# TYPE "+d.Name+" ") &&
			!strings.HasPrefix(d.Name, "attesteer_rpc_") && !strings.HasPrefix(d.Name, "attesteer_pccs_") && !strings.HasPrefix(d.Name, "attesteer_agent_") &&
			d.Name != "attesteer_quota_refusals_total" {
			t.Errorf("%s is not served", d.Name)
		}
	}
	return page
}

// wantCleanLog demands that each line is an object, and that none has a secret
// or a piece of evidence.
func wantCleanLog(t *testing.T, said string, secrets []string, evidence []byte) {
	t.Helper()
	requests := 0
	for line := range strings.Lines(said) {
		var v struct {
			Time, Level, Msg string
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Time == "" || v.Level == "" || !strings.HasSuffix(v.Time, "Z") {
			t.Errorf("%v: %s", err, line)
		}
		if v.Msg == "request" {
			requests++
		}
	}
	if requests < 3 {
		t.Errorf("%d requests were logged", requests)
	}
	for _, s := range secrets {
		if strings.Contains(said, s) {
			t.Errorf("the log holds %q", s)
		}
	}
	lower := strings.ToLower(said)
	for i := 0; i+12 <= len(evidence); i++ {
		piece := evidence[i : i+12]
		if strings.Count(string(piece), string(piece[:1])) > 6 {
			continue // padding
		}
		if strings.Contains(lower, hex.EncodeToString(piece)) || strings.Contains(said, base64.StdEncoding.EncodeToString(piece)) {
			t.Fatalf("the log holds bytes %d to %d of the evidence: %x", i, i+12, piece)
		}
	}
}

func TestMonitoringLearnsWhenTheCertificateEnds(t *testing.T) {
	port := freePort(t)
	startNode(t, t.TempDir(), "--tls-self-signed", "--metrics-listen", port, "--metrics-profiles")
	_, b := call(t, http.MethodGet, "http://"+port+"/metrics", "", "")
	if !regexp.MustCompile(`(?m)^attesteer_tls_certificate_expiry_timestamp_seconds 1\.\d+e\+09$`).Match(b) {
		t.Error("the end of the certificate is not served")
	}
	if status, _ := call(t, http.MethodGet, "http://"+port+"/debug/pprof/goroutine?debug=1", "", ""); status != http.StatusOK {
		t.Errorf("profiles: %d", status)
	}
}

// TestHealthNamesTheReasons asks nodes that something is the matter with.
func TestHealthNamesTheReasons(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		code   int
		said   string
	}{
		"degraded": {200, `{"status":"degraded","reasons":[{"code":"disk_low","detail":"1.0 MiB are free","blocking":false}]}`, 0, "warning: the node is degraded: disk_low (1.0 MiB are free)\n"},
		"unready":  {503, `{"status":"unready","reasons":[{"code":"stopping","detail":"it stops","blocking":true}]}`, 1, "with status 503: stopping (it stops)\n"},
		"ok":       {200, `{"status":"ok","reasons":[]}`, 0, ""},
		"foreign":  {200, `<html>`, 0, ""},
	} {
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		code, _, errs := command(t, "healthcheck", "--ready", "--node", node.URL)
		if code != c.code || !strings.HasSuffix(errs, c.said) || c.said == "" && errs != "" {
			t.Errorf("%s: exit %d %q, want %d %q", name, code, errs, c.code, c.said)
		}
		_, out, _ := command(t, "healthcheck", "--ready", "--node", node.URL, "--json")
		if strings.Contains(out, `"reasons":[{"code":`) != (c.said != "") {
			t.Errorf("%s: %s", name, out)
		}
		node.Close()
	}
}

func TestFreeSpaceIsJudgedByItsSizeAndItsShare(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, total uint64
		code        string
		blocking    bool
	}{
		{500 * gib, 1000 * gib, "", false}, {2 * gib, 30 * gib, "", false}, {2 * gib, 100 * gib, "disk_low", false},
		{gib - 1, 4 * gib, "disk_low", false}, {fullDisk, 4 * gib, "disk_low", false}, {fullDisk - 1, 4 * gib, "disk_full", true}, {0, 0, "disk_full", true},
	} {
		if got := diskCondition(c.free, c.total); got.Code != c.code || got.Blocking != c.blocking {
			t.Errorf("%d of %d: %+v, want %q", c.free, c.total, got, c.code)
		}
	}
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 1 << 20: "1.0 MiB", 3 << 39: "1.5 TiB", 1 << 60: "1048576.0 TiB"} {
		if got := sizeWords(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestAURLIsShownWithoutWhatIsSecretInIt(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:word@pccs.example/v4/?key=abc#x": "https://…@pccs.example/v4/?…",
		"https://pccs.example:8081/v4/":                "https://pccs.example:8081/v4/",
		"./folder":                                     "./folder",
		"http://[bad:word@x":                           "(no URL)",
	} {
		if got := withoutSecrets(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

// TestSettingsAreReadAsTheyWereWritten: whatever name and value a line may have.
func TestSettingsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[A-Za-z_-]{1,20}`).Draw(t, "key")
		value := rapid.StringMatching(`[^"'\\\p{C}\p{Z}]{0,40}`).Draw(t, "value")
		quote := rapid.SampledFrom([]string{"", `"`, "'"}).Draw(t, "quote")
		text := "# a remark\n\n  " + key + " = " + quote + value + quote + "  \r\n"
		got, faults := parseSettings("f", text)
		if len(faults) > 0 || len(got) != 1 || got[0] != (setting{3, key, value}) {
			t.Fatalf("%q: %+v, %v", text, got, faults)
		}
	})
}

// FuzzSettings demands of every text settings, or faults that name their lines.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"", "A=b", "=", "A=\"", "A='b'c'", "# x\nA=1\nA=2", "\ufeffA=b", "A=b\\", "a b=c", "A==b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, faults := parseSettings("f", text)
		for _, s := range got {
			if s.key == "" || s.line < 1 || strings.ContainsAny(s.key+s.value, "\n") {
				t.Errorf("%+v", s)
			}
		}
		for _, err := range faults {
			if !regexp.MustCompile(`^f:\d+: `).MatchString(err.Error()) {
				t.Errorf("%v", err)
			}
		}
	})
}
