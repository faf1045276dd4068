// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Config says what to start. Home and Network are required. Where the home
// holds a ledger already, ChainID, Clock, Registrars, Parameters and
// SimulatedRoot are those of its genesis, whatever is said here; only a
// different Network or ChainID is an error.
type Config struct {
	// Home is the folder that holds keys, genesis and data.
	Home string
	// Network is dev, test or main.
	Network string
	// ChainID names a new chain, at most 50 bytes; empty stands for the
	// network's name and a random part.
	ChainID string
	// Clock is the ledger time at which a new dev network starts; zero is now.
	Clock time.Time
	// Registrars are admitted by the genesis of a new chain.
	Registrars []record.Registrar
	// Parameters replaces the network's usual ones in a new genesis, if not nil.
	Parameters *registry.Parameters
	// SimulatedRoot is trusted beside the vendors' roots on a new dev network, if not nil.
	SimulatedRoot *rats.TrustRoot
	// Peering is how the node reaches others; see [ReadPeering].
	Peering Peering
	// Snapshots says when the node takes them for others to join from.
	Snapshots Snapshots
	// Retention says what of the past the node keeps.
	Retention Retention
	// Logger gets what an operator should know, and with Debug what the engine
	// says; nil drops it all.
	Logger *slog.Logger
	// Now is the clock from which this node proposes ledger time and judges
	// the proposals of others; nil is the system's. It must not run backwards.
	Now func() time.Time

	// heartbeat and minBlocks replace the constants in tests.
	heartbeat time.Duration
	minBlocks int64
	// signer stands between the validator and its keys in tests, if not nil.
	signer func(types.PrivValidator) types.PrivValidator
	// newest is the last version of the state machine that a rehearsed program
	// knows; zero is this program's.
	newest uint64
}

// Node is a running ledger node.
type Node struct {
	genesis   genesis
	home      *home
	store     *store
	registry  *registry.Registry
	engine    *engine
	pending   *pending
	blocks    *progress
	changes   *changes
	log       *slog.Logger
	now       func() time.Time
	snapshots *snapshots
	joining   *joining
	// checks has room for as many CheckTx calls as run at once.
	checks chan struct{}
	// entered is told of each transaction that now waits for a block.
	entered bell

	// failed is closed when consensus cannot go on; failure is set before.
	failed   chan struct{}
	failure  error
	failOnce sync.Once

	// running is held for reading while CometBFT's databases are read, since
	// those panic once they are closed.
	running sync.RWMutex
	stopped bool

	stopOnce sync.Once
	stopDone chan struct{}
	stopErr  error
}

// finishing bounds how long Stop waits for blocks at work.
const finishing = time.Second

// errStopped is what calls get that a stopping node leaves unanswered.
var errStopped = rats.Errorf(rats.Internal, "the node is stopping")

// Start opens cfg.Home, or makes it, and starts the node. It returns when the
// node takes transactions; blocks that the registry missed, because the process
// ended between two steps, have been replayed by then. Errors about the home
// are *[HomeError].
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Home == "" {
		return nil, errors.New("ledger: no home folder given")
	}
	if err := cfg.Peering.Validate(); err != nil {
		return nil, err
	}
	h, err := openHome(cfg.Home)
	if err != nil {
		return nil, err
	}
	n, err := start(ctx, cfg, h)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	if err := n.join(ctx); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUp)
		defer cancel()
		return nil, errors.Join(err, n.Stop(stopping))
	}
	return n, nil
}

// giveUp bounds the stop of a node that could not join.
const giveUp = 10 * time.Second

