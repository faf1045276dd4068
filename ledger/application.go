// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// codespace says whose numbers result codes are: those of [rats.Kind].
const codespace = "attesteer"

// application is the registry as CometBFT sees it: everything here turns
// CometBFT's types into plain ones and back. CometBFT calls it on several
// connections at once, but each of them makes one call at a time, CheckTx
// excepted (see [connection]).
type application struct {
	abci.BaseApplication // answers what is not used: queries, vote extensions

	registry *registry.Registry
	now      func() time.Time
	// self is the address of this node's validator.
	self    []byte
	pending *pending
	blocks  *progress
	log     *slog.Logger
	// firstVersion is that of the state machine in the first block.
	firstVersion uint64
	// copying reports whether the engine copies blocks from peers; nil until it runs.
	copying func() bool
	// fail is told that the registry cannot go on.
	fail func(error)

	// decided and height are written by FinalizeBlock and read by the Commit that follows.
	decided []registry.TxResult
	height  int64
	// next gathers the transactions of the next block.
	next gathering

	snapshots *snapshots
	joining   *joining
	// newest returns the height of the newest block that the node holds.
	newest func() int64
	// retention is nil until the node has started.
	retention atomic.Pointer[retention]
}

var _ abci.Application = (*application)(nil)

// Info tells CometBFT which block the registry holds, so that it replays what
// came after.
func (a *application) Info(context.Context, *abci.RequestInfo) (*abci.ResponseInfo, error) {
	hash := a.registry.AppHash()
	return &abci.ResponseInfo{
		Data: codespace, AppVersion: a.version(),
		LastBlockHeight: int64(a.registry.Height()), LastBlockAppHash: hash[:], //nolint:gosec // heights come from CometBFT
	}, nil
}

// InitChain gives the registry its genesis. CometBFT calls it again when the
// process ended before the first block was committed: what is there then stands.
func (a *application) InitChain(_ context.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var genesis registry.Genesis
	if err := json.Unmarshal(req.AppStateBytes, &genesis); err != nil {
		return nil, fmt.Errorf("genesis: app_state: %w", err)
	}
	if err := sameValidators(req.Validators, genesis.Validators); err != nil {
		return nil, err
	}
	hash, err := a.registry.Init(req.ChainId, record.MillisOf(req.Time), genesis)
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return &abci.ResponseInitChain{AppHash: hash[:]}, nil
}

// CheckTx judges a transaction against the committed state before it may wait
// for a block. Transactions are not checked again after each block: Apply has
// the last word.
func (a *application) CheckTx(_ context.Context, req *abci.RequestCheckTx) (*abci.ResponseCheckTx, error) {
	if req.Type != abci.CheckTxType_New {
		return &abci.ResponseCheckTx{}, nil
	}
	r := a.registry.CheckAt(record.MillisOf(a.now()), req.Tx)
	if r.Err != nil {
		a.pending.refuse(r)
	}
	e := execution(r)
	return &abci.ResponseCheckTx{Code: e.Code, Codespace: e.Codespace, Data: e.Data, Log: e.Log}, nil
}

// PrepareProposal puts the block's ledger time before the transactions. The
// first block has one though nothing happened: there is a block for evidence to
// be bound to, and with the one that proves it a second, from which on CometBFT
// passes on transactions with care (see gossipHeight).
func (a *application) PrepareProposal(_ context.Context, req *abci.RequestPrepareProposal) (*abci.ResponsePrepareProposal, error) {
	txs := a.next.gather(req.Txs, req.MaxTxBytes)
	txs = a.registry.Propose(record.MillisOf(a.now()), txs, len(req.Misbehavior) > 0 || req.Height == 1, req.MaxTxBytes)
	return &abci.ResponsePrepareProposal{Txs: txs}, nil
}

// ProcessProposal refuses blocks whose ledger time breaks the rules.
func (a *application) ProcessProposal(ctx context.Context, req *abci.RequestProcessProposal) (*abci.ResponseProcessProposal, error) {
	if !a.mayApply(req.Height) {
		return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
	}
	own := bytes.Equal(req.ProposerAddress, a.self)
	if err := a.registry.Judge(record.MillisOf(a.now()), req.Txs, len(req.Misbehavior) > 0, own); err != nil {
		a.log.WarnContext(ctx, "proposal refused",
			slog.Int64("height", req.Height), slog.Bool("own", own), slog.Any("error", err))
		return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
	}
	return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_ACCEPT}, nil
}

// FinalizeBlock applies a decided block. It reads no clock: it runs in replay too.
func (a *application) FinalizeBlock(_ context.Context, req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	if len(req.Hash) != 32 {
		return nil, a.broken(fmt.Errorf("block %d: hash of %d bytes", req.Height, len(req.Hash)))
	}
	if !a.mayApply(req.Height) {
		a.stopCopying()
	}
	out, err := a.registry.Apply(registry.Block{
		Height: uint64(req.Height), Hash: [32]byte(req.Hash), Txs: req.Txs, //nolint:gosec // heights are positive
		Misbehaviour: offences(req.Misbehavior),
	})
	if err != nil {
		return nil, a.broken(fmt.Errorf("block %d: %w", req.Height, err))
	}
	results := make([]*abci.ExecTxResult, len(out.Results))
	for i := range out.Results {
		results[i] = execution(out.Results[i])
	}
	a.decided, a.height = out.Results, req.Height
	return &abci.ResponseFinalizeBlock{
		TxResults: results, AppHash: out.AppHash[:],
		ValidatorUpdates: updatesOf(out.Validators), ConsensusParamUpdates: a.paramsOf(out),
	}, nil
}

