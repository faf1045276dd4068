// SPDX-License-Identifier: Apache-2.0

// Command attesteer verifies evidence of trusted execution environments, keeps
// the public ledger that records it, and serves both.
//
// Data go to standard output and nothing else does; words for people go to
// standard error as "error:", "warning:" and "hint:" lines. Exit codes are
// those of [rats.Kind.ExitCode], with 2 for wrong usage and 130 for an
// interrupt.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal has the program finish what it began; the second ends it.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], system{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ,
	})
	stop()
	os.Exit(code)
}
