// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/attesteer/attesteer/rats"
)

// Store is an open store. It is safe for concurrent use.
type Store struct {
	// read may have several connections; write of SQLite has one, so that
	// writers of this process queue here and not in the file's lock.
	read, write *sql.DB
	engine      engine
	// place is the file, or the database and its host: no password.
	place string
}

// engine is what differs between the two.
type engine struct {
	name string
	// ddl turns a statement of the schema into the engine's own.
	ddl func(string) string
	// lock makes sure that one process migrates at a time, until tx ends.
	lock func(ctx context.Context, tx *sql.Tx) error
	// bound limits what a transaction that writes may wait for; empty where the
	// connection says so already.
	bound string
	// tables lists the names in the database that begin with pccs_.
	tables string
}

// Open opens the store that dsn names and brings its schema up to date. A path
// or a file: URL is an SQLite database, made if it does not exist, readable by
// its owner alone; postgres://… is a PostgreSQL database, which has to exist. A
// database that is damaged, somebody else's, or of a later version of this
// program is refused and left as it is: Malformed or Unsupported.
func Open(ctx context.Context, dsn string) (*Store, error) {
	open := openSQLite
	if IsPostgreSQL(dsn) {
		open = openPostgreSQL
	}
	s, err := open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, migrations()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Place says for people where the store is: a file, or host and name of a
// database. It holds no secret.
func (s *Store) Place() string { return s.place }

// Close closes the store's connections.
func (s *Store) Close() error {
	err := s.read.Close()
	if s.write != s.read {
		err = errors.Join(s.write.Close(), err)
	}
	if err != nil {
		return rats.Errorf(rats.Internal, "store: %w", err)
	}
	return nil
}

// transact runs f in a transaction that writes.
func (s *Store) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	defer tx.Rollback() //nolint:errcheck // does nothing once the transaction is committed
	if s.engine.bound != "" {
		if _, err := tx.ExecContext(ctx, s.engine.bound); err != nil {
			return s.fault(err)
		}
	}
	if err := f(tx); err != nil {
		return s.fault(err)
	}
	if err := tx.Commit(); err != nil {
		return s.fault(err)
	}
	return nil
}

// snapshot runs f in a transaction that reads one state of the store.
func (s *Store) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return s.fault(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return s.fault(f(tx))
}

// query runs a statement and calls each for every row.
func (s *Store) query(ctx context.Context, q querier, statement string, args []any, each func(scan func(...any) error) error) error {
	if !askable(args) {
		return nil
	}
	rows, err := q.QueryContext(ctx, statement, args...)
	if err != nil {
		return s.fault(err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells what matters
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return s.fault(err)
		}
	}
	return s.fault(rows.Err())
}

// row returns how to scan the one row that a statement selects: sql.ErrNoRows
// where there is none.
func row(ctx context.Context, q querier, statement string, args ...any) func(...any) error {
	if !askable(args) {
		return func(...any) error { return sql.ErrNoRows }
	}
	return q.QueryRowContext(ctx, statement, args...).Scan
}

// querier is what *sql.DB and *sql.Tx have in common for reading.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
