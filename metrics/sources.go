// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/attesteer/attesteer/rats"
)

// Sources are asked at each scrape. One that is nil, or says that it has
// nothing, shows nothing: a gauge that is not known is absent, never zero.
type Sources struct {
	Ledger       func() (Ledger, bool)
	Endorsements func() []Endorsement
	// Services says of each service by its host whether it counts as up.
	Services func() map[string]bool
	Index    func() (Index, bool)
	Disk     func() (Disk, bool)
	// Certificate returns when the TLS certificate ends that is served.
	Certificate func() (end time.Time, ok bool)
	Tokens      func() (Tokens, bool)
	// Conditions returns the codes of what is the matter, and whether the node
	// takes calls all the same.
	Conditions func() (codes []string, ready bool)
	// Cache is for a PCCS, which has little of what a node has.
	Cache func() Cache
	// Kept is for an agent, which has little of what a node has.
	Kept func() []Kept
}

// Ledger is where the ledger stands.
type Ledger struct {
	Height uint64
	// Time is ledger time as of the last block, Lag how far that is behind.
	Time time.Time
	Lag  time.Duration
	// BlockAge is the time since the last block; negative if there is none.
	BlockAge   time.Duration
	Events     uint64
	CatchingUp bool
	Validators int
	// Misbehaviour counts the cases on record.
	Misbehaviour uint64
	Peers        int
	Pool         int
	PoolBytes    int64
}

// Endorsement is one that counts on the ledger.
type Endorsement struct {
	Key rats.EndorsementKey
	// Age and Left are at ledger time; Left is negative once it ended.
	Age, Left time.Duration
}

// Index is the search index.
type Index struct {
	// Lag counts the events that it lacks.
	Lag   uint64
	Bytes int64
}

// Disk is the file system where the home is.
type Disk struct{ Free, Total uint64 }

// Tokens are those of the home.
type Tokens struct {
	// States counts them by state.
	States map[string]int
	Bytes  int64
}

// scrape turns what sources say into metrics.
type scrape struct{ from Sources }

var _ prometheus.Collector = scrape{}

// Describe implements [prometheus.Collector].
func (s scrape) Describe(out chan<- *prometheus.Desc) {
	for _, name := range []string{
		ready, condition, endorsements, endorsementAge, endorsementExpires, endorsementSoonest, serviceUp,
		ledgerHeight, ledgerTime, ledgerLag, ledgerBlockAge, ledgerEvents, ledgerCatching, ledgerValidators, misbehaviour,
		ledgerPeers, poolCount, poolBytes, indexLag, indexBytes, homeFree, homeTotal, certExpiry, tokenCount, tokenBytes,
		cacheRequests, cacheReads, cacheStale, cacheDays, cachePushed, cachePending,
		agentRounds, agentFailures, agentSuccess, agentState, agentExpires, agentValid,
	} {
		out <- descOf(name)
	}
}

func descOf(name string) *prometheus.Desc {
	d := described(name)
	return prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
}

// sink is where one scrape's metrics go.
type sink chan<- prometheus.Metric

func (s sink) put(name string, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if described(name).Type == Counter {
		kind = prometheus.CounterValue
	}
	s <- prometheus.MustNewConstMetric(descOf(name), kind, value, labels...)
}

// Collect implements [prometheus.Collector].
func (s scrape) Collect(out chan<- prometheus.Metric) {
	to := sink(out)
	if s.from.Ledger != nil {
		if l, ok := s.from.Ledger(); ok {
			to.ledger(l)
		}
	}
	if s.from.Endorsements != nil {
		to.endorsements(s.from.Endorsements())
	}
	if s.from.Services != nil {
		for name, up := range s.from.Services() {
			to.put(serviceUp, yes(up), name)
		}
	}
	if s.from.Conditions != nil {
		to.conditions(s.from.Conditions())
	}
	if s.from.Cache != nil {
		to.cache(s.from.Cache())
	}
	if s.from.Kept != nil {
		for _, k := range s.from.Kept() {
			to.kept(&k)
		}
	}
	s.from.process(to)
}

// process shows what belongs to this process and its home.
func (from Sources) process(to sink) {
	if from.Index != nil {
		if x, ok := from.Index(); ok {
			to.put(indexLag, float64(x.Lag))
			to.put(indexBytes, float64(x.Bytes))
		}
	}
	if from.Disk != nil {
		if d, ok := from.Disk(); ok {
			to.put(homeFree, float64(d.Free))
			to.put(homeTotal, float64(d.Total))
		}
	}
	if from.Certificate != nil {
		if end, ok := from.Certificate(); ok {
			to.put(certExpiry, unix(end))
		}
	}
	if from.Tokens != nil {
		if t, ok := from.Tokens(); ok {
			for state, n := range t.States {
				to.put(tokenCount, float64(n), state)
			}
			to.put(tokenBytes, float64(t.Bytes))
		}
	}
}

func (s sink) ledger(l Ledger) {
	s.put(ledgerHeight, float64(l.Height))
	s.put(ledgerTime, unix(l.Time))
	s.put(ledgerLag, l.Lag.Seconds())
	if l.BlockAge >= 0 {
		s.put(ledgerBlockAge, l.BlockAge.Seconds())
	}
	s.put(ledgerEvents, float64(l.Events))
	s.put(ledgerCatching, yes(l.CatchingUp))
	s.put(ledgerValidators, float64(l.Validators))
	s.put(misbehaviour, float64(l.Misbehaviour))
	s.put(ledgerPeers, float64(l.Peers))
	s.put(poolCount, float64(l.Pool))
	s.put(poolBytes, float64(l.PoolBytes))
}

func (s sink) conditions(codes []string, isReady bool) {
	s.put(ready, yes(isReady))
	on := make(map[string]bool, len(codes))
	for _, code := range codes {
		on[one(code, Conditions())] = true
	}
	for _, code := range append(Conditions(), other) {
		if code != other || on[other] {
			s.put(condition, yes(on[code]), code)
		}
	}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
