// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"sync"

	dbm "github.com/cometbft/cometbft-db"
)

// lateDB is a database of CometBFT that may still be read after it was closed:
// it holds nothing then. When a node stops, CometBFT closes its databases while
// goroutines that it keeps for each peer look into them once more, and panics at
// what a closed database answers.
type lateDB struct {
	dbm.DB

	mu     sync.RWMutex // held for reading while the database is read
	closed bool
}

// reading reports whether the database is open, and keeps it so until done.
func (d *lateDB) reading() (open bool, done func()) {
	d.mu.RLock()
	return !d.closed, d.mu.RUnlock
}

// Get implements [dbm.DB].
func (d *lateDB) Get(key []byte) ([]byte, error) {
	open, done := d.reading()
	defer done()
	if !open {
		return nil, nil
	}
	return d.DB.Get(key)
}

// Has implements [dbm.DB].
func (d *lateDB) Has(key []byte) (bool, error) {
	open, done := d.reading()
	defer done()
	if !open {
		return false, nil
	}
	return d.DB.Has(key)
}

// Iterator implements [dbm.DB].
func (d *lateDB) Iterator(start, end []byte) (dbm.Iterator, error) {
	open, done := d.reading()
	defer done()
	if !open {
		return dbm.NewMemDB().Iterator(start, end)
	}
	return d.DB.Iterator(start, end)
}

// ReverseIterator implements [dbm.DB].
func (d *lateDB) ReverseIterator(start, end []byte) (dbm.Iterator, error) {
	open, done := d.reading()
	defer done()
	if !open {
		return dbm.NewMemDB().ReverseIterator(start, end)
	}
	return d.DB.ReverseIterator(start, end)
}

// Close implements [dbm.DB]. It waits for those who read, and may be called again.
func (d *lateDB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return d.DB.Close()
}
