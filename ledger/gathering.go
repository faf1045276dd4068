// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/cometbft/cometbft/types"
)

// lingering bounds how long a block waits for submitters to come back.
const lingering = 2 * time.Millisecond

// pool is what a gathering needs of CometBFT's pool of waiting transactions.
type pool interface {
	Size() int
	ReapMaxBytesMaxGas(maxBytes, maxGas int64) types.Txs
}

// gathering lets a block wait a moment for those whose transactions the last
// one held. A submitter that does one thing after the other comes back a
// fraction of a millisecond after its block, which is just after CometBFT has
// filled the next; it would then sit out that whole block, and blocks would go
// half empty. Only one goroutine at a time may use it.
type gathering struct {
	pool    pool
	entered bell
	// expected submitters were answered at the time since.
	expected int
	since    time.Time
}

// expect says that a block was committed, and how many submitters it answered.
func (g *gathering) expect(submitters int) { g.expected, g.since = submitters, time.Now() }

// gather returns the transactions of the next block: txs, or once more what
// waits, if others came.
func (g *gathering) gather(txs [][]byte, maxBytes int64) [][]byte {
	left := lingering - time.Since(g.since)
	if g.pool == nil || len(txs) >= g.expected || left <= 0 {
		return txs
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	for g.pool.Size() < g.expected {
		select {
		case <-g.entered:
			continue
		case <-timer.C:
		}
		break
	}
	return g.pool.ReapMaxBytesMaxGas(maxBytes, -1).ToSliceOfBytes()
}

// bell tells one listener that something happened since it last looked.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) tell() {
	select {
	case b <- struct{}{}:
	default:
	}
}
