// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// outcome is what a call in JavaScript returns.
type outcome struct {
	Result *string `json:"result"`
	Error  *struct {
		Kind   rats.Kind `json:"kind"`
		Detail string    `json:"detail"`
	} `json:"error"`
}

func (o outcome) String() string {
	b, _ := json.Marshal(o)
	return string(b)
}

func (o outcome) kind() rats.Kind {
	if o.Error == nil {
		return rats.None
	}
	return o.Error.Kind
}

// session is what testdata/node.js is given.
type session struct {
	Bytes       map[string][]byte `json:"bytes"`
	Values      map[string]any    `json:"values"`
	Expressions []string          `json:"expressions"`
}

// node is the module, built, and what runs it.
type node struct{ path, executor, module string }

// newNode builds the module. Without Node the test is skipped, but not in
// continuous integration.
func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{module: filepath.Join(t.TempDir(), "attesteer.wasm")}
	var err error
	if n.path, err = exec.LookPath("node"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Node on this machine: apt-get install nodejs")
		}
		t.Skip("no Node on this machine: apt-get install nodejs")
	}
	n.executor = buildModule(t, n.module)
	return n
}

// buildModule builds the module into a file and returns the path of the script
// that executes it, which is part of the Go release.
func buildModule(t *testing.T, file string) (executor string) {
	t.Helper()
	goCommand(t, []string{"GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0"}, "build", "-trimpath", "-ldflags=-s -w",
		"-gcflags=all=-l", "-gcflags=crypto/...=", "-gcflags=math/...=", "-o", file, ".") // as `make wasm` does
	return filepath.Join(strings.TrimSpace(goCommand(t, nil, "env", "GOROOT")), "lib", "wasm", "wasm_exec.js")
}

func goCommand(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, stderrOf(err))
	}
	return string(out)
}

func stderrOf(err error) string {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return string(ended.Stderr)
	}
	return ""
}

// run evaluates a session's expressions in one loaded module.
func (n *node) run(t *testing.T, s session) []outcome {
	t.Helper()
	input, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(n.path, filepath.Join("testdata", "node.js"), n.executor, n.module)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderrOf(err))
	}
	var answers []outcome
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("node answered %q: %v", out, err)
	}
	if len(answers) != len(s.Expressions) {
		t.Fatalf("%d answers to %d expressions", len(answers), len(s.Expressions))
	}
	return answers
}

// newCommand builds the command, under the race detector where this test is, so
// that most of it is built already.
func newCommand(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "attesteer")
	args := []string{"build", "-o", file}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	goCommand(t, nil, append(args, "../attesteer")...)
	return file
}

// commandSays runs the command and returns what the module has to answer.
func commandSays(t *testing.T, file string, args []string) outcome {
	t.Helper()
	cmd := exec.Command(file, append(args, "--json")...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	var out outcome
	if text, printed := strings.CutSuffix(string(stdout), "\n"); printed {
		out.Result = &text
	}
	if err == nil {
		return out
	}
	for line := range strings.Lines(stderr.String()) {
		text, ok := strings.CutPrefix(line, "error: ")
		if !ok {
			continue
		}
		var kind rats.Kind
		name, detail, _ := strings.Cut(strings.TrimSpace(text), ": ")
		if err := kind.UnmarshalText([]byte(name)); err != nil {
			break
		}
		out.Error = &struct {
			Kind   rats.Kind `json:"kind"`
			Detail string    `json:"detail"`
		}{kind, detail}
		return out
	}
	t.Fatalf("attesteer %v: %v\n%s", args, err, stderr.String())
	return out
}
