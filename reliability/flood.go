// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How long a network is looked at before, during and after it is flooded.
const (
	quiet   = 30 * time.Second
	flooded = 2 * time.Minute
	// longestBlock bounds the time in which no height is decided.
	longestBlock = 10 * time.Second
)

// flood has strangers send all kinds of rubbish to every validator of a network,
// as peers and at the API of one of them.
func flood(ctx context.Context, n *network, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "flood", What: "peers that send garbage, duplicates and what is too large to each of four validators, while others flood the API of one"}
	l, err := n.underLoad(ctx, 10)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	before := l.measure(ctx, quiet)
	memory, err := n.memory()
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(progress, "before: %s, %s\n", paceOf(before), memory)

	f, err := n.startFlood(ctx)
	if err != nil {
		return nil, err
	}
	defer f.kill()
	blocks, most, busy := n.watchBlocks(ctx), n.watchMemory(ctx), n.watchBusy()
	during := l.measure(ctx, flooded)
	share := busy()
	slowest, decided := blocks()
	peak := most()
	came, err := f.end()
	if err != nil {
		return nil, err
	}
	after := l.measure(ctx, quiet)

	r.add("registrations before", "", paceOf(before), true)
	r.add("registrations during", "none fails", paceOf(during), during.Tries > 0 && during.Failed == 0)
	r.add("registrations after", "none fails", paceOf(after), after.Tries > 0 && after.Failed == 0)
	r.add("heights decided during", "one in 10 s at least", fmt.Sprintf("%d, %v without one at most", decided, slowest.Round(time.Millisecond)), decided > 0 && slowest < longestBlock)
	r.add("who kept the machine busy", "", share, true)
	r.add("resident memory before", "", memory.String(), true)
	r.add("resident memory during, the most", fmt.Sprintf("under %d MiB each", maxMemory), peak.String(), slices.Max(peak) < maxMemory)
	for _, k := range came.Peers {
		r.add("peers: "+k.Name, "", k.said(flooded), true)
	}
	for _, a := range came.API {
		r.add("API: "+a.Name, "", fmt.Sprintf("%d: %s", a.Tries, said(a.Outcomes)), a.Outcomes["201"] == 0 && a.Outcomes["500"] == 0)
	}
	return r, n.check(ctx, r, l.end())
}

// mebibytes are what each member's process holds.
type mebibytes []float64

// String says how much each holds.
func (m mebibytes) String() string {
	text := ""
	for i, one := range m {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%.0f", one)
	}
	return text + " MiB"
}

func (n *network) memory() (mebibytes, error) {
	var out mebibytes
	for _, m := range n.members {
		one, err := m.node.memory()
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// watchMemory looks every second, until it is asked for the most that each held.
func (n *network) watchMemory(ctx context.Context) (most func() mebibytes) {
	ctx, cancel := context.WithCancel(ctx)
	var peak mebibytes
	var all sync.WaitGroup
	all.Go(func() {
		for ; ctx.Err() == nil; rest(ctx, time.Second) {
			now, err := n.memory()
			if err != nil {
				continue // one that ended is found in the end
			}
			if peak == nil {
				peak = now
			}
			for i := range now {
				peak[i] = max(peak[i], now[i])
			}
		}
	})
	return func() mebibytes { cancel(); all.Wait(); return peak }
}

// watchBusy looks at who keeps the cores busy until it is asked.
func (n *network) watchBusy() (share func() string) {
	all := func() (sum time.Duration) {
		for _, m := range n.members {
			one, _ := m.node.busy() // one that ended is found in the end
			sum += one
		}
		return sum
	}
	start, nodes, own := time.Now(), all(), ownBusy()
	return func() string {
		cores := func(d time.Duration) float64 { return d.Seconds() / time.Since(start).Seconds() }
		return fmt.Sprintf("of %d cores, validators %.2f, good clients %.2f", runtime.NumCPU(), cores(all()-nodes), cores(ownBusy()-own))
	}
}

// watchBlocks follows the height of the second member, until it is asked how long
// there was none and how many there were.
func (n *network) watchBlocks(ctx context.Context) (enough func() (slowest time.Duration, decided uint64)) {
	ctx, cancel := context.WithCancel(ctx)
	var slowest time.Duration
	var first, last atomic.Uint64
	var all sync.WaitGroup
	all.Go(func() {
		at := time.Now()
		api := n.members[1].api()
		for ; ctx.Err() == nil; rest(ctx, 50*time.Millisecond) {
			if l, err := api.Ledger(ctx); err == nil && l.Height > last.Load() {
				first.CompareAndSwap(0, l.Height)
				last.Store(l.Height)
				slowest, at = max(slowest, time.Since(at)), time.Now()
			}
		}
		slowest = max(slowest, time.Since(at))
	})
	return func() (time.Duration, uint64) { cancel(); all.Wait(); return slowest, last.Load() - first.Load() }
}
