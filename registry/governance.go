// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Bounds on governance. A proposal and each of its votes is a transaction of a
// validator; what others send is refused before its signature is looked at.
const (
	// maxOpen bounds the proposals that are open or wait for their time, and
	// maxOpenEach those of one validator among them.
	maxOpen     = 16
	maxOpenEach = 4
	// maxDecided is how many decided proposals the map still holds. All are in
	// the log of the past.
	maxDecided = 64
	// motionQuota bounds the transactions of one validator in a block.
	motionQuota = 4
	// maxMotionLife bounds a governance transaction's not_after past ledger time:
	// longer than others, so that a key may be kept on a machine without a network.
	maxMotionLife = 24 * 3600 * 1000
	// maxVoting and maxWaiting bound, past ledger time, when a proposal closes and
	// when its change takes effect.
	maxVoting  = 30 * 24 * 3600 * 1000
	maxWaiting = 365 * 24 * 3600 * 1000
)

// carries reports whether a power is enough to decide: more than two thirds.
func carries(power, total int64) bool { return 3*power > 2*total }

// blocks reports whether a power against suffices for the rest not to decide.
func blocks(power, total int64) bool { return 3*power >= total }

// motion runs a validator's proposal or ballot.
func (x *run) motion(o *record.Opened, out *TxResult) error {
	who, err := x.admitMotion(o)
	if err != nil {
		return err
	}
	if err := x.registry.signed.verify(o); err != nil {
		return err
	}
	if o.Motion.Proposal != nil {
		return x.propose(o, who, out)
	}
	return x.cast(o, who, out)
}

// admitMotion checks that a governance transaction is a validator's, for this
// ledger and this time, and was not seen before.
func (x *run) admitMotion(o *record.Opened) (record.PublicKey, error) {
	m, now, who := o.Motion, x.st.time.Time, record.PublicKey(o.Registrar)
	switch {
	case m.ChainID != x.st.ChainID:
		return who, rats.Errorf(rats.BindingMismatch, "the transaction is for another ledger")
	case m.NotAfter < now:
		return who, rats.Errorf(rats.Expired, "the transaction's time is over")
	case m.NotAfter > now+maxMotionLife:
		return who, rats.Errorf(rats.PolicyRejected, "the transaction's not_after is more than %d s past ledger time", maxMotionLife/1000)
	case !slices.ContainsFunc(x.st.gov.Validators, func(v record.Validator) bool { return v.Governance == who }):
		return who, rats.Errorf(rats.Unauthorized, "%s is no validator's governance key", who)
	}
	if err := x.use.motion(o.Registrar); err != nil {
		return who, err
	}
	return who, x.spend(o.Registrar, m.Nonce, m.NotAfter)
}

// propose opens a proposal, for which its proposer votes.
func (x *run) propose(o *record.Opened, who record.PublicKey, out *TxResult) error {
	p, now := o.Motion.Proposal, x.st.time.Time
	switch {
	case p.Closes <= now || p.Closes > now+maxVoting:
		return rats.Errorf(rats.PolicyRejected, "a proposal closes after ledger time, and at most %d days after it", maxVoting/(24*3600*1000))
	case p.NotBefore > now+maxWaiting:
		return rats.Errorf(rats.PolicyRejected, "a change waits at most %d days", maxWaiting/(24*3600*1000))
	}
	if err := x.feasible(p); err != nil {
		return err
	}
	digest, err := p.Digest()
	if err != nil {
		return err
	}
	if err := x.roomFor(who, digest); err != nil {
		return err
	}
	e := record.ProposalEntry{
		Number: x.st.gov.Proposals + 1, Digest: digest, Proposer: who, Opened: now, Height: x.height, Tx: o.Hash, Proposal: *p,
		Votes: []record.CastVote{{Governance: who, Approve: true}}, State: record.ProposalOpen, Since: now, SinceHeight: x.height,
	}
	out.Proposal = e.Number
	err = x.changeGovernance(func(g *record.Governance) {
		g.Proposals, g.Open = e.Number, append(g.Open, e.Number)
	})
	if err != nil {
		return err
	}
	if err := x.w.write(record.ProposalKey(e.Number), e); err != nil {
		return err
	}
	return x.tell(record.ProposalMade, o.Hash, record.Act{Number: e.Number, By: &who, Approve: true, Proposal: p})
}

