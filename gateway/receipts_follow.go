// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// followEvery is how long a transaction is left alone that could not enter the
// pool, or of which the pool does not say what became of it.
const followEvery = time.Second

// follow waits until it is known what became of a transaction, or the gateway
// ends. wait is nil for one that is not in the pool yet.
func (b *receipts) follow(r *receipt, wait Outcome) {
	for {
		if wait != nil {
			// A transaction that no block took in its time never will be.
			ctx, cancel := context.WithTimeout(b.life, txLife+time.Minute)
			result, err := wait(ctx)
			cancel()
			if err == nil && b.decided(r, result) {
				return
			}
		}
		var done bool
		if wait, done = b.again(r); done {
			return
		}
		if wait != nil {
			continue
		}
		select {
		case <-b.life.Done():
			return
		case <-time.After(followEvery):
		}
	}
}

// decided keeps what a block, or the rules, said about a transaction, and reports
// whether it did.
func (b *receipts) decided(r *receipt, result registry.TxResult) bool {
	s := &submitted{tx: r.raw, result: result}
	var recorded *client.Recorded
	var err error
	if result.Err != nil {
		err = &refusedTx{result}
	} else if recorded, err = b.g.recorded(s); err != nil {
		_ = b.g.fault(b.life, err)
		return false
	}
	b.g.logSubmission(b.life, s, err)
	b.g.meterSubmission(r.began, s, err)
	if err != nil {
		b.settle(r, nil, problemOf(err))
	} else {
		b.settle(r, recorded, nil)
	}
	return true
}

// again sees what the ledger knows of a transaction by now, and else has it enter
// the pool again. Done says that it is known what became of it, or that the
// gateway ends.
func (b *receipts) again(r *receipt) (wait Outcome, done bool) {
	if b.life.Err() != nil || b.onLedger(r) {
		return nil, true
	}
	ctx, cancel := context.WithTimeout(b.life, submitTimeout)
	defer cancel()
	wait, refused, err := b.g.cfg.Pool.Enter(ctx, r.raw)
	if err != nil {
		return nil, b.life.Err() != nil
	}
	if refused == nil {
		return wait, false
	}
	// It may have been decided meanwhile: then its own nonce is what speaks against it.
	if b.onLedger(r) {
		return nil, true
	}
	result := *refused
	switch result.Err.Kind {
	case rats.QuotaExceeded, rats.Internal:
		return nil, false // that is no word about the transaction
	case rats.Expired:
		// By this node's clock. Until ledger time is past it, another's block may take it.
		if b.g.cfg.Registry.Time() <= r.notAfter {
			return nil, false
		}
		result.Err = rats.Errorf(rats.Expired, "no block took the transaction in its time: submit the evidence again")
	default:
	}
	return nil, b.decided(r, result)
}

// onLedger settles a transaction that made a record, if the ledger holds it.
func (b *receipts) onLedger(r *receipt) bool {
	recorded, err := b.g.recordedAs(b.life, r.tx)
	if err != nil {
		return false
	}
	b.settle(r, recorded, nil)
	return true
}

// recordedAs returns what a transaction recorded, as the ledger remembers it:
// without the verdict's checks.
func (g *Gateway) recordedAs(ctx context.Context, tx record.TxHash) (*client.Recorded, error) {
	if g.cfg.Transactions == nil {
		return nil, rats.Errorf(rats.NotFound, "this node does not remember transactions")
	}
	e, err := g.cfg.Transactions.Transaction(ctx, tx)
	if err != nil {
		return nil, err
	}
	return &client.Recorded{
		Record: e.Record.View(e.Time), Tx: hex.EncodeToString(tx[:]), Height: e.Height,
	}, nil
}
