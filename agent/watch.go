// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// watch follows the events of one record, by one node after the other, in a
// goroutine of its own.
type watch struct {
	id string
	// changed has something in it when the record may have changed.
	changed chan struct{}
	cancel  context.CancelFunc
	ended   sync.WaitGroup
}

// follow begins to follow the record that the keeper keeps by now, and ends what
// went before where that is another.
func (k *Keeper) follow(ctx context.Context, w *watch) *watch {
	view := k.seen()
	if view == nil || w != nil && w.id == view.ID {
		return w
	}
	w.stop()
	out := &watch{id: view.ID, changed: make(chan struct{}, 1)}
	ctx, out.cancel = context.WithCancel(ctx)
	out.ended.Go(func() { k.watching(ctx, out) })
	return out
}

// stop ends the watch, and waits for its end; a nil watch has none.
func (w *watch) stop() {
	if w != nil {
		w.cancel()
		w.ended.Wait()
	}
}

// changes returns where changes are told; nil, which tells of none, for a nil watch.
func (w *watch) changes() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.changed
}

// mark says that the record may have changed.
func (w *watch) mark() {
	select {
	case w.changed <- struct{}{}:
	default: // that was said, and nobody looked since
	}
}

func (k *Keeper) watching(ctx context.Context, w *watch) {
	for failures := 1; ctx.Err() == nil; failures++ {
		var rest time.Duration
		for _, node := range k.cfg.Nodes {
			heard, err := k.events(ctx, node, w)
			if heard {
				failures = 0
			}
			rest = max(rest, retryAfter(err))
		}
		rest += time.Duration(k.cfg.Random() * float64(rest) / 10) // not all at once
		wait(ctx, max(rest, k.pause(max(failures, 1), false)))
	}
}

// events tells of the events of one node, until the stream ends, and returns why
// it did. With several nodes one that is lost twice in a row gives way to the next.
// It reports whether there was a stream with something in it.
func (k *Keeper) events(ctx context.Context, node Node, w *watch) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	losses := 0
	f := client.Follow{
		Filters: url.Values{"id": {w.id}},
		Resumed: func(string) { losses = 0; w.mark() },
	}
	if len(k.cfg.Nodes) > 1 {
		f.Interrupted = func(error, time.Duration) {
			if losses++; losses > 1 {
				cancel()
			}
		}
	}
	for _, err := range node.Events(ctx, f) {
		if err != nil {
			if rats.KindOf(err) == rats.Malformed {
				w.mark() // the ledger is another, which does not have the place that was followed to
			}
			return heard, err // the record is looked at all the same, if less often
		}
		heard = true
		w.mark()
	}
	return heard, nil
}
