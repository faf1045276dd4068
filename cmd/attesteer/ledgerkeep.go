// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/ledger"
)

// Defaults of what a node keeps.
const (
	keepAge       = 30 * 24 * time.Hour
	snapshotEvery = time.Hour
	snapshotKeep  = 2
)

// keepFlags say what of the past a node keeps, and for whom.
type keepFlags struct {
	archive       bool
	blocks        time.Duration
	evidence      time.Duration
	snapshotEvery time.Duration
	snapshotKeep  int
}

func (f *keepFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.archive, "archive", false, "keep all blocks and all evidence, whatever their age")
	fl.DurationVar(&f.blocks, "keep-blocks", keepAge, "how old a block may get; 0 keeps all")
	fl.DurationVar(&f.evidence, "keep-evidence", keepAge, "how long evidence is kept after its record ended or got newer; 0 keeps all")
	fl.DurationVar(&f.snapshotEvery, "snapshot-every", snapshotEvery, "ledger time between two snapshots for nodes that join; 0 takes none")
	fl.IntVar(&f.snapshotKeep, "snapshot-keep", snapshotKeep, "how many snapshots are kept")
}

func (f keepFlags) check() error {
	switch {
	case f.blocks < 0 || f.evidence < 0:
		return usagef("--keep-blocks and --keep-evidence are ages, 0 for all")
	case f.snapshotEvery < 0 || f.snapshotKeep < 1:
		return usagef("--snapshot-every is a time and --snapshot-keep at least 1")
	default:
		return nil
	}
}

// apply sets what of the past the ledger keeps. A node that nobody can reach
// takes no snapshots for others.
func (f keepFlags) apply(cfg *ledger.Config) {
	if !f.archive {
		cfg.Retention = ledger.Retention{Blocks: f.blocks, Evidence: f.evidence}
	}
	if cfg.Peering.Listen != "" || len(cfg.Peering.Peers) > 0 {
		cfg.Snapshots = ledger.Snapshots{Every: f.snapshotEvery, Keep: f.snapshotKeep}
	}
}
