// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// PusherConfig says what is pushed where. Fields that may be empty say so.
type PusherConfig struct {
	// Node takes what is pushed.
	Node Endorsements
	// Store is where the service keeps what it fetched. It is also the queue: what
	// could not be pushed stands there until it can.
	Store *store.Store
	// Log may be nil.
	Log *slog.Logger
	// Look is how often the pusher looks for something new; zero stands for five
	// seconds.
	Look time.Duration
}

// Pusher publishes on a ledger what a service fetches from elsewhere, so that
// others can fill themselves from there. It works beside the service and holds
// up nobody's answer.
type Pusher struct {
	cfg PusherConfig

	mu       sync.Mutex // guards what follows
	standing PushStanding
	done     map[[32]byte]bool
}

// PushStanding is how a pusher stands.
type PushStanding struct {
	// Pushed counts what the ledger took or knew, Refused what it will not take,
	// Pending what waits for it.
	Pushed, Refused, Pending int
	// Fault says why something waits, empty where nothing does.
	Fault string
	// Generation is that of the store when everything in it was last pushed.
	Generation int64
}

// How a pusher's calls are bounded: a node takes bodies up to a mebibyte, and
// 256 items.
const (
	pushBytes = 400 << 10
	pushItems = 64
	pushLook  = 5 * time.Second
	pushRest  = 5 * time.Minute
)

// NewPusher returns a pusher. Nothing is pushed before [Pusher.Run].
func NewPusher(cfg PusherConfig) *Pusher {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Look == 0 {
		cfg.Look = pushLook
	}
	return &Pusher{cfg: cfg, done: make(map[[32]byte]bool), standing: PushStanding{Generation: -1}}
}

// Standing returns how the pusher stands.
func (p *Pusher) Standing() PushStanding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.standing
}

// Run pushes what is in the store, and then what becomes current there, until
// ctx is done, whose error it returns. While the node does not answer it tries
// again with growing pauses.
func (p *Pusher) Run(ctx context.Context) error {
	pause := p.cfg.Look
	for {
		err := p.Push(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			pause = p.cfg.Look
		default:
			if pause == p.cfg.Look {
				p.cfg.Log.WarnContext(ctx, "endorsements wait for the ledger", slog.String("error", err.Error()))
			}
			pause = min(2*pause, pushRest)
		}
		if err := waitFor(ctx, pause); err != nil {
			return err
		}
	}
}

// Push pushes once what is in the store and was not pushed before. What came
// from a ledger is left out. The error is that of the node or of the store, and
// not of what the ledger refuses: that is in the log, and is not tried again.
func (p *Pusher) Push(ctx context.Context) error {
	generation, err := p.cfg.Store.Generation(ctx)
	if err != nil {
		return storeFault(err)
	}
	if generation == p.Standing().Generation {
		return nil
	}
	keys, err := p.waiting(ctx)
	if err != nil {
		return err
	}
	for len(keys) > 0 {
		items, n, err := p.load(ctx, keys)
		if err == nil {
			err = p.send(ctx, items)
		}
		if err != nil {
			p.note(func(s *PushStanding) { s.Pending, s.Fault = len(keys), rats.AsError(err).Error() })
			return err
		}
		keys = keys[n:]
	}
	p.note(func(s *PushStanding) { s.Pending, s.Fault, s.Generation = 0, "", generation })
	return nil
}

func (p *Pusher) note(change func(*PushStanding)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.standing)
}

// waiting returns the keys of what is to be pushed, lists first.
func (p *Pusher) waiting(ctx context.Context) ([]store.Key, error) {
	all, err := p.cfg.Store.Artefacts(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []store.Key
	now := make(map[[32]byte]bool, len(all))
	for i := range all {
		a := &all[i]
		switch {
		case a.Source == ledgerSource || !onLedgers(a.Kind):
		case p.done[a.Digest]:
			now[a.Digest] = true
		default:
			keys = append(keys, a.Key)
		}
	}
	p.done = now // what is no longer there is forgotten
	groups := inOrder(keys)
	return append(append(groups[0], groups[1]...), groups[2]...), nil
}

// onLedgers reports whether ledgers keep a kind of artefact.
func onLedgers(kind store.Kind) bool {
	switch kind {
	case store.TCBInfo, store.QEIdentity, store.QVEIdentity, store.PCKCRL, store.RootCRL, store.EvaluationNumbers:
		return true
	default:
		return false
	}
}

// load reads as many of the artefacts under keys as one call carries, and
// returns how many keys they stand for.
func (p *Pusher) load(ctx context.Context, keys []store.Key) (items []rats.Endorsement, n int, err error) {
	size := 0
	for ; n < len(keys) && len(items) < pushItems && size < pushBytes; n++ {
		a, err := p.cfg.Store.Artefact(ctx, keys[n])
		if errors.Is(err, rats.NotFound) {
			continue
		}
		if err != nil {
			return nil, 0, storeFault(err)
		}
		if e, ok := endorsementOf(endorsementKind(a.Key, nil), a.Body, a.Chain); ok {
			items = append(items, e)
			size += len(a.Body) + len(a.Chain)
		}
	}
	return items, n, nil
}

// send pushes items in one call. Where the ledger takes none it answers with a
// refusal of the first; which of several it refuses is then asked one by one.
func (p *Pusher) send(ctx context.Context, items []rats.Endorsement) error {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flightBudget)
	defer cancel()
	pushed, err := p.cfg.Node.PushEndorsements(ctx, items)
	switch {
	case err == nil:
	case !refusedForGood(err):
		return ledgerFault(err)
	case len(items) > 1:
		for i := range items {
			if err := p.send(ctx, items[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	default:
		p.cfg.Log.WarnContext(ctx, "the ledger refuses an endorsement", slog.String("kind", string(items[0].Kind)),
			slog.String("error", err.Error()))
		p.finish(items, 1)
		return nil
	}
	for _, r := range pushed.Refused {
		p.cfg.Log.WarnContext(ctx, "the ledger refuses an endorsement", slog.String("sha256", r.SHA256), slog.String("error", r.Detail))
	}
	if n := len(pushed.Taken); n > 0 {
		p.cfg.Log.InfoContext(ctx, "endorsements pushed to the ledger", slog.Int("taken", n), slog.Int("known", len(pushed.Known)))
	}
	p.finish(items, len(pushed.Refused))
	return nil
}

// finish notes what need not be pushed again.
func (p *Pusher) finish(items []rats.Endorsement, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range items {
		p.done[e.Digest()] = true
	}
	p.standing.Refused += refused
	p.standing.Pushed += len(items) - refused
}

// refusedForGood reports whether a node's answer is about what was pushed, and
// would be the same tomorrow.
func refusedForGood(err error) bool {
	var refusal *client.Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.Status {
	case http.StatusUnprocessableEntity, http.StatusFailedDependency, http.StatusBadRequest, http.StatusConflict:
		return true
	default:
		return false
	}
}