// Commit makes the block durable and only then tells those who wait for it.
func (a *application) Commit(ctx context.Context, _ *abci.RequestCommit) (*abci.ResponseCommit, error) {
	before := a.registry.Governance()
	if err := a.registry.Commit(); err != nil {
		return nil, a.broken(fmt.Errorf("block %d: %w", a.height, err))
	}
	a.next.expect(a.pending.deliver(a.decided))
	a.decided = nil
	a.blocks.advance()
	a.snapshots.committed(a.registry.Height(), a.registry.Time())
	a.announce(ctx, before, a.registry.Governance())
	a.mayApply(a.height + 1)
	out := &abci.ResponseCommit{}
	if r := a.retention.Load(); r != nil {
		r.evidence(a.registry.Time())
		out.RetainHeight = r.height(a.height)
	}
	return out, nil
}

// provable is how many blocks after a state a node that joins from it has to
// know: its hash is in the next, and the validators of the one after in that.
const provable = 2

// ListSnapshots tells peers what they can join from.
func (a *application) ListSnapshots(context.Context, *abci.RequestListSnapshots) (*abci.ResponseListSnapshots, error) {
	out := &abci.ResponseListSnapshots{}
	for _, s := range a.snapshots.list(a.newest() - provable) {
		hash := s.hash()
		out.Snapshots = append(out.Snapshots, &abci.Snapshot{
			Height: s.height, Format: snapshotFormat, Chunks: uint32(len(s.chunks)), //nolint:gosec // bounded by memory
			Hash: hash[:], Metadata: s.metadata(),
		})
	}
	return out, nil
}

// LoadSnapshotChunk returns a chunk for a peer; no bytes say that there is none.
func (a *application) LoadSnapshotChunk(_ context.Context, req *abci.RequestLoadSnapshotChunk) (*abci.ResponseLoadSnapshotChunk, error) {
	if req.Format != snapshotFormat {
		return &abci.ResponseLoadSnapshotChunk{}, nil
	}
	return &abci.ResponseLoadSnapshotChunk{Chunk: a.snapshots.chunk(req.Height, req.Chunk)}, nil
}

// OfferSnapshot begins to join from a snapshot of a peer. CometBFT has found the
// hash of its state in a header that validators signed.
func (a *application) OfferSnapshot(_ context.Context, req *abci.RequestOfferSnapshot) (*abci.ResponseOfferSnapshot, error) {
	answer := func(r abci.ResponseOfferSnapshot_Result) (*abci.ResponseOfferSnapshot, error) {
		return &abci.ResponseOfferSnapshot{Result: r}, nil
	}
	if req.Snapshot.Format != snapshotFormat {
		return answer(abci.ResponseOfferSnapshot_REJECT_FORMAT)
	}
	s, err := parseSnapshot(req.Snapshot.Height, req.Snapshot.Metadata)
	hash := s.hash()
	if err != nil || !bytes.Equal(hash[:], req.Snapshot.Hash) || len(s.chunks) != int(req.Snapshot.Chunks) || len(req.AppHash) != 32 {
		return answer(abci.ResponseOfferSnapshot_REJECT_SENDER)
	}
	if err := a.joining.offered(s, [32]byte(req.AppHash)); err != nil {
		return nil, a.broken(err)
	}
	return answer(abci.ResponseOfferSnapshot_ACCEPT)
}

// ApplySnapshotChunk takes the next chunk. Whoever sent a corrupt one is not
// asked again.
func (a *application) ApplySnapshotChunk(ctx context.Context, req *abci.RequestApplySnapshotChunk) (*abci.ResponseApplySnapshotChunk, error) {
	err := a.joining.chunk(req.Index, req.Chunk)
	out := &abci.ResponseApplySnapshotChunk{Result: abci.ResponseApplySnapshotChunk_ACCEPT}
	switch {
	case err == nil:
		return out, nil
	case rats.KindOf(err) == rats.Internal, rats.KindOf(err) == rats.Unsupported:
		return nil, a.broken(err)
	case errors.Is(err, errChunk):
		out.Result, out.RefetchChunks = abci.ResponseApplySnapshotChunk_RETRY, []uint32{req.Index}
	default:
		out.Result = abci.ResponseApplySnapshotChunk_REJECT_SNAPSHOT
	}
	out.RejectSenders = []string{req.Sender}
	a.log.WarnContext(ctx, "a peer sent what is not the chain's state",
		slog.String("peer", req.Sender), slog.Uint64("chunk", uint64(req.Index)), slog.Any("error", err))
	return out, nil
}

// broken reports an error after which CometBFT ends consensus.
func (a *application) broken(err error) error {
	a.fail(err)
	return err
}

// execution is a result as blocks keep it. Code and Data are hashed into the
// next header and therefore canonical; Log is for people.
func execution(r registry.TxResult) *abci.ExecTxResult {
	e := &abci.ExecTxResult{}
	if r.RecordID != (record.ID{}) {
		e.Data = bytes.Clone(r.RecordID[:])
	}
	if r.Err != nil {
		e.Code, e.Codespace, e.Log = code(r.Err.Kind), codespace, r.Err.Error()
	}
	return e
}

// code returns the result code of a refusal; zero would mean success.
func code(k rats.Kind) uint32 {
	if k == rats.None {
		k = rats.Internal
	}
	return uint32(k)
}
