// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the whole command line as its users do: each script in
// testdata/script reads like a session at a terminal.
func TestScripts(t *testing.T) {
	if signal.Ignored(os.Interrupt) { // as in the background of a shell: what scripts start would not hear of one either
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SEED", seed(t))
			env.Setenv("VECTORS", vectors())
			env.Setenv("HOME", env.WorkDir)
			root, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			env.Setenv("ROOT", root)
			if strings.HasSuffix(env.WorkDir, "pccsserve") {
				intel, served := openStandIn(t)
				intel.SetKey("the-key-of-a-subscription")
				env.Setenv("INTEL", served.URL)
			}
			for i, p := range ports(t, 12) {
				env.Setenv("PORT"+strconv.Itoa(i), p)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "vectors" && vectors() != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode,
		},
	})
}

// lastPort is the port that was given out last, counted from firstPort.
var lastPort atomic.Int32 //nolint:gochecknoglobals // tests of one process must not meet on a port

// Ports of nodes that have to know each other's lie below those that systems
// give to whoever asks for any, or an outgoing connection may have them first.
const (
	firstPort = 10_000
	manyPorts = 10_000
)

// ports returns as many that are free and follow each other, for nodes that have
// to know each other's.
func ports(t testing.TB, n int) []string {
	t.Helper()
	for range manyPorts / n {
		last := int(lastPort.Add(int32(n)))
		from := (os.Getpid()*97 + last - n) % manyPorts
		var out []string
		for p := from; p < min(from+n, manyPorts) && isFree(firstPort+p); p++ {
			out = append(out, strconv.Itoa(firstPort+p))
		}
		if len(out) == n {
			return out
		}
	}
	t.Fatal("too few ports are free")
	return nil
}

// isFree says whether nobody listens on a port of this machine.
func isFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}

// freePort returns an address that nobody listens on, and that no outgoing
// connection takes.
func freePort(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", ports(t, 1)[0])
}

// exitCode runs a command and demands its exit code: code N attesteer ARGS…
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	want := args[0]
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != want {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}
