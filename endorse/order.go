// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// hedge is how long a source is waited for before the next is asked as well.
// Intel's service answers within a second.
const hedge = 2 * time.Second

// Named is a source with the name by which people know it.
type Named struct {
	Name   string
	Source Source
	// Held marks a source that has all it has at hand, such as a folder: it is
	// looked at even where those before it have all, since that costs nothing.
	Held bool
}

// OrderConfig says how sources are asked. Fields that may be empty say so.
type OrderConfig struct {
	// Roots are those under which endorsements count; nil stands for the vendors'
	// pinned ones.
	Roots []rats.TrustRoot
	// Evaluation is what the appraisal goes by; where it is a number, TCB info and
	// identities of others do not keep the next source from being asked.
	Evaluation dcap.EvaluationNumber
	// Hedge is how long a source is waited for before the next is asked as well,
	// whatever becomes of the first; 0 stands for two seconds.
	Hedge time.Duration
	// Now is the clock by which [Order.Renew] judges what it was given.
	Now func() time.Time
}

// Order is several sources, in the order in which they are asked. It is a
// [Source], a [Certifier] and a [Renewer], and safe for concurrent use where its
// sources are.
//
// The next source is asked where those before it did not give all that an
// appraisal needs: something is missing, stale, does not verify, or does not
// come within two seconds; and then for everything that is needed, since
// statements of one evaluation belong together. Of what several sources gave the
// freshest valid copy counts: the one that holds at the time of the appraisal
// and was issued last, wherever it came from. Where none holds, the freshest of
// the stale ones is given, so that an appraisal can tell stale from missing.
//
// Nothing is trusted because of where it came from. What does not verify counts
// as not given, and takes nothing away from what others give.
type Order struct {
	sources  []Named
	cfg      OrderConfig
	verifier *attesteer.Verifier
}

// InOrder returns sources as one, in their order.
func InOrder(cfg OrderConfig, sources ...Named) *Order {
	if cfg.Hedge <= 0 {
		cfg.Hedge = hedge
	}
	return &Order{sources: slices.Clone(sources), cfg: cfg, verifier: attesteer.NewVerifier(maxRemembered)}
}

// Answer is what sources gave for an appraisal.
type Answer struct {
	// Items are the endorsements chosen, each with every certificate in hand that
	// vouches for it.
	Items []rats.Endorsement
	// From says of each of them where it came from, once for each statement.
	From []Given
	// Short says what could not be had, and what each source said of it; it is
	// nil where there is something of everything, be it stale.
	Short error
	// Complaints are what was wrong with sources, in their order, also where
	// others helped.
	Complaints []Complaint
	// Standard is the number of the evaluation that the source of the freshest
	// TCB info serves as the standard one, for each TEE; see
	// [attesteer.Endorsements.WithStandard].
	Standard map[rats.TEE]uint32
}

// Given is one statement that was chosen.
type Given struct {
	Info attesteer.EndorsementInfo
	// Source is the name of who gave it, the first of several that gave the same.
	Source string
	// First: Source is the first of those that were asked.
	First bool
	// Stale: it does not hold at the time.
	Stale bool
}

// Complaint is something wrong with a source.
type Complaint struct {
	Source string
	Err    error
}

// Endorsements implements [Source]: the items of an [Answer], with the error
// that says what is short.
func (o *Order) Endorsements(
	ctx context.Context, needs []attesteer.Need, at time.Time,
) ([]rats.Endorsement, error) {
	a := o.Ask(ctx, needs, at)
	return a.Items, a.Short
}

// Ask asks sources for what an appraisal at a time needs.
func (o *Order) Ask(ctx context.Context, needs []attesteer.Need, at time.Time) *Answer {
	t := &tally{order: o, needs: needs, at: at}
	if len(needs) == 0 {
		return t.answer()
	}
	silent := o.each(ctx, func(ctx context.Context, i int) reply {
		items, err := o.sources[i].Source.Endorsements(ctx, needs, at)
		return reply{from: i, items: items, err: err}
	}, func(r reply) bool {
		t.add(r)
		return t.complete()
	})
	t.unheard(silent)
	return t.answer()
}

