// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// EventSource is the ledger's past, as far as the index reads it. It is safe
// for concurrent use.
type EventSource interface {
	// Events returns up to limit events in order, the first of them numbered from.
	Events(from uint64, limit int) ([]record.Event, error)
	// EventCount is the number of the next event; it never falls.
	EventCount() uint64
	// ChainID names the ledger.
	ChainID() string
	// Time is ledger time: the states of records are derived at it.
	Time() record.Millis
	// Refresh brings what a record says of the time until which its verdict
	// holds up to the ledger's present data.
	Refresh(r *record.Record) error
}

// IndexConfig says where an index is kept: exactly one field is set.
type IndexConfig struct {
	// Path is a file of the embedded SQLite. It belongs to the index: one that
	// is broken, or no database, is removed and built again.
	Path string
	// DB is an open PostgreSQL database, which several nodes of one ledger may
	// share. The index keeps to tables of its own; Close leaves DB open.
	DB *sql.DB
}

// Index is the search index over the ledger's records. It is safe for
// concurrent use.
type Index struct {
	src  EventSource
	path string // empty when the database is the caller's

	// catching holds one token: who has it may write to the index.
	catching chan struct{}
	// next is the first event that the index may lack. It only rises, but for
	// a rebuild.
	next atomic.Uint64

	// mu guards store against being replaced while it is read.
	mu    sync.RWMutex
	store *store
}

// OpenIndex opens the index, rebuilds it if it belongs to another ledger, to
// another past of this one or to another version of this code, and catches up
// with src. It fails with [rats.Internal] when the place cannot be used.
func OpenIndex(ctx context.Context, cfg IndexConfig, src EventSource) (*Index, error) {
	if (cfg.Path == "") == (cfg.DB == nil) {
		return nil, rats.Errorf(rats.Internal, "index: want either a path or a database")
	}
	x := &Index{src: src, path: cfg.Path, catching: make(chan struct{}, 1)}
	x.store = &store{db: cfg.DB, shared: true}
	if cfg.Path != "" {
		if err := x.openFile(ctx); err != nil {
			return nil, err
		}
	} else if err := x.store.prepare(ctx, src); err != nil {
		return nil, err
	}
	if err := x.CatchUp(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// Close releases the file. A database that was handed in stays open.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.store.shared {
		return nil
	}
	return x.store.close()
}

// CatchUp brings the index up to the events that src holds when it is called.
// What it has taken stays taken when ctx ends before it is done.
func (x *Index) CatchUp(ctx context.Context) error {
	target := x.src.EventCount()
	if x.next.Load() >= target {
		return nil
	}
	select {
	case x.catching <- struct{}{}:
	case <-ctx.Done():
		return rats.Errorf(rats.Internal, "index: %w", ctx.Err())
	}
	defer func() { <-x.catching }()

	err := x.take(ctx, target)
	if corrupt(err) && x.path != "" {
		if err = x.rebuild(ctx); err == nil {
			err = x.take(ctx, target)
		}
	}
	return err
}

// take applies events until target, a batch in each transaction.
func (x *Index) take(ctx context.Context, target uint64) error {
	for x.next.Load() < target {
		next, err := x.current().apply(ctx, x.src)
		if err != nil {
			return err
		}
		x.next.Store(next)
	}
	return nil
}

// List catches up, so that callers find what they have just written, and
// returns the records that match filter, newest first. The state of a record
// is the one at ledger time. A filter that cannot be read is [rats.Malformed].
func (x *Index) List(ctx context.Context, filter record.Filter) (record.Page, error) {
	q, err := compile(filter, x.src.ChainID(), x.src.Time())
	if err != nil {
		return record.Page{}, err
	}
	if err := x.CatchUp(ctx); err != nil {
		return record.Page{}, err
	}
	page, err := read(ctx, x, func(s *store) (record.Page, error) { return s.list(ctx, q) })
	for i := range page.Records {
		if err == nil {
			err = x.src.Refresh(&page.Records[i])
		}
	}
	return page, err
}

// Transaction catches up and returns the event that a transaction made: what it
// did to a record, and how the record stood then. One that made none, or that the
// ledger does not hold, is [rats.NotFound].
func (x *Index) Transaction(ctx context.Context, tx record.TxHash) (record.Event, error) {
	if err := x.CatchUp(ctx); err != nil {
		return record.Event{}, err
	}
	n, err := read(ctx, x, func(s *store) (uint64, error) { return s.transaction(ctx, tx) })
	if err != nil {
		return record.Event{}, err
	}
	events, err := eventsFrom(x.src, n, 1)
	if err != nil {
		return record.Event{}, rats.Errorf(rats.Internal, "index: %w", err)
	}
	return events[0], nil
}

// read asks the store, and once more after a rebuild if the file turns out to be
// broken.
func read[T any](ctx context.Context, x *Index, ask func(*store) (T, error)) (T, error) {
	locked := func() (T, error) {
		x.mu.RLock()
		defer x.mu.RUnlock()
		return ask(x.store)
	}
	out, err := locked()
	if corrupt(err) && x.path != "" {
		if err := x.repair(ctx); err != nil {
			var none T
			return none, err
		}
		out, err = locked()
	}
	return out, err
}

// repair rebuilds a file that was found broken while it was read.
func (x *Index) repair(ctx context.Context) error {
	select {
	case x.catching <- struct{}{}:
	case <-ctx.Done():
		return rats.Errorf(rats.Internal, "index: %w", ctx.Err())
	}
	defer func() { <-x.catching }()
	if err := x.rebuild(ctx); err != nil {
		return err
	}
	return x.take(ctx, x.src.EventCount())
}

func (x *Index) current() *store {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.store
}

// openFile opens the file at x.path and starts again from nothing if it turns
// out to be broken or no database.
func (x *Index) openFile(ctx context.Context) error {
	s, err := openSQLite(x.path)
	if err != nil {
		return err
	}
	x.store = s
	err = s.prepare(ctx, x.src)
	if corrupt(err) {
		return x.rebuild(ctx)
	}
	if err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

// rebuild removes the file and prepares an empty one in its place.
func (x *Index) rebuild(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.store.close(); err != nil && !corrupt(err) {
		return err
	}
	if err := removeSQLite(x.path); err != nil {
		return err
	}
	s, err := openSQLite(x.path)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, x.src); err != nil {
		return errors.Join(err, s.close())
	}
	x.store = s
	x.next.Store(0)
	return nil
}
