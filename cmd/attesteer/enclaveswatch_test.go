// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// watcher is a running command that says line by line what it sees.
type watcher struct {
	cmd    *exec.Cmd
	lines  chan string
	stderr *safeBuffer
}

func startWatch(t *testing.T, args ...string) *watcher {
	t.Helper()
	return startWatcher(t, append([]string{"enclaves", "watch"}, args...)...)
}

func startWatcher(t *testing.T, args ...string) *watcher {
	t.Helper()
	w := &watcher{cmd: exec.Command("attesteer", args...), lines: make(chan string, 1000), stderr: new(safeBuffer)}
	w.cmd.Stderr = w.stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	return w
}

// next returns the next line, or fails the test.
func (w *watcher) next(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-w.lines:
		if !ok {
			t.Fatalf("it ended\n%s", w.stderr)
		}
		return line
	case <-time.After(patience):
		t.Fatalf("no line comes\n%s", w.stderr)
	}
	return ""
}

// awaitLoss waits until a watch has said more often than before that its node is gone.
func (w *watcher) awaitLoss(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(patience); w.losses() <= before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not say that the node is gone\n%s", w.stderr)
		}
	}
}

func (w *watcher) losses() int { return strings.Count(w.stderr.String(), "warning: lost the node: ") }

// TestAWatchOutlivesItsNode stops the node, and kills it, under a watch: no
// change is lost or printed twice.
func TestAWatchOutlivesItsNode(t *testing.T) {
	home := t.TempDir()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t) // which is its own again when it comes back
	p := startNode(t, home, "--network", "dev", "--listen", address)
	record := func(n uint64) string {
		t.Helper()
		q, err := platform.Quote(numbered(n))
		if err != nil {
			t.Fatal(err)
		}
		status, body := call(t, http.MethodPost, p.url+"/v1/evidence", "dev",
			`{"evidence":"`+base64.StdEncoding.EncodeToString(q)+`","url":"https://e.example"}`)
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, body)
		}
		return decode[client.Recorded](t, body).Record.ID
	}
	words, all := startWatch(t, "--node", p.url, "--after", "start"), startWatch(t, "--node", p.url, "--json", "--after", "start")
	next := uint64(0)
	happens := func() {
		t.Helper()
		id := record(next)
		if e := decode[client.Event](t, []byte(all.next(t))); e.Sequence != next || e.Record.ID != id {
			t.Errorf("event %d of %s, want %d of %s", e.Sequence, e.Record.ID, next, id)
		}
		if line := words.next(t); !strings.Contains(line, " recorded ") || !strings.Contains(line, id) || !strings.HasSuffix(line, "https://e.example") {
			t.Errorf("%q does not tell of %s", line, id)
		}
		next++
	}
	happens()
	happens()
	for _, end := range []func(){func() { _ = p.stop(t) }, func() { p.kill() }} {
		before := words.losses()
		end()
		words.awaitLoss(t, before)
		p = startNode(t, home, "--network", "dev", "--listen", address)
		happens() // maybe before the watches are back
		happens()
	}
	for _, w := range []*watcher{words, all} {
		if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if line, more := <-w.lines; more {
			t.Errorf("another line: %s", line)
		}
		if _ = w.cmd.Wait(); w.cmd.ProcessState.ExitCode() != exitInterrupted {
			t.Errorf("exit %d\n%s", w.cmd.ProcessState.ExitCode(), w.stderr)
		}
		if !strings.Contains(w.stderr.String(), "connected again, after event ") {
			t.Errorf("it does not say that the node is back\n%s", w.stderr)
		}
	}
}

// TestARevokedTokenFollowsNoLonger revokes a token, by the command, under the
// stream that it opened.
func TestARevokedTokenFollowsNoLonger(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev", "--anonymous-reads=false")
	token := newToken(t, home)
	q, err := numbered(0).Quote()
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(p.url, token, nil)
	if _, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: q}); err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, err = range c.Events(t.Context(), client.Follow{After: client.FromStart}) {
		if err != nil {
			continue
		}
		events++
		if code, _, errs := command(t, "token", "revoke", token[4:16], "--home", home); code != 0 {
			t.Fatalf("revoke: exit %d %s", code, errs)
		}
	}
	if events != 1 || rats.KindOf(err) != rats.Unauthorized {
		t.Errorf("%d events, then %v", events, err)
	}
}