// join waits until a node that takes a snapshot from peers has it.
func (n *Node) join(ctx context.Context) error {
	if !n.engine.joins {
		return nil
	}
	n.log.InfoContext(ctx, "looking for a snapshot among peers")
	select {
	case <-n.joining.done:
		return nil
	case <-n.failed:
		return n.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

func start(ctx context.Context, cfg Config, h *home) (*Node, error) {
	g, k, err := h.identity(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.signer != nil {
		k.signer = cfg.signer(k.validator)
	}
	s, err := openStore(h.path(dataPath))
	if err != nil {
		return nil, err
	}
	reg, err := registry.OpenKnowing(s, cmp.Or(cfg.newest, registry.StateVersion))
	if err == nil {
		err = reg.CanApply(reg.Height() + 1)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if reg.ChainID() == "" {
		// What a snapshot left that was not taken to its end.
		if err := reg.Clear(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	known, err := openChanges(s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	kept, err := openSnapshots(h, cfg.Snapshots, s, reg.Time(), cfg.Logger)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	n := &Node{
		genesis: g, home: h, store: s, registry: reg, blocks: newProgress(), changes: known, log: cfg.Logger, now: cfg.Now,
		pending: newPending(maxPending, maxPendingBytes), checks: make(chan struct{}, runtime.NumCPU()),
		entered: newBell(), failed: make(chan struct{}), stopDone: make(chan struct{}),
		snapshots: kept, joining: newJoining(reg, g.doc.ChainID, g.trust, known, cfg.Logger),
	}
	app := &application{
		registry: reg, now: cfg.Now, self: k.validator.GetAddress(),
		pending: n.pending, blocks: n.blocks, log: cfg.Logger, fail: n.fail,
		next: gathering{entered: n.entered}, snapshots: kept, joining: n.joining, firstVersion: g.state.Version,
	}
	app.sayPlanned(ctx)
	if n.engine, err = startEngine(ctx, cfg, h, g, k, app); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	known.meta, known.load = n.engine.BlockStore().LoadBlockMeta, n.block
	below := func(height int64) ([]proof.Block, error) { return known.before(height, n.engine.BlockStore().Base()) }
	kept.begin(below)
	app.retention.Store(&retention{
		plan: cfg.Retention, registry: reg, blocks: n.engine.BlockStore(), log: cfg.Logger,
		minBlocks: cmp.Or(cfg.minBlocks, minBlocks), oldest: kept.oldest,
		noted: func(height int64) error { _, err := below(height); return err },
	})
	go n.watchConsensus()
	return n, nil
}

// identity reads genesis and keys, and makes them first in a new home.
func (h *home) identity(cfg Config) (genesis, keys, error) {
	fresh := !h.has(genesisPath)
	if fresh && h.has(peeringPath) {
		return genesis{}, keys{}, h.errNoGenesis()
	}
	if fresh {
		if err := h.makeKeys(); err != nil {
			return genesis{}, keys{}, err
		}
	}
	k, err := h.readKeys()
	if err == nil && h.has(governanceKeyPath) {
		// The node does not need it, and its owner may keep it elsewhere; where it is
		// here, it is guarded as the others are.
		_, err = h.readSeed(governanceKeyPath)
	}
	if err != nil {
		return genesis{}, keys{}, err
	}
	if fresh {
		governance, err := h.makeSeed(governanceKeyPath)
		if err != nil {
			return genesis{}, keys{}, err
		}
		if err := h.makeGenesis(cfg, k.lone(record.PublicKey(governance[ed25519.SeedSize:]))); err != nil {
			return genesis{}, keys{}, err
		}
	}
	g, err := h.readGenesis(cfg)
	return g, k, err
}

// Registry returns the registry, for reading.
func (n *Node) Registry() *registry.Registry { return n.registry }

// Failed returns a channel that is closed when the node can make no further
// blocks: its database does not answer, or its state and its blocks disagree.
// Nothing that was acknowledged is lost by that. [Node.Err] says why.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err returns why the node failed, or nil.
func (n *Node) Err() error {
	select {
	case <-n.failed:
		return n.failure
	default:
		return nil
	}
}

func (n *Node) fail(err error) {
	n.failOnce.Do(func() {
		n.log.Error("the ledger cannot go on", slog.Any("error", err))
		n.failure = err
		close(n.failed)
		n.pending.stop(rats.Errorf(rats.Internal, "the ledger cannot go on: %w", err))
	})
}

// Stop ends the node: whoever waits in Submit gets an error, blocks at work are
// finished, and when Stop returns nil nothing writes into the home any more.
// When ctx ends first its error is returned and stopping goes on. Later calls
// wait for the first.
func (n *Node) Stop(ctx context.Context) error {
	n.stopOnce.Do(func() { go n.stop() })
	select {
	case <-n.stopDone:
		return n.stopErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *Node) stop() {
	defer close(n.stopDone)
	n.pending.stop(errStopped)
	n.finish()
	n.running.Lock()
	defer n.running.Unlock()
	n.stopped = true
	n.engine.quiet.Store(true)
	n.engine.silent()
	err := n.engine.Stop()
	if err == nil {
		n.engine.Wait()
		n.engine.book.wait()
	}
	n.snapshots.stop()
	n.stopErr = errors.Join(err, n.store.Close(), n.home.close())
}

// finish waits, for a moment, until no block is at work: a node that stops
// between the votes for a block sits out timeouts when it starts again.
func (n *Node) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), finishing)
	defer cancel()
	err := n.blocks.wait(ctx, func() (bool, error) {
		if n.Err() != nil || n.engine.Mempool().Size() > 0 {
			return n.Err() != nil, nil
		}
		hash := n.registry.AppHash()
		store := n.engine.BlockStore()
		meta := store.LoadBlockMeta(store.Height())
		return meta != nil && bytes.Equal(meta.Header.AppHash, hash[:]), nil
	})
	if err != nil {
		n.log.DebugContext(ctx, "stopping in the middle of a block", slog.Any("error", err))
	}
}

// read calls fn unless CometBFT's databases are closed.
func (n *Node) read(fn func() error) error {
	n.running.RLock()
	defer n.running.RUnlock()
	if n.stopped {
		return errStopped
	}
	return fn()
}
