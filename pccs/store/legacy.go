// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/attesteer/attesteer/rats"
)

// The schemas of Intel's service that are read (pcs_version.db_version): 3 came
// with API version 4, 4 with appraisal policies, 5 with the update parameter.
const (
	oldestLegacy   = 3
	legacyPolicies = 4
	legacyUpdates  = 5
	newestLegacy   = 5
)

// maxLegacy is how many bytes are read of a database in all.
const maxLegacy = 256 << 20

// Legacy is what the database of Intel's PCCS holds, pckcache.db. Nothing of it
// has been verified, and that service verifies nothing either: each part has to
// be, before [Store.Write]. Identities are in upper case; Issued and NextUpdate
// of artefacts are not set, Fetched is when a row was last written.
type Legacy struct {
	// Schema is the number of the database's schema, APIVersion that of the PCS
	// API, and Server the host that it was filled from.
	Schema, APIVersion int
	Server             string

	Artefacts []Artefact
	Platforms []Platform
	RawTCBs   []RawTCB
	PCKCerts  []PCKCert
	// Chains are the PEM chains of PCK certificates' issuers, by "processor" or
	// "platform".
	Chains   map[string][]byte
	Queue    []Queued
	Policies []Policy
	// Skipped says of each row that was left out why: Intel's service would not
	// have served it either.
	Skipped []string
}

// ReadLegacy reads the database file of Intel's service, which stays as it is
// and may be in use. Errors are Malformed (no such database, or damaged),
// Unsupported (a schema other than 3 to 5) and TooLarge (a value over
// [MaxContent], or over 256 MiB in all).
func ReadLegacy(ctx context.Context, path string) (*Legacy, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "pckcache: %w", err)
	}
	if info, err := os.Stat(abs); err != nil {
		return nil, rats.Errorf(rats.NotFound, "pckcache: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, rats.Errorf(rats.Malformed, "pckcache: %s is no file", abs)
	}
	// Only reading, and nothing that a schema could make run.
	db, err := sqliteFile(abs, url.Values{
		"mode":    {"ro"},
		"_pragma": {"busy_timeout(10000)", "cell_size_check(ON)", "query_only(ON)", "trusted_schema(OFF)"},
	})
	if err != nil {
		return nil, legacyFault(abs, err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, legacyFault(abs, err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	if _, err := sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_LENGTH, MaxContent); err != nil {
		return nil, legacyFault(abs, err)
	}
	// One state of the database, whatever the service does meanwhile.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, legacyFault(abs, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	r := &legacyReader{ctx: ctx, tx: tx, budget: maxLegacy, source: "import:" + filepath.Base(abs)}
	if err := r.read(); err != nil {
		return nil, legacyFault(abs, err)
	}
	return &r.out, nil
}

// legacyFault says of which file an error is.
func legacyFault(path string, err error) error {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return &rats.Error{Kind: rats.KindOf(err), Detail: "pckcache: " + path + ": " + rats.AsError(err).Detail, Err: err}
	}
	switch lite.Code() {
	case sqlite3.SQLITE_ERROR:
		return rats.Errorf(rats.Malformed, "pckcache: %s is not the database of Intel's service: %w", path, err)
	case sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY:
		return rats.Errorf(rats.Internal,
			"pckcache: %s was left in the middle of a write: let Intel's service start on it once, or read a backup: %w", path, err)
	default:
		return sqliteFault(path, lite)
	}
}

// legacyReader reads tables, and counts what it reads.
type legacyReader struct {
	ctx    context.Context
	tx     *sql.Tx
	budget int
	source string
	certs  map[int64][]byte
	out    Legacy
}

// legacyTables are the tables of a schema.
func legacyTables(schema int) []string {
	all := []string{"crl_cache", "enclave_identities", "fmspc_tcbs", "pck_cert", "pck_certchain", "pck_crl",
		"pcs_certificates", "platform_tcbs", "platforms", "platforms_registered"}
	if schema >= legacyPolicies {
		all = append(all, "appraisal_policies")
	}
	return all
}

func (r *legacyReader) read() error {
	if err := r.version(); err != nil {
		return err
	}
	for _, table := range legacyTables(r.out.Schema) {
		if err := r.isTable(table); err != nil {
			return err
		}
	}
	steps := []func() error{
		r.certificates, r.tcbInfos, r.identities, r.pckCRLs, r.crls, r.chains, r.platforms, r.rawTCBs, r.pckCerts, r.queue,
	}
	if r.out.Schema >= legacyPolicies {
		steps = append(steps, r.policies)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// isTable makes sure that a name is that of a table with rows of its own: a view
// or a virtual table could have rows without end.
func (r *legacyReader) isTable(name string) error {
	var kind string
	var root int64
	err := r.tx.QueryRowContext(r.ctx, `SELECT type, rootpage FROM sqlite_schema WHERE name = $1`, name).Scan(&kind, &root)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return rats.Errorf(rats.Malformed, "it is not the database of Intel's service, or not a whole one: there is no table %s", name)
	case err != nil:
		return err
	case kind != "table" || root <= 0:
		return rats.Errorf(rats.Malformed, "%s is no table", name)
	}
	return nil
}

// version reads which schema this is.
func (r *legacyReader) version() error {
	if err := r.isTable("pcs_version"); err != nil {
		return err
	}
	found := false
	err := r.rows("pcs_version", "id, api_version, server_addr, db_version", func(c *legacyRow) error {
		if c.integer("id") == 1 {
			found = true
			r.out.APIVersion, r.out.Schema, r.out.Server = int(c.integer("api_version")), int(c.integer("db_version")), c.text("server_addr")
		}
		return nil
	})
	switch schema := r.out.Schema; {
	case err != nil:
		return err
	case !found:
		return rats.Errorf(rats.Malformed, "pcs_version has no row, so that its schema is not known")
	case schema < oldestLegacy:
		return rats.Errorf(rats.Unsupported, "schema %d is older than %d: let a newer release of Intel's service start on it once, which brings it up to date", schema, oldestLegacy)
	case schema > newestLegacy:
		return rats.Errorf(rats.Unsupported, "schema %d is newer than %d, the last that is known here", schema, newestLegacy)
	}
	return nil
}

// skip notes a row that is left out.
func (r *legacyReader) skip(what ...string) {
	r.out.Skipped = append(r.out.Skipped, strings.Join(what, " "))
}
