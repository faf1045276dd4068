// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"log/slog"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Retention says what a node keeps that no state needs. The zero value keeps all
// of it, as archives do: from such a node others can copy every block.
type Retention struct {
	// Blocks is how old a block may get; zero keeps all.
	Blocks time.Duration
	// Evidence is how long evidence outlives the record that rests on it, or the
	// newer evidence that took its place; zero keeps all.
	Evidence time.Duration
}

const (
	// minBlocks are kept however old they are: proofs are made of recent ones.
	minBlocks = 1000
	// pruneStep bounds the blocks, and the events, that are looked at when a
	// block is committed.
	pruneStep = 500
)

// blocksKept is what a retention needs of CometBFT's blocks.
type blocksKept interface {
	Base() int64
	LoadBlockMeta(height int64) *types.BlockMeta
}

// retention prunes, a little with each block. It is told of blocks by the one
// who commits them.
type retention struct {
	plan     Retention
	registry *registry.Registry
	blocks   blocksKept
	log      *slog.Logger
	// minBlocks is the constant but in tests.
	minBlocks int64
	// oldest returns the height of the oldest snapshot, zero for none: nodes that
	// join from it need the blocks since.
	oldest func() uint64
	// noted has the changes of validators below a height kept elsewhere, before
	// the blocks that show them go.
	noted func(height int64) error
}

// height returns the first block that is kept; zero says that all are. now is
// the time of the newest, at height newest.
func (r *retention) height(newest int64) int64 {
	base := r.blocks.Base()
	last := r.blocks.LoadBlockMeta(newest)
	if r.plan.Blocks <= 0 || base == 0 || last == nil {
		return 0
	}
	end := min(newest-r.minBlocks, base+pruneStep)
	if s := r.oldest(); s != 0 {
		end = min(end, int64(s)) //nolint:gosec // heights come from CometBFT
	}
	before := last.Header.Time.Add(-r.plan.Blocks)
	keep := base
	for keep < end {
		meta := r.blocks.LoadBlockMeta(keep)
		if meta == nil || !meta.Header.Time.Before(before) {
			break
		}
		keep++
	}
	if keep == base {
		return 0
	}
	if err := r.noted(keep); err != nil {
		r.log.Error("blocks are kept beyond their age", slog.Any("error", err))
		return 0
	}
	return keep
}

// evidence removes evidence that is old enough at a ledger time.
func (r *retention) evidence(now record.Millis) {
	if r.plan.Evidence <= 0 {
		return
	}
	if _, err := r.registry.PruneEvidence(now-record.Millis(r.plan.Evidence.Milliseconds()), pruneStep); err != nil {
		r.log.Error("evidence is kept beyond its age", slog.Any("error", err))
	}
}
