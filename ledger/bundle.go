// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// ProofRequest says what is to be proven.
type ProofRequest struct {
	ID record.ID
	// Height is that of the state; 0 is the newest that can be proven.
	Height uint64
	// Events is how many of the record's newest events go with it; 0 is none.
	Events int
	// Since leaves out the changes of validators before a height, for a reader who
	// trusts the set of that height or a later one; 0 has them from the genesis.
	Since uint64
}

// MaxProofEvents bounds the events in a bundle: with more it would be too large.
const MaxProofEvents = 256

// Prove returns a proof of a record, or of its absence, and of its past. Of the
// newest state it is no older than the last committed block when the call
// began: the hash of a state stands in the header of the next block, so the call
// may wait for that, and the block comes by itself. A height that cannot be
// proven any more is NotFound, as is one that is still to come.
//
// Beside the record stand ledger time, the endorsements of its appraisal as far
// as they have not been replaced, and the changes of validators since the genesis or
// the height that is asked for.
func (n *Node) Prove(ctx context.Context, r ProofRequest) (*proof.Bundle, error) {
	if r.Events < 0 || r.Events > MaxProofEvents {
		return nil, rats.Errorf(rats.Malformed, "%d events, at most %d", r.Events, MaxProofEvents)
	}
	var out *proof.Bundle
	since := n.registry.Height()
	if r.Height > since {
		return nil, rats.Errorf(rats.NotFound, "the ledger has no block %d yet", r.Height)
	}
	err := n.blocks.wait(ctx, func() (done bool, err error) {
		err = n.read(func() error {
			out, err = n.bundle(r, since)
			return err
		})
		return out != nil, err
	})
	return out, err
}

// Bundle proves a record, or its absence, in the newest state that can be proven.
func (n *Node) Bundle(ctx context.Context, id record.ID) (*proof.Bundle, error) {
	return n.Prove(ctx, ProofRequest{ID: id})
}

// bundle returns a proof of the state that is asked for, or nil when no header
// holds its hash yet. The newest is the present one if the next block is decided
// already, else the one before, whose hash stands in the present block; but none
// that is older than since.
func (n *Node) bundle(r ProofRequest, since uint64) (*proof.Bundle, error) {
	if r.Height != 0 {
		return n.bundleAt(r, r.Height)
	}
	height := n.registry.Height()
	b, err := n.bundleAt(r, height)
	if rats.KindOf(err) == rats.NotFound {
		b, err = nil, nil // the state went on meanwhile: the next try is at a later one
	}
	if b == nil && err == nil && height > since {
		b, err = n.bundleAt(r, height-1)
	}
	return b, err
}

// bundleAt returns the proof of the state of a height, or nil when no header
// holds its hash yet.
func (n *Node) bundleAt(r ProofRequest, height uint64) (*proof.Bundle, error) {
	state, entries, err := n.entriesAt(r.ID, height)
	if err != nil {
		return nil, err
	}
	hash := record.AppHash(state.MapRoot, state.LogRoot, state.LogSize)
	// The block of that height itself holds it when it is one that changed nothing.
	for _, at := range []int64{int64(height) + 1, int64(height)} { //nolint:gosec // heights come from CometBFT
		meta := n.engine.BlockStore().LoadBlockMeta(at)
		if meta == nil || !bytes.Equal(meta.Header.AppHash, hash[:]) {
			continue
		}
		block, err := n.block(at)
		if err != nil || block == nil {
			return nil, err
		}
		out := proof.New(r.ID, block.Header, block.Commit, block.Validators, state.MapRoot, state.LogRoot, state.LogSize, entries)
		changes, err := n.changes.before(at, n.engine.BlockStore().Base())
		if err != nil {
			return nil, err
		}
		out.Changes = slices.DeleteFunc(changes, func(b proof.Block) bool { return uint64(b.Header.Height) < r.Since }) //nolint:gosec // heights are positive
		if r.Events > 0 && entries[0].Value != nil {
			out.Events, err = n.eventsOf(r, state.LogSize)
		}
		return out, err
	}
	return nil, nil
}

// eventsOf returns a record's newest events and where the log holds them.
func (n *Node) eventsOf(r ProofRequest, size uint64) ([]proof.Logged, error) {
	p, err := n.registry.HistoryProof(r.ID, size, r.Events)
	if err != nil {
		return nil, err
	}
	out := make([]proof.Logged, 0, len(p.Events))
	for _, e := range p.Events {
		logged := proof.Logged{Event: e.Event, Path: []proof.Hex{}}
		for _, h := range e.Path {
			logged.Path = append(logged.Path, h)
		}
		out = append(out, logged)
	}
	return out, nil
}

// Block returns a decided block without what it holds: header, votes, and
// validators; NotFound for one that is still to come, or that is not kept.
func (n *Node) Block(height uint64) (*proof.Block, error) {
	var out *proof.Block
	err := n.read(func() (err error) {
		if height <= math.MaxInt64 {
			out, err = n.block(int64(height))
		}
		if err == nil && out == nil {
			err = rats.Errorf(rats.NotFound, "block %d is not there yet, or not any more", height)
		}
		return err
	})
	return out, err
}

