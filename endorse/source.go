// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"errors"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Source is a place that endorsements come from.
type Source interface {
	// Endorsements returns what the source holds for needs. An answer may
	// contain more than one endorsement for a need, and stale ones: whoever
	// appraises chooses among those valid at the time, and tells stale ones
	// from missing ones. Having nothing is an empty answer, not an error.
	//
	// at is the time of the appraisal, for sources that can ask for what was,
	// or will be, valid then.
	Endorsements(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error)
}

// Join returns a source that answers with everything that its sources answer,
// in their order and each endorsement once.
//
// A source that fails does not stop the others: its error is returned, joined
// with theirs, only when nothing at all came.
func Join(sources ...Source) Source { return joined(sources) }

type joined []Source

func (j joined) Endorsements(
	ctx context.Context, needs []attesteer.Need, at time.Time,
) ([]rats.Endorsement, error) {
	var out []rats.Endorsement
	var errs []error
	seen := make(map[[32]byte]bool)
	for _, source := range j {
		items, err := source.Endorsements(ctx, needs, at)
		if err != nil {
			errs = append(errs, err)
		}
		for _, item := range items {
			if id := identity(item); !seen[id] {
				seen[id] = true
				out = append(out, item)
			}
		}
	}
	if len(out) == 0 && len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}
