// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// Schema names the form of a bundle.
const Schema = "attesteer/proof/v1"

// Bundle proves a record, or that there is none, in the state of a ledger at a
// height. CBOR and JSON are two spellings of it.
type Bundle struct {
	Schema  string `cbor:"1,keyasint" json:"schema"`
	ChainID string `cbor:"2,keyasint" json:"chain_id"`
	ID      Hex    `cbor:"3,keyasint" json:"id"`
	Height  uint64 `cbor:"4,keyasint" json:"height"`
	// Entries are the record first, or its absence; ledger time second; then, of
	// a record that may still change by itself, what it rests on; then the
	// endorsements that stand there, or as far as they are still in state those
	// that the record was appraised with.
	Entries []Entry `cbor:"5,keyasint" json:"entries"`
	MapRoot Hex     `cbor:"6,keyasint" json:"map_root"`
	LogRoot Hex     `cbor:"7,keyasint" json:"log_root"`
	LogSize uint64  `cbor:"8,keyasint" json:"log_size"`
	// Header is that of the block after Height: its application hash is of the
	// state that is proven.
	Header     Header      `cbor:"9,keyasint" json:"header"`
	Commit     Commit      `cbor:"10,keyasint" json:"commit"`
	Validators []Validator `cbor:"11,keyasint" json:"validators"`
	// Changes lead from the validators of a genesis, or of a later set that a
	// reader trusts, to those who decided the header: the blocks at which the
	// set changed, oldest first.
	Changes []Block `cbor:"12,keyasint,omitempty" json:"changes,omitempty"`
	// Events are what happened to the record, as the log of the past holds it,
	// oldest first; the last is the one that left the record as it is.
	Events []Logged `cbor:"13,keyasint,omitempty" json:"events,omitempty"`
}

// Logged is one event of a record and the proof that the log holds it.
type Logged struct {
	// Event is a [record.Event] in deterministic CBOR: a leaf of the log, whose
	// place there is the event's sequence.
	Event []byte `cbor:"1,keyasint" json:"event"`
	// Path is the leaf's audit path (RFC 6962 section 2.1.1) in the log of the
	// proven state, from the leaf up.
	Path []Hex `cbor:"2,keyasint" json:"path"`
}

// Entry is one entry of the map of the present.
type Entry struct {
	Key Hex `cbor:"1,keyasint" json:"key"`
	// Value is nil where the key is absent.
	Value []byte     `cbor:"2,keyasint" json:"value"`
	Proof tree.Proof `cbor:"3,keyasint" json:"proof"`
}

// Header is a block header. Its application hash is that of the state after
// the block before it.
type Header struct {
	BlockVersion   uint64 `cbor:"1,keyasint" json:"block_version"`
	AppVersion     uint64 `cbor:"2,keyasint" json:"app_version"`
	ChainID        string `cbor:"3,keyasint" json:"chain_id"`
	Height         int64  `cbor:"4,keyasint" json:"height"`
	Time           Time   `cbor:"5,keyasint" json:"time"`
	LastBlock      Parts  `cbor:"6,keyasint" json:"last_block"`
	LastBlockHash  Hex    `cbor:"7,keyasint" json:"last_block_hash"`
	LastCommit     Hex    `cbor:"8,keyasint" json:"last_commit_hash"`
	Data           Hex    `cbor:"9,keyasint" json:"data_hash"`
	Validators     Hex    `cbor:"10,keyasint" json:"validators_hash"`
	NextValidators Hex    `cbor:"11,keyasint" json:"next_validators_hash"`
	Consensus      Hex    `cbor:"12,keyasint" json:"consensus_hash"`
	App            Hex    `cbor:"13,keyasint" json:"app_hash"`
	LastResults    Hex    `cbor:"14,keyasint" json:"last_results_hash"`
	Evidence       Hex    `cbor:"15,keyasint" json:"evidence_hash"`
	Proposer       Hex    `cbor:"16,keyasint" json:"proposer_address"`
}

