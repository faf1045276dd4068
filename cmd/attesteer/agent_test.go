// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// startAgent starts "agent run --json" in a process of its own.
func startAgent(t *testing.T, args ...string) *watcher {
	t.Helper()
	return startWatcher(t, append([]string{"agent", "run", "--json", "--tee", simSGX}, args...)...)
}

// report returns the next report of an agent.
func (w *watcher) report(t *testing.T) agent.Report {
	t.Helper()
	return decode[agent.Report](t, []byte(w.next(t)))
}

// reportOf waits for a report of an outcome.
func (w *watcher) reportOf(t *testing.T, outcome agent.Outcome) agent.Report {
	t.Helper()
	for {
		if r := w.report(t); r.Outcome == outcome {
			return r
		}
	}
}

// ends waits for the end of an agent, and demands its exit code.
func (w *watcher) ends(t *testing.T, code int) {
	t.Helper()
	for range w.lines { // until they are closed
		continue
	}
	if _ = w.cmd.Wait(); w.cmd.ProcessState.ExitCode() != code {
		t.Errorf("exit %d, want %d\n%s", w.cmd.ProcessState.ExitCode(), code, w.stderr)
	}
}

func (w *watcher) terminate(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// homeOfShortDurations is the home of a network on which one may vouch for a
// second, and which is not of this time.
func homeOfShortDurations(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	if code, _, errs := command(t, "ledger", "init", "--home", home, "--network", "dev", "--clock", "2025-06-20T10:55:00Z", "--p2p-listen", freePort(t)); code != 0 {
		t.Fatal(errs)
	}
	file := filepath.Join(home, "config", "genesis.json")
	genesis, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := regexp.MustCompile(`("min_duration_ms": ?)"?60000"?`).ReplaceAll(genesis, []byte("${1}1000"))
	if bytes.Equal(changed, genesis) {
		t.Fatalf("the genesis has no such duration: %s", genesis)
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// TestAnAgentKeepsARecordOverManyDurations on a ledger of another time, with a
// second agent beside it, and a node that is away for a while.
func TestAnAgentKeepsARecordOverManyDurations(t *testing.T) {
	t.Parallel() // it mostly waits
	home := homeOfShortDurations(t)
	key := enclaveKeyFile(t)
	address := freePort(t) // which is its own again when it comes back
	p := startNode(t, home, "--listen", address)
	// A third of it is time enough on a busy machine.
	args := []string{"--node", p.url, "--key", key, "--valid-for", "20s", "--url", "https://e.example", "--metrics-listen", "127.0.0.1:0"}
	first, second := startAgent(t, args...), startAgent(t, args...)
	began := first.report(t)
	if began.Outcome != agent.Recorded && began.Outcome != agent.Known || began.Record == "" || began.Expires.Time().Year() != 2025 {
		t.Fatalf("%+v", began)
	}
	c := client.New(p.url, "dev", nil)
	for end := time.Now().Add(45 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if v, err := c.Get(t.Context(), began.Record); err != nil || v.State != record.Active {
			t.Fatalf("%v %+v\n%s", err, v, first.stderr)
		}
	}
	for _, w := range []*watcher{first, second} {
		if n := strings.Count(w.stderr.String(), "was not attested"); n > 0 {
			t.Errorf("%d failures\n%s", n, w.stderr)
		}
	}
	page := scrape(t, first)
	for _, want := range []string{
		`attesteer_agent_rounds_total{enclave="enclave",outcome="failed"} 0`, `attesteer_agent_record_state{enclave="enclave",state="active"} 1`,
		`attesteer_agent_record_expires_in_seconds{enclave="enclave"} [0-9]`, `attesteer_agent_last_success_timestamp_seconds{enclave="enclave"} 1`,
	} {
		if !regexp.MustCompile(`(?m)^` + strings.NewReplacer("{", `\{`, "}", `\}`).Replace(want)).MatchString(page) {
			t.Errorf("no metric is %s", want)
		}
	}
	second.terminate(t)
	second.ends(t, 0)

	_ = p.stop(t)
	if r := first.reportOf(t, agent.Failed); r.Record != began.Record || r.Kind != rats.None || r.Failures == 0 || r.Next <= 0 {
		t.Errorf("%+v", r)
	}
	startNode(t, home, "--listen", address)
	if r := first.reportOf(t, agent.Recorded); r.Record != began.Record || r.State != record.Active || r.Failures != 0 {
		t.Errorf("%+v", r)
	}
	first.terminate(t)
	first.ends(t, 0)
	if said := first.stderr.String(); !strings.HasSuffix(said, "stopped\n") {
		t.Errorf("%s", said)
	}
}

// scrape returns the page of metrics of an agent.
func scrape(t *testing.T, w *watcher) string {
	t.Helper()
	at := regexp.MustCompile(`(?m)^metrics: (\S+)$`).FindStringSubmatch(w.stderr.String())
	if at == nil {
		t.Fatalf("no metrics: %s", w.stderr)
	}
	resp, err := http.Get(at[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestAnAgentBringsEndorsementsToANodeThatHasNone from the second of its sources,
// since the first is down, and the node's own is as well.
func TestAnAgentBringsEndorsementsToANodeThatHasNone(t *testing.T) {
	nodes, ofNode, _ := simulatedPCCS(t)
	nodes.Break("", pcstest.Down())
	pcs, down, _ := simulatedPCCS(t)
	pcs.Break("", pcstest.Down())
	_, up, items := simulatedPCCS(t)
	p := startNode(t, t.TempDir(), "--endorsements", ofNode)
	code, out, errs := command(t, "agent", "run", "--once", "--json", "--node", "http://127.0.0.1:1", "--node", p.url, "--endorsements", down, "--endorsements", up)
	if r := decode[agent.Report](t, []byte(out)); code != 0 || r.Outcome != agent.Recorded || r.Node != p.url {
		t.Fatalf("exit %d %s%s", code, out, errs)
	}
	_, list := call(t, http.MethodGet, p.url+"/v1/endorsements", "", "")
	for _, e := range items {
		digest := e.Digest()
		if !strings.Contains(string(list), hex.EncodeToString(digest[:])) {
			t.Errorf("the ledger does not have the %s of the agent's source", e.Kind)
		}
	}
	if len(pcs.Calls("")) == 0 {
		t.Error("the first source was not asked")
	}
	// With nobody to ask it says what is missing, as submit does.
	other := startNode(t, t.TempDir(), "--endorsements", ofNode)
	code, out, _ = command(t, "agent", "run", "--once", "--json", "--node", other.url, "--endorsements", down)
	if r := decode[agent.Report](t, []byte(out)); code != 12 || r.Outcome != agent.Failed || r.Kind != rats.EndorsementUnavailable {
		t.Errorf("exit %d %s", code, out)
	}
}

// TestAnAgentAttestsAtOnceWhatBecameUndecided has a ledger's only endorsements
// end, at midnight of its time, and newer ones in a folder of the agent's that
// begin then.
func TestAnAgentAttestsAtOnceWhatBecameUndecided(t *testing.T) {
	t.Parallel() // it mostly waits
	midnight := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	folders := []string{t.TempDir(), t.TempDir()}
	for i, at := range []time.Time{midnight.AddDate(0, 0, -30), midnight} {
		items, err := simtee.Endorsements(at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := endorse.WriteFolder(folders[i], items); err != nil {
			t.Fatal(err)
		}
	}
	pcs, down, _ := simulatedPCCS(t)
	pcs.Break("", pcstest.Down())
	p := startNode(t, t.TempDir(), "--endorsements", down, "--clock", midnight.Add(-40*time.Second).Format(time.RFC3339))
	w := startAgent(t, "--node", p.url, "--endorsements", folders[0], "--endorsements", folders[1])
	began := w.report(t)
	if began.Outcome != agent.Recorded || !began.ValidUntil.Time().Equal(midnight) {
		t.Fatalf("%+v\n%s", began, w.stderr)
	}
	again := w.report(t)
	for again.Outcome == agent.Failed { // it may have been early by a block
		again = w.report(t)
	}
	if again.Outcome != agent.Recorded || again.Reason != agent.BecameUndecided && again.Reason != agent.Again || !again.ValidUntil.Time().After(midnight) {
		t.Errorf("%+v\n%s", again, w.stderr)
	}
	h, err := client.New(p.url, "dev", nil).History(t.Context(), began.Record)
	if err != nil || len(h.Events) < 3 || h.Events[1].Event != record.Lapsed {
		t.Errorf("%v %+v", err, h)
	}
	w.terminate(t)
	w.ends(t, 0)
}

// enclaveKeyFile writes a new key of an enclave.
func enclaveKeyFile(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := writeKey(t, "enclave", private, public)
	return file
}

// TestAnAgentLeavesAWithdrawnRecordAlone, and brings it back where its owner says so.
func TestAnAgentLeavesAWithdrawnRecordAlone(t *testing.T) {
	p := startNode(t, t.TempDir())
	key := enclaveKeyFile(t)
	w := startAgent(t, "--node", p.url, "--key", key)
	id := w.report(t).Record
	if code, _, errs := command(t, "enclaves", "withdraw", id, "--key", key, "--node", p.url); code != 0 {
		t.Fatal(errs)
	}
	if r := w.report(t); r.Outcome != agent.Ended || r.Reason != agent.BecameWithdrawn || r.State != record.Withdrawn || r.Kind != rats.PolicyRejected {
		t.Errorf("%+v", r)
	}
	w.ends(t, 11)
	if code, _, errs := command(t, "agent", "run", "--once", "--key", key, "--node", p.url); code != 11 || !strings.Contains(errs, "withdrawn") {
		t.Errorf("exit %d %s", code, errs)
	}
	// Another enclave's evidence makes a block, to which its own can be bound.
	if code, _, errs := command(t, "agent", "run", "--once", "--tee", simTDX, "--node", p.url); code != 0 {
		t.Fatal(errs)
	}
	revive := startAgent(t, "--node", p.url, "--key", key, "--revive")
	if r := revive.reportOf(t, agent.Recorded); r.Record != id || r.State != record.Active {
		t.Errorf("%+v", r)
	}
	revive.terminate(t)
	revive.ends(t, 0)
}
