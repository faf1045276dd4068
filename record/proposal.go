// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on what validators propose.
const (
	// MaxMotion bounds the body of a governance transaction, in bytes.
	MaxMotion = 32 << 10
	// MaxReason bounds the words that go with a proposal, in bytes.
	MaxReason = 256
)

// tagGovernance begins what a validator's governance key signs.
const tagGovernance = "attesteer/governance/v1"

// Motion is the body of a governance transaction: a validator's proposal, which
// counts as its vote for it, or its ballot.
type Motion struct {
	Version uint8  `cbor:"1,keyasint"`
	ChainID string `cbor:"2,keyasint"`
	// NotAfter bounds the transaction's life: at most a day past ledger time.
	NotAfter Millis `cbor:"3,keyasint"`
	// Nonce is random; a (governance key, nonce) pair is taken once.
	Nonce    [16]byte  `cbor:"4,keyasint"`
	Proposal *Proposal `cbor:"5,keyasint,omitempty"`
	Ballot   *Ballot   `cbor:"6,keyasint,omitempty"`
}

// Ballot is a vote. A later one of the same validator replaces it, until the
// proposal is decided.
type Ballot struct {
	// Number and Digest name the proposal; Digest is [Proposal.Digest], so that
	// nobody votes for what they were not shown.
	Number  uint64 `cbor:"1,keyasint"`
	Digest  Digest `cbor:"2,keyasint"`
	Approve bool   `cbor:"3,keyasint"`
}

// ProposalKind says what a proposal would change.
type ProposalKind string

// The kinds of proposals.
const (
	ProposeValidators ProposalKind = "validators"
	ProposeParameters ProposalKind = "parameters"
	ProposePolicy     ProposalKind = "policy"
	ProposeVersion    ProposalKind = "version"
)

// Proposal asks the validators for one change of the ledger.
type Proposal struct {
	// Closes is the ledger time after which the proposal lapses.
	Closes Millis `cbor:"1,keyasint" json:"closes"`
	// NotBefore is the ledger time before which the change does not take effect
	// though it passed; zero is none.
	NotBefore Millis `cbor:"2,keyasint,omitempty" json:"not_before"`
	// Reason is what the proposer says of it, in printable ASCII.
	Reason string `cbor:"3,keyasint,omitempty" json:"reason,omitempty"`
	// Validators are added, changed or, with power zero, removed.
	Validators []Validator `cbor:"4,keyasint,omitempty" json:"validators,omitempty"`
	// Leap allows the change of validators to move more than a third of the
	// present power at once.
	Leap bool `cbor:"5,keyasint,omitempty" json:"leap,omitempty"`
	// Parameters and Policy replace the present ones as a whole.
	Parameters *Parameters    `cbor:"6,keyasint,omitempty" json:"parameters,omitempty"`
	Policy     *NetworkPolicy `cbor:"7,keyasint,omitempty" json:"policy,omitempty"`
	// Activation has a version of the state machine begin.
	Activation *Activation `cbor:"8,keyasint,omitempty" json:"activation,omitempty"`
	// Replaces is SHA-256 of the CBOR of the parameters or the policy that the new
	// ones are meant to replace: where others hold by then, the proposal is void,
	// so that none undoes another by accident.
	Replaces Digest `cbor:"9,keyasint,omitzero" json:"replaces,omitzero"`
}

// Digest is a SHA-256; in JSON, lower-case hex.
type Digest [sha256.Size]byte

// String returns the hash in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes lower-case hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 32 bytes in hex: Malformed otherwise.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return rats.Errorf(rats.Malformed, "hash %q is not 32 bytes in hex", text)
	}
	*d = Digest(b)
	return nil
}

// DigestOf returns SHA-256 of the deterministic CBOR of v.
func DigestOf(v any) (Digest, error) {
	b, err := Marshal(v)
	return sha256.Sum256(b), err
}

