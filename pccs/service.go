// SPDX-License-Identifier: Apache-2.0

// Package pccs is a Provisioning Certificate Caching Service: it keeps what
// Intel's Provisioning Certification Service (PCS) says of platforms, and gives
// it to quote generation and verification.
//
// A [Service] decides what is kept and what is answered. It trusts nothing that
// it fetches or is sent: everything signed is verified up to a pinned root and
// held against the revocation lists before it is kept, and is kept as it was
// signed, byte for byte. What is true stands in the store alone, so that several
// services may share one.
package pccs

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Mode says when the service asks its upstreams.
type Mode string

// The modes, by Intel's names.
const (
	// Lazy asks when somebody wants what is not there.
	Lazy Mode = "LAZY"
	// Req asks when a platform is registered, and to refresh.
	Req Mode = "REQ"
	// Offline never asks: what there is was imported.
	Offline Mode = "OFFLINE"
)

// StalePolicy says what becomes of what is past its next update.
type StalePolicy string

// The policies.
const (
	// ServeStale serves what is stale, and marks it.
	ServeStale StalePolicy = "serve"
	// RefuseStale answers as if it were not there.
	RefuseStale StalePolicy = "refuse"
)

// Config says what a service works with. Fields that may be empty say so.
type Config struct {
	Store *store.Store
	// Upstreams are asked in their order: the next where those before did not
	// give. It may be empty.
	Upstreams []Upstream
	// Mode is Lazy if it is empty.
	Mode Mode
	// Roots are those under which statements count; nil stands for the vendors'
	// pinned ones.
	Roots []rats.TrustRoot
	// Stale is ServeStale if it is empty.
	Stale StalePolicy
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Random returns numbers of [0, 1), which spread the times at which many
	// services ask; nil is the machine's.
	Random func() float64
	// Log may be nil.
	Log *slog.Logger
	// Report is told of each call of an upstream, from several goroutines. It
	// may be nil.
	Report func(Event)
}

// Service is a PCCS without its HTTP. It is safe for concurrent use.
// [Service.Close] ends what is under way.
type Service struct {
	store     *store.Store
	upstreams []*guarded
	mode      Mode
	roots     []rats.TrustRoot
	stale     StalePolicy
	now       func() time.Time
	random    func() float64
	log       *slog.Logger
	report    func(Event)
	verifier  *attesteer.Verifier
	flights   flights
	schedule  schedule
	wait      func(context.Context, time.Duration) error
}

// remembered is how many signatures a service remembers to have verified.
const remembered = 4096

// New returns a service, and asks nothing yet. Errors are Malformed.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, rats.Errorf(rats.Malformed, "a PCCS needs a store")
	}
	s := &Service{
		store: cfg.Store, mode: cfg.Mode, roots: slices.Clone(cfg.Roots), stale: cfg.Stale,
		now: cfg.Now, random: cfg.Random, log: cfg.Log, report: cfg.Report,
		verifier: attesteer.NewVerifier(remembered), wait: waitFor,
	}
	if s.mode == "" {
		s.mode = Lazy
	}
	if s.stale == "" {
		s.stale = ServeStale
	}
	switch {
	case !slices.Contains([]Mode{Lazy, Req, Offline}, s.mode):
		return nil, rats.Errorf(rats.Malformed, "mode %q is none of %s, %s and %s", s.mode, Lazy, Req, Offline)
	case s.stale != ServeStale && s.stale != RefuseStale:
		return nil, rats.Errorf(rats.Malformed, "policy for what is stale: %q is neither %s nor %s", s.stale, ServeStale, RefuseStale)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Float64
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.report == nil {
		s.report = func(Event) {}
	}
	for _, u := range cfg.Upstreams {
		if b, ok := u.(bound); ok {
			b.bind(s)
		}
		s.upstreams = append(s.upstreams, &guarded{Upstream: u, now: s.now})
	}
	s.flights.open()
	return s, nil
}

// Mode returns the mode.
func (s *Service) Mode() Mode { return s.mode }

// Close ends the calls under way and waits for them. The store stays open.
func (s *Service) Close() { s.flights.close() }

// waitFor waits for a time, or until ctx is done.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
