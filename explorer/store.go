// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// storeVersion names the layout below and how rows are derived from records. An
// index of another version is built again.
//
// Version 2 finds transactions too; version 3 leaves to the ledger whether data
// lapsed.
const storeVersion = 3

// batch is how many events are taken in one transaction.
const batch = 1000

// schema is read by SQLite and PostgreSQL alike. Hex is lower case, URLs are
// folded to lower case, so that both compare them in the same way; sequence is
// the number of the event that created the record and orders every listing.
var schema = []string{
	`CREATE TABLE explorer_record (
		sequence BIGINT PRIMARY KEY,
		id TEXT NOT NULL UNIQUE,
		tee TEXT NOT NULL,
		fingerprint TEXT NOT NULL,
		mr_signer TEXT NOT NULL,
		signer TEXT NOT NULL,
		status TEXT NOT NULL,
		tier TEXT NOT NULL,
		state TEXT NOT NULL,
		expires BIGINT NOT NULL,
		body BYTEA NOT NULL)`,
	`CREATE INDEX explorer_record_fingerprint ON explorer_record (fingerprint, sequence)`,
	`CREATE INDEX explorer_record_mr_signer ON explorer_record (mr_signer, sequence)`,
	`CREATE INDEX explorer_record_signer ON explorer_record (signer, sequence)`,
	`CREATE INDEX explorer_record_tee ON explorer_record (tee, sequence)`,
	`CREATE INDEX explorer_record_status ON explorer_record (status, sequence)`,
	`CREATE TABLE explorer_listing (
		record BIGINT NOT NULL,
		registrar TEXT NOT NULL,
		url TEXT NOT NULL,
		PRIMARY KEY (record, registrar))`,
	`CREATE INDEX explorer_listing_registrar ON explorer_listing (registrar, record)`,
	`CREATE INDEX explorer_listing_url ON explorer_listing (url, record)`,
	// The event that a transaction made; there is never a second.
	`CREATE TABLE explorer_tx (
		tx BYTEA PRIMARY KEY,
		sequence BIGINT NOT NULL)`,
}

// metaTable holds one row: what the index was built from. tip is the digest of
// the last event taken, so that another past under the same name is noticed.
const metaTable = `CREATE TABLE IF NOT EXISTS explorer_meta (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	version BIGINT NOT NULL,
	chain TEXT NOT NULL,
	next BIGINT NOT NULL,
	tip TEXT NOT NULL)`

// store is the index in a database.
type store struct {
	db *sql.DB
	// shared: the database is the caller's, and other nodes may write to it.
	shared bool
}

// openSQLite returns the file at path, which need not exist. Nothing is read yet.
func openSQLite(path string) (*store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "index: %w", err)
	}
	// A crash may cost the last transactions, which are taken again; it never
	// breaks the file (SQLite, "Write-Ahead Logging", section 3.2).
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "temp_store(MEMORY)", "trusted_schema(OFF)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "index: %w", err)
	}
	db.SetMaxOpenConns(8)
	return &store{db: db}, nil
}

// removeSQLite removes the database file at path and what SQLite keeps beside it.
func removeSQLite(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return rats.Errorf(rats.Internal, "index: %w", err)
		}
	}
	return nil
}

func (s *store) close() error {
	if err := s.db.Close(); err != nil {
		return rats.Errorf(rats.Internal, "index: %w", err)
	}
	return nil
}

// errRow says that a row does not hold a record.
var errRow = errors.New("row without a record")

// corrupt reports whether err says that a file is damaged or no database.
func corrupt(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		code := e.Code() & 0xff // the rest tells where it was noticed
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	}
	return errors.Is(err, errRow)
}

// meta is the row of explorer_meta.
type meta struct {
	version int64
	chain   string
	next    uint64
	tip     string
}

const selectMeta = `SELECT version, chain, next, tip FROM explorer_meta WHERE one = 1`

// prepare makes the tables, from nothing if what is there was not built from src.
func (s *store) prepare(ctx context.Context, src EventSource) error {
	if _, err := s.db.ExecContext(ctx, metaTable); err != nil {
		return rats.Errorf(rats.Internal, "index: %w", err)
	}
	var m meta
	err := s.db.QueryRowContext(ctx, selectMeta).Scan(&m.version, &m.chain, &m.next, &m.tip)
	switch {
	case corrupt(err) || ctx.Err() != nil:
		return rats.Errorf(rats.Internal, "index: %w", err)
	case err == nil && m.version == storeVersion && m.chain == src.ChainID():
		fits, err := s.fits(src, m)
		if err != nil {
			return rats.Errorf(rats.Internal, "index: %w", err)
		}
		if fits {
			return nil
		}
	}
	return s.recreate(ctx, src.ChainID())
}