// Activation is when a version of the state machine begins: programs that do not
// know it make no block from then on.
type Activation struct {
	Version uint64 `cbor:"1,keyasint" json:"version"`
	// Height is the first block of the version; zero, with the version that is
	// in force, calls a planned one off.
	Height uint64 `cbor:"2,keyasint" json:"height"`
}

// Kind returns what the proposal would change.
func (p *Proposal) Kind() ProposalKind {
	switch {
	case p.Parameters != nil:
		return ProposeParameters
	case p.Policy != nil:
		return ProposePolicy
	case p.Activation != nil:
		return ProposeVersion
	default:
		return ProposeValidators
	}
}

// Digest returns SHA-256 of the proposal's CBOR, which ballots name.
func (p *Proposal) Digest() (Digest, error) { return DigestOf(p) }

// check checks form and limits.
func (p *Proposal) check() error {
	changes := 0
	for _, has := range []bool{len(p.Validators) > 0, p.Parameters != nil, p.Policy != nil, p.Activation != nil} {
		if has {
			changes++
		}
	}
	switch {
	case changes != 1:
		return rats.Errorf(rats.Malformed, "a proposal asks for one change, not for %d", changes)
	case len(p.Validators) > MaxValidators:
		return rats.Errorf(rats.TooLarge, "a change of %d validators is over %d", len(p.Validators), MaxValidators)
	case p.Leap && len(p.Validators) == 0, (p.Replaces != Digest{}) != (p.Parameters != nil || p.Policy != nil), p.NotBefore != 0 && p.Activation != nil:
		return rats.Errorf(rats.Malformed, "the proposal says what does not go with its change")
	case p.Closes <= 0 || p.NotBefore < 0:
		return rats.Errorf(rats.Malformed, "the proposal's times are out of range")
	case len(p.Reason) > MaxReason:
		return rats.Errorf(rats.TooLarge, "a reason of %d bytes is over %d", len(p.Reason), MaxReason)
	}
	for i := range len(p.Reason) {
		if c := p.Reason[i]; c < ' ' || c > '~' {
			return rats.Errorf(rats.Malformed, "the reason holds a byte that is not printable ASCII")
		}
	}
	switch {
	case p.Parameters != nil:
		return p.Parameters.Check()
	case p.Policy != nil:
		return p.Policy.Check()
	default:
		return nil
	}
}

// check checks form and limits.
func (m *Motion) check() error {
	switch {
	case (m.Proposal == nil) == (m.Ballot == nil):
		return rats.Errorf(rats.Malformed, "a governance transaction is either a proposal or a ballot")
	case m.Ballot != nil:
		return nil
	default:
		return m.Proposal.check()
	}
}

// GovernanceBytes returns what a validator's governance key signs: a domain tag
// and the body.
func GovernanceBytes(body []byte) []byte { return append([]byte(tagGovernance), body...) }

// SignMotion returns the bytes of a governance transaction, ready to submit.
// Errors are Malformed or TooLarge: nothing is signed that no ledger could take.
func SignMotion(key ed25519.PrivateKey, m Motion) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	body, err := Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxMotion {
		return nil, errMotion(body)
	}
	return Marshal(Envelope{
		Kind: KindGovernance, Body: body,
		Signer: key[ed25519.SeedSize:], Signature: ed25519.Sign(key, GovernanceBytes(body)),
	})
}

func errMotion(body []byte) error {
	return rats.Errorf(rats.TooLarge, "a governance transaction of %d bytes is over %d", len(body), MaxMotion)
}

// readMotion decodes the body of a governance transaction.
func (o *Opened) readMotion() error {
	if len(o.body) > MaxMotion {
		return errMotion(o.body)
	}
	version, err := versionOf(o.body)
	if err != nil {
		return err
	}
	if version != TransactionVersion {
		return rats.Errorf(rats.Unsupported, "governance transaction version %d", version)
	}
	var m Motion
	if err := Unmarshal(o.body, &m); err != nil {
		return err
	}
	o.Motion = &m
	return m.check()
}
