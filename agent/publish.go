// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// maxPublished bounds what a keeper remembers of endorsements; one platform needs
// some ten a month.
const maxPublished = 1000

// publish has endorsements published that the ledger is not known to hold, and
// returns how many it took. What it refuses is said: whether it can decide
// without, it will say of the evidence. An error says that no node answered.
func (k *Keeper) publish(ctx context.Context, node Node, items []rats.Endorsement) (taken int, err error) {
	fresh := make([]rats.Endorsement, 0, len(items))
	for _, e := range items {
		if !k.published[e.Digest()] {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	pushed, err := node.PushEndorsements(ctx, fresh)
	var refused *client.Refusal
	switch {
	case errors.As(err, &refused) && !elsewhere(err):
		k.warn(ctx, "the node took no endorsements", err, slog.String("node", node.Name))
		return 0, nil
	case err != nil:
		return 0, err
	}
	if len(k.published) > maxPublished {
		clear(k.published)
	}
	refusals := make(map[string]bool, len(pushed.Refused))
	for _, r := range pushed.Refused {
		refusals[r.SHA256] = r.Kind == rats.QuotaExceeded
		k.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the ledger did not take an endorsement",
			slog.String("sha256", r.SHA256), slog.String("kind", r.Kind.String()), slog.String("detail", r.Detail))
	}
	for _, e := range fresh {
		digest := e.Digest()
		if again := refusals[hex.EncodeToString(digest[:])]; !again {
			k.published[digest] = true
		}
	}
	return len(pushed.Taken), nil
}

// renew publishes what the owner's sources have by now for the last evidence, and
// looks at the record again. It returns what was taken.
func (k *Keeper) renew(ctx context.Context) (taken int, node string, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	for _, n := range k.cfg.Nodes {
		if taken, err = k.renewThrough(ctx, n); err == nil || !elsewhere(err) || ctx.Err() != nil {
			return taken, n.Name, err
		}
	}
	return 0, "", err
}

func (k *Keeper) renewThrough(ctx context.Context, node Node) (taken int, err error) {
	ledger, err := node.Ledger.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	if err := k.sameLedger(ledger); err != nil {
		return 0, &away{err}
	}
	by := k.ask(ctx, k.evidence, ledger.Time.Time())
	if taken, err = k.publish(ctx, node, by.items); err != nil {
		return taken, err
	}
	view, err := node.Get(ctx, k.seen().ID)
	if err == nil {
		k.see(view, ledger.Time)
	}
	return taken, err
}