// roomFor checks the bounds on open proposals, and that none asks for the same.
func (x *run) roomFor(who record.PublicKey, digest record.Digest) error {
	if len(x.st.gov.Open) >= maxOpen {
		return rats.Errorf(rats.QuotaExceeded, "%d proposals are open: no more until one is decided", maxOpen)
	}
	own := 0
	for _, number := range x.st.gov.Open {
		e, err := x.proposal(number)
		if err != nil {
			return err
		}
		if e.Digest == digest {
			return rats.Errorf(rats.Replayed, "proposal %d asks for the same", number)
		}
		if e.Proposer == who {
			own++
		}
	}
	if own >= maxOpenEach {
		return rats.Errorf(rats.QuotaExceeded, "this validator has %d proposals open: no more until one is decided", maxOpenEach)
	}
	return nil
}

// cast takes a vote. One that says what the validator's last one said is
// refused, so that nobody fills the log by it.
func (x *run) cast(o *record.Opened, who record.PublicKey, out *TxResult) error {
	b := o.Motion.Ballot
	e, err := x.proposal(b.Number)
	if err != nil {
		return err
	}
	switch {
	case e.Digest != b.Digest:
		return rats.Errorf(rats.BindingMismatch, "the ballot is for another proposal than number %d", b.Number)
	case e.State != record.ProposalOpen:
		return rats.Errorf(rats.PolicyRejected, "proposal %d is decided: %s", b.Number, e.State)
	case e.Proposal.Closes < x.st.time.Time:
		return rats.Errorf(rats.Expired, "proposal %d has closed", b.Number)
	}
	vote := record.CastVote{Governance: who, Approve: b.Approve}
	at, voted := slices.BinarySearchFunc(e.Votes, vote, func(a, b record.CastVote) int {
		return bytes.Compare(a.Governance[:], b.Governance[:])
	})
	switch {
	case voted && e.Votes[at] == vote:
		return rats.Errorf(rats.Replayed, "this validator's vote on proposal %d is that already", b.Number)
	case voted:
		e.Votes[at] = vote
	default:
		// Votes of keys that are no validator's any more make room.
		e.Votes = slices.DeleteFunc(slices.Insert(e.Votes, at, vote), func(v record.CastVote) bool {
			return !slices.ContainsFunc(x.st.gov.Validators, func(o record.Validator) bool { return o.Governance == v.Governance })
		})
	}
	out.Proposal = e.Number
	if err := x.w.write(record.ProposalKey(e.Number), e); err != nil {
		return err
	}
	return x.tell(record.BallotCast, o.Hash, record.Act{Number: e.Number, By: &who, Approve: b.Approve})
}

// proposal reads an entry that the map holds, or NotFound.
func (x *run) proposal(number uint64) (*record.ProposalEntry, error) {
	var e record.ProposalEntry
	ok, err := x.w.read(record.ProposalKey(number), &e)
	if err == nil && !ok {
		err = rats.Errorf(rats.NotFound, "no proposal %d, or not any more", number)
	}
	return &e, err
}

// changeGovernance changes what validators decide on, and writes it.
func (x *run) changeGovernance(change func(g *record.Governance)) error {
	g := *x.st.gov
	g.Validators, g.Open, g.Decided = slices.Clone(g.Validators), slices.Clone(g.Open), slices.Clone(g.Decided)
	change(&g)
	x.st.gov = &g
	return x.w.write(record.GovernanceKey(), g)
}

// tell writes an event that is about the ledger itself. In the store it stands
// among the history of the record that has no name.
func (x *run) tell(kind record.EventKind, tx record.TxHash, act record.Act) error {
	return x.log(record.Event{Kind: kind, Tx: tx, Act: &act})
}
