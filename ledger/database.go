// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	dbm "github.com/cometbft/cometbft-db"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

const (
	// filterBits for each key let one in a hundred look-ups of what is not there
	// read the disk.
	filterBits = 10
	// writeBuffer is gathered in memory, and in a journal, before it is sorted into
	// the rest: four times goleveldb's, since what is written are quotes and blocks
	// of them. As much may have to be read again at start.
	writeBuffer = 16 << 20
	// stateCache and blockCache bound what is kept in memory of each database: of the
	// state what tells where its keys are, which each transaction asks for several
	// times, and which takes 32 MiB no more from 60,000 records on; of blocks, which
	// are read once, goleveldb's usual.
	stateCache = 128 << 20
	blockCache = 8 << 20
)

// openDatabase opens a goleveldb in a folder. Most of what a transaction makes
// the ledger look for must not be there: its nonce, its evidence, its record.
func openDatabase(name, dir string, cache int) (*dbm.GoLevelDB, error) {
	return dbm.NewGoLevelDBWithOpts(name, dir, &opt.Options{
		Filter:              filter.NewBloomFilter(filterBits),
		BlockCacheCapacity:  cache,
		WriteBuffer:         writeBuffer,
		CompactionTableSize: writeBuffer / 2,
	})
}
