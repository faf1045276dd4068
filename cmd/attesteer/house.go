// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/maa"
	"github.com/attesteer/attesteer/metrics"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/token"
)

// house is a node with everything on top of it, wired together.
type house struct {
	node    *ledger.Node
	index   *explorer.Index
	gateway *gateway.Gateway
	// services are asked for endorsements; refreshed ends their renewal.
	services  *endorse.Order
	refreshed func()
	// What monitoring sees, and what is watched for it; keeper is nil without TLS.
	home, network string
	tokens        *token.Store
	keeper        *certificate.Keeper
	meter         *metrics.Meter
	monitor       *monitor
	// saveUse writes down what tokens used, for the last time.
	saveUse func() error
}

// openHouse starts what serve serves, bottom up. What it opened before an error
// it closes.
func (a *app) openHouse(ctx context.Context, f serveFlags, clock time.Time, logger *slog.Logger) (h *house, err error) {
	home, err := filepath.Abs(f.home)
	if err != nil {
		return nil, fileError("use", f.home, err)
	}
	key, shielding, err := nodeKeys(home)
	if err != nil {
		return nil, err
	}
	checkpoints, err := ledger.LoadCheckpointKey(home)
	if err != nil {
		return nil, homeError(err)
	}
	tokens, err := openTokens(home)
	if err != nil {
		return nil, err
	}
	keys, err := openKeys(home)
	if err != nil {
		return nil, err
	}
	azure, err := maa.Open(filepath.Join(home, "config", "azure_key.pem"), time.Now)
	if err != nil {
		return nil, keysError(err)
	}
	h = &house{saveUse: savingUse(tokens, logger), home: home, network: f.network, tokens: tokens}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	sources, err := a.sources(ctx, f, home)
	if err != nil {
		return h, err
	}
	if h.services, err = a.services(f, h, logger); err != nil {
		return h, err
	}
	h.meter = newMeter(h, slices.Sorted(maps.Keys(h.services.Up())))
	cfg := ledger.Config{
		Home: home, Network: f.network, Clock: clock, Logger: logger, Peering: f.peering,
		Registrars: []record.Registrar{registrarOf(key)},
	}
	if f.network == "dev" {
		root := simtee.Root()
		cfg.SimulatedRoot = &root
	}
	f.keep.apply(&cfg)
	started := a.starting(startingEvery)
	h.node, err = ledger.Start(ctx, cfg)
	if started(); err != nil {
		return h, homeError(err)
	}
	registry := h.node.Registry()
	index := explorer.IndexConfig{Path: filepath.Join(home, "data", "index.sqlite")}
	if h.index, err = explorer.OpenIndex(ctx, index, registry); err != nil {
		return h, err
	}
	config := gateway.Config{
		Ledger: ledgerOf{h.node}, Registry: registry, Index: h.index, Source: sources, Key: key,
		Network: f.network, Logger: logger, Version: version().version,
		Meter: h.meter, Watch: h.watch, ReadyNeedsEndorsements: f.monitor.needsEndorsements,
		Chain: chainOf{h.node}, CheckpointKey: checkpoints, Governance: registry,
		Transactions: h.index, Receipts: filepath.Join(home, "data", "receipts"), Answers: filepath.Join(home, "data", "answers"),
		Pool: poolOf{h.node}, ShieldingKey: shielding, PublicURL: f.publicURL,
		EAR: keys, EARLifetime: f.earLifetime, MAA: azure,
		Tokens: tokens, TokenAdmin: tokens, ReadsNeedToken: !f.anonymousReads, Origins: f.origins(),
		Pages: explorer.Pages(explorer.PagesConfig{Index: h.index, Registry: registry, Governance: registry, Network: f.network, Log: logger}),
	}
	if h.services.Len() > 0 {
		config.Vendor = h.services
	}
	if h.gateway, err = gateway.New(config); err == nil && h.services.Len() > 0 {
		h.refreshed = refreshing(h.services, ledgerShelf{registry, h.gateway}, logger)
	}
	return h, err
}

// registrarOf returns the public half of a registrar's key: the second half of
// the private one (RFC 8032).
func registrarOf(key ed25519.PrivateKey) record.Registrar {
	return record.Registrar(key[ed25519.SeedSize:])
}