// fits reports whether the last event that was taken is the one that src holds
// at its place. A shared index may be ahead of src: another node was faster.
func (s *store) fits(src EventSource, m meta) (bool, error) {
	switch count := src.EventCount(); {
	case m.next > count:
		return s.shared, nil
	case m.next == 0:
		return true, nil
	}
	last, err := eventsFrom(src, m.next-1, 1)
	if err != nil {
		return false, err
	}
	tip, err := digest(&last[0])
	return tip == m.tip, err
}

// recreate drops the index's own tables, and no others, and makes them empty.
func (s *store) recreate(ctx context.Context, chain string) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		statements := []string{
			`DROP TABLE IF EXISTS explorer_listing`, `DROP TABLE IF EXISTS explorer_record`,
			`DROP TABLE IF EXISTS explorer_tx`, `DROP TABLE IF EXISTS explorer_meta`, metaTable,
		}
		for _, statement := range append(statements, schema...) {
			if !s.shared {
				// This type alone makes the column SQLite's own row number.
				statement = strings.Replace(statement, "sequence BIGINT PRIMARY KEY", "sequence INTEGER PRIMARY KEY", 1)
			}
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO explorer_meta (one, version, chain, next, tip) VALUES (1, $1, $2, 0, '')`, storeVersion, chain)
		return err
	})
}

// transact runs f in a transaction.
func (s *store) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return rats.Errorf(rats.Internal, "index: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // does nothing once the transaction is committed
	if err := f(tx); err != nil {
		return rats.Errorf(rats.Internal, "index: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return rats.Errorf(rats.Internal, "index: %w", err)
	}
	return nil
}

// apply takes the next batch of events and returns the number of the first that
// it did not take.
func (s *store) apply(ctx context.Context, src EventSource) (next uint64, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		// Whoever writes the row holds it until the transaction ends: two nodes
		// on one database take turns.
		if _, err := tx.ExecContext(ctx, `UPDATE explorer_meta SET next = next WHERE one = 1`); err != nil {
			return err
		}
		var m meta
		if err := tx.QueryRowContext(ctx, selectMeta).Scan(&m.version, &m.chain, &m.next, &m.tip); err != nil {
			return err
		}
		if next = m.next; next >= src.EventCount() {
			return nil
		}
		events, err := eventsFrom(src, next, batch)
		if err != nil {
			return err
		}
		if err := writeRecords(ctx, tx, latest(events), next); err != nil {
			return err
		}
		if err := writeTransactions(ctx, tx, events); err != nil {
			return err
		}
		tip, err := digest(&events[len(events)-1])
		if err != nil {
			return err
		}
		next += uint64(len(events))
		_, err = tx.ExecContext(ctx, `UPDATE explorer_meta SET next = $1, tip = $2 WHERE one = 1`, int64(next), tip) //nolint:gosec // counts events
		return err
	})
	return next, err
}

// eventsFrom asks src for events and makes sure that they are those asked for.
func eventsFrom(src EventSource, from uint64, limit int) ([]record.Event, error) {
	events, err := src.Events(from, limit)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || len(events) > limit {
		return nil, fmt.Errorf("%d events from %d, asked for up to %d", len(events), from, limit)
	}
	for i := range events {
		if want := from + uint64(i); events[i].Sequence != want {
			return nil, fmt.Errorf("event %d where %d was due", events[i].Sequence, want)
		}
	}
	return events, nil
}

// latest returns each record that events touch once, as the last of them left it.
func latest(events []record.Event) []*record.Record {
	at := make(map[record.ID]int, len(events))
	out := make([]*record.Record, 0, len(events))
	for i := range events {
		if events[i].Act != nil {
			continue // it is about the ledger, and about no record
		}
		r := &events[i].Record
		if k, seen := at[r.ID]; seen {
			out[k] = r
			continue
		}
		at[r.ID] = len(out)
		out = append(out, r)
	}
	return out
}

// writeRecords writes rows. Records created by event from or later are new.
func writeRecords(ctx context.Context, tx *sql.Tx, records []*record.Record, from uint64) error {
	upsert, err := tx.PrepareContext(ctx, `INSERT INTO explorer_record
		(sequence, id, tee, fingerprint, mr_signer, signer, status, tier, state, expires, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET mr_signer = excluded.mr_signer, status = excluded.status, tier = excluded.tier,
		state = excluded.state, expires = excluded.expires, body = excluded.body`)
	if err != nil {
		return err
	}
	defer upsert.Close() //nolint:errcheck // the transaction ends it
	list, err := tx.PrepareContext(ctx, `INSERT INTO explorer_listing (record, registrar, url) VALUES ($1, $2, $3)`)
	if err != nil {
		return err
	}
	defer list.Close() //nolint:errcheck // the transaction ends it
	for _, r := range records {
		body, err := record.Marshal(r)
		if err != nil {
			return err
		}
		sequence := int64(r.Sequence) //nolint:gosec // counts events
		if _, err := upsert.ExecContext(ctx, sequence, hex.EncodeToString(r.ID[:]), string(r.TEE),
			hex.EncodeToString(r.Fingerprint), hex.EncodeToString(r.MRSigner), hex.EncodeToString(r.Subject),
			string(r.Status), string(r.Tier), string(r.State), int64(r.Expires), body); err != nil {
			return err
		}
		if r.Sequence < from {
			if _, err := tx.ExecContext(ctx, `DELETE FROM explorer_listing WHERE record = $1`, sequence); err != nil {
				return err
			}
		}
		for i := range r.Listings {
			l := &r.Listings[i]
			if _, err := list.ExecContext(ctx, sequence, hex.EncodeToString(l.Registrar[:]), fold(l.URL)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTransactions notes which transaction made which event.
func writeTransactions(ctx context.Context, tx *sql.Tx, events []record.Event) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO explorer_tx (tx, sequence) VALUES ($1, $2) ON CONFLICT (tx) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close() //nolint:errcheck // the transaction ends it
	for i := range events {
		if events[i].Tx == (record.TxHash{}) || events[i].Act != nil {
			continue // the record changed by itself, or there is none
		}
		if _, err := insert.ExecContext(ctx, events[i].Tx[:], int64(events[i].Sequence)); err != nil { //nolint:gosec // counts events
			return err
		}
	}
	return nil
}

// transaction returns the number of the event that a transaction made, or NotFound.
func (s *store) transaction(ctx context.Context, tx record.TxHash) (uint64, error) {
	var sequence int64
	err := s.db.QueryRowContext(ctx, `SELECT sequence FROM explorer_tx WHERE tx = $1`, tx[:]).Scan(&sequence)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, rats.Errorf(rats.NotFound, "no transaction %s made or changed a record", hex.EncodeToString(tx[:]))
	case err != nil:
		return 0, rats.Errorf(rats.Internal, "index: %w", err)
	}
	return uint64(sequence), nil //nolint:gosec // it was written from one
}

// list runs q and reads the page it selects.
func (s *store) list(ctx context.Context, q *query) (record.Page, error) {
	if q.nothing {
		return record.Page{}, nil
	}
	rows, err := s.db.QueryContext(ctx, q.sql(), q.args...) //nolint:gosec // what callers gave is among the arguments alone
	if err != nil {
		return record.Page{}, rats.Errorf(rats.Internal, "index: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells what matters
	var page record.Page
	for rows.Next() {
		if len(page.Records) == q.limit { // one more than asked for: there is a next page
			page.NextCursor = cursor(q.place, page.Records[q.limit-1].Sequence)
			break
		}
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return record.Page{}, rats.Errorf(rats.Internal, "index: %w", err)
		}
		var r record.Record
		if err := record.Unmarshal(body, &r); err != nil {
			return record.Page{}, rats.Errorf(rats.Internal, "index: %w", errRow)
		}
		page.Records = append(page.Records, r)
	}
	if err := rows.Err(); err != nil {
		return record.Page{}, rats.Errorf(rats.Internal, "index: %w", err)
	}
	return page, nil
}

// digest names an event.
func digest(e *record.Event) (string, error) {
	b, err := record.Marshal(e)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// fold makes URLs compare without regard to case. They are ASCII.
func fold(s string) string { return strings.ToLower(s) }
