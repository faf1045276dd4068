// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

const (
	// round is how often a refresher looks what is due.
	round = time.Minute
	// perRound bounds what one look asks for; the rest waits for the next.
	perRound = 32
	// roundTimeout bounds what one look takes.
	roundTimeout = 2 * time.Minute
	// firstRetry is the wait after a try that brought nothing newer for what is
	// due; it doubles up to renewAfter.
	firstRetry = 10 * time.Minute
)

// Renewer gives what may replace the endorsements under keys. [Order] is one.
type Renewer interface {
	Renew(ctx context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error)
}

// Shelf is where endorsements are kept for all to appraise by, such as a
// ledger. It is safe for concurrent use.
type Shelf interface {
	// Held returns what stands there.
	Held() []attesteer.EndorsementInfo
	// Publish puts endorsements there.
	Publish(ctx context.Context, items []rats.Endorsement) error
}

// Refresher renews what a [Shelf] holds before it ends, so that no appraisal
// has to wait for it and no record becomes undecided for want of it.
//
// What a shelf holds is what its evidence needed. Each endorsement is replaced
// once two thirds of its life have passed, or up to a tenth of its life earlier:
// many nodes that keep one shelf differ in that, and the first of them spares
// the others the work. Besides, once a day each is asked for, for what comes
// without notice: a new TCB evaluation, a new revocation list. A newer copy of
// what still holds for long is not published, since it says nothing new.
type Refresher struct {
	// Source and Shelf are what it works on.
	Source Renewer
	Shelf  Shelf
	// Now is the clock by which the shelf's endorsements hold, Random returns
	// numbers of [0, 1).
	Now    func() time.Time
	Random func() float64
	// Report is told of each round in which something was due: what was
	// published, and what went wrong. It may be nil.
	Report func(published []rats.Endorsement, err error)

	plans map[rats.EndorsementKey]*plan
	// wait is for tests; nil waits in earnest.
	wait func(context.Context, time.Duration) error
}

// plan is when an endorsement is to be renewed.
type plan struct {
	issued time.Time
	// due is when it is replaced by any that is newer.
	due time.Time
	// ask is when its source is asked next.
	ask time.Time
	// retry is the wait after the next try that brings nothing.
	retry time.Duration
}

// Run renews until ctx ends, which is no error of its.
func (r *Refresher) Run(ctx context.Context) {
	wait := r.wait
	if wait == nil {
		wait = waitFor
	}
	for wait(ctx, round) == nil {
		r.Round(ctx)
	}
}

// Round does once what Run does each minute: it renews what is due now.
func (r *Refresher) Round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	now := r.Now()
	held := r.Shelf.Held()
	keys := r.due(held, now)
	if len(keys) == 0 {
		return
	}
	items, err := r.Source.Renew(ctx, keys)
	fresh := r.worth(items, held, now)
	if len(fresh) > 0 {
		if publishing := r.Shelf.Publish(ctx, fresh); publishing != nil {
			fresh, err = nil, publishing
		}
	}
	for _, key := range keys {
		r.plans[key].tried(now)
	}
	if r.Report != nil {
		r.Report(fresh, err)
	}
}

// due returns the keys to ask for now, the most urgent first. It plans for what
// is new on the shelf and forgets what has left it.
func (r *Refresher) due(held []attesteer.EndorsementInfo, now time.Time) []rats.EndorsementKey {
	plans := make(map[rats.EndorsementKey]*plan, len(held))
	var keys []rats.EndorsementKey
	for i := range held {
		info := &held[i]
		if superseded(info, held, now) {
			continue
		}
		p := r.plans[info.Key]
		if p == nil || !p.issued.Equal(info.Issued) {
			p = r.planFor(info, now)
		}
		plans[info.Key] = p
		if !now.Before(p.ask) {
			keys = append(keys, info.Key)
		}
	}
	r.plans = plans
	slices.SortFunc(keys, func(a, b rats.EndorsementKey) int {
		return cmp.Or(plans[a].due.Compare(plans[b].due), compareKeys(a, b))
	})
	return keys[:min(len(keys), perRound)]
}

// superseded reports whether nobody needs the endorsement renewed: it has ended,
// and another one about the same has not; or it ended as long ago as it lived.
func superseded(info *attesteer.EndorsementInfo, held []attesteer.EndorsementInfo, now time.Time) bool {
	if !now.After(info.NextUpdate) {
		return false
	}
	if now.Sub(info.NextUpdate) > info.NextUpdate.Sub(info.Issued) {
		return true
	}
	return slices.ContainsFunc(held, func(o attesteer.EndorsementInfo) bool {
		return o.Key.Kind == info.Key.Kind && o.Key.TEE == info.Key.TEE && o.Key.Scope == info.Key.Scope &&
			!now.After(o.NextUpdate)
	})
}

func (r *Refresher) planFor(info *attesteer.EndorsementInfo, now time.Time) *plan {
	life := info.NextUpdate.Sub(info.Issued)
	early := time.Duration(r.Random() * float64(life) / 10)
	p := &plan{issued: info.Issued, due: info.Issued.Add(life/3*2 - early), retry: firstRetry}
	p.ask = now.Add(renewAfter - time.Duration(r.Random()*float64(renewAfter)/2))
	if p.due.Before(p.ask) {
		p.ask = p.due
	}
	return p
}

// tried plans the next try. What was replaced gets a new plan as soon as the
// shelf shows it.
func (p *plan) tried(now time.Time) {
	p.ask = now.Add(renewAfter)
	if now.Before(p.due) {
		if p.due.Before(p.ask) {
			p.ask = p.due
		}
		return
	}
	p.ask = now.Add(p.retry)
	p.retry = min(2*p.retry, renewAfter)
}

// worth returns what of items the shelf is better with: what it has no like of,
// newer revocation lists, and newer statements where those held are due.
func (r *Refresher) worth(items []rats.Endorsement, held []attesteer.EndorsementInfo, now time.Time) []rats.Endorsement {
	var out []rats.Endorsement
	for _, e := range items {
		statement, err := dcap.Parse(e)
		if err != nil {
			continue // its source has read it: unreachable
		}
		key := statement.Key()
		at := slices.IndexFunc(held, func(o attesteer.EndorsementInfo) bool { return o.Key == key })
		switch {
		case at < 0:
		case !statement.Issued().After(held[at].Issued):
			continue
		case key.Kind == rats.RootCACRL || key.Kind == rats.PCKCRL:
		case r.plans[key] != nil && now.Before(r.plans[key].due):
			continue
		}
		out = append(out, e)
	}
	return out
}

func compareKeys(a, b rats.EndorsementKey) int {
	return cmp.Or(
		strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(string(a.TEE), string(b.TEE)),
		strings.Compare(a.Scope, b.Scope), cmp.Compare(a.EvaluationDataNumber, b.EvaluationDataNumber),
		cmp.Compare(a.Version, b.Version),
	)
}
