// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/metrics"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// pccsMonitor is what monitoring sees of a PCCS.
type pccsMonitor struct {
	*monitor
	keeper *certificate.Keeper
	// names are those of the upstreams.
	names []string
	// meter is there once the cache is served; until then nothing is counted.
	meter atomic.Pointer[metrics.Meter]
}

func openPCCSMonitor(f monitorFlags, keeper *certificate.Keeper) (*pccsMonitor, error) {
	m, err := openMonitor(f)
	return &pccsMonitor{monitor: m, keeper: keeper}, err
}

// fetched counts a call of an upstream.
func (m *pccsMonitor) fetched(e pccs.Event) {
	if meter := m.meter.Load(); meter != nil {
		meter.Fetched(e.Upstream, string(e.Outcome), e.Took, time.Now())
	}
}

// serve shows from now on what a cache does.
func (m *pccsMonitor) serve(c *cache, home string, logger *slog.Logger) {
	if m.listener == nil {
		return
	}
	v, h := version(), &house{home: home, keeper: m.keeper}
	meter := metrics.New(metrics.Config{
		Build: metrics.Build{Version: v.version, Revision: v.revision, Go: v.goVersion}, Services: m.names,
		Sources: metrics.Sources{
			Endorsements: c.endorsements, Disk: h.measureDisk, Certificate: h.certificateEnd,
			Conditions: c.conditions, Services: c.service.Up, Cache: c.measure,
		},
	})
	m.meter.Store(meter)
	m.monitor.serve(&house{meter: meter}, logger)
}

// measure tells what was answered, and how long each artefact still holds.
func (c *cache) measure() metrics.Cache {
	counts, stale := c.server.Counts()
	out := metrics.Cache{StaleServed: stale}
	for _, n := range counts {
		out.Routes = append(out.Routes, metrics.Route{Name: n.Route, Status: n.Status, Held: n.Held, Made: n.Made})
	}
	if c.pusher != nil {
		p := c.pusher.Standing()
		out.Push = &metrics.Push{Taken: p.Pushed, Refused: p.Refused, Pending: p.Pending}
	}
	all := c.standing()
	for i := range all {
		if s := &all[i]; !s.NextUpdate.IsZero() {
			out.Artefacts = append(out.Artefacts, metrics.Artefact{
				Kind: string(s.Kind), TEE: s.TEE, Scope: s.Scope, Update: s.Update, Version: s.Version, Left: s.Left,
			})
		}
	}
	return out
}

// standing returns how the artefacts stand; nothing while the store does not
// answer.
func (c *cache) standing() []pccs.Standing {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	all, err := c.service.Standing(ctx)
	if err != nil {
		return nil
	}
	return all
}

// endorsements are the artefacts as endorsements, by which the alerts go that
// nodes have too.
func (c *cache) endorsements() []metrics.Endorsement {
	all, now := c.standing(), time.Now()
	out := make([]metrics.Endorsement, 0, len(all))
	for i := range all {
		s := &all[i]
		kind, known := endorsementKind(s.Kind)
		if !known || s.NextUpdate.IsZero() {
			continue
		}
		number, err := strconv.ParseUint(s.Update, 10, 32)
		if err != nil {
			number = 0 // standard or early
		}
		out = append(out, metrics.Endorsement{
			Key: rats.EndorsementKey{Kind: kind, TEE: s.TEE, Scope: s.Scope, EvaluationDataNumber: uint32(number)},
			Age: now.Sub(s.Issued), Left: s.Left,
		})
	}
	return out
}

// endorsementKind returns what an artefact is as an endorsement.
func endorsementKind(kind store.Kind) (rats.EndorsementKind, bool) {
	switch kind {
	case store.TCBInfo:
		return rats.TCBInfo, true
	case store.QEIdentity:
		return rats.QEIdentity, true
	case store.PCKCRL:
		return rats.PCKCRL, true
	case store.RootCRL:
		return rats.RootCACRL, true
	case store.EvaluationNumbers:
		return rats.EvaluationNumbers, true
	case store.QVEIdentity, store.QAEIdentity, store.CRL, store.FMSPCs:
		return "", false
	default:
		return "", false
	}
}

func (c *cache) conditions() (codes []string, ready bool) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	for _, s := range c.standing() {
		if s.Stale {
			codes = append(codes, "endorsements_stale")
			break
		}
	}
	for _, up := range c.service.Up() {
		if !up {
			codes = append(codes, "service_down")
			break
		}
	}
	return codes, c.server.Ready(ctx)
}
