// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/cometbft/cometbft/mempool"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Submit hands a transaction to the ledger and returns what became of it:
// either it was refused before it entered a block, or its block is committed
// and durable on this node. What the rules refuse is the Err of the result, and
// the error of the call is nil.
//
// The call's own error says that there is no result: the context ended, the
// pool of waiting transactions is full (QuotaExceeded) or the node stopped. A
// transaction whose context ended may be committed all the same; to submit it
// again is safe, since it carries a nonce. Several callers may submit the same
// bytes at once; all get the one result.
func (n *Node) Submit(ctx context.Context, tx []byte) (registry.TxResult, error) {
	hash := record.TxHash(sha256.Sum256(tx))
	for {
		s, first, err := n.pending.join(hash, len(tx))
		if err != nil {
			return registry.TxResult{}, err
		}
		if first {
			n.enter(ctx, tx, hash)
		}
		select {
		case <-s.done:
			if !errors.Is(s.err, errAbandoned) {
				return s.result, s.err
			}
		case <-ctx.Done():
			if first {
				n.pending.abandon(hash) // others who wait take it on
			}
		}
		if err := ctx.Err(); err != nil {
			return registry.TxResult{}, err
		}
	}
}

// enter takes a transaction through CheckTx, on behalf of everybody who waits
// for it, and settles it unless a block will.
func (n *Node) enter(ctx context.Context, tx []byte, hash record.TxHash) {
	waiting := false
	defer func() {
		if !waiting {
			n.pending.abandon(hash) // does nothing to what was settled
		}
	}()
	if n.takesPart(ctx) != nil {
		return
	}
	// More checks at once than cores only take time from the block at work.
	select {
	case n.checks <- struct{}{}:
	case <-ctx.Done():
		return
	}
	err := n.engine.Mempool().CheckTx(tx, nil, mempool.TxInfo{})
	<-n.checks

	var full mempool.ErrMempoolIsFull
	var large mempool.ErrTxTooLarge
	switch {
	case err == nil:
		if waiting = !n.pending.settleRefusal(hash); waiting {
			n.entered.tell()
		}
	case errors.Is(err, mempool.ErrTxInCache):
		// Either it waits for a block already, or it is in one.
		if r := n.registry.CheckAt(record.MillisOf(n.now()), tx); r.Err != nil {
			n.pending.settle(hash, r, nil)
			return
		}
		waiting = true
	case errors.As(err, &large):
		n.pending.settle(hash, registry.TxResult{Tx: hash, Err: rats.Errorf(rats.TooLarge,
			"transaction: %d bytes, at most %d", large.Actual, large.Max)}, nil)
	case errors.As(err, &full):
		n.pending.settle(hash, registry.TxResult{}, errFull())
	default:
		n.pending.settle(hash, registry.TxResult{}, rats.Errorf(rats.Internal, "mempool: %w", err))
	}
}

// takesPartEvery is how often a node that catches up looks whether it has.
const takesPartEvery = 100 * time.Millisecond

// gossipHeight is the height from which CometBFT sends a waiting transaction to
// those peers alone that take part.
const gossipHeight = 2

// takesPart returns once the node knows the newest blocks and the chain has its
// first two. Before, transactions would be checked against an old state, and
// CometBFT would send them to peers that still copy blocks: those drop them, and
// nothing is sent twice.
func (n *Node) takesPart(ctx context.Context) error {
	for n.engine.ConsensusReactor().WaitSync() || n.registry.Height() < gossipHeight {
		next, cancel := context.WithTimeout(ctx, takesPartEvery)
		select {
		case <-n.blocks.change():
		case <-next.Done():
		}
		cancel()
		if err := errors.Join(ctx.Err(), n.pending.over()); err != nil {
			return err
		}
	}
	return nil
}

// errAbandoned tells those who wait for a transaction that whoever took it in
// hand gave up: one of them takes it on.
var errAbandoned = errors.New("abandoned")

func errFull() error {
	return rats.Errorf(rats.QuotaExceeded, "too many transactions wait for a block")
}

// submission is a transaction on its way, whoever waits for it.
type submission struct {
	size int
	// refusal is what CheckTx said, until the pool has forgotten the transaction.
	refusal *registry.TxResult
	// done is closed once result and err are set.
	done   chan struct{}
	result registry.TxResult
	err    error
}

// pending holds the submissions that are not settled.
type pending struct {
	// maxCount and maxBytes stay below the pool's own bounds: CometBFT reports
	// success for what it drops when the pool fills between two of its checks.
	maxCount int
	maxBytes int

	mu sync.Mutex
	// open, bytes and stopped are guarded by mu.
	open    map[record.TxHash]*submission
	bytes   int
	stopped error
}

func newPending(maxCount, maxBytes int) *pending {
	return &pending{maxCount: maxCount, maxBytes: maxBytes, open: map[record.TxHash]*submission{}}
}

// join returns the submission of a transaction; first says that the caller is
// the one to take it through CheckTx.
func (p *pending) join(hash record.TxHash, size int) (s *submission, first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return nil, false, p.stopped
	}
	if s, ok := p.open[hash]; ok {
		return s, false, nil
	}
	if len(p.open) >= p.maxCount || p.bytes+size > p.maxBytes {
		return nil, false, errFull()
	}
	s = &submission{size: size, done: make(chan struct{})}
	p.open[hash] = s
	p.bytes += size
	return s, true, nil
}

// refuse keeps what CheckTx said of a transaction until [pending.settleRefusal]:
// told earlier, a caller could submit it again while the pool still knows it.
func (p *pending) refuse(r registry.TxResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.open[r.Tx]; ok {
		s.refusal = &r
	}
}

// settleRefusal settles a submission that CheckTx refused and reports whether it did.
func (p *pending) settleRefusal(hash record.TxHash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.open[hash]
	if !ok || s.refusal == nil {
		return false
	}
	p.close(hash, s, *s.refusal, nil)
	return true
}

// settle gives a result or an error to all who wait for a transaction, and
// reports whether any submission of it was open.
func (p *pending) settle(hash record.TxHash, r registry.TxResult, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.open[hash]
	if ok {
		p.close(hash, s, r, err)
	}
	return ok
}

func (p *pending) abandon(hash record.TxHash) {
	p.settle(hash, registry.TxResult{}, errAbandoned)
}

// deliver settles what a committed block decided. Of a transaction that stands
// in it twice the first result counts: the second is refused for its nonce. It
// returns how many submissions it settled.
func (p *pending) deliver(results []registry.TxResult) int {
	settled := 0
	for i := range results {
		if p.settle(results[i].Tx, results[i], nil) {
			settled++
		}
	}
	return settled
}

// stop settles everything with err and lets nobody join any more.
func (p *pending) stop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return
	}
	p.stopped = err
	for hash, s := range p.open {
		p.close(hash, s, registry.TxResult{}, err)
	}
}

// over returns why nobody can join any more, or nil.
func (p *pending) over() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// close settles s; the caller holds mu.
func (p *pending) close(hash record.TxHash, s *submission, r registry.TxResult, err error) {
	s.result, s.err = r, err
	delete(p.open, hash)
	p.bytes -= s.size
	close(s.done)
}
