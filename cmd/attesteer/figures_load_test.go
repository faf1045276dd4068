// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// BenchmarkThroughput measures sustained registrations of distinct simulated
// quotes through the API of one node, and of four validators, each in a process
// of its own on disk, by ever more clients at once. What must be verified for
// each is done beside it for its own sake in the same run: signatures alone, on
// the same cores. Work is counted in processor time too, which depends less on how
// busy the machine is. Homes go below ATTESTEER_FIGURES_DIR if it is set, such as a
// file system in memory, and else into the temporary folder. A node takes 128
// connections of one address.
func BenchmarkThroughput(b *testing.B) {
	for _, known := range []bool{true, false} {
		platform := "known"
		if !known {
			platform = "new"
		}
		for _, nodes := range []int{1, 4} {
			for _, clients := range []int{1, 16, 64, 120} {
				name := fmt.Sprintf("platform=%s/nodes=%d/clients=%d", platform, nodes, clients)
				b.Run(name, func(b *testing.B) { throughput(b, nodes, clients, known) })
			}
		}
	}
}

// numberOfQuotes is how many registrations are measured; fewer by one client, who
// waits for each.
func numberOfQuotes(clients int) int {
	if clients == 1 {
		return 1000
	}
	return 8000
}

func throughput(b *testing.B, nodes, clients int, known bool) {
	ps := startNodes(b, nodes)
	warm := bodies(makeQuotes(b, 0, 100))
	submit := newSubmitter(clients)
	submit.all(b, ps, warm, clients) // endorsements are on the ledger, paths are warm
	for pass := uint64(1); b.Loop(); pass++ {
		b.StopTimer()
		quotes := makeQuotes(b, pass*1_000_000, numberOfQuotes(clients))
		if !known {
			quotes = makePlatforms(b, pass*1_000_000, numberOfQuotes(clients))
		}
		all := bodies(quotes)
		before := rawRate()
		idle, own := usedBy(b, ps), processorTime()
		b.StartTimer()
		start := time.Now()
		times := submit.all(b, ps, all, clients)
		took := time.Since(start)
		b.StopTimer()
		n := float64(len(times))
		spent, load := (usedBy(b, ps)-idle)/n, (processorTime()-own)/n
		after := rawRate()
		perVerification := (before.p256CPU + after.p256CPU) / 2
		must := perVerification + (before.ed25519CPU+after.ed25519CPU)/2
		if !known {
			must += 2 * perVerification // the certificate of the platform, and its quoting enclave's report
		}
		b.ReportMetric(n/took.Seconds(), "registrations/s")
		b.ReportMetric((before.p256+after.p256)/2, "raw-P256/s")
		b.ReportMetric(must*1e6, "must-µs")
		b.ReportMetric(spent*1e6, "nodes-µs")
		b.ReportMetric(load*1e6, "clients-µs")
		b.ReportMetric(100*must*float64(nodes)/spent, "share-%")
		b.ReportMetric(percentile(times, 50), "p50-ms")
		b.ReportMetric(percentile(times, 99), "p99-ms")
		b.StartTimer()
	}
	b.ReportMetric(resident(b, ps[0]), "MiB-after")
	b.ReportMetric(0, "ns/op")
}

// startNodes starts a node by itself, or the validators of one network.
func startNodes(b *testing.B, n int) []*process {
	b.Helper()
	dir := os.Getenv("ATTESTEER_FIGURES_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "nodes")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	if n == 1 {
		return []*process{startNode(b, filepath.Join(dir, "home"), "--network", "dev")}
	}
	code, out, errs := command(b, "ledger", "init", "--json", "--validators", strconv.Itoa(n),
		"--output", filepath.Join(dir, "net"), "--base-port", strconv.Itoa(23000+os.Getpid()%30000))
	if code != 0 {
		b.Fatalf("ledger init: %s", errs)
	}
	var made founded
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		b.Fatal(err)
	}
	ps := make([]*process, n)
	var group sync.WaitGroup
	for i, h := range made.Homes {
		group.Go(func() { ps[i] = startNode(b, h.Home) })
	}
	group.Wait()
	return ps
}

// makePlatforms returns quotes of machines that have not been seen, one of each.
func makePlatforms(b *testing.B, from uint64, n int) [][]byte {
	b.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		b.Fatal(err)
	}
	out := make([][]byte, n)
	for i := range out {
		number := from + uint64(i) + 1
		p, err := pki.NewPlatform(uint32(number), rats.UpToDate)
		if err != nil {
			b.Fatal(err)
		}
		e := numbered(number)
		e.Platform = uint32(number)
		if out[i], err = p.Quote(e); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// bodies returns what is posted for each quote.
func bodies(quotes [][]byte) [][]byte {
	out := make([][]byte, len(quotes))
	for i, q := range quotes {
		out[i] = []byte(`{"evidence":"` + base64.StdEncoding.EncodeToString(q) + `"}`)
	}
	return out
}

// submitter posts evidence over connections that stay open.
type submitter struct{ http *http.Client }

func newSubmitter(clients int) submitter {
	return submitter{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxIdleConns: 4 * clients}}}
}

// all posts everything by a number of clients, who are spread over the nodes, and
// returns how long each took.
func (s submitter) all(b *testing.B, ps []*process, all [][]byte, clients int) []time.Duration {
	b.Helper()
	times := make([]time.Duration, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				start := time.Now()
				if err := s.post(b, ps[c%len(ps)].url, all[i]); err != nil {
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

func (s submitter) post(b *testing.B, url string, body []byte) error {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/v1/evidence", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer dev")
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	return err
}

// raw is what verifying signatures takes by itself.
type raw struct {
	// p256 is how many P-256 signatures all cores verify in a second.
	p256 float64
	// p256CPU and ed25519CPU are the processor time of one verification in seconds.
	p256CPU, ed25519CPU float64
}

func rawRate() raw {
	digest := sha256.Sum256([]byte("raw"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	message := make([]byte, 4<<10)
	signed := ed25519.Sign(private, message)
	var out raw
	out.p256, out.p256CPU = verifying(func() bool { return ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) })
	_, out.ed25519CPU = verifying(func() bool { return ed25519.Verify(public, message, signed) })
	return out
}

// verifying does something on all cores for a while, and returns how often a
// second it was done and what processor time it took.
func verifying(once func() bool) (rate, cpu float64) {
	const lasting = time.Second
	var n atomic.Int64
	var group sync.WaitGroup
	before, start := processorTime(), time.Now()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for time.Since(start) < lasting {
				for range 100 {
					if !once() {
						panic("a signature that does not verify")
					}
				}
				n.Add(100)
			}
		})
	}
	group.Wait()
	done := float64(n.Load())
	return done / time.Since(start).Seconds(), (processorTime() - before) / done
}

// processorTime is what this process used of the processors, in seconds.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// usedBy is what processes used of the processors, in seconds.
func usedBy(b *testing.B, ps []*process) (out float64) {
	b.Helper()
	const perSecond = 100 // USER_HZ, the same on every Linux
	for _, p := range ps {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
		if err != nil {
			b.Skip("no /proc here")
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, f := range fields[11:13] { // utime and stime, proc(5)
			ticks, err := strconv.Atoi(string(f))
			if err != nil {
				b.Fatal(err)
			}
			out += float64(ticks) / perSecond
		}
	}
	return out
}
