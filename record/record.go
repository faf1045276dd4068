// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/hex"

	"github.com/attesteer/attesteer/rats"
)

// Schema names the JSON form of a record.
const Schema = "attesteer/enclave/v1"

// ID names a record: see [NewID].
type ID [32]byte

// Registrar is the Ed25519 public key that signs a transaction.
type Registrar [32]byte

// TxHash is SHA-256 of a transaction's bytes.
type TxHash [32]byte

// Hex returns the name in lower-case hex, and nothing for that of no transaction.
func (h TxHash) Hex() string {
	if h == (TxHash{}) {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// State says whether a record speaks for an enclave now.
type State string

// The states.
const (
	Active    State = "active"
	Expired   State = "expired"
	Undecided State = "undecided"
	Withdrawn State = "withdrawn"
	Revoked   State = "revoked"
)

// Record is what the ledger says of one enclave. It is keyed by what the
// evidence says, never by who forwarded it. All times are ledger time in Unix
// milliseconds. A record holds canonical fields only: no prose enters state.
type Record struct {
	ID          ID       `cbor:"1,keyasint"`
	TEE         rats.TEE `cbor:"2,keyasint"`
	Fingerprint []byte   `cbor:"3,keyasint"`
	// Subject is the report data, with its freshness half zeroed when it was
	// bound to a block: 64 bytes for SGX.
	Subject []byte `cbor:"4,keyasint"`
	// Listings are what registrars say, oldest first, at most one for each.
	Listings []Listing `cbor:"5,keyasint"`

	FirstAttested Millis `cbor:"6,keyasint"`
	LastAttested  Millis `cbor:"7,keyasint"`
	// Expires is the latest expiry of any listing.
	Expires Millis `cbor:"8,keyasint"`
	// ValidUntil is the earliest end of the data that the last verdict rests on,
	// as the record was written: data that were refreshed since with the same
	// content, which writes no record, may hold longer (see [Watch]).
	ValidUntil   Millis `cbor:"9,keyasint"`
	Attestations uint64 `cbor:"10,keyasint"`

	// State is the stored state; [Record.StateAt] derives the state at a time.
	State        State          `cbor:"11,keyasint"`
	Tier         rats.Tier      `cbor:"12,keyasint"`
	BuildMode    rats.BuildMode `cbor:"13,keyasint"`
	Status       rats.TCBStatus `cbor:"14,keyasint"`
	StatusSince  Millis         `cbor:"15,keyasint"`
	StatusReason Reason         `cbor:"16,keyasint"`

	MRSigner   []byte    `cbor:"17,keyasint,omitempty"`
	FMSPC      []byte    `cbor:"18,keyasint,omitempty"`
	Advisories []string  `cbor:"19,keyasint,omitempty"`
	TrustRoot  string    `cbor:"20,keyasint"`
	Freshness  Freshness `cbor:"21,keyasint"`

	// EvidenceSHA256 names the last evidence, kept outside the map.
	EvidenceSHA256 [32]byte `cbor:"22,keyasint"`
	// AppraisedWith are the digests of the endorsements used, sorted.
	AppraisedWith [][32]byte `cbor:"23,keyasint"`
	// Height is the block that wrote the record last, Tx the last transaction
	// that did: a change that comes by itself has none.
	Height uint64 `cbor:"24,keyasint"`
	Tx     TxHash `cbor:"25,keyasint"`
	// Sequence is the number of the event that created the record: records
	// listed by it, newest first, do not move when others are added.
	Sequence  uint64 `cbor:"26,keyasint"`
	ISVProdID uint16 `cbor:"27,keyasint"`
	ISVSVN    uint16 `cbor:"28,keyasint"`
	// Key is the public key that the subject is the hash of, in the spelling
	// that hashes to it (see [ReadKey]); empty where no registrar showed one.
	Key []byte `cbor:"29,keyasint,omitempty"`
	// WithdrawnHeight is the block in which the subject's key last withdrew the
	// record, zero if it never did, and WithdrawnAt its ledger time. Evidence
	// from before it speaks for the record no more, though newer revive it.
	WithdrawnHeight uint64 `cbor:"30,keyasint,omitempty"`
	WithdrawnAt     Millis `cbor:"31,keyasint,omitempty"`
	// WillChange is a fall of status that published data make certain.
	WillChange *WillChange `cbor:"32,keyasint,omitempty"`
	// Envelope lists the formats of the last evidence, outermost first. It is of
	// version 5 of the state machine, as are the claims.
	Envelope []rats.Format `cbor:"33,keyasint,omitempty"`
	// Claims are the custom claims of the last evidence, in its order.
	Claims []Claim `cbor:"34,keyasint,omitempty"`
}

// Bounds on the claims of one record.
const (
	MaxClaims = 64
	// MaxClaimBytes bounds their names and values together.
	MaxClaimBytes = 8 << 10
)

// Claim is something that an enclave says of its own accord, bound to its
// evidence.
type Claim struct {
	Name  string `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

// Listing is what one registrar says about an enclave.
type Listing struct {
	Registrar Registrar `cbor:"1,keyasint"`
	// URL is at most 256 bytes of printable ASCII, or empty.
	URL     string `cbor:"2,keyasint,omitempty"`
	Since   Millis `cbor:"3,keyasint"`
	Expires Millis `cbor:"4,keyasint"`
	// Admitted: the ledger's parameters named the registrar when it listed.
	Admitted bool `cbor:"5,keyasint,omitempty"`
}

// Freshness says what ties evidence to a time: "block", with the height of the
// block whose hash it carries, or "none".
type Freshness struct {
	Kind   string `cbor:"1,keyasint"`
	Height uint64 `cbor:"2,keyasint,omitempty"`
}

// Kinds of freshness.
const (
	FreshnessNone  = "none"
	FreshnessBlock = "block"
)

// Reason is the closed list of causes for a record's present status.
type Reason string

// The reasons.
const (
	// ReasonAttested: evidence was appraised.
	ReasonAttested Reason = "attested"
	// ReasonWithdrawn: the holder of the subject's key withdrew the record.
	ReasonWithdrawn Reason = "withdrawn"
	// ReasonExpired: the time for which registrars vouched is over.
	ReasonExpired Reason = "expired"
	// ReasonCertificate: a certificate that vouches for the device is over.
	ReasonCertificate Reason = "certificate_expired"
	// ReasonLapsed: endorsements lapsed.
	ReasonLapsed Reason = "lapsed"
	// ReasonEndorsements: newer endorsements, or an evaluation that binds.
	ReasonEndorsements Reason = "endorsements"
	// ReasonRevoked: the vendor revoked a certificate or the platform's TCB.
	ReasonRevoked Reason = "revoked"
	// ReasonNotSupported: no level of the vendor's matches any more.
	ReasonNotSupported Reason = "not_supported"
	// ReasonMismatch: quoting enclave or module are not the vendor's any more.
	ReasonMismatch Reason = "mismatch"
	// ReasonRecovery: a TCB recovery is published, whose evaluation binds later.
	ReasonRecovery Reason = "tcb_recovery"
)
