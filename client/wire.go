// SPDX-License-Identifier: Apache-2.0

package client

import (
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Hashes, keys and ids below are lower-case hex, []byte is standard base64,
// times are RFC 3339 in UTC.

// Recorded is the answer to evidence that was recorded.
type Recorded struct {
	Record record.View       `json:"record" doc:"the record as the transaction left it"`
	Result *attesteer.Result `json:"result" doc:"the ledger's verdict, every check listed"`
	Tx     string            `json:"tx" doc:"SHA-256 of the transaction"`
	Height uint64            `json:"height" doc:"the block that holds it"`
}

// Withdrawal is the enclave's own word that its record is over.
type Withdrawal struct {
	Signature []byte `json:"signature"`
}

// Page is a part of a listing of enclaves, newest first.
type Page struct {
	Enclaves   []record.View `json:"enclaves" nullable:"false"`
	NextCursor *string       `json:"next_cursor" doc:"null on the last page"`
}

// History is what happened to one record, oldest first.
type History struct {
	Events []Event `json:"events" nullable:"false"`
}

// Event is one change of a record.
type Event struct {
	Sequence uint64           `json:"sequence" doc:"counts all events of the ledger from 0"`
	Event    record.EventKind `json:"event" enum:"recorded,attested,listed,delisted,withdrawn,expired,lapsed,reappraised,announced"`
	Time     record.Millis    `json:"time" doc:"ledger time"`
	Height   uint64           `json:"height"`
	Tx       string           `json:"tx" doc:"empty where the record changed by itself"`
	Record   record.View      `json:"record" doc:"the record as it stood after the event"`
}

// Evidence is what a record rests on: the last evidence, and the endorsements
// with which it was appraised.
type Evidence struct {
	Evidence     []byte              `json:"evidence"`
	SHA256       string              `json:"sha256" doc:"of the evidence"`
	Endorsements []SignedEndorsement `json:"endorsements" nullable:"false"`
}

// SignedEndorsement is an endorsement with all that is needed to check it.
type SignedEndorsement struct {
	Kind    rats.EndorsementKind `json:"kind"`
	SHA256  string               `json:"sha256" doc:"of the body"`
	Body    []byte               `json:"body" doc:"the statement as its signature covers it"`
	Issuers [][]byte             `json:"issuers" nullable:"false" doc:"DER certificates from the signer's up to, and without, the root"`
}

// EndorsementList is a listing of the endorsements on the ledger.
type EndorsementList struct {
	Endorsements []Endorsement `json:"endorsements" nullable:"false"`
}

// Endorsement is one endorsement on the ledger.
type Endorsement struct {
	Kind                 rats.EndorsementKind `json:"kind" enum:"tcb_info,qe_identity,root_ca_crl,pck_crl"`
	TEE                  rats.TEE             `json:"tee" doc:"empty for revocation lists"`
	Scope                string               `json:"scope" doc:"FMSPC, identity, or SHA-256 of the issuer's public key"`
	FMSPC                string               `json:"fmspc,omitempty" doc:"of TCB info"`
	EvaluationDataNumber uint32               `json:"evaluation_data_number" doc:"0 where the kind has none"`
	Version              uint32               `json:"version" doc:"of the vendor's format, 0 where the kind has none"`
	SHA256               string               `json:"sha256" doc:"of the body"`
	Issued               time.Time            `json:"issued"`
	NextUpdate           time.Time            `json:"next_update"`
	ValidFrom            time.Time            `json:"valid_from" doc:"includes the issuing certificates' windows"`
	ValidUntil           time.Time            `json:"valid_until"`
	Stale                bool                 `json:"stale" doc:"outside its time at the ledger's present time"`
	Body                 []byte               `json:"body,omitempty" doc:"when bodies were asked for"`
	Issuers              [][]byte             `json:"issuers,omitempty" nullable:"false" doc:"when bodies were asked for"`
}

// Pushed says what became of endorsements that were pushed.
type Pushed struct {
	Taken   []PushedEndorsement  `json:"taken" nullable:"false" doc:"these changed the ledger's state"`
	Known   []PushedEndorsement  `json:"known" nullable:"false" doc:"these were there before"`
	Refused []RefusedEndorsement `json:"refused" nullable:"false"`
	Tx      *string              `json:"tx" doc:"null when nothing was new"`
	Height  *uint64              `json:"height"`
}

// PushedEndorsement names an endorsement.
type PushedEndorsement struct {
	Kind   rats.EndorsementKind `json:"kind"`
	SHA256 string               `json:"sha256"`
}

// RefusedEndorsement says why an endorsement was not taken. Kind is that of the
// error.
type RefusedEndorsement struct {
	SHA256 string    `json:"sha256"`
	Kind   rats.Kind `json:"kind"`
	Detail string    `json:"detail"`
}

// Ledger is where a node's ledger stands.
type Ledger struct {
	ChainID string `json:"chain_id"`
	Network string `json:"network" enum:"dev,test,main"`
	// GenesisHash names the ledger where a chain id could be another's: see [Shard].
	GenesisHash string        `json:"genesis_hash" doc:"SHA-256 of the genesis document as JSON without white space"`
	Height      uint64        `json:"height"`
	AppHash     string        `json:"app_hash" doc:"the state after that block; validators sign it in the next header"`
	Time        record.Millis `json:"time" doc:"ledger time"`
	CatchingUp  bool          `json:"catching_up" doc:"the node copies blocks from others before it takes part"`
	Validators  []Validator   `json:"validators" nullable:"false"`

	// Block is nil before there is one.
	Block *Block `json:"block" doc:"the newest block that the node holds"`
	Peers int    `json:"peers" doc:"how many nodes it is connected to"`
	// Misbehaviour is what validators did that consensus has evidence of.
	Misbehaviour Offences `json:"misbehaviour" doc:"what validators did that the ledger has on record"`
	// CheckpointKey is a node's own: each signs what it holds itself.
	CheckpointKey string `json:"checkpoint_key,omitempty" doc:"verifies this node's checkpoints, in the form of C2SP signed-note"`
}

// Offences are what the ledger has on record of validators that signed what
// contradicts itself.
type Offences struct {
	Count  uint64    `json:"count" doc:"since the genesis"`
	Latest []Offence `json:"latest" nullable:"false" doc:"the last hundred, oldest first"`
}

// Offence is one case.
type Offence struct {
	Kind      record.MisbehaviourKind `json:"kind" enum:"duplicate_vote,light_client_attack,other"`
	Validator string                  `json:"validator" doc:"its address"`
	Power     int64                   `json:"power" doc:"at the time of the deed"`
	Height    uint64                  `json:"height" doc:"of the deed"`
	Time      record.Millis           `json:"time" doc:"ledger time of the block that has it on record"`
	Recorded  uint64                  `json:"recorded" doc:"the height of that block"`
}

// Block is a block by its height and the hash of its header.
type Block struct {
	Height uint64 `json:"height"`
	Hash   string `json:"hash"`
}

// Validator is one voice in the making of blocks.
type Validator struct {
	Address   string `json:"address"`
	PublicKey string `json:"public_key" doc:"Ed25519"`
	Power     int64  `json:"power"`
}

// Challenge is a recent block, whose hash evidence may carry in the second half
// of its report data to show that it is fresh.
type Challenge struct {
	Hash   string        `json:"hash"`
	Height uint64        `json:"height"`
	Time   record.Millis `json:"time"`
}

// Problem is an error in the form of RFC 9457. Kind is what a program acts on.
type Problem struct {
	Type   string    `json:"type" doc:"urn:attesteer:kind: and the kind"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Kind   rats.Kind `json:"kind"`
	Check  string    `json:"check,omitempty" doc:"the check that failed, if one did"`
	Detail string    `json:"detail,omitempty"`
	// Record and Tx name what a replay was recorded as before.
	Record string `json:"record,omitempty" doc:"of a replay: the record that the evidence made"`
	Tx     string `json:"tx,omitempty" doc:"of a replay: the transaction that recorded it"`
	// Result is the verdict on evidence that the ledger refused.
	Result *attesteer.Result `json:"result,omitempty" doc:"the verdict on evidence that was refused"`
}
