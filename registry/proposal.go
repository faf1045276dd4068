// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

const (
	// heartbeat is the age in milliseconds at which ledger time is renewed
	// though nothing happens.
	heartbeat = 25_000
	// maxAhead is how far, in milliseconds, a proposer's time may be ahead of
	// the clock of whoever judges it.
	maxAhead = 5_000
	// txOverhead is more than what a block adds to each transaction's length.
	txOverhead = 8
)

// nextTime is the ledger time that a proposer whose own clock shows now gives
// to the block after last.
func nextTime(last record.LedgerTime, now record.Millis) record.Millis {
	return max(now+record.Millis(last.ClockOffset), last.Time+1)
}

// Propose returns the transactions of a block to propose: the block's ledger
// time, then as many of txs as fit into maxBytes. It returns none when there is
// no reason for a block: nothing happened, ledger time is not old, and no record
// waits to be changed or judged again. now is the proposer's own clock.
func (r *Registry) Propose(now record.Millis, txs [][]byte, misbehaviour bool, maxBytes int64) [][]byte {
	last := r.committed().time
	at := nextTime(last, now)
	if len(txs) == 0 && !misbehaviour && at-last.Time < heartbeat && !r.pending(at) {
		return nil
	}
	tick, err := record.NewTick(at)
	if err != nil {
		return nil // cannot be: a tick is two numbers
	}
	out := [][]byte{tick}
	size := int64(len(tick) + txOverhead)
	for _, tx := range txs {
		if size += int64(len(tx) + txOverhead); size > maxBytes {
			break
		}
		out = append(out, tx)
	}
	return out
}

// Judge says whether a proposed block keeps the rules of ledger time. A time is
// never refused for its age: the same block may be judged again later, and an
// answer may turn from no to yes but never back. now is the judge's own clock,
// own says that the proposal is the judge's own.
func (r *Registry) Judge(now record.Millis, txs [][]byte, misbehaviour, own bool) error {
	if len(txs) == 0 {
		if misbehaviour {
			return rats.Errorf(rats.Malformed, "a block with misbehaviour lacks its ledger time")
		}
		return nil
	}
	var at record.Millis
	for i, raw := range txs {
		o, err := record.Open(raw)
		isTick := err == nil && o.Kind == record.KindTime
		switch {
		case i == 0 && !isTick:
			return rats.Errorf(rats.Malformed, "the block does not begin with its ledger time")
		case i > 0 && isTick:
			return rats.Errorf(rats.Malformed, "the block has more than one ledger time")
		case i == 0:
			at = o.Tick.Time
		}
	}
	last := r.committed().time
	switch {
	case at <= last.Time:
		return rats.Errorf(rats.Malformed, "the block's ledger time is not later than the last")
	case own || at == last.Time+1:
		return nil
	case at > now+record.Millis(last.ClockOffset)+maxAhead:
		return rats.Errorf(rats.Malformed, "the block's ledger time is %d ms ahead", at-now-record.Millis(last.ClockOffset))
	default:
		return nil
	}
}
