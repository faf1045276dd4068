// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// simFMSPC is that of simulated platforms.
const simFMSPC = "00A51E000000"

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func start() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

// lab is a service with everything around it that a test may want to change.
type lab struct {
	*pccs.Service
	pcs   *pcstest.PCS
	url   string
	store *store.Store
	dsn   string
	clock *clock
	log   *lines

	mu     sync.Mutex // guards events
	events []pccs.Event
}

// lines is a log that is read by a test.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// setup is what a lab is made with.
type setup struct {
	mode   pccs.Mode
	stale  pccs.StalePolicy
	pccs   bool // the upstream is another PCCS
	faults simtee.Faults
	dsn    string // of a store that is shared
	// upstreams, unless nil, are asked in place of the stand-in.
	upstreams []pccs.Upstream
	apiKey    string
	timeout   time.Duration
}

// newLab returns a service whose one upstream is a stand-in that has what the
// simulated vendor says at the time of start.
func newLab(t testing.TB, s setup) *lab {
	t.Helper()
	l := &lab{clock: &clock{now: start()}, log: &lines{}, dsn: s.dsn}
	pki := newPKI(t, s.faults)
	var err error
	if l.pcs, err = pcstest.New(pki.RootCertificate(), vendor(t, s.faults, start())...); err != nil {
		t.Fatal(err)
	}
	l.pcs.PCCS = s.pccs
	server := httptest.NewServer(l.pcs)
	t.Cleanup(server.Close)
	l.url = server.URL
	if s.upstreams == nil {
		s.upstreams = []pccs.Upstream{upstream(t, l.url, s)}
	}
	if l.dsn == "" {
		l.dsn = filepath.Join(t.TempDir(), "pccs.db")
	}
	if l.store, err = store.Open(t.Context(), l.dsn); err != nil {
		t.Fatal(err)
	}
	l.Service, err = pccs.New(pccs.Config{
		Store: l.store, Upstreams: s.upstreams, Mode: s.mode, Stale: s.stale, Roots: []rats.TrustRoot{simtee.Root()},
		Now: l.clock.Now, Random: func() float64 { return 0.5 },
		Log: slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Report: func(e pccs.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// upstream returns a client of a stand-in.
func upstream(t testing.TB, url string, s setup) pccs.Upstream {
	t.Helper()
	cfg := pccs.UpstreamConfig{Base: url, PCCS: s.pccs, APIKey: s.apiKey, Timeout: s.timeout}
	if !s.pccs {
		cfg.RootCRL = url + "/IntelSGXRootCA.der"
	}
	u, err := pccs.NewUpstream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newPKI(t testing.TB, f simtee.Faults) *simtee.PKI {
	t.Helper()
	pki, err := simtee.NewPKI(f)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// vendor returns all that the simulated vendor says at a time: for both TEEs,
// of all its enclaves, by both CAs.
func vendor(t testing.TB, f simtee.Faults, at time.Time) []rats.Endorsement {
	t.Helper()
	var out []rats.Endorsement
	add := func(e rats.Endorsement, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	pki := newPKI(t, f)
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		items, err := pki.EndorsementsFor(tee, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range items {
			if tee == rats.SGX || e.Kind != rats.RootCACRL && e.Kind != rats.PCKCRL {
				add(e, nil)
			}
		}
		add(pki.EvaluationNumbers(tee, at))
	}
	for _, id := range []string{"QVE", "QAE"} {
		of := f
		of.Identity = func(i *simtee.Identity) {
			if f.Identity != nil {
				f.Identity(i)
			}
			i.ID = id
		}
		items, err := newPKI(t, of).EndorsementsFor(rats.SGX, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range items {
			if e.Kind == rats.QEIdentity {
				add(e, nil)
			}
		}
	}
	other := f
	other.ProcessorCA = !f.ProcessorCA
	add(newPKI(t, other).PCKCRL(at))
	return out
}

// revised returns faults by which statements are of another evaluation.
func revised(number int) simtee.Faults {
	return simtee.Faults{
		TCBInfo:  func(i *simtee.TCBInfo) { i.EvaluationDataNumber = number },
		Identity: func(i *simtee.Identity) { i.EvaluationDataNumber = number },
	}
}

// machine returns a simulated platform for a stand-in: its certificates at
// three levels, the best first.
func machine(t testing.TB, seed uint32, f simtee.Faults) pcstest.Machine {
	t.Helper()
	m := pcstest.Machine{
		EncryptedPPID: bytes.Repeat([]byte{byte(seed), 0xee}, 192), Manifest: bytes.Repeat([]byte{byte(seed), 0xaa}, 9000),
		QEID: qeid(seed),
	}
	pki := newPKI(t, f)
	for _, status := range []rats.TCBStatus{rats.UpToDate, rats.ConfigurationNeeded, rats.OutOfDate} {
		p, err := pki.NewPlatform(seed, status)
		if err != nil {
			t.Fatal(err)
		}
		m.Certs = append(m.Certs, p.PCKCertificate())
	}
	return m
}

func qeid(seed uint32) string { return fmt.Sprintf("%032X", seed) }

// Raw TCBs of simulated platforms, as they are on the wire: at the best level,
// a little above it, at the one of the third certificate, and below all.
const (
	rawBest  = "0E0E0303FFFF01000000000000000000"
	rawMore  = "0F0E0303FFFF01000000000000000000"
	rawThird = "06060303FFFF01000000000000000000"
	rawNone  = "00000303FFFF01000000000000000000"
	pceBest  = "0D00"
	pceThird = "0B00"
)

// request asks for the certificate of a simulated platform at its best TCB.
func request(seed uint32) pccs.PCKRequest {
	return pccs.PCKRequest{
		QEID: qeid(seed), CPUSVN: rawBest, PCESVN: pceBest, PCEID: "0000",
		EncryptedPPID: bytes.Repeat([]byte{byte(seed), 0xee}, 192),
	}
}

// registration registers a simulated platform at its best TCB.
func registration(seed uint32) pccs.Registration {
	r := request(seed)
	return pccs.Registration{
		PlatformID: store.PlatformID{QEID: r.QEID, PCEID: r.PCEID}, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN, EncryptedPPID: r.EncryptedPPID,
	}
}

// status returns that of a refusal, 200 for none.
func status(err error) int {
	var r *pccs.Refusal
	switch {
	case err == nil:
		return 200
	case errors.As(err, &r):
		return r.Status
	default:
		return -1
	}
}

func wantStatus(t testing.TB, err error, want int) {
	t.Helper()
	if got := status(err); got != want {
		t.Fatalf("status %d, not %d: %v", got, want, err)
	}
	if want == 200 {
		return
	}
	var e *rats.Error
	if !errors.As(err, &e) || e.Kind == rats.None {
		t.Fatalf("a refusal without a reason: %v", err)
	}
}

// Keys of the simulated vendor's artefacts.
func tcbKey(tee rats.TEE, update string) store.Key {
	return store.Key{Kind: store.TCBInfo, TEE: tee, Scope: strings.ToLower(simFMSPC), Update: update, Version: 4}
}

func qeKey(tee rats.TEE, update string) store.Key {
	return store.Key{Kind: store.QEIdentity, TEE: tee, Update: update, Version: 4}
}

func rootKey() store.Key { return store.Key{Kind: store.RootCRL, Version: 4} }

func pckKey(ca string) store.Key { return store.Key{Kind: store.PCKCRL, Scope: ca, Version: 4} }

// must returns an artefact that has to be had.
func (l *lab) must(t testing.TB, k store.Key) *store.Artefact {
	t.Helper()
	a, err := l.Artefact(t.Context(), k)
	if err != nil {
		t.Fatalf("%s: %v", k, err)
	}
	return a
}

// holds returns the keys of what is in the store.
func (l *lab) holds(t testing.TB) []string {
	t.Helper()
	all, err := l.store.Artefacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range all {
		out = append(out, a.Key.String())
	}
	return out
}

// renew has the vendor say everything anew at the clock's time.
func (l *lab) renew(t testing.TB, f simtee.Faults) {
	t.Helper()
	if err := l.pcs.Set(vendor(t, f, l.clock.Now())...); err != nil {
		t.Fatal(err)
	}
}

// outcomes returns what came of the calls of upstreams so far.
func (l *lab) outcomes() []pccs.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]pccs.Event(nil), l.events...)
}

// collateral returns the folder of real endorsements.
func collateral(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap", "collateral")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real endorsements here: set ATTESTEER_VECTORS")
	}
	return dir
}

// quiet returns a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func hexByte(i int) string { return fmt.Sprintf("%02x", i) }

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
