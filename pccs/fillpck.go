// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Bounds on what a request names a platform by.
const (
	maxQEID      = 260
	encryptedLen = 384
	// maxRawTCBs bounds how many raw TCBs of a platform are kept: anyone may ask
	// for any. One that is not kept is served all the same.
	maxRawTCBs = 64
)

// PCKCert returns the PCK certificate that serves a platform at a raw TCB. In
// mode LAZY the certificates of a platform that is not known are fetched first.
// Errors are Refusals with status 400, 404, 410, 461, 502, 503 or 500.
func (s *Service) PCKCert(ctx context.Context, r PCKRequest) (*PCK, error) {
	r, err := r.normal()
	if err != nil {
		return nil, err
	}
	p, err := s.platform(ctx, r.id())
	if err != nil {
		return nil, err
	}
	if p != nil {
		return s.knownPCK(ctx, p, r)
	}
	if err := s.mayFetch(r); err != nil {
		return nil, err
	}
	q := PCKQuery{PlatformID: r.id(), EncryptedPPID: r.EncryptedPPID, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN}
	if err := s.fillUnknown(ctx, q); err != nil {
		return nil, err
	}
	if p, err = s.platform(ctx, r.id()); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, refuse(http.StatusInternalServerError, rats.Internal, "a platform was fetched and is not in the store")
	}
	return s.knownPCK(ctx, p, r)
}

// id returns the platform that a request is about.
func (r PCKRequest) id() store.PlatformID { return store.PlatformID{QEID: r.QEID, PCEID: r.PCEID} }

// normal returns a request in upper case, or a Refusal with status 400.
func (r PCKRequest) normal() (PCKRequest, error) {
	r.QEID, r.PCEID = strings.ToUpper(r.QEID), strings.ToUpper(r.PCEID)
	r.CPUSVN, r.PCESVN = strings.ToUpper(r.CPUSVN), strings.ToUpper(r.PCESVN)
	if err := checkPlatform(r.id(), r.EncryptedPPID); err != nil {
		return r, err
	}
	if _, err := pck.ParseRaw(r.CPUSVN, r.PCESVN); err != nil {
		return r, &Refusal{Status: http.StatusBadRequest, Err: err}
	}
	return r, nil
}

// checkPlatform checks the form of what names a platform.
func checkPlatform(id store.PlatformID, encryptedPPID []byte) error {
	if !isQEID(id.QEID) {
		return badKey("a QE id has 1 to %d characters", maxQEID)
	}
	if b, err := hex.DecodeString(id.PCEID); err != nil || len(b) != 2 {
		return badKey("a PCE id is 4 hex digits")
	}
	if n := len(encryptedPPID); n != 0 && n != encryptedLen {
		return badKey("an encrypted PPID has %d bytes, not %d", encryptedLen, n)
	}
	return nil
}

