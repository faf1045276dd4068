// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/attesteer/attesteer/rats"
)

// Build says what runs.
type Build struct{ Version, Revision, Go string }

// Config says what is measured. Fields that may be empty say so.
type Config struct {
	Build Build
	// Methods returns the JSON-RPC methods that calls are counted by, and is asked
	// once; every other name counts as "other".
	Methods func() []string
	// Services are the hosts of vendors' services that are asked; it may be empty.
	Services []string
	// Sources are read at each scrape.
	Sources Sources
}

// Meter counts what happens in a node. It is safe for concurrent use.
type Meter struct {
	registry *prometheus.Registry
	methods  func() []string
	services []string

	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	calls       *prometheus.CounterVec
	callTime    *prometheus.HistogramVec
	streams     *prometheus.GaugeVec
	refused     *prometheus.CounterVec
	judged      *prometheus.CounterVec
	appraised   prometheus.Observer
	submitted   *prometheus.HistogramVec
	fetched     *prometheus.CounterVec
	fetchTime   *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
}

// Buckets of the histograms, in seconds.
func fast() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 45}
}

// New returns a meter with a registry of its own.
func New(cfg Config) *Meter {
	if cfg.Methods == nil {
		cfg.Methods = func() []string { return nil }
	}
	m := &Meter{
		registry: prometheus.NewRegistry(), methods: sync.OnceValue(cfg.Methods), services: slices.Clone(cfg.Services),
		requests: counters(httpRequests), requestTime: histograms(httpDuration), inFlight: gauges(httpInFlight).WithLabelValues(),
		calls: counters(rpcCalls), callTime: histograms(rpcDuration), streams: gauges(streamsOpen),
		refused: counters(refusals), judged: counters(verdicts), submitted: histograms(submissionDuration),
		fetched: counters(fetches), fetchTime: histograms(fetchDuration), lastSuccess: gauges(serviceSuccess),
	}
	appraised := histograms(appraisalDuration)
	m.appraised = appraised.WithLabelValues()
	build := gauges(buildInfo)
	build.WithLabelValues(cfg.Build.Version, cfg.Build.Revision, cfg.Build.Go).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, m.requests, m.requestTime, m.inFlight, m.calls, m.callTime, m.streams, m.refused, m.judged,
		appraised, m.submitted, m.fetched, m.fetchTime, m.lastSuccess, scrape{cfg.Sources},
	)
	m.begin()
	return m
}

// begin shows at zero what an alert is to see rise: a counter that appears with
// its first event shows no increase.
func (m *Meter) begin() {
	for _, kind := range Streams() {
		m.streams.WithLabelValues(kind)
	}
	for _, what := range Refusals() {
		m.refused.WithLabelValues(what)
	}
	for _, outcome := range Submissions() {
		m.submitted.WithLabelValues(outcome)
	}
	for _, service := range m.services {
		m.lastSuccess.WithLabelValues(service)
		for _, outcome := range Fetches() {
			m.fetched.WithLabelValues(service, outcome)
		}
	}
}

func counters(name string) *prometheus.CounterVec {
	d := described(name)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func gauges(name string) *prometheus.GaugeVec {
	d := described(name)
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func histograms(name string) *prometheus.HistogramVec {
	d := described(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: fast()}, d.Labels)
}

// Request counts an answered request. Route is the pattern that served it;
// stream says that it lasted as long as its caller liked, which is no latency.
func (m *Meter) Request(route, method string, status int, took time.Duration, stream bool) {
	method = one(method, Methods())
	m.requests.WithLabelValues(route, method, class(status)).Inc()
	if !stream {
		m.requestTime.WithLabelValues(route, method).Observe(took.Seconds())
	}
}

// InFlight adds to the requests that are being served.
func (m *Meter) InFlight(change int) { m.inFlight.Add(float64(change)) }

// Call counts a JSON-RPC call, [rats.None] being success.
func (m *Meter) Call(method string, kind rats.Kind, took time.Duration) {
	method = one(method, m.methods())
	outcome := "ok"
	if kind != rats.None {
		outcome = kindWord(kind)
	}
	m.calls.WithLabelValues(method, outcome).Inc()
	m.callTime.WithLabelValues(method).Observe(took.Seconds())
}

// Stream adds to the open streams of a kind of [Streams].
func (m *Meter) Stream(kind string, change int) {
	m.streams.WithLabelValues(one(kind, Streams())).Add(float64(change))
}

// Refused counts a call that asked too much, by a word of [Refusals].
func (m *Meter) Refused(what string) { m.refused.WithLabelValues(one(what, Refusals())).Inc() }

// Verdict counts a verdict; call is a word of [Calls].
func (m *Meter) Verdict(call string, tee rats.TEE, tier rats.Tier, kind rats.Kind) {
	m.judged.WithLabelValues(one(call, Calls()), one(string(tee), tees()), one(string(tier), tiers()), kindWord(kind)).Inc()
}

// Appraised measures an appraisal without a record.
func (m *Meter) Appraised(took time.Duration) { m.appraised.Observe(took.Seconds()) }

// Submitted measures a submission; outcome is a word of [Submissions].
func (m *Meter) Submitted(outcome string, took time.Duration) {
	m.submitted.WithLabelValues(one(outcome, Submissions())).Observe(took.Seconds())
}

// Fetched counts a call of a vendor's service; outcome is a word of [Fetches].
func (m *Meter) Fetched(service, outcome string, took time.Duration, at time.Time) {
	service, outcome = one(service, m.services), one(outcome, Fetches())
	m.fetched.WithLabelValues(service, outcome).Inc()
	m.fetchTime.WithLabelValues(service).Observe(took.Seconds())
	if outcome == "got" || outcome == "same" {
		m.lastSuccess.WithLabelValues(service).Set(float64(at.UnixMilli()) / 1000)
	}
}