// close ends it top down.
func (h *house) close() error {
	var errs []error
	if h.refreshed != nil {
		h.refreshed()
	}
	if h.services != nil {
		h.services.Close()
	}
	if h.gateway != nil {
		errs = append(errs, h.gateway.Close())
	}
	if h.saveUse != nil {
		errs = append(errs, h.saveUse())
	}
	if h.index != nil {
		errs = append(errs, h.index.Close())
	}
	if h.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), ledgerStop)
		defer cancel()
		errs = append(errs, h.node.Stop(ctx))
	}
	return errors.Join(errs...)
}

// homeError adds what to do about a home that cannot be used.
func homeError(err error) error {
	var network *ledger.NetworkError
	switch {
	case errors.As(err, &network):
		return usageError{hinted{err, "a home belongs to one network: choose another with --home"}}
	case errors.Is(err, syscall.EADDRINUSE):
		return hinted{err, "another process listens for peers there: choose another address with --p2p-listen"}
	case errors.Is(err, ledger.ErrHomeInUse):
		return hinted{err, "a node is running on this home already; stop it, or choose another with --home"}
	default:
		return err
	}
}

// sources returns where on this machine the node takes the endorsements from
// that evidence needs and the ledger lacks.
func (a *app) sources(ctx context.Context, f serveFlags, home string) (endorse.Source, error) {
	all := []endorse.Source{&importedFolder{dir: homeEndorsements(home), simulated: f.network == "dev"}}
	simulated := f.network == "dev"
	for _, name := range f.endorsements {
		if isAsked(name) {
			simulated = simulated && f.demo
			continue
		}
		folder, err := endorse.ReadFolder(ctx, name, trustedRoots(f.network == "dev"))
		if err != nil {
			return nil, fileError("read", name, err)
		}
		if len(folder.All()) == 0 {
			a.sayf("warning: %s holds no endorsement that verifies", name)
		}
		all = append(all, folder)
	}
	if simulated {
		all = append(all, simtee.Source{})
	}
	return endorse.Join(all...), nil
}

// services returns the vendors' services, and others that are asked, in their
// order.
func (a *app) services(f serveFlags, h *house, logger *slog.Logger) (*endorse.Order, error) {
	report := logFetches(logger)
	return a.openOrder(f.endorsements, f.service, endorse.PCSConfig{
		Roots: trustedRoots(f.network == "dev"), Report: func(e endorse.Event) {
			report(e)
			h.fetched(e)
		},
	}, nil)
}

// importedFolder is what "endorsements import" keeps in a home, read again when
// an import changes it.
type importedFolder struct {
	dir       string
	simulated bool

	mu      sync.Mutex // guards what follows
	folder  *endorse.Folder
	changed time.Time
}

// Endorsements implements [endorse.Source].
func (s *importedFolder) Endorsements(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := folderStamp(s.dir)
	if changed.IsZero() {
		return nil, nil // nothing was imported
	}
	if s.folder == nil || !changed.Equal(s.changed) {
		folder, err := endorse.ReadFolder(ctx, s.dir, trustedRoots(s.simulated))
		if err != nil {
			return nil, err
		}
		s.folder, s.changed = folder, changed
	}
	return s.folder.Endorsements(ctx, needs, at)
}

// runHouse serves until ctx ends, then drains: first it says that no more
// callers should be sent here, then it takes no new calls and finishes those
// begun, then it closes index and ledger.
func (a *app) runHouse(ctx context.Context, f serveFlags, h *house, port *front, logger *slog.Logger) error {
	served := port.serve(h.gateway, logger)
	err := a.announce(ctx, f, h, port)
	if err == nil {
		a.notify(notifyReady)
		select {
		case <-ctx.Done():
			a.notify(notifyStopping)
			h.gateway.Leave()
			a.sayf("stopping: finishing what was begun")
			select {
			case <-time.After(f.drainDelay):
			case err = <-served:
			}
		case err = <-served:
		case <-h.node.Failed():
			err = h.node.Err()
		}
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.drain)
	defer cancel()
	cut, shut := port.shutdown(stop)
	// That does not wait for WebSockets: what they were asked is answered first.
	if h.gateway.Drain(stop) != nil || cut {
		a.sayf("warning: what was not finished in %v was cut off", f.drain)
	}
	if err := errors.Join(err, shut, h.close()); err != nil {
		return err
	}
	a.sayf("stopped")
	return nil
}
