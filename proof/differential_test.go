// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/proto/tendermint/version"
	"github.com/cometbft/cometbft/types"
	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

// Zero, empty and negative values are where one protocol buffer encoder differs
// from another: each generator below makes them often.

func drawHash(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" is empty") {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name)
}

func drawTime(t *rapid.T, name string) time.Time {
	seconds := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-1<<32, 1<<34)).Draw(t, name+" seconds")
	nanos := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999_999_999)).Draw(t, name+" nanos")
	return time.Unix(seconds, nanos).UTC()
}

// drawChain is a ledger whose validators and header are random, as far as
// neither the state that is proven nor the form of a bundle lays them down.
func drawChain(t *rapid.T, base *chain) *chain {
	c := &chain{state: base.state, rec: base.rec, values: base.values, log: base.log}
	powers := rapid.SliceOfN(rapid.OneOf(
		rapid.Int64Range(1, 3), rapid.Int64Range(1, types.MaxTotalVotingPower/8),
	), 1, 8).Draw(t, "powers")
	var vals []*types.Validator
	byAddress := map[string]ed25519.PrivKey{}
	seed := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "seed")
	for i, power := range powers {
		key := ed25519.GenPrivKeyFromSecret(append(bytes.Clone(seed), byte(i)))
		byAddress[string(key.PubKey().Address())] = key
		vals = append(vals, types.NewValidator(key.PubKey(), power))
	}
	c.set = types.NewValidatorSet(vals)
	for _, v := range c.set.Validators {
		c.keys = append(c.keys, byAddress[string(v.Address)])
	}
	c.header = types.Header{
		Version: version.Consensus{Block: rapid.Uint64().Draw(t, "block version"), App: rapid.Uint64Range(0, 2).Draw(t, "app version")},
		ChainID: chainID, Height: rapid.OneOf(rapid.Int64Range(1, 3), rapid.Int64Range(1, 1<<62)).Draw(t, "height"),
		Time: drawTime(t, "block"),
		LastBlockID: types.BlockID{Hash: drawHash(t, "last block"), PartSetHeader: types.PartSetHeader{
			Total: rapid.Uint32Range(0, 300).Draw(t, "last total"), Hash: drawHash(t, "last parts"),
		}},
		LastCommitHash: drawHash(t, "last commit"), DataHash: drawHash(t, "data"),
		ValidatorsHash: c.set.Hash(), NextValidatorsHash: drawHash(t, "next validators"),
		ConsensusHash: drawHash(t, "consensus"), AppHash: base.header.AppHash, LastResultsHash: drawHash(t, "results"),
		EvidenceHash: drawHash(t, "evidence"), ProposerAddress: rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "proposer"),
	}
	return c
}

// drawCommit has each validator sign the block, vote for nothing, or be absent.
func (c *chain) drawCommit(t *rapid.T) *types.Commit {
	out := &types.Commit{
		Height: c.header.Height, Round: rapid.Int32Range(0, 300).Draw(t, "round"),
		BlockID: types.BlockID{Hash: c.header.Hash(), PartSetHeader: types.PartSetHeader{
			Total: rapid.Uint32Range(1, 300).Draw(t, "total"), Hash: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "parts"),
		}},
	}
	// Most sign, so that about half of all commits decide.
	flags := rapid.SampledFrom([]types.BlockIDFlag{
		types.BlockIDFlagCommit, types.BlockIDFlagCommit, types.BlockIDFlagCommit, types.BlockIDFlagNil, types.BlockIDFlagAbsent,
	})
	for i, v := range c.set.Validators {
		flag := flags.Draw(t, "flag")
		if flag == types.BlockIDFlagAbsent {
			out.Signatures = append(out.Signatures, types.NewCommitSigAbsent())
			continue
		}
		vote := &types.Vote{Type: cmtproto.PrecommitType, Height: out.Height, Round: out.Round, Timestamp: drawTime(t, "vote")}
		if flag == types.BlockIDFlagCommit {
			vote.BlockID = out.BlockID
		}
		sig, err := c.keys[i].Sign(types.VoteSignBytes(chainID, vote.ToProto()))
		if err != nil {
			t.Fatal(err)
		}
		out.Signatures = append(out.Signatures, types.CommitSig{
			BlockIDFlag: flag, ValidatorAddress: v.Address, Timestamp: vote.Timestamp, Signature: sig,
		})
	}
	return out
}

// TestVerdictsAgreeWithCometBFTOnAnyBlock: CometBFT hashes the header and the
// validators, encodes and signs the votes, and judges the commit. A difference
// of one bit in any of these encodings is a signature that does not verify.
func TestVerdictsAgreeWithCometBFTOnAnyBlock(t *testing.T) {
	base := newChain(t, 1)
	decided, undecided := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		c := drawChain(r, base)
		commit := c.drawCommit(r)
		trust, err := proof.ParseGenesis(genesisOf(t, chainID, c.set.Validators))
		if err != nil {
			r.Fatal(err)
		}
		encoded, err := c.bundle(t, c.rec.ID, commit).CBOR()
		if err != nil {
			r.Fatal(err)
		}
		b, err := proof.Decode(encoded)
		if err != nil {
			r.Fatal(err)
		}
		want := c.set.VerifyCommit(chainID, commit.BlockID, commit.Height, commit)
		v, err := proof.Verify(b, trust)
		switch {
		case want != nil:
			undecided++
			if !errors.Is(err, rats.BadSignature) || v != nil {
				r.Fatalf("got %v; CometBFT says %v", err, want)
			}
		case err != nil:
			r.Fatalf("got %v; CometBFT accepts", err)
		default:
			decided++
			var power int64
			for i, s := range commit.Signatures {
				if s.BlockIDFlag == types.BlockIDFlagCommit {
					power += c.set.Validators[i].VotingPower
				}
			}
			if v.SignedPower != power || v.TotalPower != c.set.TotalVotingPower() {
				r.Fatalf("power %d of %d, want %d of %d", v.SignedPower, v.TotalPower, power, c.set.TotalVotingPower())
			}
			if v.Height != uint64(c.header.Height-1) || !v.BlockTime.Equal(c.header.Time) {
				r.Fatalf("height %d at %v", v.Height, v.BlockTime)
			}
		}
	})
	if decided == 0 || undecided == 0 {
		t.Errorf("%d commits decided and %d did not: one side was never tried", decided, undecided)
	}
}

// TestASignedBlockProvesOnlyItsOwnState: validators who sign another block of
// the same height vouch for nothing in this one.
func TestASignedBlockProvesOnlyItsOwnState(t *testing.T) {
	base := newChain(t, 1)
	rapid.Check(t, func(r *rapid.T) {
		c := drawChain(r, base)
		c.header.AppHash = sumOf("another state")
		all := make([]int, len(c.keys))
		for i := range all {
			all[i] = i
		}
		commit := c.commit(t, all...)
		trust, err := proof.ParseGenesis(genesisOf(t, chainID, c.set.Validators))
		if err != nil {
			r.Fatal(err)
		}
		// What they signed leads nowhere from the entries; the header that would
		// lead there they did not sign.
		if _, err := proof.Verify(c.bundle(t, c.rec.ID, commit), trust); !errors.Is(err, rats.BindingMismatch) {
			r.Fatalf("got %v, want binding_mismatch", err)
		}
		c.header.AppHash = base.header.AppHash
		if _, err := proof.Verify(c.bundle(t, c.rec.ID, commit), trust); !errors.Is(err, rats.BadSignature) {
			r.Fatalf("got %v, want bad_signature", err)
		}
	})
}
