// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// standIn is a stand-in for Intel's service with one simulated platform.
type standIn struct {
	*pcstest.PCS
	platform *simtee.Platform
	ext      *dcap.PCKExtension
	root     []byte
}

// openStandIn serves what vouches for the platform, as of now.
func openStandIn(t testing.TB) (*standIn, *httptest.Server) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	var items []rats.Endorsement
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		some, err := pki.EndorsementsFor(tee, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, some...)
	}
	s := &standIn{root: pki.RootCertificate()}
	if s.PCS, err = pcstest.New(s.root, items...); err != nil {
		t.Fatal(err)
	}
	if s.platform, err = pki.NewPlatform(7, rats.UpToDate); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(s.platform.PCKCertificate().Body)
	if err != nil {
		t.Fatal(err)
	}
	if s.ext, err = dcap.ReadPCKExtension(cert); err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(s)
	t.Cleanup(served.Close)
	return s, served
}

// ServeHTTP implements [http.Handler].
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/pckcerts") {
		s.PCS.ServeHTTP(w, r)
		return
	}
	tcb := map[string]int{"pcesvn": int(s.ext.PCESVN)}
	for i, svn := range s.ext.Components {
		tcb[fmt.Sprintf("sgxtcbcomp%02dsvn", i+1)] = int(svn)
	}
	pck := s.platform.PCKCertificate()
	h := w.Header()
	h["SGX-FMSPC"] = []string{hex.EncodeToString(s.ext.FMSPC[:])}
	h["SGX-PCK-Certificate-CA-Type"] = []string{"platform"}
	h["SGX-PCK-Certificate-Issuer-Chain"] = []string{escapedPEM(pck.Issuers[0], s.root)}
	h["Content-Type"] = []string{"application/json"}
	_ = json.NewEncoder(w).Encode([]map[string]any{{"tcb": tcb, "tcbm": s.rawTCB(), "cert": escapedPEM(pck.Body)}})
}

