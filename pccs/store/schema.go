// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// application is what the schema's first table says whose it is.
const application = "attesteer pccs"

// A migration is the statements that bring a schema to its number, which is its
// place in the list, from 1. One that was released never changes.
type migration []string

// metaTable holds one row. Whoever writes updates it first and so holds its lock
// until the transaction ends: writers take turns, on both engines. head and
// head_hash name the last entry of the log; queued is the last ID of the queue.
const metaTable = `CREATE TABLE pccs_meta (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	application TEXT NOT NULL,
	version BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	head BIGINT NOT NULL,
	head_hash BYTEA NOT NULL,
	queued BIGINT NOT NULL)`

// migrations returns every migration there is.
func migrations() []migration {
	return []migration{append(artefactTables(), platformTables()...)}
}

// artefactTables are those of schema 1 that hold what is signed.
func artefactTables() migration {
	return migration{
		// Bodies and chains, by their SHA-256: many artefacts share them.
		`CREATE TABLE pccs_content (
			digest BYTEA PRIMARY KEY,
			content BYTEA NOT NULL)`,
		// The log. Rows are only ever added.
		`CREATE TABLE pccs_log (
			number BIGINT PRIMARY KEY,
			kind TEXT NOT NULL,
			tee TEXT NOT NULL,
			scope TEXT NOT NULL,
			update_type TEXT NOT NULL,
			api_version BIGINT NOT NULL,
			body BYTEA NOT NULL,
			chain BYTEA NOT NULL,
			issued BIGINT NOT NULL,
			next_update BIGINT NOT NULL,
			fetched BIGINT NOT NULL,
			source TEXT NOT NULL,
			previous BYTEA NOT NULL,
			hash BYTEA NOT NULL)`,
		// What is current. fetched, source and next_update may be newer than in
		// the entry of the log that number names.
		`CREATE TABLE pccs_artefact (
			kind TEXT NOT NULL,
			tee TEXT NOT NULL,
			scope TEXT NOT NULL,
			update_type TEXT NOT NULL,
			api_version BIGINT NOT NULL,
			number BIGINT NOT NULL,
			body BYTEA NOT NULL,
			chain BYTEA NOT NULL,
			issued BIGINT NOT NULL,
			next_update BIGINT NOT NULL,
			fetched BIGINT NOT NULL,
			source TEXT NOT NULL,
			PRIMARY KEY (kind, tee, scope, update_type, api_version))`,
	}
}

// platformTables are those of schema 1 that hold platforms, the queue and policies.
func platformTables() migration {
	return migration{
		`CREATE TABLE pccs_platform (
			qe_id TEXT NOT NULL,
			pce_id TEXT NOT NULL,
			encrypted_ppid BYTEA NOT NULL,
			manifest BYTEA NOT NULL,
			fmspc TEXT NOT NULL,
			ca TEXT NOT NULL,
			seen BIGINT NOT NULL,
			PRIMARY KEY (qe_id, pce_id))`,
		`CREATE INDEX pccs_platform_fmspc ON pccs_platform (fmspc)`,
		`CREATE TABLE pccs_raw_tcb (
			qe_id TEXT NOT NULL,
			pce_id TEXT NOT NULL,
			cpu_svn TEXT NOT NULL,
			pce_svn TEXT NOT NULL,
			tcbm TEXT NOT NULL,
			PRIMARY KEY (qe_id, pce_id, cpu_svn, pce_svn))`,
		`CREATE TABLE pccs_pck_cert (
			qe_id TEXT NOT NULL,
			pce_id TEXT NOT NULL,
			tcbm TEXT NOT NULL,
			cert BYTEA NOT NULL,
			not_available BIGINT NOT NULL,
			tcb BYTEA NOT NULL,
			PRIMARY KEY (qe_id, pce_id, tcbm))`,
		`CREATE TABLE pccs_chain (
			ca TEXT PRIMARY KEY,
			chain BYTEA NOT NULL)`,
		`CREATE TABLE pccs_policy (
			id TEXT PRIMARY KEY,
			type BIGINT NOT NULL,
			jwt BYTEA NOT NULL,
			is_default BIGINT NOT NULL,
			fmspc TEXT NOT NULL)`,
		`CREATE TABLE pccs_queue (
			id BIGINT PRIMARY KEY,
			qe_id TEXT NOT NULL,
			pce_id TEXT NOT NULL,
			cpu_svn TEXT NOT NULL,
			pce_svn TEXT NOT NULL,
			encrypted_ppid BYTEA NOT NULL,
			manifest BYTEA NOT NULL,
			state BIGINT NOT NULL,
			seen BIGINT NOT NULL,
			UNIQUE (qe_id, pce_id, cpu_svn, pce_svn))`,
		`CREATE INDEX pccs_queue_state ON pccs_queue (state, id)`,
	}
}

