// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Config says whom a keeper keeps attested, and where. Fields that may be empty
// say so.
type Config struct {
	Enclave
	// Nodes are of one ledger, and asked in their order: the next one where those
	// before it do not answer, or lack what it takes to decide.
	Nodes []Node
	// Endorsements, if not nil, gives what the evidence needs, which is published
	// before the evidence is submitted. Without it that is left to the nodes.
	Endorsements Endorser
	// Simulated, if not nil, is the root of simulated TEEs, whose word is taken
	// where the ledger says that it is a development network.
	Simulated *rats.TrustRoot
	// Random returns numbers from 0 up to, and without, 1: no two keepers do the
	// same at the same moment. It is safe for concurrent use.
	Random func() float64
	// Log takes what happens, in words; it may not be nil.
	Log *slog.Logger
	// Report, if not nil, is told of each round, by the goroutine that keeps.
	Report func(Report)
}

// Keeper keeps one enclave attested. Run and Once are for one goroutine;
// Standing may be called from any.
type Keeper struct {
	cfg Config

	// What follows belongs to the goroutine that keeps.

	// genesis names the ledger that was met first.
	genesis string
	// evidence is the last that was recorded.
	evidence []byte
	// registrar is the one in whose name the nodes submit, as far as it is known.
	registrar string
	// listings is how many a record may have.
	listings int
	// published are the digests of endorsements that the ledger took or knew.
	published map[[32]byte]bool
	// rests are until when nodes asked not to be looked at, by their names.
	rests map[string]time.Time
	// repeats counts the rounds in a row whose evidence was known already, woken
	// those for which there was no time to wait.
	repeats, woken int
	// forgotten: the ledger did not have the record when it was last looked for, or
	// was founded anew since.
	forgotten bool
	// ends is when KeepFor is over; zero for never.
	ends time.Time

	mu sync.Mutex // guards what follows
	// view is the record as it was last seen, nil before; at is ledger time when
	// this machine's clock said since.
	view     *record.View
	at       record.Millis
	since    time.Time
	success  time.Time
	rounds   map[Outcome]uint64
	failures int
}

// New returns a keeper that has not begun. What cannot be meant is Malformed.
func New(cfg Config) (*Keeper, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if len(cfg.Nodes) == 0 {
		return nil, rats.Errorf(rats.Malformed, "enclave %s: there is no node to attest it to", cfg.Name)
	}
	cfg.Log = cfg.Log.With(slog.String("enclave", cfg.Name))
	return &Keeper{cfg: cfg, published: make(map[[32]byte]bool), rests: make(map[string]time.Time), rounds: make(map[Outcome]uint64)}, nil
}

// Standing returns how the enclave's record stands.
func (k *Keeper) Standing() Standing {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := Standing{Enclave: k.cfg.Name, Success: k.success, Rounds: maps.Clone(k.rounds), Failures: k.failures}
	if k.view != nil {
		out.Record, out.State = k.view.ID, k.stateNow()
		out.Left, out.Valid = k.left(k.view.Expires), k.left(k.view.ValidUntil)
	}
	return out
}

// stateNow derives the state as readers of a record do ([record.Record.StateAt]):
// the view may be older than the time.
func (k *Keeper) stateNow() record.State {
	v := k.view
	switch {
	case v.State != record.Active && v.State != record.Undecided:
		return v.State
	case k.left(v.Expires) <= 0:
		return record.Expired
	case v.State == record.Undecided || k.left(v.ValidUntil) < 0:
		return record.Undecided
	default:
		return record.Active
	}
}

// left returns how long it is until a ledger time.
func (k *Keeper) left(end record.Millis) time.Duration {
	return time.Duration(end-k.at)*time.Millisecond - time.Since(k.since)
}

// see takes in a record at a ledger time.
func (k *Keeper) see(view *record.View, at record.Millis) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.view, k.at, k.since = view, at, time.Now()
}

// seen returns the record as it was last seen, nil before.
func (k *Keeper) seen() *record.View {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.view
}

// count takes in what became of a round.
func (k *Keeper) count(outcome Outcome) (failures int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rounds[outcome]++
	switch outcome {
	case Failed:
		k.failures++
	case Recorded, Known:
		k.failures, k.success = 0, time.Now()
	case Renewed, Ended:
	}
	return k.failures
}

// sameLedger demands that a node is of the ledger that was met first. A
// development network may be founded anew under its keepers.
func (k *Keeper) sameLedger(l *client.Ledger) error {
	anew := k.genesis != l.GenesisHash && l.Network == devNetwork && len(k.cfg.Nodes) == 1
	if k.genesis == "" || anew {
		k.forgotten = k.genesis != ""
		k.genesis = l.GenesisHash
		clear(k.published)
	}
	if k.genesis != l.GenesisHash {
		return rats.Errorf(rats.Internal, "it is of another ledger (%s)", l.ChainID)
	}
	return nil
}

// warn says that something is wrong, and that it went on.
func (k *Keeper) warn(ctx context.Context, what string, err error, more ...slog.Attr) {
	k.cfg.Log.LogAttrs(ctx, slog.LevelWarn, what, append(more, slog.Any("error", err))...) //nolint:sloglint // the words are its callers'
}