func escapedPEM(certs ...[]byte) string {
	var text string
	for _, der := range certs {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// rawTCB is CPUSVN and, low byte first, PCESVN.
func (s *standIn) rawTCB() string {
	return strings.ToUpper(hex.EncodeToString(s.ext.CPUSVN[:])) + fmt.Sprintf("%02X%02X", byte(s.ext.PCESVN), s.ext.PCESVN>>8)
}

// paths are those that the figures ask for, by name.
func (s *standIn) paths() map[string]string {
	raw := s.rawTCB()
	const api = "/sgx/certification/v4/"
	return map[string]string{
		"tcb": api + "tcb?fmspc=" + strings.ToUpper(hex.EncodeToString(s.ext.FMSPC[:])) + "&update=standard",
		"pckcert": api + "pckcert?qeid=" + strings.ToUpper(hex.EncodeToString(s.ext.PPID[:])) + "&encrypted_ppid=" + strings.Repeat("5A", 384) +
			"&cpusvn=" + raw[:32] + "&pcesvn=" + raw[32:] + "&pceid=" + fmt.Sprintf("%02X%02X", s.ext.PCEID[1], s.ext.PCEID[0]),
		"qe/identity": api + "qe/identity?update=standard", "rootcacrl": api + "rootcacrl",
	}
}

// startPCCS builds the program as a release is built, and runs it.
func startPCCS(b *testing.B, program, home, upstream string) *process {
	b.Helper()
	p := &process{
		cmd: exec.Command(program, "pccs", "serve", "--json", "--home", home, "--listen", "127.0.0.1:0", "--trust-simulated",
			"--upstream", "pcs+"+upstream, "--upstream-root-crl", upstream+"/IntelSGXRootCA.der"),
		home: home, stderr: new(safeBuffer), done: make(chan struct{}),
	}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var r ready
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&r); err != nil {
		b.Fatalf("%v\n%s", err, p.stderr)
	}
	p.url = r.URL
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	b.Cleanup(p.kill)
	return p
}

// BenchmarkPCCS measures a PCCS in a process of its own, over https: answers from
// memory over 16 connections that stay open, and over a new one each; its memory,
// and its start. Clients run on the same cores.
func BenchmarkPCCS(b *testing.B) {
	program := filepath.Join(b.TempDir(), "attesteer")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	from, served := openStandIn(b)
	home := b.TempDir()
	begun := time.Now()
	p := startPCCS(b, program, home, served.URL)
	onNew := time.Since(begun)
	paths := from.paths()
	for name, path := range paths {
		if status := fetchOnce(b, p.url+path); status != http.StatusOK {
			b.Fatalf("%s: status %d\n%s", name, status, p.stderr)
		}
	}
	p.kill()
	begun = time.Now()
	p = startPCCS(b, program, home, served.URL)
	again := time.Since(begun)
	time.Sleep(2 * time.Second)
	idle := resident(b, p)
	b.Run("start", func(b *testing.B) {
		b.ReportMetric(float64(onNew.Milliseconds()), "ms-new-home")
		b.ReportMetric(float64(again.Milliseconds()), "ms-again")
		b.ReportMetric(idle, "MiB-idle")
		b.ReportMetric(0, "ns/op")
	})
	for _, c := range []struct {
		name, path string
		keep       bool
	}{
		{"tcb", paths["tcb"], true}, {"pckcert", paths["pckcert"], true}, {"qe-identity", paths["qe/identity"], true},
		{"rootcacrl", paths["rootcacrl"], true}, {"tcb-new-connections", paths["tcb"], false},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				measurePCCS(b, p, c.path, c.keep)
			}
			b.ReportMetric(resident(b, p), "MiB-after")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measurePCCS asks for a path for some seconds from 16 connections.
func measurePCCS(b *testing.B, p *process, path string, keep bool) {
	const connections, lasting = 16, 6 * time.Second
	before, own := usedBy(b, []*process{p}), processorTime()
	begun := time.Now()
	end := begun.Add(lasting)
	times := make([][]time.Duration, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			a := asker{address: strings.TrimPrefix(p.url, "https://"), path: path, keep: keep}
			defer a.close()
			for at := time.Now(); at.Before(end); {
				if err := a.ask(); err != nil {
					b.Error(err)
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(at))
				at = now
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	all := slices.Concat(times...)
	n := float64(len(all))
	b.ReportMetric(n/took.Seconds(), "requests/s")
	b.ReportMetric((usedBy(b, []*process{p})-before)/n*1e6, "server-µs")
	b.ReportMetric((processorTime()-own)/n*1e6, "clients-µs")
	b.ReportMetric(percentile(all, 50), "p50-ms")
	b.ReportMetric(percentile(all, 99), "p99-ms")
}

// asker is one client, which costs as little as it can: it shares its cores with
// the server.
type asker struct {
	address, path string
	keep          bool
	conn          *tls.Conn
	in            *bufio.Reader
	request       []byte
}

func (a *asker) close() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

func (a *asker) ask() error {
	if a.conn == nil {
		conn, err := tls.Dial("tcp", a.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			return err
		}
		a.conn, a.in = conn, bufio.NewReaderSize(conn, 16<<10)
		a.request = []byte("GET " + a.path + " HTTP/1.1\r\nHost: " + a.address + "\r\nAccept: */*\r\n\r\n")
	}
	if _, err := a.conn.Write(a.request); err != nil {
		return err
	}
	if err := a.read(); err != nil {
		return err
	}
	if !a.keep {
		a.close()
	}
	return nil
}

// read reads one answer, whose status has to be 200.
func (a *asker) read() error {
	line, err := a.in.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("%q: %w", line, err)
	}
	length := 0
	for {
		line, err = a.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = textproto.TrimBytes(line); len(line) == 0 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(rest)); err != nil {
				return err
			}
		}
	}
	_, err = io.CopyN(io.Discard, a.in, int64(length))
	return err
}

// fetchOnce asks for a URL and returns the status.
func fetchOnce(b *testing.B, address string) int {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := client.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only its status counts
	return answer.StatusCode
}