// tablesOf returns the tables that the first n migrations make, sorted.
func tablesOf(all []migration, n int) []string {
	names := []string{"pccs_meta"}
	for _, statements := range all[:n] {
		for _, statement := range statements {
			if name, is := strings.CutPrefix(statement, "CREATE TABLE "); is {
				names = append(names, name[:strings.IndexByte(name, ' ')])
			}
		}
	}
	slices.Sort(names)
	return names
}

// migrate brings the schema to the last of all, if it is not there yet.
func (s *Store) migrate(ctx context.Context, all []migration) error {
	version, err := s.schemaVersion(ctx, s.read, all)
	if err != nil || version == len(all) {
		return err
	}
	return s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.engine.lock(ctx, tx); err != nil {
			return err
		}
		// Another process may have been here since.
		version, err := s.schemaVersion(ctx, tx, all)
		if err != nil || version == len(all) {
			return err
		}
		if version < 0 {
			if err := s.begin(ctx, tx); err != nil {
				return err
			}
			version = 0
		}
		for _, statements := range all[version:] {
			for _, statement := range statements {
				if _, err := tx.ExecContext(ctx, s.engine.ddl(statement)); err != nil {
					return err
				}
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE pccs_meta SET version = $1 WHERE one = 1`, len(all))
		return err
	})
}

// begin makes the table that every schema has.
func (s *Store) begin(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, s.engine.ddl(metaTable)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO pccs_meta (one, application, version, generation, head, head_hash, queued)
		VALUES (1, $1, 0, 0, 0, $2, 0)`, application, make([]byte, hashSize))
	return err
}

// schemaVersion returns the number of the schema, and -1 where there is none.
// What is not this package's, damaged or later than all is an error.
func (s *Store) schemaVersion(ctx context.Context, q querier, all []migration) (int, error) {
	var have []string
	if err := s.query(ctx, q, s.engine.tables, nil, func(scan func(...any) error) error {
		have = append(have, "")
		return scan(&have[len(have)-1])
	}); err != nil {
		return 0, err
	}
	if len(have) == 0 {
		return -1, nil
	}
	slices.Sort(have)
	foreign := rats.Errorf(rats.Malformed, "store: %s holds tables of this name that another program made", s.place)
	if !slices.Contains(have, "pccs_meta") {
		return 0, foreign
	}
	var app string
	var version int
	err := q.QueryRowContext(ctx, `SELECT application, version FROM pccs_meta WHERE one = 1`).Scan(&app, &version)
	fault := s.fault(err)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, rats.Errorf(rats.Malformed, "store: %s is damaged: a row of pccs_meta is missing", s.place)
	case unknownName(err) || err == nil && (app != application || version < 0):
		return 0, foreign
	case err != nil:
		return 0, fault
	case version > len(all):
		return 0, rats.Errorf(rats.Unsupported,
			"store: %s has schema %d and this program knows %d: it was written by a later release", s.place, version, len(all))
	case !slices.Equal(have, tablesOf(all, version)):
		return 0, rats.Errorf(rats.Malformed, "store: %s is damaged: of schema %d it has the tables %s", s.place, version, strings.Join(have, ", "))
	default:
		return version, nil
	}
}
