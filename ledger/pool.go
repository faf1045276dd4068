// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"errors"

	cmtjson "github.com/cometbft/cometbft/libs/json"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Entered is a transaction that waits for a block, or was refused.
type Entered struct {
	// Refused is what the rules said at once; nil if the transaction waits.
	Refused *registry.TxResult

	node *Node
	tx   []byte
	s    *submission
}

// Enter is the first half of [Node.Submit]: it returns once a transaction waits
// for a block, or is refused. Its error is that of Submit, and means that the
// transaction does not wait. Who entered one need not wait for it: it goes into
// a block all the same.
func (n *Node) Enter(ctx context.Context, tx []byte) (*Entered, error) {
	hash := record.HashTx(tx)
	for {
		s, first, err := n.pending.join(hash, len(tx))
		if err != nil {
			return nil, err
		}
		out := &Entered{node: n, tx: tx, s: s}
		if first {
			n.enter(ctx, tx, hash)
		} else if r := n.registry.CheckAt(record.MillisOf(n.now()), tx); r.Err != nil {
			// Somebody else has it in hand, and it may not be judged yet.
			out.Refused = &r
			return out, nil
		}
		select {
		case <-s.done:
		default:
			return out, nil
		}
		switch {
		case s.err == nil && s.result.Err != nil:
			out.Refused = &s.result
			return out, nil
		case !errors.Is(s.err, errAbandoned):
			return out, s.err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}

// Wait is the second half: it returns what became of the transaction, as Submit
// does.
func (e *Entered) Wait(ctx context.Context) (registry.TxResult, error) {
	select {
	case <-e.s.done:
		if errors.Is(e.s.err, errAbandoned) {
			return e.node.Submit(ctx, e.tx)
		}
		return e.s.result, e.s.err
	case <-ctx.Done():
		return registry.TxResult{}, ctx.Err()
	}
}

// Pending returns transactions that wait for a block, oldest first, as many as
// have room in maxBytes. They belong to the pool.
func (n *Node) Pending(maxBytes int) ([][]byte, error) {
	var out [][]byte
	err := n.read(func() error {
		out = n.engine.Mempool().ReapMaxBytesMaxGas(int64(maxBytes), -1).ToSliceOfBytes()
		return nil
	})
	return out, err
}

// BlockHash returns the hash of a block that the node holds, or [rats.NotFound].
func (n *Node) BlockHash(height uint64) (hash [32]byte, err error) {
	err = n.read(func() error {
		meta := n.engine.BlockStore().LoadBlockMeta(int64(height)) //nolint:gosec // a height beyond has no block
		if meta == nil || len(meta.BlockID.Hash) != len(hash) {
			return rats.Errorf(rats.NotFound, "block %d", height)
		}
		copy(hash[:], meta.BlockID.Hash)
		return nil
	})
	return hash, err
}

// GenesisHash names the chain: SHA-256 of its genesis document as JSON without
// white space, which is the same for however that is laid out in a file.
func (n *Node) GenesisHash() [32]byte { return n.genesis.hash() }

func (g genesis) hash() [32]byte {
	b, err := cmtjson.Marshal(g.doc)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return sha256.Sum256(b)
}
