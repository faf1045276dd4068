// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Governance is what a ledger's validators decided, as it holds now, and what
// they decide on.
type Governance struct {
	ChainID    string               `json:"chain_id"`
	Parameters record.Parameters    `json:"parameters"`
	Policy     record.NetworkPolicy `json:"policy"`
	Validators []record.Validator   `json:"validators" nullable:"false" doc:"for blocks, a change counts two heights later"`
	// StateVersion is that of the state machine in force, Planned the next.
	StateVersion uint64             `json:"state_version"`
	Planned      *record.Activation `json:"planned_version" doc:"null where none is"`
	Proposals    []Proposal         `json:"proposals" nullable:"false" doc:"those that are open or wait for their time, and the last decided ones"`
}

// Proposal is a proposal as the ledger holds it.
type Proposal struct {
	Number uint64               `json:"number"`
	Kind   record.ProposalKind  `json:"kind" enum:"validators,parameters,policy,version"`
	State  record.ProposalState `json:"state" enum:"open,passed,enacted,rejected,lapsed,void"`
	// Since is when it came into its state.
	Since       record.Millis `json:"since"`
	SinceHeight uint64        `json:"since_height"`
	Digest      record.Digest `json:"digest" doc:"SHA-256 of the proposal's CBOR, which ballots name"`
	Proposer    string        `json:"proposer" doc:"governance key"`
	Opened      record.Millis `json:"opened"`
	Height      uint64        `json:"height"`
	Tx          string        `json:"tx"`
	// Yes, No and Total are powers: now, or once it was decided then.
	Yes      int64           `json:"yes" doc:"power for it: of the present validators while it is open, else when it was decided"`
	No       int64           `json:"no" doc:"power against it"`
	Total    int64           `json:"total" doc:"power of all validators"`
	Votes    []Vote          `json:"votes" nullable:"false"`
	Proposal record.Proposal `json:"proposal"`
}

// Vote is a validator's vote.
type Vote struct {
	GovernanceKey string `json:"governance_key"`
	Approve       bool   `json:"approve"`
}

// Motioned is what became of a governance transaction.
type Motioned struct {
	Tx       string `json:"tx"`
	Height   uint64 `json:"height"`
	Proposal uint64 `json:"proposal" doc:"the number of the proposal that it made or voted on"`
}

// SignedTransaction carries a transaction that its author signed.
type SignedTransaction struct {
	Transaction []byte `json:"transaction"`
}

// Governance returns what the validators decided and decide on.
func (c *Client) Governance(ctx context.Context) (*Governance, error) {
	return get[Governance](ctx, c, "/v1/ledger/proposals", nil)
}

// SubmitMotion hands in a governance transaction that a validator signed
// ([record.SignMotion]), and returns once its block is committed.
func (c *Client) SubmitMotion(ctx context.Context, tx []byte) (*Motioned, error) {
	return send[Motioned](ctx, c, "/v1/ledger/transactions", SignedTransaction{Transaction: tx})
}

// Check demands that a proposal's digest is that of what it says, so that nobody
// signs a ballot for another proposal than the one that they are shown.
func (p *Proposal) Check() (record.Digest, error) {
	digest, err := p.Proposal.Digest()
	if err != nil {
		return digest, err
	}
	if digest != p.Digest {
		return digest, rats.Errorf(rats.BindingMismatch, "the node shows another proposal %d than the ledger's: its digest does not fit, or this program is too old", p.Number)
	}
	return digest, nil
}
