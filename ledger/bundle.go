// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"slices"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Bundle returns a proof of a record, or of its absence, in the newest state
// that can be proven, which is no older than the last committed block when the
// call began. The hash of a state stands in the header of the next block, so
// the call may wait for that: the block comes by itself. Beside the record
// stand ledger time, and the endorsements of its appraisal as far as they have
// not been replaced.
func (n *Node) Bundle(ctx context.Context, id record.ID) (*proof.Bundle, error) {
	var out *proof.Bundle
	since := n.registry.Height()
	err := n.blocks.wait(ctx, func() (done bool, err error) {
		err = n.read(func() error {
			out, err = n.newestBundle(id, since)
			return err
		})
		return out != nil, err
	})
	return out, err
}

// newestBundle returns the proof of the newest state that can be proven and is
// not older than since, or nil when there is none yet: of the present one if
// the next block is decided already, else of the one before, whose hash stands
// in the present block.
func (n *Node) newestBundle(id record.ID, since uint64) (*proof.Bundle, error) {
	height := n.registry.Height()
	b, err := n.bundleAt(id, height)
	if b == nil && err == nil && height > since {
		b, err = n.bundleAt(id, height-1)
	}
	return b, err
}

// bundleAt returns the proof of the state of a height, or nil when no header
// holds its hash yet.
func (n *Node) bundleAt(id record.ID, height uint64) (*proof.Bundle, error) {
	state, entries, err := n.entriesAt(id, height)
	if err != nil || state == nil {
		return nil, err
	}
	hash := record.AppHash(state.MapRoot, state.LogRoot, state.LogSize)
	blocks := n.engine.BlockStore()
	// The block of that height itself holds it when it is one that changed nothing.
	for _, at := range []int64{int64(height) + 1, int64(height)} { //nolint:gosec // heights come from CometBFT
		meta := blocks.LoadBlockMeta(at)
		if meta == nil || !bytes.Equal(meta.Header.AppHash, hash[:]) {
			continue
		}
		commit := blocks.LoadSeenCommit(at)
		if commit == nil {
			commit = blocks.LoadBlockCommit(at) // part of the block after
		}
		set, err := n.engine.views.StateStore.LoadValidators(at)
		if err != nil || commit == nil {
			return nil, rats.Errorf(rats.Internal, "block %d: no commit or no validators: %w", at, err)
		}
		return proof.New(id, headerOf(&meta.Header), commitOf(commit), validatorsOf(set),
			state.MapRoot, state.LogRoot, state.LogSize, entries), nil
	}
	return nil, nil
}

// entriesAt returns the entries of a bundle in the state of a height; nil when
// that is not among the recent ones any more.
func (n *Node) entriesAt(id record.ID, height uint64) (*registry.StateProof, []proof.Entry, error) {
	state, err := n.registry.ProofAt(height, record.RecordKey(id), record.TimeKey())
	if err != nil {
		return nil, nil, notYet(err)
	}
	out := []proof.Entry{entryOf(state.Entries[0]), entryOf(state.Entries[1])}
	if state.Entries[0].Value == nil {
		return &state, out, nil
	}
	var rec record.Record
	if err := record.Unmarshal(state.Entries[0].Value, &rec); err != nil {
		return nil, nil, rats.Errorf(rats.Internal, "state: %w", err)
	}
	used := func(e record.EndorsementEntry) bool { return slices.Contains(rec.AppraisedWith, e.SHA256) }
	var keys [][]byte
	for _, e := range n.registry.Endorsements() {
		if !used(e) {
			continue
		}
		key, err := record.EndorsementEntryKey(e.Key)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	beside, err := n.registry.ProofAt(height, keys...)
	if err != nil {
		return nil, nil, notYet(err)
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

// notYet makes nothing of a height that can no longer be proven: the next try
// is at a later one.
func notYet(err error) error {
	if rats.KindOf(err) == rats.NotFound {
		return nil
	}
	return err
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
