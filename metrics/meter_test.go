// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/metrics"
	"github.com/attesteer/attesteer/rats"
)

// full is a meter of a node that has everything.
func full() *metrics.Meter {
	return metrics.New(metrics.Config{
		Build: metrics.Build{Version: "v1.2.3", Revision: "abc", Go: "go1.26"}, Methods: func() []string { return []string{"system_health"} },
		Services: []string{"pcs.example"},
		Sources: metrics.Sources{
			Ledger: func() (metrics.Ledger, bool) {
				return metrics.Ledger{
					Height: 7, Time: time.Unix(1_700_000_000, 0), Lag: 1500 * time.Millisecond, BlockAge: 2 * time.Second,
					Events: 9, CatchingUp: true, Validators: 4, Misbehaviour: 2, Peers: 3, Pool: 5, PoolBytes: 4096,
				}, true
			},
			Endorsements: func() []metrics.Endorsement {
				return []metrics.Endorsement{
					{Key: rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: "00606a000000", EvaluationDataNumber: 19}, Age: time.Hour, Left: 24 * time.Hour},
					{Key: rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: "50806f000000", EvaluationDataNumber: 19}, Age: 3 * time.Hour, Left: -time.Minute},
				}
			},
			Services:    func() map[string]bool { return map[string]bool{"pcs.example": true} },
			Index:       func() (metrics.Index, bool) { return metrics.Index{Lag: 2, Bytes: 8192}, true },
			Disk:        func() (metrics.Disk, bool) { return metrics.Disk{Free: 1 << 30, Total: 1 << 40}, true },
			Certificate: func() (time.Time, bool) { return time.Unix(1_800_000_000, 0), true },
			Tokens: func() (metrics.Tokens, bool) {
				return metrics.Tokens{States: map[string]int{"active": 2}, Bytes: 512}, true
			},
			Conditions: func() ([]string, bool) { return []string{"disk_low"}, true },
			Cache: func() metrics.Cache {
				return metrics.Cache{
					Routes:      []metrics.Route{{Name: "sgx/v4/tcb", Status: map[string]uint64{"2xx": 5}, Held: 4, Made: 1}},
					StaleServed: 1,
					Artefacts:   []metrics.Artefact{{Kind: "tcb_info", TEE: rats.SGX, Scope: "00606a000000", Update: "early", Version: 4, Left: -36 * time.Hour}},
					Push:        &metrics.Push{Taken: 6, Refused: 1, Pending: 2},
				}
			},
			Kept: func() []metrics.Kept {
				return []metrics.Kept{
					{Enclave: "a", State: "active", Left: time.Hour, Valid: 48 * time.Hour, Success: time.Unix(1700000000, 0), Rounds: map[string]uint64{"recorded": 3, "failed": 1}},
					{Enclave: "b", Failures: 7},
				}
			},
		},
	})
}

func TestWhatAnAgentKeepsIsShownByItsName(t *testing.T) {
	got := scraped(t, full())
	for _, want := range []string{
		`attesteer_agent_rounds_total{enclave="a",outcome="recorded"} 3`,
		`attesteer_agent_rounds_total{enclave="b",outcome="recorded"} 0`,
		`attesteer_agent_failures{enclave="b"} 7`,
		`attesteer_agent_record_state{enclave="a",state="active"} 1`,
		`attesteer_agent_record_state{enclave="a",state="withdrawn"} 0`,
		`attesteer_agent_record_expires_in_seconds{enclave="a"} 3600`,
		`attesteer_agent_record_valid_for_seconds{enclave="a"} 172800`,
		`attesteer_agent_last_success_timestamp_seconds{enclave="a"} 1.7e+09`,
		`attesteer_agent_last_success_timestamp_seconds{enclave="b"} 0`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%s is not served", want)
		}
	}
	// What is not known is absent.
	if strings.Contains(got, `attesteer_agent_record_expires_in_seconds{enclave="b"}`) {
		t.Error("the end of a record is told that is not known")
	}
}

