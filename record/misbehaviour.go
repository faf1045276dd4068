// SPDX-License-Identifier: Apache-2.0

package record

// MisbehaviourKind is what a validator did.
type MisbehaviourKind string

// The kinds of misbehaviour that consensus shows by signatures.
const (
	// DuplicateVote: the validator signed two votes that contradict each other.
	DuplicateVote MisbehaviourKind = "duplicate_vote"
	// LightClientAttack: it signed a header that is not the chain's.
	LightClientAttack MisbehaviourKind = "light_client_attack"
	// OtherMisbehaviour is what the engine shows and this program has no word for.
	OtherMisbehaviour MisbehaviourKind = "other"
)

// Misbehaved is the kind of the events by which misbehaviour is on record.
const Misbehaved EventKind = "misbehaved"

// MaxMisbehaviour is how many cases the map holds; the log holds all of them.
const MaxMisbehaviour = 100

// Misbehaviour is one case, of which the engine holds the evidence.
type Misbehaviour struct {
	Kind MisbehaviourKind `cbor:"1,keyasint"`
	// Validator is its address: the first 20 bytes of SHA-256 over its public key.
	Validator [20]byte `cbor:"2,keyasint"`
	// Power and Height are of the time of the deed.
	Power  int64  `cbor:"3,keyasint"`
	Height uint64 `cbor:"4,keyasint"`
	// Time and Recorded are ledger time and height of the block that has it on record.
	Time     Millis `cbor:"5,keyasint"`
	Recorded uint64 `cbor:"6,keyasint"`
}

// Offences are what the map holds of the misbehaviour of validators.
type Offences struct {
	// Count is of all cases since the genesis.
	Count uint64 `cbor:"1,keyasint"`
	// Latest are the last [MaxMisbehaviour], oldest first.
	Latest []Misbehaviour `cbor:"2,keyasint"`
}

// OffencesKey is the map key of [Offences]; it is absent while there are none.
func OffencesKey() []byte { return []byte{'o'} }
