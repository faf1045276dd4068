// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/metrics"
)

// monitorFlags say what monitoring sees.
type monitorFlags struct {
	listen   string
	profiles bool
	// needsEndorsements: a node with stale endorsements is not ready.
	needsEndorsements bool
}

func (f *monitorFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.listen, "metrics-listen", "", "address for Prometheus, apart from the API, such as 127.0.0.1:2112 (default: none)")
	fl.BoolVar(&f.profiles, "metrics-profiles", false, "also serve Go's profiles there, under /debug/pprof/")
	fl.BoolVar(&f.needsEndorsements, "ready-requires-endorsements", false, "have /readyz say no while endorsements on the ledger are stale")
}

func (f *monitorFlags) check() error {
	if f.profiles && f.listen == "" {
		return usagef("--metrics-profiles is for --metrics-listen")
	}
	return nil
}

// monitor is what is shown to monitoring, on a port of its own.
type monitor struct {
	flags    monitorFlags
	listener net.Listener // nil: nobody looks
	server   *http.Server
}

// openMonitor takes the port, if one is wanted.
func openMonitor(f monitorFlags) (*monitor, error) {
	m := &monitor{flags: f}
	if f.listen == "" {
		return m, nil
	}
	var err error
	m.listener, err = takePort(f.listen)
	return m, err
}

// url returns where the metrics are; empty where nobody looks.
func (m *monitor) url() string {
	if m.listener == nil {
		return ""
	}
	return "http://" + m.listener.Addr().String() + "/metrics"
}

// serve shows what a house does from now on. It is no reason to stop that
// monitoring ended.
func (m *monitor) serve(h *house, logger *slog.Logger) {
	if m.listener == nil {
		return
	}
	m.server = h.meter.Server(m.flags.profiles)
	m.server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	go func() {
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics are not served any more", slog.Any("error", err))
		}
	}()
}

// close ends it at once: who scrapes comes again.
func (m *monitor) close() {
	if m.server != nil {
		_ = m.server.Close()
	} else if m.listener != nil {
		_ = m.listener.Close()
	}
}

// newMeter returns the counters of a house, most of which is not there yet: they
// are read once it is.
func newMeter(h *house, services []string) *metrics.Meter {
	v := version()
	return metrics.New(metrics.Config{
		Build:    metrics.Build{Version: v.version, Revision: v.revision, Go: v.goVersion},
		Methods:  func() []string { return h.gateway.Methods() },
		Services: services,
		Sources: metrics.Sources{
			Ledger: h.measureLedger, Endorsements: h.measureEndorsements, Services: h.servicesUp,
			Index: h.measureIndex, Disk: h.measureDisk, Certificate: h.certificateEnd, Tokens: h.measureTokens,
			Conditions: h.conditions,
		},
	})
}

// scrapeTime bounds what one source takes.
const scrapeTime = 3 * time.Second

func (h *house) measureLedger() (metrics.Ledger, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	s, err := h.node.Status(ctx)
	if err != nil {
		return metrics.Ledger{}, false
	}
	offences, err := h.node.Registry().Misbehaviour()
	if err != nil {
		return metrics.Ledger{}, false
	}
	age := time.Duration(-1)
	if !s.BlockTime.IsZero() {
		age = max(time.Since(s.BlockTime), 0)
	}
	return metrics.Ledger{
		Height: s.Height, Time: s.Time.Time(), Lag: h.gateway.Lag(), BlockAge: age, Events: h.node.Registry().EventCount(),
		CatchingUp: s.CatchingUp, Validators: len(s.Validators), Misbehaviour: offences.Count, Peers: s.Peers, Pool: s.Pending, PoolBytes: s.PendingBytes,
	}, true
}

func (h *house) measureEndorsements() []metrics.Endorsement {
	all, now := h.gateway.Standings()
	out := make([]metrics.Endorsement, 0, len(all))
	for i := range all {
		s := &all[i]
		out = append(out, metrics.Endorsement{Key: s.Key, Age: now.Sub(s.Issued), Left: s.Ends.Sub(now)})
	}
	return out
}

func (h *house) servicesUp() map[string]bool {
	return h.services.Up()
}

func (h *house) measureIndex() (metrics.Index, bool) {
	size, err := h.index.Size()
	return metrics.Index{Lag: h.index.Behind(), Bytes: size}, err == nil
}

func (h *house) measureDisk() (metrics.Disk, bool) {
	free, total, err := diskSpace(h.home)
	return metrics.Disk{Free: free, Total: total}, err == nil
}

func (h *house) certificateEnd() (time.Time, bool) {
	if h.keeper == nil {
		return time.Time{}, false
	}
	return h.keeper.NotAfter(), true
}

func (h *house) measureTokens() (metrics.Tokens, bool) {
	all, err := h.tokens.List(time.Now())
	if err != nil {
		return metrics.Tokens{}, false
	}
	out := metrics.Tokens{States: map[string]int{"active": 0, "expired": 0, "revoked": 0}}
	for i := range all {
		out.States[string(all[i].State)]++
	}
	if st, err := os.Stat(filepath.Join(h.home, "config", "tokens.json")); err == nil {
		out.Bytes = st.Size()
	}
	return out, true
}

func (h *house) conditions() (codes []string, ready bool) {
	r := h.gateway.Readiness(context.Background())
	for _, c := range r.Reasons {
		codes = append(codes, c.Code)
	}
	return codes, r.Ready()
}

// fetched counts a call of a vendor's service.
func (h *house) fetched(e endorse.Event) {
	if h.meter != nil { // nothing is fetched before it is there
		h.meter.Fetched(e.Source, string(e.Outcome), e.Took, time.Now())
	}
}
