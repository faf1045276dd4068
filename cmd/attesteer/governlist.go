// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func (a *app) ledgerProposalsCommand() *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use: "proposals [NUMBER]", Short: "Show what the validators decided and decide on",
		Long: `proposals shows the validators and their governance keys, the parameters, the
policy and the version that are in force, and the proposals: all that are open or
wait for their time, and the last decided ones. With a number it shows that one
whole.`,
		Example: `  attesteer ledger proposals
  attesteer ledger proposals 3 --node http://127.0.0.1:2701
  attesteer ledger proposals --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.ledgerProposals(cmd.Context(), node, args) },
	}
	nodeFlag(cmd.Flags(), &node)
	return cmd
}

func (a *app) ledgerProposals(ctx context.Context, node string, args []string) error {
	g, err := a.dial(node).Governance(ctx)
	if err != nil {
		return a.nodeError(node, err)
	}
	if len(args) == 1 {
		n, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return usagef("%q is no number of a proposal", args[0])
		}
		p, err := pick(g, n)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(p)
		}
		a.printProposal(p, g)
		return nil
	}
	if a.asJSON {
		return a.printJSON(g)
	}
	return a.printGovernance(g)
}

func (a *app) printGovernance(g *client.Governance) error {
	a.printf("chain %s, version %d of the state machine\n", g.ChainID, g.StateVersion)
	if g.Planned != nil {
		a.row("next version", fmt.Sprintf("%d from block %d on", g.Planned.Version, g.Planned.Height))
	}
	for _, v := range g.Validators {
		a.row("validator", fmt.Sprintf("%s, power %d", v.Key, v.Power))
		a.row("  its governance key", v.Governance.String())
	}
	if err := a.printMembers("parameter", g.Parameters); err != nil {
		return err
	}
	if err := a.printMembers("policy", g.Policy); err != nil {
		return err
	}
	for i := range g.Proposals {
		p := &g.Proposals[i]
		a.row(fmt.Sprintf("proposal %d", p.Number), fmt.Sprintf("%s: %s, %s", p.Kind, p.State, tally(p)))
	}
	return nil
}

// printMembers prints a row for each member of what is an object in JSON.
func (a *app) printMembers(what string, v any) error {
	members, names, err := membersOfJSON(v)
	if err != nil {
		return err
	}
	for _, name := range names {
		a.row(what, name+" "+string(members[name]))
	}
	return nil
}

func tally(p *client.Proposal) string {
	return fmt.Sprintf("%d of %d for it, %d against", p.Yes, p.Total, p.No)
}

// printProposal shows a proposal; while it is not decided, with what it changes of
// the present.
func (a *app) printProposal(p *client.Proposal, g *client.Governance) {
	set := g.Validators
	if p.State != record.ProposalOpen && p.State != record.ProposalPassed {
		g = nil
	}
	a.printf("proposal %d: %s\n", p.Number, p.Kind)
	a.row("state", fmt.Sprintf("%s since %s", p.State, p.Since.Time().Format(time.RFC3339)))
	a.row("power", tally(p))
	a.row("proposed by", nameOf(p.Proposer, set))
	if p.Proposal.Reason != "" {
		a.row("reason", p.Proposal.Reason)
	}
	a.row("closes", p.Proposal.Closes.Time().Format(time.RFC3339))
	if p.Proposal.NotBefore != 0 {
		a.row("takes effect", p.Proposal.NotBefore.Time().Format(time.RFC3339))
	}
	label := "change"
	if g == nil && (p.Proposal.Parameters != nil || p.Proposal.Policy != nil) {
		label = "asked for" // as a whole: what it differed from is not known any more
	}
	for _, change := range changesOf(&p.Proposal, g) {
		a.row(label, change)
	}
	for _, v := range p.Votes {
		word := "against it: "
		if v.Approve {
			word = "for it: "
		}
		a.row("vote", word+nameOf(v.GovernanceKey, set))
	}
	a.row("digest", p.Digest.String())
}

// nameOf names who holds a governance key.
func nameOf(governance string, set []record.Validator) string {
	for _, v := range set {
		if v.Governance.String() == governance {
			return "validator " + v.Key.String()
		}
	}
	return "governance key " + governance + ", no validator's any more"
}

// changesOf says what a proposal would change, a line for each; of parameters and
// policy those that differ from the present ones, or all if that is nil.
func changesOf(p *record.Proposal, now *client.Governance) []string {
	var out []string
	for _, v := range p.Validators {
		if v.Power == 0 {
			out = append(out, fmt.Sprintf("validator %s goes", v.Key))
			continue
		}
		out = append(out, fmt.Sprintf("validator %s has power %d, governance key %s", v.Key, v.Power, v.Governance))
	}
	if p.Leap {
		out = append(out, "more than a third of the power may move at once")
	}
	if n := p.Activation; n != nil && n.Height == 0 {
		out = append(out, "the planned version is called off")
	} else if n != nil {
		out = append(out, fmt.Sprintf("version %d of the state machine begins at block %d", n.Version, n.Height))
	}
	if now == nil {
		now = &client.Governance{}
	}
	for _, whole := range []struct{ to, from any }{{p.Parameters, now.Parameters}, {p.Policy, now.Policy}} {
		members, names, err := membersOfJSON(whole.to)
		before, _, errBefore := membersOfJSON(whole.from)
		if err != nil || errBefore != nil {
			continue
		}
		for _, name := range names {
			switch from, to := string(before[name]), string(members[name]); {
			case now.ChainID == "":
				out = append(out, name+" "+to)
			case from != to:
				out = append(out, fmt.Sprintf("%s from %s to %s", name, from, to))
			}
		}
	}
	return out
}

// membersOfJSON returns the members of an object in JSON and their names, in the
// order in which the type has them.
func membersOfJSON(v any) (map[string]json.RawMessage, []string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	var names []string
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if _, ok := members[name]; ok {
			names = append(names, name)
		}
	}
	return members, names, nil
}
