// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// selectArtefact reads what is current, with body.
const selectArtefact = `SELECT a.kind, a.tee, a.scope, a.update_type, a.api_version, a.body, c.content, a.issued, a.next_update, a.fetched, a.source, b.content
	FROM pccs_artefact a JOIN pccs_content b ON b.digest = a.body JOIN pccs_content c ON c.digest = a.chain`

// errDigest says that a body is not the one that its row names.
var errDigest = rats.Errorf(rats.Malformed, "store: damaged: a body does not have the digest that it was kept under")

// Artefact returns what is current under a key, or NotFound.
func (s *Store) Artefact(ctx context.Context, key Key) (*Artefact, error) {
	key = key.normal()
	a, err := readArtefact(ctx, s.read, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, rats.Errorf(rats.NotFound, "store: no %s", key)
	}
	return a, s.fault(err)
}

func readArtefact(ctx context.Context, q querier, k Key) (*Artefact, error) {
	var a Artefact
	if err := scanArtefact(row(ctx, q, selectArtefact+ofKey, keyArgs(k)...), &a, &a.Body); err != nil {
		return nil, err
	}
	if sha256.Sum256(a.Body) != a.Digest {
		return nil, errDigest
	}
	return &a, nil
}

// ofKey selects what is current under a key, whose parts keyArgs returns.
const ofKey = ` WHERE a.kind = $1 AND a.tee = $2 AND a.scope = $3 AND a.update_type = $4 AND a.api_version = $5`

func keyArgs(k Key) []any { return []any{string(k.Kind), string(k.TEE), k.Scope, k.Update, k.Version} }

// bare is selectArtefact without the body.
func bare() string { return strings.Replace(selectArtefact, ", b.content", "", 1) }

// Artefacts returns everything that is current, ordered by key, without bodies.
func (s *Store) Artefacts(ctx context.Context) ([]Artefact, error) {
	return s.artefacts(ctx, bare(), false)
}

// ArtefactsWithBodies returns everything that is current, ordered by key.
func (s *Store) ArtefactsWithBodies(ctx context.Context) ([]Artefact, error) {
	return s.artefacts(ctx, selectArtefact, true)
}

