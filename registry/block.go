// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// maxPruned bounds how much of what is over is cleared away in one block.
const maxPruned = 10_000

// Block is a decided block.
type Block struct {
	// Height counts from 1 without gaps.
	Height uint64
	// Hash is the block's own.
	Hash [32]byte
	Txs  [][]byte
	// Misbehaviour is what consensus has evidence of in the block, in its order.
	Misbehaviour []record.Misbehaviour
}

// Outcome is what became of a block.
type Outcome struct {
	// Results stand in the order of the transactions; a time tick has one too.
	Results []TxResult
	// AppHash is the hash of the state after the block.
	AppHash [32]byte
	// Validators are those that the block changes, without power where they go;
	// the change counts two heights later.
	Validators []record.Validator
	// Version is that of the state machine in the next block.
	Version uint64
}

// Apply runs a block on the committed state. Nothing counts until Commit; to
// apply again starts again from the committed state.
//
// A block without a time tick changes nothing of the state that is agreed on,
// so that the empty block which proves a state does not call for another.
func (r *Registry) Apply(b Block) (Outcome, error) {
	st := r.committed()
	if b.Height != st.Height+1 {
		return Outcome{}, rats.Errorf(rats.Internal, "block %d does not follow %d", b.Height, st.Height)
	}
	if err := r.CanApply(b.Height); err != nil {
		return Outcome{}, err
	}
	x := r.newRun(st, b.Height, &usage{})
	x.st.Height = b.Height
	out := Outcome{Results: make([]TxResult, 0, len(b.Txs))}
	ticked := false
	for i, read := range r.ahead(st, b.Txs) {
		o, err := read.opened, read.err
		result := TxResult{Tx: read.hash, Height: b.Height}
		switch {
		case err != nil:
			result.Err = rats.AsError(err)
		case i == 0 && o.Kind == record.KindTime && o.Tick.Time > st.time.Time:
			ticked = true
			if err := x.tick(o.Tick.Time); err != nil {
				return Outcome{}, err
			}
		case !ticked || o.Kind == record.KindTime:
			result.Err = rats.Errorf(rats.Malformed, "the block's ledger time is not where it belongs")
		default:
			result = x.transaction(o)
			if result.Err != nil && result.Err.Kind == rats.Internal {
				// A fault of this machine is no property of the transaction:
				// others, whose disks answer, would reach another state.
				return Outcome{}, result.Err
			}
		}
		out.Results = append(out.Results, result)
	}
	if ticked {
		if err := x.convict(b.Misbehaviour); err != nil {
			return Outcome{}, err
		}
		var err error
		if out.Validators, err = x.govern(); err != nil {
			return Outcome{}, err
		}
		if err := x.age(st.time.Time); err != nil {
			return Outcome{}, err
		}
		if err := x.remember(b); err != nil {
			return Outcome{}, err
		}
	}
	staged, err := seal(x.st, x.w, x.events)
	if err != nil {
		return Outcome{}, err
	}
	r.staged = staged
	out.AppHash, out.Version = x.st.AppHash, x.st.versionAt(b.Height+1)
	return out, nil
}

// tick sets ledger time, begins what begins with the block, and clears away what
// is over by then.
func (x *run) tick(at record.Millis) error {
	x.st.time.Time, x.st.time.Height = at, x.height
	if err := x.activate(); err != nil {
		return err
	}
	if err := x.w.write(record.TimeKey(), x.st.time); err != nil {
		return err
	}
	if err := x.prune(spaceNonceEnd, at, func(rest []byte) []byte { return rest }); err != nil {
		return err
	}
	return x.prune(spaceBlockTime, at-record.Millis(x.st.gov.Parameters.FreshnessWindow), func(rest []byte) []byte {
		return record.BlockKey([32]byte(rest))
	})
}

// errEnough ends a scan.
const errEnough = rats.Internal

// prune removes the entries that an index by time holds from before a time;
// mapKey turns what follows the time into the key of the entry.
func (x *run) prune(space byte, before record.Millis, mapKey func(rest []byte) []byte) error {
	if before <= 0 {
		return nil
	}
	end := binary.BigEndian.AppendUint64([]byte{space}, uint64(before))
	n := 0
	err := x.registry.store.Scan([]byte{space}, end, func(k, _ []byte) error {
		if n++; n > maxPruned {
			return errEnough
		}
		x.w.put(append([]byte{}, k...), nil)
		x.w.put(mapSpace(mapKey(append([]byte{}, k[9:]...))), nil)
		return nil
	})
	if err != nil && n <= maxPruned {
		return storeError(err)
	}
	return nil
}

// remember keeps the block's hash for evidence to be bound to.
func (x *run) remember(b Block) error {
	now := x.st.time.Time
	if err := x.w.write(record.BlockKey(b.Hash), record.BlockEntry{Height: b.Height, Time: now}); err != nil {
		return err
	}
	x.w.put(timeKey(spaceBlockTime, now, b.Hash[:]), []byte{1})
	x.st.Challenge = challenge{Hash: b.Hash, Height: b.Height, Time: now}
	return nil
}