func TestWhatACacheKeepsIsShownInDays(t *testing.T) {
	got := scraped(t, full())
	for _, line := range []string{
		`attesteer_pccs_artefact_expires_in_days{kind="tcb_info",scope="00606a000000",tee="sgx",update="early",version="v4"} -1.5`,
		`attesteer_pccs_requests_total{path="sgx/v4/tcb",status="2xx"} 5`,
		`attesteer_pccs_reads_total{from="memory",path="sgx/v4/tcb"} 4`,
		`attesteer_pccs_reads_total{from="store",path="sgx/v4/tcb"} 1`,
		`attesteer_pccs_stale_served_total 1`,
		`attesteer_pccs_pushed_total{outcome="taken"} 6`,
		`attesteer_pccs_pushed_total{outcome="refused"} 1`,
		`attesteer_pccs_push_pending 2`,
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
}

// exercise has one of everything happen.
func exercise(m *metrics.Meter) {
	m.InFlight(1)
	m.Request("/v1/evidence", http.MethodPost, 201, 30*time.Millisecond, false)
	m.Call("system_health", rats.None, time.Millisecond)
	m.Stream("websocket", 1)
	m.Refused("address")
	m.Verdict("record", rats.SGX, rats.Contraindicated, rats.TCBRejected)
	m.Appraised(time.Millisecond)
	m.Submitted("recorded", 50*time.Millisecond)
	m.Fetched("pcs.example", "got", time.Second, time.Unix(1_700_000_000, 0))
}

func scraped(t testing.TB, m *metrics.Meter) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(false).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

func TestEveryMetricOfTheTableIsServedAsItIsDescribed(t *testing.T) {
	m := full()
	exercise(m)
	got := scraped(t, m)
	for _, d := range metrics.Table() {
		if !strings.Contains(got, fmt.Sprintf("# HELP %s %s\n", d.Name, d.Help)) ||
			!strings.Contains(got, fmt.Sprintf("# TYPE %s %s\n", d.Name, d.Type)) {
			t.Errorf("%s is not served, or otherwise than the table says", d.Name)
		}
		sample := regexp.MustCompile(`(?m)^` + d.Name + `(_count)?(\{([^}]*)\})? `).FindStringSubmatch(got)
		if sample == nil {
			t.Errorf("%s has no sample", d.Name)
			continue
		}
		var labels []string
		for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[3], -1) {
			labels = append(labels, pair[1])
		}
		want := slices.Sorted(slices.Values(d.Labels))
		if !slices.Equal(labels, want) {
			t.Errorf("%s has the labels %v, the table says %v", d.Name, labels, want)
		}
	}
	known := regexp.MustCompile(`(?m)^# TYPE (attesteer_\w+) `).FindAllStringSubmatch(got, -1)
	if len(known) != len(metrics.Table()) {
		t.Errorf("%d metrics are served, the table has %d", len(known), len(metrics.Table()))
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(got, "\n"+name+" ") {
			t.Errorf("%s is not served", name)
		}
	}
}

func TestWhatIsServedSaysWhatHappened(t *testing.T) {
	m := full()
	exercise(m)
	got := scraped(t, m)
	for _, want := range []string{
		`attesteer_build_info{goversion="go1.26",revision="abc",version="v1.2.3"} 1`,
		`attesteer_http_requests_total{method="POST",route="/v1/evidence",status="2xx"} 1`,
		`attesteer_http_request_duration_seconds_bucket{method="POST",route="/v1/evidence",le="0.05"} 1`,
		`attesteer_http_request_duration_seconds_bucket{method="POST",route="/v1/evidence",le="0.025"} 0`,
		`attesteer_rpc_calls_total{method="system_health",outcome="ok"} 1`,
		`attesteer_streams_open{kind="websocket"} 1`,
		`attesteer_streams_open{kind="event_stream"} 0`,
		`attesteer_quota_refusals_total{what="address"} 1`,
		`attesteer_quota_refusals_total{what="token"} 0`,
		`attesteer_verdicts_total{call="record",kind="tcb_rejected",tee="sgx",tier="contraindicated"} 1`,
		`attesteer_submission_duration_seconds_count{outcome="recorded"} 1`,
		`attesteer_endorsement_fetches_total{outcome="got",service="pcs.example"} 1`,
		`attesteer_endorsement_fetches_total{outcome="down",service="pcs.example"} 0`,
		`attesteer_endorsement_service_last_success_timestamp_seconds{service="pcs.example"} 1.7e+09`,
		`attesteer_endorsements{kind="tcb_info",state="current",tee="sgx"} 1`,
		`attesteer_endorsements{kind="tcb_info",state="stale",tee="sgx"} 1`,
		`attesteer_endorsement_age_seconds{kind="tcb_info",tee="sgx"} 10800`,
		`attesteer_endorsement_expires_in_seconds{kind="tcb_info",tee="sgx"} -60`,
		`attesteer_endorsement_soonest_expires_in_seconds{kind="tcb_info",number="19",scope="00606a000000",tee="sgx"} 86400`,
		`attesteer_endorsement_service_up{service="pcs.example"} 1`,
		`attesteer_ledger_height 7`, `attesteer_ledger_lag_seconds 1.5`, `attesteer_ledger_catching_up 1`,
		`attesteer_ledger_events_total 9`, `attesteer_pool_bytes 4096`, `attesteer_home_free_bytes 1.073741824e+09`,
		`attesteer_tls_certificate_expiry_timestamp_seconds 1.8e+09`, `attesteer_tokens{state="active"} 2`,
		`attesteer_ready 1`, `attesteer_condition{code="disk_low"} 1`, `attesteer_condition{code="disk_full"} 0`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%s is not served", want)
		}
	}
}

func TestWhatIsNotKnownIsAbsentAndNotZero(t *testing.T) {
	m := metrics.New(metrics.Config{Sources: metrics.Sources{
		Ledger:      func() (metrics.Ledger, bool) { return metrics.Ledger{}, false },
		Certificate: func() (time.Time, bool) { return time.Time{}, false },
	}})
	got := scraped(t, m)
	for _, name := range []string{"attesteer_ledger_height", "attesteer_tls_certificate", "attesteer_home_free", "attesteer_ready", "attesteer_tokens"} {
		if strings.Contains(got, name) {
			t.Errorf("%s is served, and nobody knows it", name)
		}
	}
}

