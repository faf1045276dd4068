// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// govern counts the votes at the end of a block, with the power that there is
// now, and makes the changes that passed and whose time has come. It returns the
// validators that changed, without power where they go.
//
// One change of validators takes effect in a block; the next waits for the next.
func (x *run) govern() ([]record.Validator, error) {
	var changed []record.Validator
	for _, number := range x.st.gov.Open {
		e, err := x.proposal(number)
		if err != nil {
			return nil, err
		}
		if e.State == record.ProposalOpen {
			if err := x.decide(e); err != nil {
				return nil, err
			}
		}
		switch {
		case e.State != record.ProposalPassed || e.Proposal.NotBefore > x.st.time.Time:
		case len(e.Proposal.Validators) > 0 && changed != nil:
		default:
			updates, err := x.enact(e)
			if err != nil {
				return nil, err
			}
			changed = append(changed, updates...)
		}
	}
	return changed, nil
}

// decide counts the votes on an open proposal.
func (x *run) decide(e *record.ProposalEntry) error {
	yes, no, total := e.Tally(x.st.gov.Validators)
	switch {
	case e.Proposal.Closes < x.st.time.Time:
		e.State = record.ProposalLapsed
	case carries(yes, total):
		e.State = record.ProposalPassed
	case blocks(no, total):
		e.State = record.ProposalRejected
	default:
		return nil
	}
	e.Yes, e.No, e.Total = yes, no, total
	return x.settle(e)
}

// settle writes the new state of a proposal and tells of it. One that is over
// makes room.
func (x *run) settle(e *record.ProposalEntry) error {
	e.Since, e.SinceHeight = x.st.time.Time, x.height
	if err := x.w.write(record.ProposalKey(e.Number), e); err != nil {
		return err
	}
	if e.State != record.ProposalPassed {
		err := x.changeGovernance(func(g *record.Governance) {
			g.Open = slices.DeleteFunc(g.Open, func(n uint64) bool { return n == e.Number })
			g.Decided = append(g.Decided, e.Number)
			slices.Sort(g.Decided)
			if len(g.Decided) > maxDecided {
				x.w.put(mapSpace(record.ProposalKey(g.Decided[0])), nil)
				g.Decided = g.Decided[1:]
			}
		})
		if err != nil {
			return err
		}
	}
	return x.tell(record.ProposalSettled+record.EventKind(e.State), record.TxHash{}, record.Act{Number: e.Number, Yes: e.Yes, No: e.No, Total: e.Total})
}

// feasible reports whether a change could be made now.
func (x *run) feasible(p *record.Proposal) error {
	g := x.st.gov
	switch p.Kind() {
	case record.ProposeValidators:
		_, moved, err := record.ChangeValidators(g.Validators, p.Validators)
		if err != nil {
			return err
		}
		if !p.Leap && 3*moved > record.TotalPower(g.Validators) {
			return rats.Errorf(rats.PolicyRejected, "the change moves %d of a power of %d, more than a third, and the proposal does not say that it leaps",
				moved, record.TotalPower(g.Validators))
		}
		return nil
	case record.ProposeParameters:
		if p.Parameters.MaxReportAge != 0 && g.Version < formsVersion {
			return rats.Errorf(rats.Malformed, "version %d of the state machine knows no greatest age of reports", g.Version)
		}
		return replaces(p, g.Parameters, *p.Parameters)
	case record.ProposePolicy:
		if err := x.st.genesis.allows(p.Policy); err != nil {
			return err
		}
		return replaces(p, g.Policy, *p.Policy)
	case record.ProposeVersion:
		return x.st.activates(p.Activation, x.height)
	default:
		return nil
	}
}

// replaces checks that a proposal is about what holds now, and changes it.
func replaces(p *record.Proposal, present, next any) error {
	was, err := record.DigestOf(present)
	if err != nil {
		return err
	}
	is, err := record.DigestOf(next)
	switch {
	case err != nil:
		return err
	case was != p.Replaces:
		return rats.Errorf(rats.BindingMismatch, "the proposal was made for what does not hold any more: look again, and propose anew")
	case is == was:
		return rats.Errorf(rats.Malformed, "the proposal changes nothing")
	default:
		return nil
	}
}

// enact makes a change that passed. What cannot be done any more is void, and
// changes nothing.
func (x *run) enact(e *record.ProposalEntry) ([]record.Validator, error) {
	p := &e.Proposal
	e.State = record.ProposalEnacted
	if err := x.feasible(p); err != nil {
		if rats.KindOf(err) == rats.Internal {
			return nil, err
		}
		e.State = record.ProposalVoid
		return nil, x.settle(e)
	}
	before := x.st.gov
	err := x.changeGovernance(func(g *record.Governance) {
		switch p.Kind() {
		case record.ProposeValidators:
			// It was found to be possible just now.
			g.Validators, _, _ = record.ChangeValidators(g.Validators, p.Validators)
		case record.ProposeParameters:
			g.Parameters = *p.Parameters
		case record.ProposePolicy:
			g.Policy = *p.Policy
		case record.ProposeVersion:
			if g.Next = p.Activation; g.Next.Height == 0 {
				g.Next = nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if p.Parameters != nil || p.Policy != nil {
		x.reshelve()
	}
	var changed []record.Validator
	for _, u := range p.Validators {
		if !slices.ContainsFunc(before.Validators, func(v record.Validator) bool { return v.Key == u.Key && v.Power == u.Power }) {
			changed = append(changed, u) // another governance key is nothing to the engine
		}
	}
	return changed, x.settle(e)
}

// reshelve brings the shelf in line with new parameters, and has all records
// judged again by the rules that hold now.
func (x *run) reshelve() {
	x.st.shelf = x.st.shelf.clone().forLedger(x.st.gov.Parameters)
	x.st.shelf.collect()
	x.stirred = true
}
