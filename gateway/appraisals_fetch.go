// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// An appraisal that the ledger's endorsements leave undecided is made once more
// with what the node's sources have. They are asked for genuine evidence alone,
// as a submission's are, and nothing is published: what an appraisal costs is
// nobody's but the node's.

const (
	// fetchedFor is for how long it is remembered what sources gave, and lackedFor
	// that they lacked something: who asks again meanwhile is answered at once.
	fetchedFor = 30 * time.Second
	lackedFor  = 5 * time.Second
	// fetchTimeout bounds how long sources are waited for.
	fetchTimeout = 15 * time.Second
	// maxFetches bounds the needs that are remembered.
	maxFetches = 256
)

// fetches asks sources for the endorsements of appraisals, once for all who need
// the same at the same time.
type fetches struct {
	now func() time.Time

	mu  sync.Mutex // guards all
	all map[string]*fetch
}

// fetch is one question. What follows done is set once that is closed.
type fetch struct {
	done  chan struct{}
	items []rats.Endorsement
	// short names what could not be had, and why.
	short error
	until time.Time

	mu sync.Mutex // guards what follows
	// parsed are items beside the ledger's entries.
	entries []record.EndorsementEntry
	parsed  *attesteer.Endorsements
}

func newFetches(now func() time.Time) *fetches {
	return &fetches{now: now, all: make(map[string]*fetch)}
}

// get returns what ask gave, or gives, for needs of a name.
func (f *fetches) get(ctx context.Context, name string, ask func(context.Context) ([]rats.Endorsement, error)) (*fetch, error) {
	f.mu.Lock()
	q, ok := f.all[name]
	if !ok || q.over(f.now()) {
		q = &fetch{done: make(chan struct{})}
		if len(f.all) >= maxFetches {
			clear(f.all) // those at work end without it
		}
		f.all[name] = q
		// It ends when its sources answer, or do not, whoever waits for it.
		go q.run(context.WithoutCancel(ctx), f.now, ask)
	}
	f.mu.Unlock()
	select {
	case <-q.done:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// over reports whether an answer is too old.
func (q *fetch) over(now time.Time) bool {
	select {
	case <-q.done:
		return !now.Before(q.until)
	default:
		return false
	}
}

func (q *fetch) run(ctx context.Context, now func() time.Time, ask func(context.Context) ([]rats.Endorsement, error)) {
	defer close(q.done)
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	q.items, q.short = ask(ctx)
	q.until = now().Add(fetchedFor)
	if q.short != nil {
		q.until = now().Add(lackedFor)
	}
}

// fetchFor asks the node's sources for what the appraisal of evidence needs.
func (g *Gateway) fetchFor(ctx context.Context, raw []byte) (*fetch, error) {
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: raw})
	if err != nil || len(needs) == 0 {
		return &fetch{}, err
	}
	return g.fetches.get(ctx, fmt.Sprintf("%v", needs), func(ctx context.Context) (items []rats.Endorsement, short error) {
		for _, source := range []Source{g.cfg.Source, g.cfg.Vendor} {
			if source == nil {
				continue
			}
			var got []rats.Endorsement
			// What the last one lacks is what could not be had.
			got, short = source.Endorsements(ctx, needs, g.now())
			items = append(items, got...)
			if short != nil {
				g.log.LogAttrs(ctx, slog.LevelWarn, "endorsements could not be had", attrError(short))
			}
		}
		// What does not verify counts for nothing, as on the ledger.
		return g.cfg.Registry.LacksAt(record.MillisOf(g.cfg.Now()), items), short
	})
}

// beside returns what was fetched along with what the ledger holds.
func (q *fetch) beside(a *appraiser) (*attesteer.Endorsements, error) {
	entries := a.registry.Endorsements()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.parsed != nil && slices.Equal(entries, q.entries) {
		return q.parsed, nil
	}
	items, err := a.items(entries)
	if err != nil {
		return nil, err
	}
	parsed, err := attesteer.ParseEndorsements(append(items, q.items...)...)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "endorsements that were fetched: %w", err)
	}
	q.entries, q.parsed = entries, parsed
	return parsed, nil
}

// withLack adds to an undecided result what could not be fetched, and why, where
// it says what it lacks.
func withLack(r *attesteer.Result, short error) *attesteer.Result {
	out := *r
	out.Checks = slices.Clone(r.Checks)
	for i := range out.Checks {
		if c := &out.Checks[i]; c.Outcome == rats.Undecided {
			c.Detail += "; could not be fetched: " + rats.AsError(short).Detail
			break
		}
	}
	return &out
}