// TestNoCallerMakesASeries: what callers choose ends in a list of words.
func TestNoCallerMakesASeries(t *testing.T) {
	m := full()
	exercise(m)
	odd := func(i int) {
		word := fmt.Sprintf("word-%d", i)
		m.Request("/v1/evidence", word, 100*i, time.Millisecond, false)
		m.Call(word, rats.Kind(i), time.Millisecond)
		m.Stream(word, 1)
		m.Refused(word)
		m.Verdict(word, rats.TEE(word), rats.Tier(word), rats.Kind(i%256))
		m.Submitted(word, time.Millisecond)
		m.Fetched(word, word, time.Millisecond, time.Now())
	}
	series := func() int { return strings.Count(scraped(t, m), "\n") }
	var wg sync.WaitGroup
	for i := range 300 { // all kinds and classes are there after that
		wg.Go(func() { odd(i) })
	}
	wg.Wait()
	before := series()
	for i := 300; i < 3000; i++ {
		odd(i)
	}
	if after := series(); after != before {
		t.Errorf("%d lines before, %d after 2700 more words", before, after)
	}
	if got := scraped(t, m); strings.Contains(got, "word-") {
		t.Error("a caller's word is a label")
	}
}

// TestPlatformsAreNotNamed: the scope of a PCK certificate holds a PPID, which
// tells one machine from all others.
func TestPlatformsAreNotNamed(t *testing.T) {
	const ppid = "0123456789abcdef0123456789abcdef"
	var all []metrics.Endorsement
	for i := range 100 {
		all = append(all,
			metrics.Endorsement{Key: rats.EndorsementKey{Kind: rats.PCKCertificate, TEE: rats.SGX, Scope: fmt.Sprintf("%s%02d", ppid, i)}, Left: time.Duration(i) * time.Second},
			metrics.Endorsement{Key: rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: fmt.Sprintf("%012x", i)}, Left: time.Duration(i) * time.Hour})
	}
	m := metrics.New(metrics.Config{Sources: metrics.Sources{Endorsements: func() []metrics.Endorsement { return all }}})
	got := scraped(t, m)
	if strings.Contains(got, ppid) {
		t.Error("a PPID is served")
	}
	if n := strings.Count(got, "\nattesteer_endorsement_soonest_expires_in_seconds{"); n != 20 {
		t.Errorf("%d endorsements are shown by themselves, want 20", n)
	}
	if !strings.Contains(got, `{kind="pck_certificate",number="0",scope="",tee="sgx"} 0`) {
		t.Error("the first PCK certificate to end is not shown")
	}
}

func TestTheListenerServesMetricsAndLittleElse(t *testing.T) {
	for _, c := range []struct {
		method, path string
		profiles     bool
		want         int
	}{
		{"GET", "/metrics", false, 200}, {"HEAD", "/metrics", false, 200}, {"POST", "/metrics", false, 405},
		{"GET", "/healthz", false, 200}, {"GET", "/", false, 404}, {"GET", "/v1/ledger", false, 404},
		{"GET", "/debug/pprof/", false, 404}, {"GET", "/debug/pprof/cmdline", false, 404},
		{"GET", "/debug/pprof/", true, 200}, {"GET", "/debug/pprof/goroutine", true, 200}, {"GET", "/metrics", true, 200},
	} {
		w := httptest.NewRecorder()
		full().Handler(c.profiles).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s %s with profiles %t: %d, want %d", c.method, c.path, c.profiles, w.Code, c.want)
		}
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range metrics.Table() {
		if seen[d.Name] {
			t.Errorf("%s stands in the table twice", d.Name)
		}
		seen[d.Name] = true
		if !regexp.MustCompile(`^attesteer_[a-z_]+$`).MatchString(d.Name) {
			t.Errorf("%s is no name of ours", d.Name)
		}
		if (d.Type == metrics.Counter) != strings.HasSuffix(d.Name, "_total") {
			t.Errorf("%s: counters, and nothing else, end in _total", d.Name)
		}
		if d.Type == metrics.Histogram && !strings.HasSuffix(d.Name, "_seconds") {
			t.Errorf("%s has no unit", d.Name)
		}
		if !strings.HasSuffix(d.Help, ".") {
			t.Errorf("%s: its help is no sentence", d.Name)
		}
	}
}

// update writes generated files anew.
var update = flag.Bool("update", false, "write generated files anew")

func TestTheOperatorsPageHasTheTable(t *testing.T) {
	const file = "../docs/operations/metrics.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics: written by go test ./metrics -update -->\n", "<!-- end of metrics -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the marks of the table", file)
	}
	want := before + begin + metrics.Page() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(b) != want {
		t.Errorf("%s is not what the table says: go test ./metrics -update, and look at the difference", file)
	}
}
