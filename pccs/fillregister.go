// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// maxManifest bounds a platform manifest; the PCS takes 56,442 bytes at most
// (PCS API v4, Get PCK Certificates).
const maxManifest = 56_442

// Register takes note of a platform, as POST platforms does. By the table of
// modes: LAZY and REQ fetch its certificates unless they are there, and then
// what verifiers will ask for in an update (standard, early or all; empty is
// standard); REQ has it in the queue meanwhile; OFFLINE queues it. By version 3
// nothing is fetched. Errors are Refusals with status 400, 404, 410, 502, 503 or
// 500.
func (s *Service) Register(ctx context.Context, r Registration, update string) error {
	updates, err := updatesOf(update)
	if err != nil {
		return err
	}
	if r, err = r.normal(); err != nil {
		return err
	}
	r, cached, err := s.registered(ctx, r)
	if err != nil {
		return err
	}
	if s.mode == Offline {
		if cached {
			return nil
		}
		return s.enqueue(ctx, r)
	}
	if !cached {
		if s.mode == Req {
			if err := s.enqueue(ctx, r); err != nil {
				return err
			}
		}
		if r.Version == 3 {
			return endedV3("platform " + legible(r.QEID))
		}
		q := PCKQuery{
			PlatformID: r.PlatformID, EncryptedPPID: r.EncryptedPPID, Manifest: r.Manifest, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN,
		}
		if err := s.fillPCK(ctx, q, s.mode == Req); err != nil {
			return err
		}
		if s.mode == Req {
			if err := s.dequeue(ctx, r); err != nil {
				return err
			}
		}
	}
	if r.Version == 3 {
		return nil
	}
	return s.fillCollateral(ctx, r.PlatformID, updates)
}

// endedV3 refuses what would have to be fetched for a caller by version 3.
func endedV3(what string) *Refusal {
	return refuse(http.StatusGone, rats.EndorsementUnavailable, "%s is not in the cache, and PCS API v3 has ended", what)
}

// updatesOf returns the updates that a registration names.
func updatesOf(update string) ([]string, error) {
	switch strings.ToLower(update) {
	case "", UpdateStandard:
		return []string{UpdateStandard}, nil
	case UpdateEarly:
		return []string{UpdateEarly}, nil
	case UpdateAll:
		return []string{UpdateEarly, UpdateStandard}, nil
	default:
		return nil, badKey("an update is standard, early or all")
	}
}

// normal returns a registration in upper case, with nothing but the manifest
// where there is one, or a Refusal with status 400.
func (r Registration) normal() (Registration, error) {
	r.QEID, r.PCEID = strings.ToUpper(r.QEID), strings.ToUpper(r.PCEID)
	r.CPUSVN, r.PCESVN = strings.ToUpper(r.CPUSVN), strings.ToUpper(r.PCESVN)
	if len(r.Manifest) > 0 {
		r.CPUSVN, r.PCESVN, r.EncryptedPPID = "", "", nil
		if len(r.Manifest) > maxManifest {
			return r, badKey("a platform manifest has at most %d bytes", maxManifest)
		}
		return r, checkPlatform(r.PlatformID, nil)
	}
	if len(r.EncryptedPPID) == 0 || r.CPUSVN == "" || r.PCESVN == "" {
		return r, badKey("a platform without a manifest has an encrypted PPID, a CPUSVN and a PCESVN")
	}
	if _, err := pck.ParseRaw(r.CPUSVN, r.PCESVN); err != nil {
		return r, &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	return r, checkPlatform(r.PlatformID, r.EncryptedPPID)
}

// registered reports whether a platform is cached: known with this manifest, or,
// where none is given, with a certificate for this raw TCB. A platform that is
// known by a manifest and comes without one goes by the one that is known.
func (s *Service) registered(ctx context.Context, r Registration) (Registration, bool, error) {
	p, err := s.platform(ctx, r.PlatformID)
	if err != nil || p == nil {
		return r, false, err
	}
	if len(r.Manifest) > 0 {
		return r, slices.Equal(p.Manifest, r.Manifest), nil
	}
	r.Manifest = p.Manifest
	raw, err := s.store.RawTCB(ctx, r.PlatformID, r.CPUSVN, r.PCESVN)
	if errors.Is(err, rats.NotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, storeFault(err)
	}
	certs, err := s.store.PCKCerts(ctx, r.PlatformID)
	if err != nil {
		return r, false, storeFault(err)
	}
	return r, slices.ContainsFunc(certs, func(c store.PCKCert) bool { return c.TCBm == raw.TCBm && !c.NotAvailable }), nil
}

func (s *Service) enqueue(ctx context.Context, r Registration) error {
	b := store.Batch{Enqueue: []store.Queued{{
		PlatformID: r.PlatformID, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN,
		EncryptedPPID: r.EncryptedPPID, Manifest: r.Manifest, State: store.New, Seen: s.now().UTC(),
	}}}
	if err := s.store.Write(ctx, b); err != nil {
		return storeFault(err)
	}
	return nil
}

// dequeue takes what waited for certificates that have come off the queue.
func (s *Service) dequeue(ctx context.Context, r Registration) error {
	waiting, err := s.store.Queue(ctx, store.New)
	if err != nil {
		return storeFault(err)
	}
	var ids []int64
	for i := range waiting {
		w := &waiting[i]
		if w.PlatformID == r.PlatformID && w.CPUSVN == r.CPUSVN && w.PCESVN == r.PCESVN {
			ids = append(ids, w.ID)
		}
	}
	if err := s.store.Acknowledge(ctx, ids); err != nil {
		return storeFault(err)
	}
	return nil
}

// fillCollateral gets what verifiers ask for besides TCB info, unless it is
// there: revocation lists and the identities of an update. The lists of the
// root and of the platform's own CA and the QE's identity must be had; others
// may not exist.
func (s *Service) fillCollateral(ctx context.Context, id store.PlatformID, updates []string) error {
	own := ""
	p, err := s.platform(ctx, id)
	if err != nil {
		return err
	}
	if p != nil {
		own = p.CA
	}
	keys := []store.Key{
		{Kind: store.RootCRL, Version: 4},
		{Kind: store.PCKCRL, Scope: store.ProcessorCA, Version: 4},
		{Kind: store.PCKCRL, Scope: store.PlatformCA, Version: 4},
	}
	for _, update := range updates {
		keys = append(keys,
			store.Key{Kind: store.QEIdentity, TEE: rats.SGX, Update: update, Version: 4},
			store.Key{Kind: store.QVEIdentity, TEE: rats.SGX, Update: update, Version: 4},
			store.Key{Kind: store.QEIdentity, TEE: rats.TDX, Update: update, Version: 4})
	}
	var first error
	for _, k := range keys {
		a, err := s.kept(ctx, k)
		if err != nil {
			return err
		}
		if a != nil {
			continue
		}
		must := k.Kind == store.RootCRL || k.Kind == store.PCKCRL && k.Scope == own || k.Kind == store.QEIdentity && k.TEE == rats.SGX
		err = s.fill(ctx, k)
		if err == nil || !must && absent(err) {
			continue
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// absent reports whether the upstreams said that there is no such thing.
func absent(err error) bool {
	r := refusalOf(err)
	return r.Status == http.StatusNotFound || r.Status == http.StatusGone
}