// isQEID reports whether text may name a quoting enclave: it need not be hex, but is
// text, which is what a store keeps.
func isQEID(text string) bool {
	return text != "" && len(text) <= maxQEID && utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

// mayFetch says why a platform that is not known is not fetched, by the table
// of modes.
func (s *Service) mayFetch(r PCKRequest) error {
	switch {
	case s.mode != Lazy:
		return refuse(StatusUnknownPlatform, rats.NotFound, "platform %s is not in the cache", legible(r.QEID))
	case r.Version == 3:
		return endedV3("platform " + legible(r.QEID))
	case len(r.EncryptedPPID) == 0:
		return badKey("platform %s is not in the cache, and the request has no encrypted PPID to ask for it by", legible(r.QEID))
	}
	return namesPlatform(r.EncryptedPPID)
}

// namesPlatform refuses an encrypted PPID of zeros: quoting enclaves that cannot
// know the PPID send it.
func namesPlatform(encryptedPPID []byte) error {
	for _, b := range encryptedPPID {
		if b != 0 {
			return nil
		}
	}
	return refuse(http.StatusNotFound, rats.NotFound, "the encrypted PPID is all zeros, by which no platform can be asked for")
}

// platform returns a platform that is known, or nil.
func (s *Service) platform(ctx context.Context, id store.PlatformID) (*store.Platform, error) {
	p, err := s.store.Platform(ctx, id)
	if errors.Is(err, rats.NotFound) {
		return nil, nil //nolint:nilnil // nothing is a good answer here
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return p, nil
}

// knownPCK serves a platform that is known. A raw TCB that is new has its
// certificate selected among those that are there.
func (s *Service) knownPCK(ctx context.Context, p *store.Platform, r PCKRequest) (*PCK, error) {
	certs, err := s.store.PCKCerts(ctx, p.PlatformID)
	if err != nil {
		return nil, storeFault(err)
	}
	raw, err := s.store.RawTCB(ctx, p.PlatformID, r.CPUSVN, r.PCESVN)
	if err != nil && !errors.Is(err, rats.NotFound) {
		return nil, storeFault(err)
	}
	if err == nil {
		for i := range certs {
			if certs[i].TCBm == raw.TCBm && !certs[i].NotAvailable {
				return s.served(ctx, p, &certs[i])
			}
		}
	}
	if s.mode == Lazy && r.Version != 3 && partial(certs) && len(r.EncryptedPPID) > 0 && namesPlatform(r.EncryptedPPID) == nil {
		return s.nextPCK(ctx, p, certs, r)
	}
	return s.selectPCK(ctx, p, certs, r)
}

// partial reports whether there may be certificates that are not here: what a
// PCCS gives one at a time comes without the level that it is for.
func partial(certs []store.PCKCert) bool {
	for i := range certs {
		if len(certs[i].TCB) == 0 {
			return true
		}
	}
	return len(certs) == 0
}

// nextPCK asks for the certificate of another raw TCB of a platform of which
// some certificates are here, and makes do with them where it is not had.
func (s *Service) nextPCK(ctx context.Context, p *store.Platform, certs []store.PCKCert, r PCKRequest) (*PCK, error) {
	q := PCKQuery{
		PlatformID: r.id(), EncryptedPPID: r.EncryptedPPID, Manifest: p.Manifest, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN,
	}
	failed := s.fillPCK(ctx, q, false)
	if failed != nil {
		if out, err := s.selectPCK(ctx, p, certs, r); err == nil {
			return out, nil
		}
		return nil, failed
	}
	certs, err := s.store.PCKCerts(ctx, p.PlatformID)
	if err != nil {
		return nil, storeFault(err)
	}
	raw, err := s.store.RawTCB(ctx, p.PlatformID, r.CPUSVN, r.PCESVN)
	if err == nil {
		for i := range certs {
			if certs[i].TCBm == raw.TCBm && !certs[i].NotAvailable {
				return s.served(ctx, p, &certs[i])
			}
		}
	}
	return s.selectPCK(ctx, p, certs, r)
}

// selectPCK selects a certificate for a raw TCB, and remembers which.
func (s *Service) selectPCK(ctx context.Context, p *store.Platform, certs []store.PCKCert, r PCKRequest) (*PCK, error) {
	levels, err := s.levels(ctx, p.FMSPC)
	if err != nil {
		return nil, err
	}
	i, err := choose(certs, levels, r)
	if err != nil {
		return nil, &Refusal{Status: http.StatusNotFound, Err: rats.AsError(err)}
	}
	out, err := s.served(ctx, p, &certs[i])
	if err != nil {
		return nil, err
	}
	raws, err := s.store.RawTCBs(ctx, p.PlatformID)
	if err != nil {
		return nil, storeFault(err)
	}
	if len(raws) >= maxRawTCBs {
		s.log.WarnContext(ctx, "platform has too many raw TCBs to keep another", slog.String("qe_id", legible(p.QEID)))
		return out, nil
	}
	b := store.Batch{RawTCBs: []store.RawTCB{{
		PlatformID: p.PlatformID, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN, TCBm: certs[i].TCBm,
	}}}
	if err := s.store.Write(ctx, b); err != nil {
		// It can be selected again: a full disk, or a database that answers reads
		// alone, keeps no platform from its certificate.
		s.log.ErrorContext(ctx, "a selected PCK certificate is not remembered", slog.String("qe_id", legible(p.QEID)), slog.Any("error", err))
	}
	return out, nil
}

// choose returns the place of the certificate that serves a raw TCB.
func choose(certs []store.PCKCert, levels *pck.Levels, r PCKRequest) (int, error) {
	raw, err := pck.ParseRaw(r.CPUSVN, r.PCESVN)
	if err != nil {
		return 0, err
	}
	pceid, err := hex.DecodeString(r.PCEID)
	if err != nil || len(pceid) != 2 {
		return 0, rats.Errorf(rats.Malformed, "a PCE id is 4 hex digits")
	}
	var parsed []*pck.Certificate
	var places []int
	for i := range certs {
		if certs[i].NotAvailable {
			continue
		}
		c, err := pck.ParsePEM(certs[i].Cert)
		if err != nil {
			return 0, err
		}
		parsed, places = append(parsed, c), append(places, i)
	}
	i, err := pck.Select(parsed, levels, [2]byte(pceid), raw)
	if err != nil {
		return 0, err
	}
	return places[i], nil
}

// levels returns the TCB levels by which certificates of an FMSPC are selected:
// the early ones before the standard ones, those that are about to be kept
// before those that are.
func (s *Service) levels(ctx context.Context, fmspc string, coming ...store.Artefact) (*pck.Levels, error) {
	for _, version := range []int{4, 3} {
		for _, update := range []string{UpdateEarly, UpdateStandard} {
			k := tcbInfoKey(rats.SGX, fmspc, update, version)
			if i := slices.IndexFunc(coming, func(a store.Artefact) bool { return a.Key == k }); i >= 0 {
				return pck.ParseLevels(coming[i].Body)
			}
			a, err := s.kept(ctx, k)
			if err != nil {
				return nil, err
			}
			if a != nil {
				return pck.ParseLevels(a.Body)
			}
		}
	}
	return nil, refuse(http.StatusNotFound, rats.EndorsementUnavailable, "there is no TCB info for SGX of FMSPC %s to select by", legible(fmspc))
}

func tcbInfoKey(tee rats.TEE, fmspc, update string, version int) store.Key {
	return store.Key{Kind: store.TCBInfo, TEE: tee, Scope: strings.ToLower(fmspc), Update: update, Version: version}
}

// served returns a certificate as it is served.
func (s *Service) served(ctx context.Context, p *store.Platform, c *store.PCKCert) (*PCK, error) {
	chain, err := s.store.Chain(ctx, p.CA)
	if errors.Is(err, rats.NotFound) {
		return nil, refuse(http.StatusNotFound, rats.EndorsementUnavailable, "there is no issuer chain of the %s CA", p.CA)
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return &PCK{Cert: c.Cert, TCBm: c.TCBm, FMSPC: strings.ToUpper(p.FMSPC), CA: p.CA, Chain: chain}, nil
}
