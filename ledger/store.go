// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/attesteer/attesteer/registry"
)

// registryDB names the database of the registry's state, beside those of CometBFT.
const registryDB = "registry"

// store keeps the registry's state in goleveldb, the database that CometBFT uses.
type store struct{ db *dbm.GoLevelDB }

var _ registry.Streamer = (*store)(nil)

// openStore opens the registry's database in a folder.
func openStore(dir string) (*store, error) {
	db, err := openDatabase(registryDB, dir, stateCache)
	if err != nil {
		return nil, fmt.Errorf("registry database: %w", err)
	}
	return &store{db: db}, nil
}

// Get returns the value of key, or nil.
func (s *store) Get(key []byte) ([]byte, error) {
	v, err := s.db.Get(key)
	if err != nil {
		return nil, fmt.Errorf("registry database: get: %w", err)
	}
	return v, nil
}

// Scan calls fn for every key from start up to, and without, end, in order. A
// nil end has no bound. What fn gets it must not keep.
func (s *store) Scan(start, end []byte, fn func(key, value []byte) error) error {
	it, err := s.db.Iterator(start, end)
	if err != nil {
		return fmt.Errorf("registry database: scan: %w", err)
	}
	defer it.Close() //nolint:errcheck // reading only: it.Error says what went wrong
	for ; it.Valid(); it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("registry database: scan: %w", err)
	}
	return nil
}

// Stream implements [registry.Streamer]: what it reads drives nothing out of the
// cache, and is not allocated for it.
func (s *store) Stream(start, end []byte, fn func(key, value []byte) error) error {
	it := s.db.DB().NewIterator(&util.Range{Start: start, Limit: end}, once())
	defer it.Release()
	for it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("registry database: stream: %w", err)
	}
	return nil
}

// once is for reading what need not be at hand afterwards.
func once() *opt.ReadOptions { return &opt.ReadOptions{DontFillCache: true} }

// Write makes all changes or none. It leaves to the system when they reach the
// disk: a process that is killed loses nothing, and what a power cut takes off
// the end CometBFT replays, since each block is on disk before it is applied.
func (s *store) Write(changes []registry.Write) error {
	size := 0
	for _, c := range changes {
		size += writeOverhead + len(c.Key) + len(c.Value)
	}
	// A batch that grows is copied for each few hundred bytes once it is large.
	batch := leveldb.MakeBatch(size)
	for _, c := range changes {
		if c.Value == nil {
			batch.Delete(c.Key)
		} else {
			batch.Put(c.Key, c.Value)
		}
	}
	if err := s.db.DB().Write(batch, nil); err != nil {
		return fmt.Errorf("registry database: write: %w", err)
	}
	return nil
}

// writeOverhead bounds what a batch takes for a change beside key and value: its
// kind and two lengths.
const writeOverhead = 1 + 2*binary.MaxVarintLen32

// view returns the store as it stands now, whatever is written from here on. It
// holds disk space until it is released.
func (s *store) view() (*view, error) {
	snap, err := s.db.DB().GetSnapshot()
	if err != nil {
		return nil, fmt.Errorf("registry database: view: %w", err)
	}
	return &view{
		release: snap.Release,
		get: func(key []byte) ([]byte, error) {
			if has, err := snap.Has(key, nil); err != nil || !has {
				return nil, err
			}
			return snap.Get(key, nil)
		},
		iterate: func() iterator { return snap.NewIterator(nil, once()) },
	}, nil
}

// view is a moment of a store.
type view struct {
	release func()
	get     func(key []byte) ([]byte, error)
	iterate func() iterator
}

// iterator is what goleveldb's give, as far as views use it.
type iterator interface {
	Seek(key []byte) bool
	Next() bool
	Key() []byte
	Value() []byte
	Error() error
	Release()
}

var _ registry.View = (*view)(nil)

// Get implements [registry.View].
func (v *view) Get(key []byte) ([]byte, error) {
	b, err := v.get(key)
	if err != nil {
		return nil, fmt.Errorf("registry database: view: get: %w", err)
	}
	return b, nil
}

// Scan implements [registry.View].
func (v *view) Scan(start, end []byte, fn func(key, value []byte) error) error {
	it := v.iterate()
	defer it.Release()
	for ok := it.Seek(start); ok && (end == nil || bytes.Compare(it.Key(), end) < 0); ok = it.Next() {
		if err := fn(bytes.Clone(it.Key()), bytes.Clone(it.Value())); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("registry database: view: scan: %w", err)
	}
	return nil
}

// Close closes the database.
func (s *store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("registry database: close: %w", err)
	}
	return nil
}
