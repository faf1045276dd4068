// SPDX-License-Identifier: Apache-2.0

// Command reliability puts real nodes, in processes of their own, under what they
// meet on the open internet and on real machines, and says what came of it.
//
//	go run ./reliability abuse              five minutes
//	go run ./reliability abuse -for 30s     a look
//	go run ./reliability kill               a network of four, whose validators are killed
//	go run ./reliability                    names them all
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
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == floodName { // of the trial flood
		if err := runFlooders(ctx, os.Stdin, os.Stdout); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(exitMissed)
		}
		return
	}
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

// command is a command line.
type command struct {
	name   string
	bin    string
	keep   bool
	asJSON bool
	// lasting and times are how long, or how often, the trial goes.
	lasting time.Duration
	times   int
}

// parse reads a command line.
func parse(args []string, stderr io.Writer) (command, error) {
	if len(args) == 0 {
		return command{}, errors.New(howTo())
	}
	c := command{name: args[0]}
	one, known := trials()[c.name]
	if c.name != "abuse" && !known {
		return c, errors.New(howTo())
	}
	fl := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fl.SetOutput(stderr)
	fl.StringVar(&c.bin, "bin", "", "the program; without, it is built")
	fl.BoolVar(&c.keep, "keep", false, "leave homes and logs in the temporary folder, and say where")
	fl.BoolVar(&c.asJSON, "json", false, "print one JSON object in place of the table")
	if c.name == "abuse" {
		fl.DurationVar(&c.lasting, "for", 5*time.Minute, "how long the load lasts")
	}
	if one.times > 0 {
		fl.IntVar(&c.times, "times", one.times, "how often")
	}
	switch err := fl.Parse(args[1:]); {
	case err != nil:
		return c, err
	case fl.NArg() > 0:
		return c, fmt.Errorf("%s takes no arguments", c.name)
	case c.name == "abuse" && c.lasting < time.Second, one.times > 0 && c.times < 1:
		return c, errors.New("that is no trial")
	}
	return c, nil
}

// howTo names what there is.
func howTo() string {
	text := "usage: reliability NAME [-bin FILE] [-json] [-keep]\n  abuse      everybody who means ill at one node, for -for"
	for _, name := range slices.Sorted(maps.Keys(trials())) {
		text += fmt.Sprintf("\n  %-10s %s", name, trials()[name].what)
	}
	return text
}

// outcome is what a trial comes to.
type outcome interface {
	print(w io.Writer) error
	Kept() bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	c, err := parse(args, stderr)
	if err != nil {
		return exitUsage, err
	}
	dir, err := os.MkdirTemp("", "reliability-")
	if err != nil {
		return exitMissed, err
	}
	if c.keep {
		_, _ = fmt.Fprintln(stderr, "homes and logs stay in", dir)
	} else {
		defer os.RemoveAll(dir) //nolint:errcheck // what is left is in the temporary folder
	}
	if c.bin == "" {
		if c.bin, err = build(ctx, dir); err != nil {
			return exitMissed, err
		}
	}
	var r outcome
	if c.name == "abuse" {
		r, err = abuse(ctx, c.bin, dir, c.lasting, stderr)
	} else {
		r, err = trials()[c.name].try(ctx, c.bin, dir, c.times, stderr)
	}
	if err != nil {
		return exitMissed, err
	}
	if c.asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.print(stdout)
	}
	if err == nil && !r.Kept() {
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
