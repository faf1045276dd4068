// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Seeds of keys: those of validators for blocks, then for governance.
const (
	blockKeys      = 100
	governanceKeys = 150
)

func public(k ed25519.PrivateKey) record.PublicKey {
	return record.PublicKey(k.Public().(ed25519.PublicKey))
}

// voice returns the validator of a number.
func voice(n byte, power int64) record.Validator {
	return record.Validator{Key: public(key(blockKeys + n)), Governance: public(key(governanceKeys + n)), Power: power}
}

// governed is a chain whose validators, numbered from 0, have the given powers.
func governed(t testing.TB, powers ...int64) *chain {
	t.Helper()
	return newChain(t, governedGenesis(powers...))
}

func governedGenesis(powers ...int64) registry.Genesis {
	g := devGenesis()
	for i, p := range powers {
		g.Validators = append(g.Validators, voice(byte(i), p))
	}
	return g
}

// motion signs a governance transaction of a validator; change adjusts it before.
func (c *chain) motion(n byte, change func(*record.Motion)) []byte {
	c.t.Helper()
	c.nonce++
	m := record.Motion{Version: 1, ChainID: "test-chain", NotAfter: c.now + 60_000}
	binary.BigEndian.PutUint64(m.Nonce[:], c.nonce)
	change(&m)
	b, err := record.SignMotion(key(governanceKeys+n), m)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// propose signs a proposal that is open for an hour.
func (c *chain) propose(n byte, p record.Proposal) []byte {
	if p.Replaces == (record.Digest{}) {
		p.Replaces = c.replaced(&p)
	}
	if p.Closes == 0 {
		p.Closes = c.now + 3_600_000
	}
	return c.motion(n, func(m *record.Motion) { m.Proposal = &p })
}

// replaced returns what names the parameters or the policy that hold now.
func (c *chain) replaced(p *record.Proposal) record.Digest {
	c.t.Helper()
	var present any
	switch g := c.reg.Governance(); {
	case p.Parameters != nil:
		present = g.Parameters
	case p.Policy != nil:
		present = g.Policy
	default:
		return record.Digest{}
	}
	d, err := record.DigestOf(present)
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// vote signs a ballot on a proposal as it stands.
func (c *chain) vote(n byte, number uint64, approve bool) []byte {
	c.t.Helper()
	return c.motion(n, func(m *record.Motion) {
		m.Ballot = &record.Ballot{Number: number, Digest: c.proposal(number).Digest, Approve: approve}
	})
}

// proposal returns an entry that the state holds.
func (c *chain) proposal(number uint64) record.ProposalEntry {
	c.t.Helper()
	_, all, err := c.reg.Proposals()
	if err != nil {
		c.t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(e record.ProposalEntry) bool { return e.Number == number })
	if at < 0 {
		c.t.Fatalf("no proposal %d among %d", number, len(all))
	}
	return all[at]
}

func (c *chain) stands(number uint64, want record.ProposalState) {
	c.t.Helper()
	if e := c.proposal(number); e.State != want {
		c.t.Fatalf("proposal %d is %s, want %s", number, e.State, want)
	}
}

// lists is a change of parameters that can be told from others.
func lists(c *chain, n uint32) record.Proposal {
	p := c.reg.Governance().Parameters
	p.MaxListings = n
	return record.Proposal{Parameters: &p}
}

func TestAProposalPassesWithMoreThanTwoThirdsOfThePowerAndNotWithExactlyThat(t *testing.T) {
	c := governed(t, 10, 10, 10)
	r := c.ok(c.propose(0, lists(c, 3)))
	if r.Proposal != 1 {
		t.Fatalf("proposal %d", r.Proposal)
	}
	c.ok(c.vote(1, 1, true))
	c.stands(1, record.ProposalOpen) // 20 of 30
	if got := c.reg.Governance().Parameters.MaxListings; got == 3 {
		t.Error("two thirds changed the parameters")
	}
	c.ok(c.vote(2, 1, true))
	c.stands(1, record.ProposalEnacted)
	if got := c.reg.Governance().Parameters.MaxListings; got != 3 {
		t.Errorf("the parameters did not change: %d", got)
	}
	if e := c.proposal(1); e.Yes != 30 || e.No != 0 || e.Total != 30 {
		t.Errorf("tally %d, %d of %d", e.Yes, e.No, e.Total)
	}
}

func TestPowerDecidesAndNotTheNumberOfValidators(t *testing.T) {
	c := governed(t, 67, 11, 11, 11)
	c.ok(c.propose(0, lists(c, 3)))
	c.stands(1, record.ProposalEnacted)
	c = governed(t, 34, 22, 22, 22)
	c.ok(c.propose(1, lists(c, 3)))
	c.block(c.vote(2, 1, true), c.vote(3, 1, true))
	c.stands(1, record.ProposalOpen) // 66 of 100
	c.ok(c.vote(0, 1, false))
	c.stands(1, record.ProposalRejected) // it cannot pass any more
}

func TestAVoteMayBeChangedUntilTheProposalIsDecidedAndCountsOnce(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	// One who says both, in one block: the later word counts, and once.
	for _, r := range c.block(c.vote(1, 1, true), c.vote(1, 1, false)) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	c.ok(c.vote(2, 1, true))
	if e := c.proposal(1); e.State != record.ProposalOpen || len(e.Votes) != 3 {
		t.Fatalf("%s with %d votes", e.State, len(e.Votes))
	}
	again := c.vote(1, 1, false)
	c.refused(again, rats.Replayed, "that already")
	c.ok(c.vote(1, 1, true))
	c.stands(1, record.ProposalEnacted)
	c.refused(c.vote(3, 1, false), rats.PolicyRejected, "decided")
}

func TestAThirdOfThePowerAgainstEndsAProposal(t *testing.T) {
	c := governed(t, 10, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	c.ok(c.vote(1, 1, false))
	c.stands(1, record.ProposalRejected)
}

func TestAProposalLapsesWhenItsTimeIsOver(t *testing.T) {
	c := governed(t, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	closes := c.proposal(1).Proposal.Closes
	late := c.motion(1, func(m *record.Motion) {
		m.NotAfter = closes + 2000
		m.Ballot = &record.Ballot{Number: 1, Digest: c.proposal(1).Digest, Approve: true}
	})
	c.blockAt(closes)
	c.stands(1, record.ProposalOpen)
	if r := c.blockAt(closes+1, late)[0]; r.Err == nil || r.Err.Kind != rats.Expired {
		t.Errorf("a late vote: %v", r.Err)
	}
	c.stands(1, record.ProposalLapsed)
	if len(c.reg.Governance().Open) != 0 {
		t.Error("it still takes room")
	}
}

func TestOnlyValidatorsSpeakAndEachWordOnceOnItsOwnLedgerInItsTime(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	p := lists(c, 3)
	p.Closes, p.Replaces = c.now+3_600_000, c.replaced(&p)
	c.refused(c.motion(9, func(m *record.Motion) { m.Proposal = &p }), rats.Unauthorized)
	c.refused(c.motion(0, func(m *record.Motion) { m.Proposal, m.ChainID = &p, "other" }), rats.BindingMismatch, "another ledger")
	c.refused(c.motion(0, func(m *record.Motion) { m.Proposal, m.NotAfter = &p, c.now-1 }), rats.Expired)
	c.refused(c.motion(0, func(m *record.Motion) { m.Proposal, m.NotAfter = &p, c.now+25*3_600_000 }), rats.PolicyRejected, "not_after")
	forged := c.propose(0, p)
	forged[len(forged)-1] ^= 1
	c.refused(forged, rats.BadSignature)
	// The key that signs blocks decides nothing.
	m := record.Motion{Version: 1, ChainID: "test-chain", NotAfter: c.now + 60_000, Proposal: &p}
	tx, err := record.SignMotion(key(blockKeys), m)
	if err != nil {
		t.Fatal(err)
	}
	c.refused(tx, rats.Unauthorized)
	c.ok(c.propose(0, p))
	yes := c.vote(1, 1, true)
	c.ok(yes)
	c.ok(c.vote(1, 1, false))
	c.refused(yes, rats.Replayed, "nonce")
	c.stands(1, record.ProposalOpen)
	other := c.motion(1, func(m *record.Motion) { m.Ballot = &record.Ballot{Number: 1, Approve: true} })
	c.refused(other, rats.BindingMismatch, "another proposal")
	c.refused(c.motion(1, func(m *record.Motion) { m.Ballot = &record.Ballot{Number: 7, Approve: true} }), rats.NotFound)
}

func TestOpenProposalsAndWordsInABlockAreBounded(t *testing.T) {
	c := governed(t, 10, 10, 10, 10, 10)
	for i := range uint32(4) {
		c.ok(c.propose(0, lists(c, 3+i)))
	}
	c.refused(c.propose(0, lists(c, 100)), rats.QuotaExceeded, "this validator has 4")
	same := lists(c, 3)
	same.Closes = c.proposal(1).Proposal.Closes
	c.refused(c.propose(1, same), rats.Replayed, "asks for the same")
	for n := byte(1); n < 4; n++ {
		for i := range uint32(4) {
			c.ok(c.propose(n, lists(c, 10*uint32(n)+i)))
		}
	}
	c.refused(c.propose(4, lists(c, 100)), rats.QuotaExceeded, "16 proposals are open")
	var words [][]byte
	for i := range uint64(5) {
		words = append(words, c.vote(4, 1+i, true))
	}
	results := c.block(words...)
	if err := results[3].Err; err != nil {
		t.Error(err)
	}
	if err := results[4].Err; err == nil || err.Kind != rats.QuotaExceeded {
		t.Errorf("a fifth word in a block: %v", err)
	}
	p := lists(c, 3)
	p.Closes = c.now + 31*24*3_600_000
	c.refused(c.propose(4, p), rats.PolicyRejected, "closes")
	p.Closes = c.now
	c.refused(c.propose(4, p), rats.PolicyRejected, "closes")
}

func TestTheVotesOfARemovedValidatorStopCounting(t *testing.T) {
	c := governed(t, 10, 10, 10, 10, 10)
	c.ok(c.propose(4, lists(c, 3)))
	c.ok(c.vote(0, 1, true))
	c.ok(c.vote(1, 1, true)) // 30 of 50: one more would do
	gone := voice(4, 0)
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{gone}}))
	c.block(c.vote(1, 2, true), c.vote(2, 2, true), c.vote(3, 2, true))
	c.stands(2, record.ProposalEnacted)
	c.block() // 20 of 40
	c.stands(1, record.ProposalOpen)
	c.refused(c.motion(4, func(m *record.Motion) {
		m.Ballot = &record.Ballot{Number: 1, Digest: c.proposal(1).Digest}
	}), rats.Unauthorized)
	c.ok(c.vote(2, 1, true)) // 30 of 40
	c.stands(1, record.ProposalEnacted)
}

func TestPowerIsCountedAsItIsWhenVotesAre(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	c.ok(c.vote(1, 1, true)) // 20 of 40
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{voice(3, 0)}}))
	c.block(c.vote(1, 2, true), c.vote(2, 2, true))
	c.stands(2, record.ProposalEnacted)
	c.block() // 20 of 30 is not more than two thirds
	c.stands(1, record.ProposalOpen)
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{voice(2, 1)}}))
	c.block(c.vote(1, 3, true), c.vote(2, 3, true))
	c.stands(3, record.ProposalEnacted)
	c.block() // 20 of 21 is, without another vote
	c.stands(1, record.ProposalEnacted)
}

