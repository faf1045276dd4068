// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"log/slog"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// submitFetched submits evidence that was undecided for want of endorsements
// once more, with those that the vendor's service gives. lacks are what went
// along the first time, and err is what came of it.
//
// The vendor is asked for no evidence but such as this: its signatures were
// checked before anybody looked for endorsements, so nobody can have it asked
// for platforms that do not exist.
func (g *Gateway) submitFetched(
	ctx context.Context, needs []attesteer.Need, lacks []rats.Endorsement, s *record.Submission, take taker, err error,
) (*submitted, error) {
	items, short := g.cfg.Vendor.Endorsements(ctx, needs, g.now())
	if short != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "endorsements could not be fetched", attrError(short))
	}
	// What went along before is offered again: it came to nothing with its transaction.
	lacks = g.cfg.Registry.LacksAt(record.MillisOf(g.cfg.Now()), append(items, lacks...))
	var out *submitted
	if len(items) > 0 { // also where nothing is lacking: others may have published it since
		out, err = g.submitWith(ctx, lacks, s, take)
	}
	if undecided(err) && short != nil {
		return nil, withShortage(err, short)
	}
	return out, err
}

// withShortage adds to an undecided verdict what the vendor's service could not
// give, and why.
func withShortage(err, short error) error {
	because := rats.AsError(short)
	var refused *refusedTx
	if !errors.As(err, &refused) {
		return err
	}
	e := *rats.AsError(refused.result.Err)
	if because.Detail != "" {
		e.Detail += "; could not be fetched: " + because.Detail
	}
	result := refused.result
	result.Err = &e
	return &refusedTx{result}
}

// Publish has the ledger take those of items that it lacks, in as few
// transactions as hold them. The error is the first refusal's; what was taken
// besides stays taken.
func (g *Gateway) Publish(ctx context.Context, items []rats.Endorsement) error {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	var first error
	for _, batch := range pack(g.cfg.Registry.LacksAt(record.MillisOf(g.cfg.Now()), items)) {
		if _, err := g.submit(ctx, batch, nil); err != nil && first == nil {
			first = err
		}
	}
	return first
}
