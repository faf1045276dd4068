// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/attesteer/attesteer/rats"
)

// connections is how many connections to PostgreSQL a store holds at most.
const connections = 8

// migrationLock is the advisory lock that whoever migrates holds.
const migrationLock = 0x41545043

// bounds keep a replica that hangs from stopping all others: nobody waits longer
// for a lock than SQLite does, and the server ends transactions whose client is
// silent. They are set in each transaction and not at the start of a connection,
// where a pooler between may refuse them.
const bounds = `SELECT set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '30s', true)`

// postgresEngine is PostgreSQL. Tables lie in the first schema of the search path.
func postgresEngine() engine {
	return engine{
		name: "PostgreSQL",
		ddl:  func(statement string) string { return statement },
		lock: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock))
			return err
		},
		tables: `SELECT table_name FROM information_schema.tables
			WHERE table_schema = current_schema() AND table_name LIKE 'pccs\_%' ORDER BY table_name`,
	}
}

// openPostgreSQL connects to the database that dsn names.
func openPostgreSQL(ctx context.Context, dsn string) (*Store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The error may quote the DSN, and a DSN may hold a password.
		return nil, rats.Errorf(rats.Malformed, "store: not a DSN of PostgreSQL: postgres://user@host:port/database?option=value")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "attesteer pccs"
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections / 2)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s := &Store{
		read: db, write: db, engine: postgresEngine(),
		place: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database,
	}
	if config.RuntimeParams["lock_timeout"] == "" {
		s.engine.bound = bounds
	}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, s.fault(err)
	}
	return s, nil
}
