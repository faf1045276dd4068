// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// faultReport is what came of one trial of a network.
type faultReport struct {
	Name    string        `json:"name"`
	What    string        `json:"what"`
	Took    time.Duration `json:"took_ns"`
	Figures []faultFigure `json:"figures"`
}

// faultFigure is one thing that was looked at; an empty aim is none.
type faultFigure struct {
	What   string `json:"what"`
	Aim    string `json:"aim,omitempty"`
	Figure string `json:"figure"`
	Kept   bool   `json:"kept"`
}

func (r *faultReport) add(what, aim, figure string, kept bool) {
	r.Figures = append(r.Figures, faultFigure{what, aim, figure, kept})
}

// Kept reports whether all aims were.
func (r *faultReport) Kept() bool {
	return !slices.ContainsFunc(r.Figures, func(f faultFigure) bool { return !f.Kept })
}

// print writes the table of docs/reliability.md.
func (r *faultReport) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(out, "| "+strings.Join(cells, "\t| ")+"\t|") } // Flush returns what went wrong
	_, _ = fmt.Fprintf(out, "%s. It took %v.\n\n", r.What, r.Took.Round(time.Second))
	row("what", "aim", "figure", "")
	row("---", "---", "---", "---")
	for _, f := range r.Figures {
		mark := "kept"
		switch {
		case !f.Kept:
			mark = "missed"
		case f.Aim == "":
			mark = ""
		}
		row(f.What, f.Aim, f.Figure, mark)
	}
	return out.Flush()
}

// validators is how many a trial has unless it says otherwise.
const validators = 4

// trial is one way for a network to go wrong.
type trial struct {
	what string
	// times is how often, by default, where that can be said; else 0.
	times int
	run   func(ctx context.Context, n *network, times int, progress io.Writer) (*faultReport, error)
	// alone makes its own network.
	alone func(ctx context.Context, bin, dir string, progress io.Writer) (*faultReport, error)
}

// trials are all of them, by their names.
func trials() map[string]trial {
	once := func(run func(context.Context, *network, io.Writer) (*faultReport, error)) func(context.Context, *network, int, io.Writer) (*faultReport, error) {
		return func(ctx context.Context, n *network, _ int, progress io.Writer) (*faultReport, error) {
			return run(ctx, n, progress)
		}
	}
	return map[string]trial{
		"kill":      {what: "SIGKILL of random validators under load", times: 100, run: killing},
		"down":      {what: "one of four validators gone, then two", run: once(down)},
		"disk":      {what: "a validator whose disk is full (takes root)", run: once(fullDisk)},
		"wal":       {what: "a killed validator with a damaged write-ahead log", times: 10, run: brokenWAL},
		"twin":      {what: "a validator that signs twice", run: once(twin)},
		"flood":     {what: "peers and clients that send rubbish", run: once(flood)},
		"clock":     {what: "a validator whose clock is ten minutes off", alone: wrongTime},
		"step":      {what: "a validator whose clock steps ten minutes while it runs", alone: stepTime},
		"partition": {what: "a network that is cut apart (takes root)", alone: partition},
	}
}

// try runs a trial on a new network.
func (t trial) try(ctx context.Context, bin, dir string, times int, progress io.Writer) (*faultReport, error) {
	start := time.Now()
	run := t.alone
	if run == nil {
		n, err := initNetwork(ctx, bin, dir, validators)
		if err != nil {
			return nil, err
		}
		defer n.close()
		run = func(ctx context.Context, _, _ string, progress io.Writer) (*faultReport, error) {
			return t.run(ctx, n, times, progress)
		}
	}
	r, err := run(ctx, bin, dir, progress)
	if err != nil {
		return nil, errors.Join(err, fmt.Errorf("with -keep, what the nodes said stays in %s", filepath.Join(dir, "net")))
	}
	r.Took = time.Since(start)
	return r, nil
}
