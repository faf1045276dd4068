// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/proto/tendermint/version"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// chain is a ledger of CometBFT's own types, to prove from and to compare with.
type chain struct {
	keys    []ed25519.PrivKey
	set     *types.ValidatorSet
	header  types.Header
	state   tree.Map
	rec     record.Record
	values  map[string][]byte
	genesis []byte
	// log is the log of the past, events the leaves that a bundle shows.
	log    proof.Log
	events []proof.Logged
}

const chainID = "test-chain"

func sumOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// newChain makes a ledger of validators with the given powers, whose state holds
// one record, ledger time, an endorsement and some more.
func newChain(t testing.TB, powers ...int64) *chain {
	t.Helper()
	c := &chain{values: map[string][]byte{}, log: proof.Log{Size: 7, Root: [32]byte(sumOf("log"))}}
	var vals []*types.Validator
	byAddress := map[string]ed25519.PrivKey{}
	for i, power := range powers {
		key := ed25519.GenPrivKeyFromSecret(fmt.Append(nil, "validator", i))
		byAddress[string(key.PubKey().Address())] = key
		vals = append(vals, types.NewValidator(key.PubKey(), power))
	}
	c.set = types.NewValidatorSet(vals)
	for _, v := range c.set.Validators {
		c.keys = append(c.keys, byAddress[string(v.Address)])
	}
	c.genesis = genesisOf(t, chainID, vals)
	c.fill(t)
	app := record.AppHash(c.state.Root(), c.log.Root, c.log.Size)
	c.header = types.Header{
		Version: version.Consensus{Block: 11, App: 1}, ChainID: chainID, Height: 43,
		Time:           time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC),
		LastBlockID:    types.BlockID{Hash: sumOf("last"), PartSetHeader: types.PartSetHeader{Total: 2, Hash: sumOf("parts")}},
		LastCommitHash: sumOf("commit"), DataHash: sumOf("data"), ValidatorsHash: c.set.Hash(), NextValidatorsHash: c.set.Hash(),
		ConsensusHash: sumOf("params"), AppHash: app[:], LastResultsHash: sumOf("results"), EvidenceHash: sumOf("evidence"),
		ProposerAddress: c.set.Validators[0].Address,
	}
	return c
}

