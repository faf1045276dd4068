// SPDX-License-Identifier: Apache-2.0

// Command reliability puts a real node, in a process of its own, under what it
// meets on the open internet, and says what came of it.
//
//	go run ./reliability abuse              five minutes
//	go run ./reliability abuse -for 30s     a look
//
// Data go to standard output, as the table that stands in docs/reliability.md,
// or with -json as one object; progress goes to standard error. It ends with 1
// where an aim is missed. It needs Linux: it reads /proc, and gives its clients
// addresses of their own in 127.0.0.0/8. It runs in the module's root.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
	}
	stop()
	os.Exit(code)
}

// Exit codes: an aim was missed, or nothing could be found out; a command line
// that cannot be meant.
const (
	exitMissed = 1
	exitUsage  = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	if len(args) == 0 || args[0] != "abuse" {
		return exitUsage, errors.New("usage: reliability abuse [-for 5m] [-bin FILE] [-json]")
	}
	fl := flag.NewFlagSet("abuse", flag.ContinueOnError)
	fl.SetOutput(stderr)
	lasting := fl.Duration("for", 5*time.Minute, "how long the load lasts")
	bin := fl.String("bin", "", "the program; without, it is built")
	asJSON := fl.Bool("json", false, "print one JSON object in place of the table")
	if err := fl.Parse(args[1:]); err != nil {
		return exitUsage, err
	}
	if fl.NArg() > 0 || *lasting < time.Second {
		return exitUsage, errors.New("abuse takes no arguments, and lasts a second at least")
	}
	dir, err := os.MkdirTemp("", "reliability-")
	if err != nil {
		return exitMissed, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in the temporary folder
	if *bin == "" {
		if *bin, err = build(ctx, dir); err != nil {
			return exitMissed, err
		}
	}
	report, err := abuse(ctx, *bin, dir, *lasting, stderr)
	if err != nil {
		return exitMissed, err
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.print(stdout)
	}
	if err == nil && !report.Kept() {
		return exitMissed, errors.New("an aim was missed")
	}
	return 0, err
}

// build builds the program that is tried.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "attesteer")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "./cmd/attesteer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}