// PCKCertificates implements [Certifier] by those of the sources that are
// certifiers: the next is asked where those before had no certificate that
// holds. The error says what each of them lacked, where none had any.
func (o *Order) PCKCertificates(
	ctx context.Context, platform dcap.PlatformName, at time.Time,
) ([]rats.Endorsement, error) {
	var out []rats.Endorsement
	var said []string
	seen := make(map[[32]byte]bool)
	holds := false
	silent := o.each(ctx, func(ctx context.Context, i int) reply {
		c, ok := o.sources[i].Source.(Certifier)
		if !ok {
			return reply{from: i}
		}
		items, err := c.PCKCertificates(ctx, platform, at)
		return reply{from: i, items: items, err: err}
	}, func(r reply) bool {
		if r.err != nil {
			said = append(said, words(r.err))
		}
		for _, e := range r.items {
			info, err := o.verifier.CheckEndorsement(e, o.cfg.Roots)
			if err != nil || e.Kind != rats.PCKCertificate || !platform.Certifies(e) || seen[identity(e)] {
				continue
			}
			seen[identity(e)] = true
			out = append(out, e)
			holds = holds || valid(info, at)
		}
		return holds
	})
	if len(out) > 0 {
		return out, nil
	}
	for _, i := range silent {
		said = append(said, words(o.silence(i)))
	}
	if len(said) == 0 {
		said = []string{"no source has the PCK certificate of the platform"}
	}
	return nil, rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(said, "; "))
}

// reply is what one source said.
type reply struct {
	from  int
	items []rats.Endorsement
	err   error
}

// each asks sources in their order until take says that it is enough: the next
// one as soon as one has answered without its being enough, or has been waited
// for long enough. Those that hold what they have are looked at in any case, in
// their turn or at last. take is called by one goroutine, and not after each has
// returned, which tells who was asked and not heard.
func (o *Order) each(ctx context.Context, ask func(context.Context, int) reply, take func(reply) bool) (silent []int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	replies := make(chan reply, len(o.sources)) // nobody may be there to hear the last
	next, running, enough := 0, 0, false
	for !enough && (next < len(o.sources) || running > 0) && ctx.Err() == nil {
		if next < len(o.sources) {
			i := next
			next++
			if o.sources[i].Held {
				enough = take(ask(ctx, i))
				continue
			}
			running++
			silent = append(silent, i)
			go func() { replies <- ask(ctx, i) }()
		}
		if r, ok := o.await(ctx, replies, next < len(o.sources)); ok {
			running--
			silent = slices.DeleteFunc(silent, func(i int) bool { return i == r.from })
			enough = take(r)
		}
	}
	for ; next < len(o.sources); next++ {
		if o.sources[next].Held {
			take(ask(ctx, next))
		}
	}
	return silent
}

// silence says of a source that it was asked and not heard.
func (o *Order) silence(i int) error {
	return rats.Errorf(rats.EndorsementUnavailable, "%s has not answered yet, and was not waited for any longer", o.sources[i].Name)
}

// await returns the next reply. It gives up when ctx ends, and after the hedge
// where there is another source to ask.
func (o *Order) await(ctx context.Context, replies <-chan reply, more bool) (r reply, ok bool) {
	if more {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.cfg.Hedge)
		defer cancel()
	}
	select {
	case r = <-replies:
		return r, true
	case <-ctx.Done():
	}
	select { // what is there at the same time counts
	case r = <-replies:
		return r, true
	default:
		return r, false
	}
}

// Renew implements [Renewer] by those of the sources that are renewers: each is
// asked for what those before it did not renew, and the freshest copy counts.
func (o *Order) Renew(ctx context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error) {
	var now time.Time
	if o.cfg.Now != nil {
		now = o.cfg.Now()
	}
	t := &tally{order: o, keys: keys, at: now}
	for i, s := range o.sources {
		r, ok := s.Source.(Renewer)
		if !ok || len(t.outstanding()) == 0 || ctx.Err() != nil {
			continue
		}
		items, err := r.Renew(ctx, t.outstanding())
		t.add(reply{from: i, items: items, err: err})
	}
	a := t.answer()
	if len(t.outstanding()) == 0 {
		return a.Items, nil
	}
	return a.Items, a.Short
}

// Up says of each service among the sources, by its name, whether it counts as
// up. What is no service is not in it.
func (o *Order) Up() map[string]bool {
	out := make(map[string]bool)
	for _, s := range o.sources {
		if service, ok := s.Source.(interface{ Ups(up map[string]bool) }); ok {
			service.Ups(out)
		}
	}
	return out
}

// Len returns the number of sources.
func (o *Order) Len() int { return len(o.sources) }

// Close ends what services among the sources have under way.
func (o *Order) Close() {
	for _, s := range o.sources {
		if c, ok := s.Source.(interface{ Close() }); ok {
			c.Close()
		}
	}
}