func TestWhatIsProposedHasALimitedForm(t *testing.T) {
	c := governed(t, 10)
	params := c.reg.Governance().Parameters
	bad := params
	bad.MinDuration = 0
	long := make([]byte, 257)
	for i := range long {
		long[i] = 'x'
	}
	for name, p := range map[string]record.Proposal{
		"nothing": {}, "two changes": {Parameters: &params, Activation: &record.Activation{Version: 9, Height: 9}},
		"no word on what it replaces": {Parameters: &params}, "bad parameters": {Parameters: &bad}, "a leap of parameters": {Parameters: &params, Leap: true},
		"a long reason": {Parameters: &params, Reason: string(long)}, "a reason that is not text": {Parameters: &params, Reason: "\x1b[2J"},
		"a registrar twice":              {Policy: &record.NetworkPolicy{Registrars: []string{hexOf(1), hexOf(1)}}},
		"a registrar that is none":       {Policy: &record.NetworkPolicy{Registrars: []string{"x"}}},
		"too many manufacturers":         {Policy: &record.NetworkPolicy{Manufacturers: make([]rats.TrustRoot, 17)}},
		"a change of version that waits": {Activation: &record.Activation{Version: 9, Height: 9}, NotBefore: 1},
	} {
		p.Closes = c.now + 1000
		if name != "no word on what it replaces" {
			p.Replaces = c.replaced(&p)
		}
		m := record.Motion{Version: 1, ChainID: "test-chain", NotAfter: c.now + 1000, Proposal: &p}
		if _, err := record.SignMotion(key(governanceKeys), m); rats.KindOf(err) != rats.Malformed && rats.KindOf(err) != rats.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
		// Whoever signs it all the same is refused.
		body, err := record.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		k := key(governanceKeys)
		tx, err := record.Marshal(record.Envelope{
			Kind: record.KindGovernance, Body: body, Signer: k[ed25519.SeedSize:], Signature: ed25519.Sign(k, record.GovernanceBytes(body)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if r := c.block(tx)[0]; r.Err == nil || (r.Err.Kind != rats.Malformed && r.Err.Kind != rats.TooLarge) {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

func hexOf(n byte) string {
	r := registrar(key(n))
	return hex.EncodeToString(r[:])
}
