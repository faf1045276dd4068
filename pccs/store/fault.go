// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/attesteer/attesteer/rats"
)

// fault turns an error of a driver into one that says what an operator can do.
// Errors that have a kind already, and nil, pass.
func (s *Store) fault(err error) error {
	var known *rats.Error
	var lite *sqlite.Error
	var postgres *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return rats.Errorf(rats.Internal, "store: %w", err)
	case errors.As(err, &lite):
		return sqliteFault(s.place, lite)
	case errors.As(err, &postgres):
		return rats.Errorf(rats.Internal, "store: %s: %s%w", s.place, postgresAdvice(postgres.Code), err)
	default:
		return rats.Errorf(rats.Internal, "store: %s: %w", s.place, err)
	}
}

// sqliteFault explains a result code (SQLite, "Result and Error Codes").
func sqliteFault(path string, err *sqlite.Error) error {
	switch err.Code() & 0xff { // the rest tells where it was noticed
	case sqlite3.SQLITE_NOTADB:
		return rats.Errorf(rats.Malformed, "store: %s is not a database, or it is damaged: %w", path, err)
	case sqlite3.SQLITE_CORRUPT:
		return rats.Errorf(rats.Malformed, "store: %s is damaged: %w", path, err)
	case sqlite3.SQLITE_TOOBIG:
		return rats.Errorf(rats.TooLarge, "store: %s holds something too large: %w", path, err)
	case sqlite3.SQLITE_FULL:
		return rats.Errorf(rats.Internal, "store: %s: the disk is full, nothing was written: %w", path, err)
	case sqlite3.SQLITE_READONLY:
		return rats.Errorf(rats.Internal, "store: %s can only be read: look at the permissions of the file and its folder: %w", path, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return rats.Errorf(rats.Internal, "store: %s cannot be opened: look at the permissions of the file and its folder: %w", path, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return rats.Errorf(rats.Internal, "store: %s is locked by another process: %w", path, err)
	case sqlite3.SQLITE_IOERR:
		return rats.Errorf(rats.Internal, "store: %s: the disk gives errors: %w", path, err)
	default:
		return rats.Errorf(rats.Internal, "store: %s: %w", path, err)
	}
}

// postgresAdvice says more of the codes that an operator meets (PostgreSQL,
// appendix A).
func postgresAdvice(code string) string {
	switch code {
	case "53100":
		return "the server's disk is full, nothing was written: "
	case "25006":
		return "the server only answers reads, is it a standby?: "
	case "42501":
		return "the user lacks a right on the tables: "
	case "55P03":
		return "another replica writes and does not come to an end: "
	case "3D000":
		return "make the database first: "
	default:
		return ""
	}
}

// Busy reports whether err says that a database does not answer just now, as while
// it starts anew or another one takes its place: to try again may help.
func Busy(err error) bool {
	var lite *sqlite.Error
	var postgres *pgconn.PgError
	var network net.Error
	switch {
	case errors.As(err, &lite):
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY || lite.Code()&0xff == sqlite3.SQLITE_LOCKED
	case errors.As(err, &postgres):
		// Classes 08, 53 and 57P are about connections, resources and a server
		// that stops or starts; 25006 comes from a standby, 55P03 from a lock.
		code := postgres.Code
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P") ||
			code == "25006" || code == "55P03"
	default:
		return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
}

// unknownName reports whether err says that a statement names a column or table
// that is not there, or that one is of another type.
func unknownName(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_ERROR
	}
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) {
		return postgres.Code == "42703" || postgres.Code == "42P01" || postgres.Code == "42883"
	}
	return false
}
