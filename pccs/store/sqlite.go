// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/attesteer/attesteer/rats"
)

// applicationID marks a file as this package's, in the header of the file
// (SQLite, "Database File Format", section 1.3.14).
const applicationID = 0x41545043 // "ATPC"

// readers is how many connections read an SQLite file.
const readers = 4

// sqliteEngine is SQLite. Tables are strict: a value of another type than the
// column's is an error, as it is in PostgreSQL.
func sqliteEngine() engine {
	return engine{
		name: "SQLite",
		ddl: func(statement string) string {
			statement = strings.NewReplacer("BYTEA", "BLOB", "BIGINT", "INTEGER").Replace(statement)
			if strings.HasPrefix(statement, "CREATE TABLE") {
				statement += " STRICT"
			}
			return statement
		},
		// Transactions that write are immediate, which locks the file.
		lock:   func(context.Context, *sql.Tx) error { return nil },
		tables: `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'pccs\_%' ESCAPE '\' ORDER BY name`,
	}
}

// openSQLite opens the file that dsn names, after a look at whose it is. A file
// that is made can be read by its owner alone, and so can what SQLite puts
// beside it.
func openSQLite(ctx context.Context, dsn string) (*Store, error) {
	path, err := SQLitePath(dsn)
	if err != nil {
		return nil, err
	}
	s := &Store{engine: sqliteEngine(), place: path}
	if err := s.claim(ctx, path); err != nil {
		return nil, err
	}
	// Every transaction reaches the disk before it is acknowledged: FULL
	// (SQLite, "Write-Ahead Logging", section 3.2).
	pragmas := []string{"busy_timeout(10000)", "cache_size(-1024)", "cell_size_check(ON)", "journal_mode(WAL)",
		"synchronous(FULL)", "trusted_schema(OFF)"}
	if s.write, err = sqliteFile(path, url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}); err != nil {
		return nil, s.fault(err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.reach(ctx, path); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	if s.read, err = sqliteFile(path, url.Values{"_pragma": append(pragmas, "query_only(ON)")}); err != nil {
		return nil, errors.Join(s.fault(err), s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if err := s.sound(ctx, path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// maxSounded bounds the files that are looked through when they are opened: about a
// second's work. Damage in a larger one is seen when it is come upon.
const maxSounded = 1 << 30

// sound refuses a file with a page that is damaged (SQLite, "PRAGMA quick_check"),
// before anything is served of what is left of it.
func (s *Store) sound(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return rats.Errorf(rats.Internal, "store: %w", err)
	}
	if info.Size() > maxSounded {
		return nil
	}
	var found string
	if err := s.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return s.fault(err)
	}
	if found != "ok" {
		found = strings.TrimPrefix(found, "*** in database main ***\n")
		return rats.Errorf(rats.Malformed, "store: %s is damaged: %s", path, strings.ReplaceAll(found, "\n", "; "))
	}
	return nil
}

// tries bounds how often a file is tried that others open, switch or close at the
// same moment.
const tries = 100

// reach makes the first connection. To switch a file to write-ahead logging takes
// a lock for which SQLite does not wait (SQLite, "PRAGMA journal_mode"), as does
// the last process that closes one (SQLite, "Write-Ahead Logging", section 9):
// then it waits for the lock that a writer takes, and tries again.
func (s *Store) reach(ctx context.Context, path string) error {
	err := s.write.PingContext(ctx)
	for i := 0; i < tries && Busy(err); i++ {
		if waited := waitForLock(ctx, path); waited != nil && !Busy(waited) {
			return s.fault(waited)
		}
		err = s.write.PingContext(ctx)
	}
	return s.fault(err)
}

// waitForLock returns when it had the lock that writers take.
func waitForLock(ctx context.Context, path string) error {
	db, err := sqliteFile(path, url.Values{"_pragma": {"busy_timeout(10000)"}, "_txlock": {"immediate"}})
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// sqliteFile returns a handle on a file. Nothing is opened yet.
func sqliteFile(path string, query url.Values) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return sql.Open("sqlite", dsn.String())
}

// claim makes sure that path is a file of this package's: it makes and marks
// one where there is none, and refuses others without a byte changed.
func (s *Store) claim(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return s.claim(ctx, path) // another process was faster
		}
		if err != nil {
			return rats.Errorf(rats.Internal, "store: %w", err)
		}
		if err := f.Close(); err != nil {
			return rats.Errorf(rats.Internal, "store: %w", err)
		}
		return s.mark(ctx, path)
	case err != nil:
		return rats.Errorf(rats.Internal, "store: %w", err)
	case !info.Mode().IsRegular():
		return rats.Errorf(rats.Malformed, "store: %s is no file", path)
	case info.Size() == 0:
		return s.mark(ctx, path)
	}
	// Immutable: neither locks nor a journal, so that a file of somebody else's
	// stays as it is, and the mark is in the file since its first transaction.
	db, err := sqliteFile(path, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return s.fault(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	var id int64
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return s.fault(err)
	}
	if id != applicationID {
		return rats.Errorf(rats.Malformed, "store: %s is not a store of this program: it was made by another one, or is damaged", path)
	}
	return nil
}

// mark marks an empty file, in a transaction of its own and before the file is
// switched to write-ahead logging.
func (s *Store) mark(ctx context.Context, path string) error {
	db, err := sqliteFile(path, url.Values{"_pragma": {"busy_timeout(10000)"}})
	if err != nil {
		return s.fault(err)
	}
	_, err = db.ExecContext(ctx, `PRAGMA application_id = `+strconv.Itoa(applicationID))
	return s.fault(errors.Join(err, db.Close()))
}
