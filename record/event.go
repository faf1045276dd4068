// SPDX-License-Identifier: Apache-2.0

package record

// EventKind is the closed list of things that happen to records.
type EventKind string

// The kinds of events.
const (
	// Recorded: evidence created the record.
	Recorded EventKind = "recorded"
	// Attested: further evidence was appraised for an existing record.
	Attested EventKind = "attested"
	// Listed: another registrar added or renewed its listing.
	Listed EventKind = "listed"
	// Delisted: a registrar withdrew its own listing.
	Delisted EventKind = "delisted"
	// WithdrawnByKey: the holder of the enclave's own key withdrew the record.
	WithdrawnByKey EventKind = "withdrawn"
	// RanOut: ledger time passed the last listing's expiry, or the end of a
	// certificate of the device. This event and those below have no transaction:
	// they come by themselves.
	RanOut EventKind = "expired"
	// Lapsed: the endorsements behind the verdict lapsed and no others decide.
	Lapsed EventKind = "lapsed"
	// Reappraised: newer endorsements, or an evaluation that binds by now,
	// changed the verdict or decided anew what was undecided.
	Reappraised EventKind = "reappraised"
	// Announced: what published data say of the record's future changed.
	Announced EventKind = "announced"
)

// The kinds of events that are about the ledger and not about a record.
const (
	// ProposalMade and BallotCast: a validator proposed, or voted.
	ProposalMade EventKind = "proposal_made"
	BallotCast   EventKind = "ballot_cast"
	// ProposalSettled begins the kinds that say what became of a proposal; the
	// [ProposalState] follows.
	ProposalSettled EventKind = "proposal_"
	// VersionBegan: a version of the state machine began.
	VersionBegan EventKind = "version_began"
)

// EventKinds lists the kinds of events of records.
func EventKinds() []EventKind {
	return []EventKind{Recorded, Attested, Listed, Delisted, WithdrawnByKey, RanOut, Lapsed, Reappraised, Announced}
}

// Event is one entry of the log of the past. Nothing is overwritten: the
// record as it stood after the event is kept with it.
type Event struct {
	// Sequence counts all events of the ledger from 0 without gaps.
	Sequence uint64    `cbor:"1,keyasint"`
	Kind     EventKind `cbor:"2,keyasint"`
	Time     Millis    `cbor:"3,keyasint"`
	Height   uint64    `cbor:"4,keyasint"`
	// Tx is zero where the record changed by itself.
	Tx     TxHash `cbor:"5,keyasint"`
	Record Record `cbor:"6,keyasint,omitzero"`
	// Act is set, and Record is zero, where the event is about the ledger itself.
	Act *Act `cbor:"7,keyasint,omitempty"`
}
