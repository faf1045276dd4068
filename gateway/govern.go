// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Governance reads what a ledger's validators decide on. It is safe for
// concurrent use.
type Governance interface {
	// Proposals returns what holds now, and the proposals that the state holds by
	// their numbers.
	Proposals() (record.Governance, []record.ProposalEntry, error)
	// Roots are those that count now: the vendors', and those that were admitted.
	Roots() []rats.TrustRoot
}

// roots are those that count on the ledger.
func (g *Gateway) roots() []rats.TrustRoot {
	if g.cfg.Governance != nil {
		return g.cfg.Governance.Roots()
	}
	roots := attesteer.Roots()
	if root := g.cfg.Registry.Genesis().SimulatedRoot; root != nil {
		roots = append(roots, *root)
	}
	return roots
}

type governanceOutput struct {
	Body client.Governance
}

type transactionInput struct {
	Body struct {
		Transaction string `json:"transaction" doc:"standard base64 of a governance transaction"`
	}
}

type motionOutput struct {
	Body client.Motioned
}

// governanceEntries are the calls by which validators decide about the ledger.
func (g *Gateway) governanceEntries() []entry {
	const tag, path = "ledger", "/v1/ledger"
	if g.cfg.Governance == nil {
		return nil
	}
	submit := g.forAnyone(g.operation(http.MethodPost, path+"/transactions", "submit-motion", tag, "Propose a change of the ledger, or vote on one"))
	submit.Description = "Takes transactions that a validator's governance key signed, and no others; it needs no token, since that signature is what counts. Answers once the block is committed."
	return []entry{
		serve("registry.proposals", g.validated(g.operation(http.MethodGet, path+"/proposals", "list-proposals", tag,
			"Get what the validators decided and decide on"), revalidated), g.getProposals),
		serve("registry.govern", submit, g.postMotion),
	}
}

func (g *Gateway) getProposals(ctx context.Context, _ *nothing) (*governanceOutput, error) {
	now, all, err := g.cfg.Governance.Proposals()
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out := client.Governance{
		ChainID: g.cfg.Registry.ChainID(), Parameters: now.Parameters, Policy: now.Policy, Validators: now.Validators,
		StateVersion: now.Version, Planned: now.Next, Proposals: make([]client.Proposal, 0, len(all)),
	}
	out.Policy = *listed(&now.Policy)
	for i := range all {
		out.Proposals = append(out.Proposals, proposalOf(&all[i], now.Validators))
	}
	return &governanceOutput{Body: out}, nil
}

// proposalOf shows a proposal, counted with the present power while it is open.
func proposalOf(e *record.ProposalEntry, set []record.Validator) client.Proposal {
	out := client.Proposal{
		Number: e.Number, Kind: e.Proposal.Kind(), State: e.State, Since: e.Since, SinceHeight: e.SinceHeight,
		Digest: e.Digest, Proposer: e.Proposer.String(),
		Opened: e.Opened, Height: e.Height, Tx: e.Tx.Hex(), Yes: e.Yes, No: e.No, Total: e.Total,
		Votes: make([]client.Vote, 0, len(e.Votes)), Proposal: e.Proposal,
	}
	if p := e.Proposal.Policy; p != nil {
		out.Proposal.Policy = listed(p)
	}
	if e.State == record.ProposalOpen {
		out.Yes, out.No, out.Total = e.Tally(set)
	}
	for _, v := range e.Votes {
		out.Votes = append(out.Votes, client.Vote{GovernanceKey: v.Governance.String(), Approve: v.Approve})
	}
	return out
}

// listed returns a policy whose lists are lists though they are empty.
func listed(p *record.NetworkPolicy) *record.NetworkPolicy {
	out := *p
	out.Registrars = append([]string{}, p.Registrars...)
	out.Manufacturers = append([]rats.TrustRoot{}, p.Manufacturers...)
	return &out
}

func (g *Gateway) postMotion(ctx context.Context, in *transactionInput) (*motionOutput, error) {
	out, err := g.submitMotion(ctx, in.Body.Transaction)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return &motionOutput{Body: *out}, nil
}

// submitMotion has the ledger decide on a governance transaction.
func (g *Gateway) submitMotion(ctx context.Context, text string) (*client.Motioned, error) {
	tx, err := decodeBase64("transaction", text)
	if err != nil {
		return nil, err
	}
	o, err := record.Open(tx)
	if err != nil {
		return nil, err
	}
	if o.Kind != record.KindGovernance {
		return nil, rats.Errorf(rats.Unsupported, "transaction: not one by which validators decide; other calls take the rest")
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	result, err := g.cfg.Ledger.Submit(ctx, tx)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		return nil, notYours(&refusedTx{result: result})
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "a validator spoke about the ledger",
		slog.Uint64("proposal", result.Proposal), slog.String("tx", result.Tx.Hex()))
	return &client.Motioned{Tx: result.Tx.Hex(), Height: result.Height, Proposal: result.Proposal}, nil
}