// Parts names the parts that a block was sent in.
type Parts struct {
	Total uint32 `cbor:"1,keyasint" json:"total"`
	Hash  Hex    `cbor:"2,keyasint" json:"hash"`
}

// Commit is the votes by which validators decided the header's block. Votes for
// nothing are left out: they prove nothing.
type Commit struct {
	Round      int32       `cbor:"1,keyasint" json:"round"`
	Parts      Parts       `cbor:"2,keyasint" json:"parts"`
	Signatures []Signature `cbor:"3,keyasint" json:"signatures"`
}

// Signature is one validator's precommit for the block.
type Signature struct {
	// Index is the validator's place in the set; indexes rise.
	Index     uint32 `cbor:"1,keyasint" json:"index"`
	Time      Time   `cbor:"2,keyasint" json:"time"`
	Signature Hex    `cbor:"3,keyasint" json:"signature"`
}

// Validator is a voice, in the order of the set.
type Validator struct {
	// PublicKey is Ed25519, 32 bytes.
	PublicKey Hex   `cbor:"1,keyasint" json:"public_key"`
	Power     int64 `cbor:"2,keyasint" json:"power"`
}

// Time is an instant as votes and headers sign it.
type Time struct {
	Seconds int64 `cbor:"1,keyasint" json:"seconds"`
	Nanos   int32 `cbor:"2,keyasint" json:"nanos"`
}

// TimeOf returns t as it is signed.
func TimeOf(t time.Time) Time {
	return Time{Seconds: t.Unix(), Nanos: int32(t.Nanosecond())} //nolint:gosec // below 1e9
}

// Time returns t in UTC.
func (t Time) Time() time.Time { return time.Unix(t.Seconds, int64(t.Nanos)).UTC() }

// Hex is bytes that JSON shows in lower-case hex.
type Hex = rats.Hex

// New returns the bundle of what a ledger put together: header and commit of
// the block after the proven state, its validators, and the roots and entries
// of that state: the record or its absence, ledger time, and endorsements.
//
// Votes that [Verify] would not count are left out, as [NewBlock] does.
func New(id record.ID, header Header, commit Commit, validators []Validator, mapRoot, logRoot [32]byte, logSize uint64, entries []Entry) *Bundle {
	block := NewBlock(header, commit, validators)
	return &Bundle{
		Schema: Schema, ChainID: header.ChainID, ID: id[:], Height: uint64(header.Height - 1), //nolint:gosec // heights are positive
		Entries: entries, MapRoot: mapRoot[:], LogRoot: logRoot[:], LogSize: logSize,
		Header: block.Header, Commit: block.Commit, Validators: block.Validators,
	}
}

// hashes are the header's fields that are bytes, by their names, and the
// lengths that they have.
func (h *Header) hashes() []field {
	return []field{
		{"last_block.hash", &h.LastBlock.Hash, 32, true}, {"last_block_hash", &h.LastBlockHash, 32, true},
		{"last_commit_hash", &h.LastCommit, 32, true}, {"data_hash", &h.Data, 32, true},
		{"validators_hash", &h.Validators, 32, false}, {"next_validators_hash", &h.NextValidators, 32, true},
		{"consensus_hash", &h.Consensus, 32, true}, {"app_hash", &h.App, 32, false},
		{"last_results_hash", &h.LastResults, 32, true}, {"evidence_hash", &h.Evidence, 32, true},
		{"proposer_address", &h.Proposer, 20, false},
	}
}

// field is bytes of a length, or of none where that is allowed: the first block
// has no last one.
type field struct {
	name  string
	bytes *Hex
	size  int
	empty bool
}

// fill makes no bytes of nil, which would be another spelling of them.
func (h *Header) fill() {
	for _, f := range h.hashes() {
		if *f.bytes == nil {
			*f.bytes = Hex{}
		}
	}
}