// block returns a decided block, or nil where the node has none.
func (n *Node) block(height int64) (*proof.Block, error) {
	blocks := n.engine.BlockStore()
	meta := blocks.LoadBlockMeta(height)
	if meta == nil {
		return nil, nil
	}
	commit := blocks.LoadBlockCommit(height) // part of the block after: the same on every node
	if commit == nil {
		commit = blocks.LoadSeenCommit(height)
	}
	if commit == nil {
		return nil, nil
	}
	set, err := n.engine.views.StateStore.LoadValidators(height)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "block %d: no validators: %w", height, err)
	}
	out := proof.NewBlock(headerOf(&meta.Header), commitOf(commit), validatorsOf(set))
	return &out, nil
}

// entriesAt returns the entries of a bundle in the state of a height; NotFound
// when that is not among the recent ones any more.
func (n *Node) entriesAt(id record.ID, height uint64) (*registry.StateProof, []proof.Entry, error) {
	state, err := n.registry.ProofAt(height, record.RecordKey(id), record.TimeKey(), record.WatchKey(id))
	if err != nil {
		return nil, nil, err
	}
	out := []proof.Entry{entryOf(state.Entries[0]), entryOf(state.Entries[1])}
	if state.Entries[0].Value == nil {
		return &state, out, nil
	}
	var rec record.Record
	if err := record.Unmarshal(state.Entries[0].Value, &rec); err != nil {
		return nil, nil, rats.Errorf(rats.Internal, "state: %w", err)
	}
	places, used := n.appraisedWith(&rec)
	if raw := state.Entries[2].Value; raw != nil {
		var w record.Watch
		if err := record.Unmarshal(raw, &w); err != nil {
			return nil, nil, rats.Errorf(rats.Internal, "state: %w", err)
		}
		places, used = w.RestsOn, func(record.EndorsementEntry) bool { return true }
		out = append(out, entryOf(state.Entries[2]))
	}
	keys := make([][]byte, len(places))
	for i, place := range places {
		if keys[i], err = record.EndorsementEntryKey(place); err != nil {
			return nil, nil, err
		}
	}
	beside, err := n.registry.ProofAt(height, keys...)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range beside.Entries {
		// A block since may have brought what the proven state lacks.
		var e record.EndorsementEntry
		if p.Value != nil && record.Unmarshal(p.Value, &e) == nil && used(e) {
			out = append(out, entryOf(p))
		}
	}
	return &state, out, nil
}

// appraisedWith returns the places of the endorsements that a record which has
// ended was appraised with, as far as they are still there, and what tells them.
func (n *Node) appraisedWith(rec *record.Record) (places []rats.EndorsementKey, used func(record.EndorsementEntry) bool) {
	used = func(e record.EndorsementEntry) bool { return slices.Contains(rec.AppraisedWith, e.SHA256) }
	for _, e := range n.registry.Endorsements() {
		if used(e) {
			places = append(places, e.Key)
		}
	}
	return places, used
}

func entryOf(e registry.ProvenEntry) proof.Entry {
	return proof.Entry{Key: e.Key, Value: e.Value, Proof: e.Proof}
}

// headerOf returns all that a block's hash covers.
func headerOf(h *types.Header) proof.Header {
	return proof.Header{
		BlockVersion: h.Version.Block, AppVersion: h.Version.App, ChainID: h.ChainID, Height: h.Height,
		Time: proof.TimeOf(h.Time), LastBlock: partsOf(h.LastBlockID.PartSetHeader), LastBlockHash: proof.Hex(h.LastBlockID.Hash),
		LastCommit: proof.Hex(h.LastCommitHash), Data: proof.Hex(h.DataHash),
		Validators: proof.Hex(h.ValidatorsHash), NextValidators: proof.Hex(h.NextValidatorsHash),
		Consensus: proof.Hex(h.ConsensusHash), App: proof.Hex(h.AppHash), LastResults: proof.Hex(h.LastResultsHash),
		Evidence: proof.Hex(h.EvidenceHash), Proposer: proof.Hex(h.ProposerAddress),
	}
}

func partsOf(p types.PartSetHeader) proof.Parts {
	return proof.Parts{Total: p.Total, Hash: proof.Hex(p.Hash)}
}

// commitOf returns the votes for the block, without those of validators who
// were absent or voted for nothing.
func commitOf(c *types.Commit) proof.Commit {
	out := proof.Commit{Round: c.Round, Parts: partsOf(c.BlockID.PartSetHeader)}
	for i, s := range c.Signatures {
		if s.BlockIDFlag == types.BlockIDFlagCommit {
			out.Signatures = append(out.Signatures, proof.Signature{
				Index: uint32(i), Time: proof.TimeOf(s.Timestamp), Signature: s.Signature,
			})
		}
	}
	return out
}

func validatorsOf(set *types.ValidatorSet) []proof.Validator {
	out := make([]proof.Validator, len(set.Validators))
	for i, v := range set.Validators {
		out[i] = proof.Validator{PublicKey: v.PubKey.Bytes(), Power: v.VotingPower}
	}
	return out
}
