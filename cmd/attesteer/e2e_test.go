// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds waits that end soon when nothing is wrong, however busy the
// machine is.
const patience = 2 * time.Minute

// process is a node in a process of its own.
type process struct {
	cmd    *exec.Cmd
	url    string
	home   string
	stderr *safeBuffer
	// done is closed when the process has ended; err says how.
	done chan struct{}
	err  error
}

// safeBuffer is a buffer that a process writes and a test reads.
type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// ready is the line that serve --json prints once it answers.
type ready struct {
	Ready   bool   `json:"ready"`
	URL     string `json:"url"`
	ChainID string `json:"chain_id"`
}

// startNode starts "attesteer serve" on a free port and waits until it is ready.
func startNode(t testing.TB, home string, args ...string) *process {
	t.Helper()
	p, err := tryNode(home, args...)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, p.stderr)
	}
	t.Cleanup(p.kill)
	return p
}

func tryNode(home string, args ...string) (*process, error) {
	return tryProcess(home, append([]string{"serve"}, args...)...)
}

// tryProcess starts a command that serves until it is told to stop.
func tryProcess(home string, args ...string) (*process, error) {
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	args = append(args, "--json", "--home", home)
	p := &process{cmd: exec.Command("attesteer", args...), home: home, stderr: new(safeBuffer), done: make(chan struct{})}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return p, err
	}
	if err := p.cmd.Start(); err != nil {
		return p, err
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return p, p.cmd.Wait()
	}
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	var r ready
	if err := json.Unmarshal(line, &r); err != nil {
		p.kill()
		return p, err
	}
	p.url = r.URL
	return p, nil
}

// says waits until the process has written what re finds, and returns what it
// found. What a process writes to stderr arrives after it was written: never at a
// moment that an answer of its, read elsewhere, would tell.
func (p *process) says(t testing.TB, re *regexp.Regexp) []string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if found := re.FindStringSubmatch(p.stderr.String()); found != nil {
			return found
		}
		if time.Now().After(end) {
			t.Fatalf("it does not say %q\n%s", re, p.stderr)
		}
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	select {
	case <-p.done:
	case <-time.After(patience):
	}
}

// stop asks the process to end and returns how it did.
func (p *process) stop(t testing.TB) error {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Fatalf("still running %v after SIGTERM\n%s", patience, p.stderr)
		return nil
	}
}

// command runs one command line in this process.
func command(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code = run(ctx, args, system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		getenv: func(name string) string {
			if name == "HOME" {
				return os.TempDir()
			}
			return ""
		},
	})
	return code, out.String(), errs.String()
}

// call makes one HTTP call and returns status and body.
func call(t testing.TB, method, url, token, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

// decode reads JSON into a T.
func decode[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}
