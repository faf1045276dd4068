// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// BenchmarkNodeStart measures the time from starting the process on a new home
// to its first answer.
func BenchmarkNodeStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		home := b.TempDir()
		b.StartTimer()
		p, err := tryNode(home, "--network", "dev")
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.kill()
		b.StartTimer()
	}
}

// BenchmarkNodeRestart measures the same on a home that holds records.
func BenchmarkNodeRestart(b *testing.B) {
	home := b.TempDir()
	p := startNode(b, home, "--network", "dev")
	load(b, p.url, makeQuotes(b, 0, 500), 4)
	p.kill()
	for b.Loop() {
		p, err := tryNode(home, "--network", "dev")
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.kill()
		b.StartTimer()
	}
}

// BenchmarkRegistration measures registrations of distinct simulated quotes
// through the API of a node in a process of its own: latency with one client,
// throughput with four, and the node's resident memory before and after.
func BenchmarkRegistration(b *testing.B) {
	const quotes = 3000
	for _, clients := range []int{1, 4} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			p := startNode(b, b.TempDir(), "--network", "dev")
			all := makeQuotes(b, 0, quotes)
			load(b, p.url, all[:100], clients) // endorsements are on the ledger, paths are warm
			idle := resident(b, p)
			for pass := uint64(1); b.Loop(); pass++ {
				b.StopTimer()
				all = makeQuotes(b, pass*1_000_000, quotes) // the same evidence again would be a replay
				b.StartTimer()
				start := time.Now()
				times := load(b, p.url, all, clients)
				took := time.Since(start)
				b.ReportMetric(float64(len(times))/took.Seconds(), "registrations/s")
				b.ReportMetric(percentile(times, 50), "p50-ms")
				b.ReportMetric(percentile(times, 99), "p99-ms")
			}
			b.ReportMetric(idle, "MiB-idle")
			b.ReportMetric(resident(b, p), "MiB-after")
		})
	}
}

func makeQuotes(b *testing.B, from uint64, n int) [][]byte {
	b.Helper()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	out := make([][]byte, n)
	for i := range out {
		if out[i], err = platform.Quote(numbered(from + uint64(i) + 1)); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// load submits all quotes from a number of clients and returns how long each took.
func load(b *testing.B, url string, quotes [][]byte, clients int) []time.Duration {
	b.Helper()
	times := make([]time.Duration, len(quotes))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(quotes) {
					return
				}
				start := time.Now()
				if _, err := submitQuote(b.Context(), url, quotes[i]); err != nil {
					b.Error(err)
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return times
}

func percentile(times []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(times))
	return float64(sorted[(len(sorted)-1)*p/100].Microseconds()) / 1000
}

// resident returns a process's resident memory in MiB.
func resident(b *testing.B, p *process) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		b.Skip("no /proc here")
	}
	for _, line := range bytes.Split(status, []byte("\n")) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
