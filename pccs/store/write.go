// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// Write makes the changes of b in one transaction: all, or none and an error. An
// artefact that is older than the current one of its key, by
// [Artefact.Compare], changes nothing and is no error.
func (s *Store) Write(ctx context.Context, b Batch) error {
	p, err := b.prepare()
	if err != nil {
		return err
	}
	return s.change(ctx, func(w *writer) error {
		steps := []func(*Batch) error{
			w.removeCerts, w.artefacts, w.platforms, w.rawTCBs, w.pckCerts, w.chains, w.policies, w.enqueue,
		}
		for _, step := range steps {
			if err := step(p); err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(p.Mark)) {
			if err := w.mark(id, p.Mark[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Generation returns a number that grows with every change of what readers are
// served. The queue, and when something was fetched or seen, do not move it.
func (s *Store) Generation(ctx context.Context) (int64, error) {
	var n int64
	err := s.read.QueryRowContext(ctx, `SELECT generation FROM pccs_meta WHERE one = 1`).Scan(&n)
	return n, s.fault(err)
}

// writer is a transaction that holds the lock of pccs_meta.
type writer struct {
	*sql.Tx
	ctx    context.Context
	head   Head
	queued int64
	// changed: what readers are served is not what it was.
	changed bool
}

// change runs f in a transaction during which nobody else writes.
func (s *Store) change(ctx context.Context, f func(*writer) error) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE pccs_meta SET generation = generation WHERE one = 1`); err != nil {
			return err
		}
		w := &writer{Tx: tx, ctx: ctx}
		var hash []byte
		err := tx.QueryRowContext(ctx, `SELECT head, head_hash, queued FROM pccs_meta WHERE one = 1`).Scan(&w.head.Number, &hash, &w.queued)
		if err != nil {
			return err
		}
		if copy(w.head.Hash[:], hash) != hashSize {
			return rats.Errorf(rats.Malformed, "store: %s is damaged: the log's head has a hash of %d bytes", s.place, len(hash))
		}
		if err := f(w); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE pccs_meta SET generation = generation + $1, head = $2, head_hash = $3, queued = $4 WHERE one = 1`,
			number(w.changed), w.head.Number, w.head.Hash[:], w.queued)
		return err
	})
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(statement string, args ...any) (int64, error) {
	result, err := w.ExecContext(w.ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// serve runs a statement that changes what readers are served, if any row.
func (w *writer) serve(statement string, args ...any) error {
	n, err := w.exec(statement, args...)
	w.changed = w.changed || n > 0
	return err
}

// content keeps bytes under their digest, once. What was damaged there is made
// good.
func (w *writer) content(digest [sha256.Size]byte, b []byte) error {
	_, err := w.exec(`INSERT INTO pccs_content (digest, content) VALUES ($1, $2)
		ON CONFLICT (digest) DO UPDATE SET content = excluded.content WHERE pccs_content.content <> excluded.content`, digest[:], given(b))
	return err
}

func (w *writer) artefacts(b *Batch) error {
	for i := range b.Artefacts {
		if err := w.artefact(&b.Artefacts[i]); err != nil {
			return err
		}
	}
	return nil
}

// artefact makes a current and appends it to the log, unless what is current
// was issued later or is the same.
func (w *writer) artefact(a *Artefact) error {
	var now Artefact
	err := scanArtefact(w.QueryRowContext(w.ctx, bare()+ofKey, keyArgs(a.Key)...).Scan, &now)
	known := !errors.Is(err, sql.ErrNoRows)
	switch {
	case !known:
	case err != nil:
		return err
	case now.Compare(a) >= 0:
		return nil
	}
	chain := sha256.Sum256(a.Chain)
	if err := w.content(a.Digest, a.Body); err != nil {
		return err
	}
	if err := w.content(chain, a.Chain); err != nil {
		return err
	}
	if known && now.Digest == a.Digest && sha256.Sum256(now.Chain) == chain {
		// The same version, heard of again.
		w.changed = w.changed || !now.Issued.Equal(a.Issued) || !now.NextUpdate.Equal(a.NextUpdate)
		_, err := w.exec(`UPDATE pccs_artefact SET issued = $6, next_update = $7, fetched = $8, source = $9
			WHERE kind = $1 AND tee = $2 AND scope = $3 AND update_type = $4 AND api_version = $5`,
			append(keyArgs(a.Key), a.Issued.UnixMicro(), a.NextUpdate.UnixMicro(), a.Fetched.UnixMicro(), a.Source)...)
		return err
	}
	if err := w.append(a, chain); err != nil {
		return err
	}
	return w.serve(`INSERT INTO pccs_artefact
		(kind, tee, scope, update_type, api_version, number, body, chain, issued, next_update, fetched, source)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (kind, tee, scope, update_type, api_version) DO UPDATE SET number = excluded.number, body = excluded.body,
		chain = excluded.chain, issued = excluded.issued, next_update = excluded.next_update, fetched = excluded.fetched, source = excluded.source`,
		string(a.Kind), string(a.TEE), a.Scope, a.Update, a.Version, w.head.Number, a.Digest[:], chain[:],
		a.Issued.UnixMicro(), a.NextUpdate.UnixMicro(), a.Fetched.UnixMicro(), a.Source)
}

func (w *writer) platforms(b *Batch) error {
	for _, m := range b.Platforms {
		err := w.serve(`INSERT INTO pccs_platform (qe_id, pce_id, encrypted_ppid, manifest, fmspc, ca, seen) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (qe_id, pce_id) DO UPDATE
			SET encrypted_ppid = excluded.encrypted_ppid, manifest = excluded.manifest, fmspc = excluded.fmspc, ca = excluded.ca
			WHERE pccs_platform.encrypted_ppid <> excluded.encrypted_ppid OR pccs_platform.manifest <> excluded.manifest
			OR pccs_platform.fmspc <> excluded.fmspc OR pccs_platform.ca <> excluded.ca`,
			m.QEID, m.PCEID, given(m.EncryptedPPID), given(m.Manifest), m.FMSPC, m.CA, m.Seen.UnixMicro())
		if err != nil {
			return err
		}
		if _, err := w.exec(`UPDATE pccs_platform SET seen = $1 WHERE qe_id = $2 AND pce_id = $3`, m.Seen.UnixMicro(), m.QEID, m.PCEID); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) rawTCBs(b *Batch) error {
	for _, r := range b.RawTCBs {
		err := w.serve(`INSERT INTO pccs_raw_tcb (qe_id, pce_id, cpu_svn, pce_svn, tcbm) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (qe_id, pce_id, cpu_svn, pce_svn) DO UPDATE SET tcbm = excluded.tcbm WHERE pccs_raw_tcb.tcbm <> excluded.tcbm`,
			r.QEID, r.PCEID, r.CPUSVN, r.PCESVN, r.TCBm)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) removeCerts(b *Batch) error {
	for _, id := range b.ReplacePCK {
		if err := w.serve(`DELETE FROM pccs_pck_cert WHERE qe_id = $1 AND pce_id = $2`, id.QEID, id.PCEID); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) pckCerts(b *Batch) error {
	for _, c := range b.PCKCerts {
		err := w.serve(`INSERT INTO pccs_pck_cert (qe_id, pce_id, tcbm, cert, not_available, tcb) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (qe_id, pce_id, tcbm) DO UPDATE SET cert = excluded.cert, not_available = excluded.not_available, tcb = excluded.tcb
			WHERE pccs_pck_cert.cert <> excluded.cert OR pccs_pck_cert.not_available <> excluded.not_available OR pccs_pck_cert.tcb <> excluded.tcb`,
			c.QEID, c.PCEID, c.TCBm, given(c.Cert), number(c.NotAvailable), given(c.TCB))
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) chains(b *Batch) error {
	for _, ca := range slices.Sorted(maps.Keys(b.Chains)) {
		err := w.serve(`INSERT INTO pccs_chain (ca, chain) VALUES ($1, $2)
			ON CONFLICT (ca) DO UPDATE SET chain = excluded.chain WHERE pccs_chain.chain <> excluded.chain`, ca, given(b.Chains[ca]))
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) policies(b *Batch) error {
	for _, y := range b.Policies {
		if y.Default {
			if err := w.serve(`UPDATE pccs_policy SET is_default = 0 WHERE fmspc = $1 AND id <> $2 AND is_default <> 0`, y.FMSPC, y.ID); err != nil {
				return err
			}
		}
		err := w.serve(`INSERT INTO pccs_policy (id, type, jwt, is_default, fmspc) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET type = excluded.type, jwt = excluded.jwt, is_default = excluded.is_default, fmspc = excluded.fmspc
			WHERE pccs_policy.type <> excluded.type OR pccs_policy.jwt <> excluded.jwt
			OR pccs_policy.is_default <> excluded.is_default OR pccs_policy.fmspc <> excluded.fmspc`,
			y.ID, y.Type, given(y.JWT), number(y.Default), y.FMSPC)
		if err != nil {
			return err
		}
	}
	return nil
}