func (s *Store) artefacts(ctx context.Context, statement string, bodies bool) ([]Artefact, error) {
	var all []Artefact
	err := s.query(ctx, s.read, statement, nil, func(scan func(...any) error) error {
		var a Artefact
		var more []any
		if bodies {
			more = []any{&a.Body}
		}
		if err := scanArtefact(scan, &a, more...); err != nil {
			return err
		}
		if bodies && sha256.Sum256(a.Body) != a.Digest {
			return errDigest
		}
		all = append(all, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Here and not by the database, whose order of text may be a language's.
	slices.SortFunc(all, func(a, b Artefact) int { return a.Key.Compare(b.Key) })
	return all, nil
}

// scanArtefact reads a row whose columns begin as those of selectArtefact.
func scanArtefact(scan func(...any) error, a *Artefact, more ...any) error {
	var digest []byte
	var issued, next, fetched int64
	if err := scan(append([]any{&a.Kind, &a.TEE, &a.Scope, &a.Update, &a.Version, &digest, &a.Chain, &issued, &next, &fetched, &a.Source}, more...)...); err != nil {
		return err
	}
	if copy(a.Digest[:], digest) != sha256.Size {
		return errDigest
	}
	a.Chain = orNil(a.Chain)
	a.Issued, a.NextUpdate, a.Fetched = fromMicros(issued), fromMicros(next), fromMicros(fetched)
	return nil
}

const selectPlatform = `SELECT qe_id, pce_id, encrypted_ppid, manifest, fmspc, ca, seen FROM pccs_platform`

// Platform returns a platform, or NotFound.
func (s *Store) Platform(ctx context.Context, id PlatformID) (*Platform, error) {
	id = id.normal()
	all, err := s.platforms(ctx, selectPlatform+` WHERE qe_id = $1 AND pce_id = $2`, id.QEID, id.PCEID)
	if err == nil && len(all) == 0 {
		err = rats.Errorf(rats.NotFound, "store: no platform %s with PCE %s", id.QEID, id.PCEID)
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// Platforms returns the platforms of the given FMSPCs, or of all where none is
// given, ordered by their identities.
func (s *Store) Platforms(ctx context.Context, fmspcs ...string) ([]Platform, error) {
	if len(fmspcs) == 0 {
		return s.platforms(ctx, selectPlatform)
	}
	var all []Platform
	wanted := make([]string, 0, len(fmspcs))
	for _, fmspc := range fmspcs {
		wanted = append(wanted, strings.ToUpper(fmspc))
	}
	slices.Sort(wanted)
	for _, fmspc := range slices.Compact(wanted) {
		some, err := s.platforms(ctx, selectPlatform+` WHERE fmspc = $1`, fmspc)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	sortBy(all, func(m Platform) []string { return []string{m.QEID, m.PCEID} })
	return all, nil
}

func (s *Store) platforms(ctx context.Context, statement string, args ...any) ([]Platform, error) {
	var all []Platform
	err := s.query(ctx, s.read, statement, args, func(scan func(...any) error) error {
		var m Platform
		var seen int64
		if err := scan(&m.QEID, &m.PCEID, &m.EncryptedPPID, &m.Manifest, &m.FMSPC, &m.CA, &seen); err != nil {
			return err
		}
		m.EncryptedPPID, m.Manifest, m.Seen = orNil(m.EncryptedPPID), orNil(m.Manifest), fromMicros(seen)
		all = append(all, m)
		return nil
	})
	sortBy(all, func(m Platform) []string { return []string{m.QEID, m.PCEID} })
	return all, err
}

// PCKCerts returns a platform's PCK certificates, ordered by TCBm; none is no
// error.
func (s *Store) PCKCerts(ctx context.Context, id PlatformID) ([]PCKCert, error) {
	id = id.normal()
	var all []PCKCert
	err := s.query(ctx, s.read, `SELECT tcbm, cert, not_available, tcb FROM pccs_pck_cert WHERE qe_id = $1 AND pce_id = $2`,
		[]any{id.QEID, id.PCEID}, func(scan func(...any) error) error {
			c := PCKCert{PlatformID: id}
			var notAvailable int64
			if err := scan(&c.TCBm, &c.Cert, &notAvailable, &c.TCB); err != nil {
				return err
			}
			c.Cert, c.NotAvailable, c.TCB = orNil(c.Cert), notAvailable != 0, orNil(c.TCB)
			all = append(all, c)
			return nil
		})
	sortBy(all, func(c PCKCert) []string { return []string{c.TCBm} })
	return all, err
}

// RawTCB returns which certificate serves a platform at a raw TCB, or NotFound.
func (s *Store) RawTCB(ctx context.Context, id PlatformID, cpuSVN, pceSVN string) (*RawTCB, error) {
	r := RawTCB{PlatformID: id.normal(), CPUSVN: strings.ToUpper(cpuSVN), PCESVN: strings.ToUpper(pceSVN)}
	err := row(ctx, s.read, `SELECT tcbm FROM pccs_raw_tcb WHERE qe_id = $1 AND pce_id = $2 AND cpu_svn = $3 AND pce_svn = $4`,
		r.QEID, r.PCEID, r.CPUSVN, r.PCESVN)(&r.TCBm)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, rats.Errorf(rats.NotFound, "store: platform %s has not asked at TCB %s%s", r.QEID, r.CPUSVN, r.PCESVN)
	}
	if err != nil {
		return nil, s.fault(err)
	}
	return &r, nil
}

// RawTCBs returns the raw TCBs of a platform, ordered.
func (s *Store) RawTCBs(ctx context.Context, id PlatformID) ([]RawTCB, error) {
	id = id.normal()
	var all []RawTCB
	err := s.query(ctx, s.read, `SELECT cpu_svn, pce_svn, tcbm FROM pccs_raw_tcb WHERE qe_id = $1 AND pce_id = $2`,
		[]any{id.QEID, id.PCEID}, func(scan func(...any) error) error {
			r := RawTCB{PlatformID: id}
			if err := scan(&r.CPUSVN, &r.PCESVN, &r.TCBm); err != nil {
				return err
			}
			all = append(all, r)
			return nil
		})
	sortBy(all, func(r RawTCB) []string { return []string{r.CPUSVN, r.PCESVN} })
	return all, err
}

// Chain returns the PEM chain of the issuer of PCK certificates, "processor" or
// "platform", or NotFound.
func (s *Store) Chain(ctx context.Context, ca string) ([]byte, error) {
	var chain []byte
	err := row(ctx, s.read, `SELECT chain FROM pccs_chain WHERE ca = $1`, strings.ToLower(ca))(&chain)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, rats.Errorf(rats.NotFound, "store: no chain of the %s CA", ca)
	}
	return chain, s.fault(err)
}

// Policies returns the policies of an FMSPC, or all where it is empty, ordered
// by ID.
func (s *Store) Policies(ctx context.Context, fmspc string) ([]Policy, error) {
	var all []Policy
	err := s.query(ctx, s.read, `SELECT id, type, jwt, is_default, fmspc FROM pccs_policy WHERE fmspc = $1 OR $1 = ''`,
		[]any{strings.ToUpper(fmspc)}, func(scan func(...any) error) error {
			var y Policy
			var isDefault int64
			if err := scan(&y.ID, &y.Type, &y.JWT, &isDefault, &y.FMSPC); err != nil {
				return err
			}
			y.JWT, y.Default = orNil(y.JWT), isDefault != 0
			all = append(all, y)
			return nil
		})
	sortBy(all, func(y Policy) []string { return []string{y.ID} })
	return all, err
}

// sortBy sorts by words, byte by byte: databases order text by language.
func sortBy[T any](all []T, words func(T) []string) {
	slices.SortFunc(all, func(a, b T) int { return slices.Compare(words(a), words(b)) })
}
