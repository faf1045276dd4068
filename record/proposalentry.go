// SPDX-License-Identifier: Apache-2.0

package record

import "encoding/binary"

// ProposalState says how far a proposal has come.
type ProposalState string

// The states of proposals.
const (
	// ProposalOpen: the validators vote.
	ProposalOpen ProposalState = "open"
	// ProposalPassed: more than two thirds of the power approve, and the change
	// waits for its time.
	ProposalPassed ProposalState = "passed"
	// ProposalEnacted: the change was made.
	ProposalEnacted ProposalState = "enacted"
	// ProposalRejected: a third of the power or more is against.
	ProposalRejected ProposalState = "rejected"
	// ProposalLapsed: it closed undecided.
	ProposalLapsed ProposalState = "lapsed"
	// ProposalVoid: it passed, and what it asks for cannot be done any more.
	ProposalVoid ProposalState = "void"
)

// ProposalEntry is what the map says of a proposal.
type ProposalEntry struct {
	// Number counts the ledger's proposals from 1.
	Number   uint64    `cbor:"1,keyasint"`
	Digest   Digest    `cbor:"2,keyasint"`
	Proposer PublicKey `cbor:"3,keyasint"`
	// Opened, Height and Tx are of the block that brought it.
	Opened   Millis   `cbor:"4,keyasint"`
	Height   uint64   `cbor:"5,keyasint"`
	Tx       TxHash   `cbor:"6,keyasint"`
	Proposal Proposal `cbor:"7,keyasint"`
	// Votes are the last of each governance key, in the order of the keys. Those
	// of keys that are no validator's any more do not count.
	Votes []CastVote    `cbor:"8,keyasint"`
	State ProposalState `cbor:"9,keyasint"`
	// Since and SinceHeight are when it came into its state.
	Since       Millis `cbor:"10,keyasint"`
	SinceHeight uint64 `cbor:"11,keyasint"`
	// Yes, No and Total are the power for and against, and of all validators, by
	// which it was decided; zero before.
	Yes   int64 `cbor:"12,keyasint"`
	No    int64 `cbor:"13,keyasint"`
	Total int64 `cbor:"14,keyasint"`
}

// CastVote is a validator's vote, by its governance key.
type CastVote struct {
	Governance PublicKey `cbor:"1,keyasint"`
	Approve    bool      `cbor:"2,keyasint"`
}

// Tally returns the power for and against a proposal, and that of all validators.
func (e *ProposalEntry) Tally(set []Validator) (yes, no, total int64) {
	power := make(map[PublicKey]int64, len(set))
	for _, v := range set {
		power[v.Governance] = v.Power
		total += v.Power
	}
	for _, v := range e.Votes {
		if v.Approve {
			yes += power[v.Governance]
		} else {
			no += power[v.Governance]
		}
	}
	return yes, no, total
}

// Governance is what validators decide on, as it holds now. It starts from the
// genesis and is an entry of the map.
type Governance struct {
	Parameters Parameters    `cbor:"1,keyasint"`
	Policy     NetworkPolicy `cbor:"2,keyasint"`
	// Validators stand in the order of their keys. For blocks a change counts
	// two heights later.
	Validators []Validator `cbor:"3,keyasint"`
	// Version is that of the state machine.
	Version uint64 `cbor:"4,keyasint"`
	// Next is a planned version, if any.
	Next *Activation `cbor:"5,keyasint,omitempty"`
	// Proposals counts those ever made.
	Proposals uint64 `cbor:"6,keyasint"`
	// Open are the numbers of those that are open or wait for their time, Decided
	// those of the last decided ones that the map still holds; both ascend.
	Open    []uint64 `cbor:"7,keyasint"`
	Decided []uint64 `cbor:"8,keyasint"`
}

// Act is what a governance event says beside its kind.
type Act struct {
	// Number is the proposal's; zero for the beginning of a version.
	Number uint64 `cbor:"1,keyasint"`
	// By is the governance key that proposed or voted.
	By *PublicKey `cbor:"2,keyasint,omitempty"`
	// Approve is the vote.
	Approve bool `cbor:"3,keyasint,omitempty"`
	// Proposal goes with the event that made it.
	Proposal *Proposal `cbor:"4,keyasint,omitempty"`
	// Yes, No and Total are the power by which it was decided.
	Yes   int64 `cbor:"5,keyasint,omitempty"`
	No    int64 `cbor:"6,keyasint,omitempty"`
	Total int64 `cbor:"7,keyasint,omitempty"`
	// Version is the one that began.
	Version uint64 `cbor:"8,keyasint,omitempty"`
	// Misbehaviour is what a validator did.
	Misbehaviour *Misbehaviour `cbor:"9,keyasint,omitempty"`
}

// GovernanceKey is the map key of [Governance].
func GovernanceKey() []byte { return []byte{'G'} }

// ProposalKey is the map key of a [ProposalEntry].
func ProposalKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{'q'}, number)
}