func genesisOf(t testing.TB, id string, vals []*types.Validator) []byte {
	t.Helper()
	type pubKey struct {
		Type  string `json:"type"`
		Value []byte `json:"value"`
	}
	type validator struct {
		PubKey pubKey `json:"pub_key"`
		Power  string `json:"power"`
	}
	var list []validator
	for _, v := range vals {
		list = append(list, validator{pubKey{"tendermint/PubKeyEd25519", v.PubKey.Bytes()}, fmt.Sprint(v.VotingPower)})
	}
	b, err := json.Marshal(map[string]any{"chain_id": id, "validators": list})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fill puts entries into the state.
func (c *chain) fill(t testing.TB) {
	t.Helper()
	put := func(key []byte, v any) {
		b, err := record.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		c.values[string(key)] = b
		c.state = c.state.Update([]tree.Change{{Key: key, Value: b}})
	}
	subject := bytes.Repeat([]byte{5}, 64)
	id := record.NewID(rats.SGX, sumOf("code"), subject)
	c.rec = record.Record{
		ID: id, TEE: rats.SGX, Fingerprint: sumOf("code"), Subject: subject, Listings: []record.Listing{},
		State: record.Active, Expires: 2_000_000_000_000, ValidUntil: 2_000_000_000_000, Status: rats.UpToDate,
		AppraisedWith: [][32]byte{[32]byte(sumOf("crl"))},
	}
	put(record.RecordKey(id), c.rec)
	put(record.TimeKey(), record.LedgerTime{Time: 1_772_366_400_000, Height: 42})
	for _, name := range []string{"crl", "other"} {
		e := record.EndorsementEntry{Key: rats.EndorsementKey{Kind: rats.RootCACRL, Scope: name}, SHA256: [32]byte(sumOf(name))}
		put(c.endorsementKey(t, name), e)
	}
	for i := range 20 {
		put(fmt.Append(nil, "x", i), i)
	}
}

func (c *chain) endorsementKey(t testing.TB, scope string) []byte {
	t.Helper()
	key, err := record.EndorsementEntryKey(rats.EndorsementKey{Kind: rats.RootCACRL, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// commit has the given validators, by index, sign the header.
func (c *chain) commit(t testing.TB, signers ...int) *types.Commit {
	t.Helper()
	out := &types.Commit{Height: c.header.Height, Round: 1, BlockID: types.BlockID{
		Hash: c.header.Hash(), PartSetHeader: types.PartSetHeader{Total: 1, Hash: sumOf("block parts")},
	}}
	out.Signatures = make([]types.CommitSig, len(c.keys))
	for i := range out.Signatures {
		out.Signatures[i] = types.NewCommitSigAbsent()
	}
	for _, i := range signers {
		at := c.header.Time.Add(time.Duration(i) * time.Millisecond)
		vote := &types.Vote{
			Type: cmtproto.PrecommitType, Height: out.Height, Round: out.Round, BlockID: out.BlockID, Timestamp: at,
		}
		sig, err := c.keys[i].Sign(types.VoteSignBytes(chainID, vote.ToProto()))
		if err != nil {
			t.Fatal(err)
		}
		out.Signatures[i] = types.CommitSig{
			BlockIDFlag: types.BlockIDFlagCommit, ValidatorAddress: c.set.Validators[i].Address, Timestamp: at, Signature: sig,
		}
	}
	return out
}

// spellingsOf returns a bundle in CBOR and in JSON.
func spellingsOf(t testing.TB, b *proof.Bundle) [][]byte {
	t.Helper()
	asCBOR, err := b.CBOR()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{asCBOR, asJSON}
}

func (c *chain) entry(key []byte) proof.Entry {
	return proof.Entry{Key: key, Value: c.values[string(key)], Proof: c.state.Prove(key)}
}

// bundle proves a record with the signatures of a commit.
func (c *chain) bundle(t testing.TB, id record.ID, commit *types.Commit) *proof.Bundle {
	t.Helper()
	header, out, set := c.parts(commit)
	entries := []proof.Entry{c.entry(record.RecordKey(id)), c.entry(record.TimeKey())}
	if entries[0].Value != nil {
		entries = append(entries, c.entry(c.endorsementKey(t, "crl")))
	}
	b := proof.New(id, header, out, set, c.state.Root(), c.log.Root, c.log.Size, entries)
	b.Events = c.events
	return b
}

// block is the header with the signatures of a commit.
func (c *chain) block(commit *types.Commit) proof.Block {
	return proof.NewBlock(c.parts(commit))
}

// parts turns header, commit and validators into the package's own types.
func (c *chain) parts(commit *types.Commit) (proof.Header, proof.Commit, []proof.Validator) {
	h := c.header
	header := proof.Header{
		BlockVersion: h.Version.Block, AppVersion: h.Version.App, ChainID: h.ChainID, Height: h.Height, Time: proof.TimeOf(h.Time),
		LastBlock:     proof.Parts{Total: h.LastBlockID.PartSetHeader.Total, Hash: proof.Hex(h.LastBlockID.PartSetHeader.Hash)},
		LastBlockHash: proof.Hex(h.LastBlockID.Hash), LastCommit: proof.Hex(h.LastCommitHash), Data: proof.Hex(h.DataHash),
		Validators: proof.Hex(h.ValidatorsHash), NextValidators: proof.Hex(h.NextValidatorsHash), Consensus: proof.Hex(h.ConsensusHash),
		App: proof.Hex(h.AppHash), LastResults: proof.Hex(h.LastResultsHash), Evidence: proof.Hex(h.EvidenceHash), Proposer: proof.Hex(h.ProposerAddress),
	}
	out := proof.Commit{Round: commit.Round, Parts: proof.Parts{
		Total: commit.BlockID.PartSetHeader.Total, Hash: proof.Hex(commit.BlockID.PartSetHeader.Hash),
	}, Signatures: []proof.Signature{}}
	for i, s := range commit.Signatures {
		if s.BlockIDFlag == types.BlockIDFlagCommit {
			out.Signatures = append(out.Signatures, proof.Signature{Index: uint32(i), Time: proof.TimeOf(s.Timestamp), Signature: s.Signature})
		}
	}
	var set []proof.Validator
	for _, v := range c.set.Validators {
		set = append(set, proof.Validator{PublicKey: v.PubKey.Bytes(), Power: v.VotingPower})
	}
	return header, out, set
}

func (c *chain) trust(t testing.TB) proof.Trust {
	t.Helper()
	trust, err := proof.ParseGenesis(c.genesis)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}
