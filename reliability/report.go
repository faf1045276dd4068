// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// The aims.
const (
	// maxP99 is the time, in milliseconds, within which 99 of 100 calls of good
	// clients are answered.
	maxP99 = 1000
	// maxMemory bounds resident memory, in MiB: an eighth of the smallest machine
	// that a node is meant for.
	maxMemory = 512
	// spare is how many goroutines, and sockets, a node may hold more than
	// before: those of its own timers and fetches come and go.
	spare = 5
)

// report is what came of a load.
type report struct {
	Lasted time.Duration `json:"lasted_ns"`
	Cores  int           `json:"cores"`
	// Submits and Reads are those of good clients.
	Submits figures `json:"submits"`
	Reads   figures `json:"reads"`
	// Acknowledged records were looked up after a kill; Lost were not there.
	Acknowledged int `json:"acknowledged"`
	Lost         int `json:"lost"`
	// Unseen of them did not come in the stream of events; Watcher is why the
	// stream ended before its time.
	Unseen  int   `json:"unseen"`
	Watcher error `json:"-"`
	// Peak is the most resident memory, in MiB, and PeakSockets the most sockets.
	Peak        float64        `json:"peak_mib"`
	PeakSockets int            `json:"peak_sockets"`
	Before      usage          `json:"before"`
	After       usage          `json:"after"`
	Abuse       []abuseFigures `json:"abuse"`

	memory []float64
}

// abuseFigures is what came of one kind of abuse.
type abuseFigures struct {
	Name     string         `json:"name"`
	Clients  int            `json:"clients"`
	Tries    int            `json:"tries"`
	Outcomes map[string]int `json:"outcomes"`
}

// cores returns how many cores all share.
func cores() int { return runtime.NumCPU() }

// aim is one thing that has to be so.
type aim struct {
	what, aim, figure string
	kept              bool
}

func (r *report) aims() []aim {
	calls := func(f figures) string {
		return fmt.Sprintf("%d calls, p50 %.0f ms, p99 %.0f ms, longest %.0f ms", f.Tries, f.P50, f.P99, f.Max)
	}
	stream := "whole"
	if r.Watcher != nil {
		stream = r.Watcher.Error()
	}
	return []aim{
		{"good submissions", "p99 under 1 s", calls(r.Submits), r.Submits.Tries > 0 && r.Submits.P99 < maxP99},
		{"good submissions that failed", "none", fmt.Sprint(r.Submits.Failed, failures(r.Submits)), r.Submits.Failed == 0},
		{"good reads", "p99 under 1 s", calls(r.Reads), r.Reads.Tries > 0 && r.Reads.P99 < maxP99},
		{"good reads that failed", "none", fmt.Sprint(r.Reads.Failed, failures(r.Reads)), r.Reads.Failed == 0},
		{"records acknowledged, and gone after a kill", "none", fmt.Sprintf("%d of %d", r.Lost, r.Acknowledged), r.Lost == 0 && r.Acknowledged > firstRecords},
		{"records that the stream of events left out", "none", fmt.Sprintf("%d of %d, stream %s", r.Unseen, r.Acknowledged, stream), r.Unseen == 0 && r.Watcher == nil},
		{"resident memory, the most", fmt.Sprintf("under %d MiB", maxMemory), fmt.Sprintf("%.0f MiB", r.Peak), r.Peak < maxMemory},
		{"goroutines before and after", fmt.Sprintf("%d more at most", spare), fmt.Sprintf("%d and %d", r.Before.Goroutines, r.After.Goroutines), r.After.Goroutines <= r.Before.Goroutines+spare},
		{"sockets before, at most, and after", fmt.Sprintf("%d more at most", spare), fmt.Sprintf("%d, %d and %d", r.Before.Sockets, r.PeakSockets, r.After.Sockets), r.After.Sockets <= r.Before.Sockets+spare},
	}
}

func failures(f figures) string {
	if f.Failed == 0 {
		return ""
	}
	return " (" + said(f.Outcomes) + ")"
}

// Kept reports whether all aims were.
func (r *report) Kept() bool {
	for _, a := range r.aims() {
		if !a.kept {
			return false
		}
	}
	return true
}

// print writes the tables of docs/reliability.md.
func (r *report) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(out, "| "+strings.Join(cells, "\t| ")+"\t|") } // Flush returns what went wrong
	_, _ = fmt.Fprintf(out, "%v on %d cores, which load and node share.\n\n", r.Lasted, r.Cores)
	row("what", "aim", "figure", "")
	row("---", "---", "---", "---")
	for _, a := range r.aims() {
		mark := "kept"
		if !a.kept {
			mark = "missed"
		}
		row(a.what, a.aim, a.figure, mark)
	}
	_, _ = fmt.Fprintln(out)
	row("abuse", "clients", "tries", "what came of it")
	row("---", "---", "---", "---")
	for _, a := range r.Abuse {
		row(a.Name, fmt.Sprint(a.Clients), fmt.Sprint(a.Tries), said(a.Outcomes))
	}
	return out.Flush()
}
