// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// atOnce bounds how many scrapes are answered at the same time.
const atOnce = 4

// scrapeTimeout is within the usual ten seconds of who asks.
const scrapeTimeout = 8 * time.Second

// Handler serves /metrics and /healthz and, where an operator wants them, Go's
// profiles under /debug/pprof/. It is for a listener of its own, which only
// monitoring reaches: nobody is asked for a token.
func (m *Meter) Handler(profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: atOnce, Timeout: scrapeTimeout, ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"ok"}`)) // a caller that went away needs no answer
	})
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Server returns a server of [Meter.Handler] with bounds of time and size.
func (m *Meter) Server(profiles bool) *http.Server {
	return &http.Server{
		Handler: m.Handler(profiles), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		// No WriteTimeout: a profile of a minute takes one, and a scrape has its own.
	}
}
