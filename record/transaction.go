// SPDX-License-Identifier: Apache-2.0

package record

import (
	"github.com/attesteer/attesteer/rats"
)

// Limits on transactions, in bytes.
const (
	MaxTransaction = 128 << 10
	MaxEvidence    = 20 << 10
	MaxURL         = 256
)

// TransactionVersion is the version that this code writes and reads.
const TransactionVersion = 1

// Envelope is the outermost form of everything that goes into a block: CBOR
// array [kind, body, signer, signature].
type Envelope struct {
	_    struct{} `cbor:",toarray"`
	Kind TxKind
	// Body is the CBOR of a Transaction, a TimeTick or a Motion.
	Body []byte
	// Signer is the registrar's key, or a validator's governance key; empty for a
	// time tick.
	Signer []byte
	// Signature is Ed25519 over a domain tag and Body (see [SignedBytes] and
	// [GovernanceBytes]), empty for a time tick.
	Signature []byte
}

// TxKind tells the kinds of transaction apart.
type TxKind uint8

// The kinds.
const (
	// KindTime advances ledger time; only a proposer makes it.
	KindTime TxKind = 1
	// KindRegistrar is a registrar's transaction.
	KindRegistrar TxKind = 2
	// KindGovernance is a validator's proposal or ballot.
	KindGovernance TxKind = 3
)

// TimeTick is the body of the transaction that carries a block's ledger time.
type TimeTick struct {
	Time Millis `cbor:"1,keyasint"`
}

// Transaction is the body of a registrar's transaction: it publishes
// endorsements, submits evidence, or both, in that order; or it withdraws.
type Transaction struct {
	Version uint8  `cbor:"1,keyasint"`
	ChainID string `cbor:"2,keyasint"`
	// NotAfter bounds the transaction's life: at most ten minutes past ledger time.
	NotAfter Millis `cbor:"3,keyasint"`
	// Nonce is random; a (registrar, nonce) pair is taken once.
	Nonce        [16]byte           `cbor:"4,keyasint"`
	Endorsements []rats.Endorsement `cbor:"5,keyasint,omitempty"`
	Submission   *Submission        `cbor:"6,keyasint,omitempty"`
	Withdrawal   *Withdrawal        `cbor:"7,keyasint,omitempty"`
}

// Submission asks for evidence to be appraised and recorded.
type Submission struct {
	Evidence []byte `cbor:"1,keyasint"`
	// URL is where the enclave serves, or empty.
	URL string `cbor:"2,keyasint,omitempty"`
	// ValidFor is the duration in milliseconds for which the registrar vouches;
	// zero asks for the network's default.
	ValidFor int64 `cbor:"3,keyasint,omitempty"`
	// RuntimeData, if any, must hash to the evidence's report data.
	RuntimeData []byte `cbor:"4,keyasint,omitempty"`
}
