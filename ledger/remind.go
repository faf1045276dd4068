// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"time"

	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/p2p"
	protomem "github.com/cometbft/cometbft/proto/tendermint/mempool"
	"github.com/cometbft/cometbft/types"
)

const (
	// remindEvery is how long a transaction waits until peers are told of it again.
	remindEvery = 3 * time.Second
	// maxReminded bounds the transactions that one round tells of.
	maxReminded = 50
)

// reminder tells peers again of transactions that wait for long. CometBFT tells
// each peer once; one that is a block behind at that moment may refuse what rests
// on that block, and when all do, a transaction that was submitted to a full node
// would wait there for ever. Peers that have it already drop it unread.
type reminder struct {
	waiting func(max int) types.Txs
	tell    func(tx types.Tx)
	// before are those that waited when the last round was.
	before map[types.TxKey]bool
}

// round tells of the oldest transactions that waited in the last round already.
func (r *reminder) round() {
	now := map[types.TxKey]bool{}
	for _, tx := range r.waiting(maxReminded) {
		key := tx.Key()
		if now[key] = true; r.before[key] {
			r.tell(tx)
		}
	}
	r.before = now
}

// remind tells peers of waiting transactions until the function that it returns
// is called.
func (e *engine) remind() (stop func()) {
	r := reminder{waiting: e.Mempool().ReapMaxTxs, tell: func(tx types.Tx) {
		for _, peer := range e.Switch().Peers().List() {
			peer.TrySend(p2p.Envelope{ChannelID: mempool.MempoolChannel, Message: &protomem.Txs{Txs: [][]byte{tx}}})
		}
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(remindEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.round()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
