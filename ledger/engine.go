// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/rpc/core"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/record"
)

// heartbeatInterval is how often an idle node thinks of a block: the registry
// advances ledger time in it when that is old.
const heartbeatInterval = 30 * time.Second

// slowClock is how far behind a node's clock may be. CometBFT holds the time in a
// block's header against its own, in blocks that were decided too: a node that is
// further behind could take none, and one that is in the middle of consensus would
// end. Nothing of ours rests on that time; who would set it has to have more than
// a third of the power. Ledger time is judged by [registry.Registry.Judge].
const slowClock = 15 * time.Minute

// Bounds of the pool of transactions that wait for a block.
const (
	poolCount = 50_000
	poolBytes = 256 << 20
	poolCache = 100_000

	// A margin for what is between two of the pool's own checks.
	maxPending      = poolCount - 1_000
	maxPendingBytes = poolBytes - 1_000*record.MaxTransaction
)

// configuration returns CometBFT's settings, all of them: no file of its own is
// read. The times were measured with one validator and with four on two cores.
func configuration(cfg Config, dir string) *config.Config {
	c := config.DefaultConfig()
	c.SetRoot(dir)
	c.Moniker = "attesteer"
	c.DBBackend = string(dbm.GoLevelDBBackend)
	c.DBPath = dataPath

	c.RPC.ListenAddress = "" // none: this process is the only client
	cfg.Peering.configure(c.P2P)

	c.Mempool.Size = poolCount
	c.Mempool.MaxTxsBytes = poolBytes
	c.Mempool.CacheSize = poolCache
	c.Mempool.MaxTxBytes = record.MaxTransaction
	c.Mempool.Recheck = false

	c.Consensus.CreateEmptyBlocks = false
	c.Consensus.CreateEmptyBlocksInterval = heartbeatInterval
	if cfg.heartbeat > 0 {
		c.Consensus.CreateEmptyBlocksInterval = cfg.heartbeat
	}
	c.Consensus.SkipTimeoutCommit = true
	c.Consensus.TimeoutCommit = 50 * time.Millisecond
	c.Consensus.TimeoutPropose = 500 * time.Millisecond
	c.Consensus.PeerGossipSleepDuration = 10 * time.Millisecond
	c.Consensus.BlockTimeTolerance = slowClock

	if cfg.Peering.Trust != nil {
		c.StateSync = stateSync(dir)
	}
	c.TxIndex.Indexer = "null" // searching is the explorer's
	c.Storage.DiscardABCIResponses = true
	c.Instrumentation.Prometheus = false
	return c
}

// stateSync has a node without a state join from a snapshot. Where it asks for
// headers is ours; see [lightState].
func stateSync(dir string) *config.StateSyncConfig {
	c := config.DefaultStateSyncConfig()
	c.Enable = true
	c.TempDir = filepath.Join(dir, dataPath)
	c.DiscoveryTime = 5 * time.Second // CometBFT takes 25 for anything less
	return c
}

// engine is a running CometBFT node, and what its own RPC server would read
// from it: it has no other way to its validators and its consensus state.
type engine struct {
	*node.Node
	views *core.Environment
	// book is nil on a node that stands alone.
	book *addressBook
	// light asks peers for headers, and answers them.
	light *lightPeers
	// joins: the node has no state yet and takes a snapshot from peers.
	joins bool
	// silent ends the telling of peers what waits.
	silent func()
	// quiet is set when the node is about to stop; see [engineLog].
	quiet *atomic.Bool
}

// startEngine starts CometBFT in this process around app.
func startEngine(ctx context.Context, cfg Config, h *home, g genesis, k keys, app *application) (*engine, error) {
	dbs := &databases{}
	log := engineLog{to: cfg.Logger.With(slog.String("part", "engine")), quiet: &atomic.Bool{}}
	c := configuration(cfg, h.dir)
	n, err := newEngine(ctx, c, h, g, k, app, dbs, log)
	if err != nil {
		return nil, errors.Join(err, dbs.Close())
	}
	e := &engine{Node: n, quiet: log.quiet, silent: func() {}}
	if err := e.connect(cfg, c, g, k, app, log); err != nil {
		return nil, errors.Join(err, dbs.Close())
	}
	app.next.pool = n.Mempool()
	app.newest = n.BlockStore().Height
	app.copying = n.ConsensusReactor().WaitSync
	if e.views, err = n.ConfigureRPC(); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), dbs.Close())
	}
	e.light.serve(e.views)
	state, err := e.views.StateStore.Load()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), dbs.Close())
	}
	e.joins = cfg.Peering.Trust != nil && state.LastBlockHeight == 0
	if err := n.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), dbs.Close())
	}
	if cfg.Peering.networked() {
		e.silent = e.remind()
	}
	return e, nil
}

// connect adds to a node what is ours among peers: the address book, and headers
// for those who join; and where to take headers from if it joins itself.
func (e *engine) connect(cfg Config, c *config.Config, g genesis, k keys, app *application, log engineLog) error {
	e.light = newLightPeers(g.doc.ChainID, cfg.Logger)
	if cfg.Peering.networked() {
		var err error
		if e.book, err = newAddressBook(c.P2P, k, log); err != nil {
			return err
		}
		e.book.install(e.Node)
		replace(e.Node, "LIGHT", e.light)
	}
	e.pass(app.registry.Authentic)
	if trust := cfg.Peering.Trust; trust != nil {
		from := &lightState{peers: e.light, trust: *trust, genesis: g.doc, log: log, now: cfg.Now}
		node.StateProvider(from)(e.Node)
		app.joining.validators = from.validators
	}
	return nil
}

// replace makes a reactor a node's, in the place of the one of that name if there is
// one; it comes before the node starts.
func replace(n *node.Node, name string, r p2p.Reactor) {
	node.CustomReactors(map[string]p2p.Reactor{name: r})(n)
}

// newEngine makes the node and replays what the registry missed. CometBFT
// panics when state and blocks disagree; a caller gets that as an error.
func newEngine(
	ctx context.Context, c *config.Config, h *home, g genesis, k keys, app *application,
	dbs *databases, log engineLog,
) (n *node.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ledger: %v", r)
		}
	}()
	n, err = node.NewNodeWithContext(ctx, c, k.signer, k.node, connections{app},
		func() (*types.GenesisDoc, error) { return g.doc, nil }, dbs.open,
		node.DefaultMetricsProvider(c.Instrumentation), log)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	// CometBFT keeps the genesis that it started from and ignores the file since.
	if kept := n.GenesisDoc(); kept.ChainID != g.doc.ChainID || !sameJSON(kept.AppState, g.doc.AppState) {
		return nil, h.wrap(genesisPath, errors.New("not the genesis that the ledger was made with"))
	}
	return n, nil
}

// sameJSON compares two documents but for white space.
func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return false
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// databases opens CometBFT's databases and remembers them, since a node that
// does not come up leaves them open.
type databases struct{ opened []io.Closer }

func (d *databases) open(c *config.DBContext) (dbm.DB, error) {
	db, err := openDatabase(c.ID, c.Config.DBDir(), blockCache)
	if err != nil {
		return nil, err
	}
	late := &lateDB{DB: db}
	d.opened = append(d.opened, late)
	return late, nil
}

// Close closes what was opened.
func (d *databases) Close() error {
	var errs []error
	for _, db := range d.opened {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}
