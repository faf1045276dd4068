// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// changed returns the validators that the block of these transactions changes.
func (c *chain) changed(txs ...[]byte) []record.Validator {
	c.t.Helper()
	c.now += 1000
	height := c.reg.Height() + 1
	out, err := c.reg.Apply(registry.Block{Height: height, Hash: hashOf(height), Txs: append([][]byte{tickAt(c.t, c.now)}, txs...)})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range out.Results {
		if r.Err != nil {
			c.t.Fatal(r.Err)
		}
	}
	if err := c.reg.Commit(); err != nil {
		c.t.Fatal(err)
	}
	return out.Validators
}

func TestValidatorsAreAddedChangedAndRemoved(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	fifth := voice(4, 10)
	if got := c.changed(c.propose(0, record.Proposal{Validators: []record.Validator{fifth}})); got != nil {
		t.Errorf("a proposal alone changed %v", got)
	}
	c.changed(c.vote(1, 1, true))
	if got := c.changed(c.vote(2, 1, true)); !slices.Equal(got, []record.Validator{fifth}) {
		t.Errorf("changed %v", got)
	}
	if set := c.reg.Governance().Validators; len(set) != 5 || record.TotalPower(set) != 50 {
		t.Errorf("validators %v", set)
	}
	// The fifth votes from now on: 40 of 50, and 30 would not do.
	less := voice(0, 5)
	c.changed(c.propose(4, record.Proposal{Validators: []record.Validator{less}}))
	if got := c.changed(c.vote(1, 2, true), c.vote(2, 2, true)); got != nil {
		t.Errorf("30 of 50 changed %v", got)
	}
	if got := c.changed(c.vote(3, 2, true)); !slices.Equal(got, []record.Validator{less}) {
		t.Errorf("changed %v", got)
	}
	gone := voice(1, 0)
	c.changed(c.propose(0, record.Proposal{Validators: []record.Validator{gone}}))
	if got := c.changed(c.vote(2, 3, true), c.vote(3, 3, true), c.vote(4, 3, true)); !slices.Equal(got, []record.Validator{gone}) {
		t.Errorf("changed %v", got)
	}
	if set := c.reg.Governance().Validators; len(set) != 4 || record.TotalPower(set) != 35 {
		t.Errorf("validators %v", set)
	}
}

func TestAnotherGovernanceKeyIsNothingToConsensus(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	lost := voice(3, 10)
	lost.Governance = public(key(200))
	c.block(c.propose(0, record.Proposal{Validators: []record.Validator{lost}}))
	if got := c.changed(c.vote(1, 1, true), c.vote(2, 1, true)); len(got) != 0 {
		t.Errorf("consensus is told of %v", got)
	}
	c.stands(1, record.ProposalEnacted)
	c.refused(c.propose(3, lists(c, 3)), rats.Unauthorized)
}

func TestChangesOfValidatorsKeepTheLedgerAlive(t *testing.T) {
	c := governed(t, 10, 10, 10)
	for name, v := range map[string][]record.Validator{
		"nobody to remove": {voice(7, 0)}, "no change": {voice(0, 10)}, "one twice": {voice(0, 9), voice(0, 8)},
		"none left": {voice(0, 0), voice(1, 0), voice(2, 0)}, "a power below zero": {voice(4, -1)}, "too much power": {voice(4, record.MaxPower+1)},
		"a key for two uses":       {{Key: public(key(blockKeys)), Governance: public(key(blockKeys + 1)), Power: 10}},
		"another's governance key": {{Key: public(key(77)), Governance: public(key(governanceKeys)), Power: 10}},
		"nobody's key":             {{Key: record.PublicKey{1}, Governance: public(key(78)), Power: 10}},
	} {
		r := c.block(c.propose(0, record.Proposal{Validators: v, Leap: true}))[0]
		if r.Err == nil || r.Err.Kind != rats.Malformed {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	// A third may move at once, and more only where the proposal says so.
	c.refused(c.propose(0, record.Proposal{Validators: []record.Validator{voice(4, 11)}}), rats.PolicyRejected, "more than a third")
	c.refused(c.propose(0, record.Proposal{Validators: []record.Validator{voice(4, 6), voice(1, 5)}}), rats.PolicyRejected, "more than a third")
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{voice(4, 10)}}))
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{voice(4, 11)}, Leap: true}))
}

func TestOneChangeOfValidatorsIsMadeInABlockAndOneThatCannotBeMadeAnyMoreIsVoid(t *testing.T) {
	c := governed(t, 10, 10, 10, 10)
	c.ok(c.propose(0, record.Proposal{Validators: []record.Validator{voice(3, 0)}}))
	c.ok(c.propose(1, record.Proposal{Validators: []record.Validator{voice(3, 0)}, Reason: "the same"}))
	c.block(c.vote(1, 1, true), c.vote(0, 2, true))
	if got := c.changed(c.vote(2, 1, true), c.vote(2, 2, true)); len(got) != 1 {
		t.Errorf("one block changed %v", got)
	}
	c.stands(1, record.ProposalEnacted)
	c.stands(2, record.ProposalPassed)
	if got := c.changed(); got != nil {
		t.Errorf("changed %v", got)
	}
	c.stands(2, record.ProposalVoid)
}

func TestAProposalChangesSomething(t *testing.T) {
	c := governed(t, 10)
	g := c.reg.Governance()
	c.refused(c.propose(0, record.Proposal{Parameters: &g.Parameters}), rats.Malformed, "changes nothing")
	c.refused(c.propose(0, record.Proposal{Policy: &g.Policy}), rats.Malformed, "changes nothing")
	c.refused(c.propose(0, record.Proposal{Validators: []record.Validator{voice(0, 10)}}), rats.Malformed)
}

func TestAProposalThatWasMadeForOtherParametersUndoesNothing(t *testing.T) {
	c := governed(t, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	second := c.reg.Governance().Parameters
	second.UnknownQuota = 7
	c.ok(c.propose(0, record.Proposal{Parameters: &second}))
	c.ok(c.vote(1, 1, true))
	c.ok(c.vote(1, 2, true))
	c.stands(2, record.ProposalVoid)
	if p := c.reg.Governance().Parameters; p.MaxListings != 3 || p.UnknownQuota == 7 {
		t.Errorf("%+v", p)
	}
	old := c.proposal(2).Proposal
	c.refused(c.propose(0, record.Proposal{Parameters: &second, Replaces: old.Replaces}), rats.BindingMismatch, "any more")
}

func TestAChangeWaitsForItsTime(t *testing.T) {
	c := governed(t, 10)
	p := lists(c, 3)
	p.NotBefore = c.now + 100_000
	c.ok(c.propose(0, p))
	c.stands(1, record.ProposalPassed)
	c.blockAt(p.NotBefore - 1)
	if c.reg.Governance().Parameters.MaxListings == 3 {
		t.Error("too early")
	}
	c.blockAt(p.NotBefore)
	if c.reg.Governance().Parameters.MaxListings != 3 {
		t.Error("it did not come")
	}
	p.NotBefore = c.now + 366*24*3_600_000
	p.Closes = 0
	c.refused(c.propose(0, p), rats.PolicyRejected, "waits at most")
}

func TestNewParametersHoldForWhatComesAfter(t *testing.T) {
	c := governed(t, 10)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	quote := func(n byte) []byte { return quoteOf(t, simtee.Enclave{TCB: rats.UpToDate, MREnclave: [32]byte{n}}) }
	p := c.reg.Governance().Parameters
	p.UnknownQuota = 1
	c.ok(c.propose(0, record.Proposal{Parameters: &p}))
	if got := c.block(c.submit(key(1), quote(1)), c.submit(key(1), quote(2))); got[0].Err != nil || rats.KindOf(errOf(got[1])) != rats.QuotaExceeded {
		t.Errorf("%v, %v", got[0].Err, got[1].Err)
	}
	// An admitted registrar is not of the unknown ones.
	g := c.reg.Governance()
	g.Policy.Registrars = []string{hexOf(1)}
	c.ok(c.propose(0, record.Proposal{Policy: &g.Policy}))
	for _, r := range c.block(c.submit(key(1), quote(3)), c.submit(key(1), quote(4))) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
}

func TestTheNetworksPolicyDecidesAboutDebugEnclaves(t *testing.T) {
	c := governed(t, 10)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: rats.UpToDate, MREnclave: [32]byte{1}, Debug: true})))
	c.ok(c.propose(0, record.Proposal{Policy: &record.NetworkPolicy{}}))
	c.refused(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: rats.UpToDate, MREnclave: [32]byte{2}, Debug: true})), rats.DebugForbidden)
}

func TestNoMainNetworkDecidesToTakeDebugBuilds(t *testing.T) {
	g := registry.NewGenesis(registry.Main)
	g.Validators = []record.Validator{voice(0, 10)}
	c := newChain(t, g)
	if c.reg.Governance().Policy.AllowDebug {
		t.Error("it does from the beginning")
	}
	c.refused(c.propose(0, record.Proposal{Policy: &record.NetworkPolicy{AllowDebug: true}}), rats.PolicyRejected, "main network")
}

// TestAnAdmittedManufacturersRootCounts has a ledger without the simulated root
// admit it under a name of its own.
func TestAnAdmittedManufacturersRootCounts(t *testing.T) {
	g := registry.NewGenesis(registry.Main)
	g.Validators = []record.Validator{voice(0, 10)}
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.refused(c.publish(items...), rats.UntrustedRoot)
	root := simtee.Root()
	for name, change := range map[string]func(*rats.TrustRoot){
		"the simulated root's name": func(*rats.TrustRoot) {}, "a vendor's name": func(r *rats.TrustRoot) { r.Name = rats.IntelRoot },
		"no name": func(r *rats.TrustRoot) { r.Name = "" }, "a name with spaces": func(r *rats.TrustRoot) { r.Name = "a b" },
		"no key":     func(r *rats.TrustRoot) { r.Name, r.PublicKey = "acme", []byte{1} },
		"no subject": func(r *rats.TrustRoot) { r.Name, r.Subject = "acme", []byte{} },
	} {
		bad := root
		change(&bad)
		if r := c.block(c.propose(0, record.Proposal{Policy: &record.NetworkPolicy{Manufacturers: []rats.TrustRoot{bad}}}))[0]; rats.KindOf(errOf(r)) != rats.Malformed {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	root.Name = "acme"
	c.ok(c.propose(0, record.Proposal{Policy: &record.NetworkPolicy{Manufacturers: []rats.TrustRoot{root}}}))
	c.ok(c.publish(items...))
	r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: rats.UpToDate, MREnclave: [32]byte{1}})))
	rec, err := c.reg.Record(r.RecordID)
	if err != nil || rec.TrustRoot != "acme" {
		t.Errorf("root %q, %v", rec.TrustRoot, err)
	}
}

func TestEveryDecisionIsInTheHistoryOfTheLedger(t *testing.T) {
	c := governed(t, 10, 10, 10)
	c.ok(c.propose(0, lists(c, 3)))
	c.block(c.vote(1, 1, true), c.vote(2, 1, true))
	events, err := c.reg.Events(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		if e.Act == nil || e.Act.Number != 1 {
			t.Errorf("%s: %+v", e.Kind, e.Act)
		}
		kinds = append(kinds, string(e.Kind))
	}
	want := "proposal_made ballot_cast ballot_cast proposal_passed proposal_enacted"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := c.reg.History(record.ID{}); rats.KindOf(err) != rats.NotFound {
		t.Errorf("the record without a name has a history: %v", err)
	}
	if made := events[0].Act; made.Proposal == nil || made.By == nil || *made.By != voice(0, 1).Governance || made.Proposal.Parameters.MaxListings != 3 {
		t.Errorf("%+v", made)
	}
	if tally := events[4].Act; tally.Yes != 30 || tally.Total != 30 {
		t.Errorf("%+v", tally)
	}
}

func TestTheStateHoldsTheLastDecidedProposalsAndNoMore(t *testing.T) {
	c := governed(t, 10)
	for i := range uint32(70) {
		c.ok(c.propose(0, lists(c, 3+i)))
	}
	g, all, err := c.reg.Proposals()
	if err != nil || len(all) != 64 || all[0].Number != 7 || all[63].Number != 70 || g.Proposals != 70 {
		t.Errorf("%d proposals, %v", len(all), err)
	}
	if c.reg.EventCount() != 210 {
		t.Errorf("%d events", c.reg.EventCount())
	}
}

// knowing opens a chain's store as a program that knows versions up to newest.
func (c *chain) knowing(newest uint64) (*registry.Registry, error) {
	return registry.OpenKnowing(c.store, newest)
}

func TestAVersionBeginsAtItsHeightAndAnOldProgramStopsBeforeIt(t *testing.T) {
	const next = registry.StateVersion + 1
	c := governed(t, 10)
	c.refused(c.propose(0, record.Proposal{Activation: &record.Activation{Version: registry.StateVersion, Height: 100}}), rats.PolicyRejected, "in force")
	c.refused(c.propose(0, record.Proposal{Activation: &record.Activation{Version: next, Height: c.reg.Height() + 2}}), rats.PolicyRejected, "at least")
	c.refused(c.propose(0, record.Proposal{Activation: &record.Activation{Version: registry.StateVersion}}), rats.PolicyRejected, "no version is planned")
	at := c.reg.Height() + 5
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: next, Height: at}}))
	if planned, known := c.reg.Planned(); planned == nil || planned.Height != at || known {
		t.Fatalf("planned %+v, known %v", planned, known)
	}
	for c.reg.Height() < at-1 {
		if err := c.reg.CanApply(c.reg.Height() + 1); err != nil {
			t.Fatal(err)
		}
		c.block()
	}
	before := c.store.clone().m
	for range 2 { // again after a restart
		_, err := c.reg.Apply(registry.Block{Height: at, Hash: hashOf(at), Txs: [][]byte{tickAt(t, c.now+1)}})
		if rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), "version 7") || c.reg.CanApply(at) == nil {
			t.Fatalf("an old program applies the block: %v", err)
		}
		reg, err := c.knowing(registry.StateVersion)
		if err != nil {
			t.Fatal(err)
		}
		c.reg = reg
	}
	for k, v := range c.store.m {
		if !bytes.Equal(before[k], v) || len(before) != len(c.store.m) {
			t.Fatalf("an old program changed %x", k)
		}
	}
	reg, err := c.knowing(next)
	if err != nil {
		t.Fatal(err)
	}
	c.reg = reg
	c.block()
	if g := c.reg.Governance(); g.Version != next || g.Next != nil || c.reg.Height() != at {
		t.Errorf("version %d at height %d", g.Version, c.reg.Height())
	}
	c.block()
	if _, err := c.knowing(registry.StateVersion); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), "it takes a program that knows version 7") {
		t.Errorf("an old program opens the new state: %v", err)
	}
	events, err := c.reg.Events(c.reg.EventCount()-1, 1)
	if err != nil || events[0].Kind != record.VersionBegan || events[0].Act.Version != next {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestAPlannedVersionIsCalledOffOrMoved(t *testing.T) {
	const next = registry.StateVersion + 1
	c := governed(t, 10)
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: next, Height: 50}}))
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: next, Height: 60}}))
	if planned, _ := c.reg.Planned(); planned == nil || planned.Height != 60 {
		t.Errorf("planned %+v", planned)
	}
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: registry.StateVersion}}))
	if planned, known := c.reg.Planned(); planned != nil || !known {
		t.Errorf("planned %+v", planned)
	}
}

// TestANewerProgramReachesWhatTheOthersReachFromTheBeginning replays a chain.
func TestANewerProgramReachesWhatTheOthersReachFromTheBeginning(t *testing.T) {
	g := governedGenesis(10)
	old, replaying := newChain(t, g), newMemory()
	newer, err := registry.OpenKnowing(replaying, registry.StateVersion+1)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := newer.Init("test-chain", record.MillisOf(start()), g)
	if err != nil || hash != old.reg.AppHash() {
		t.Fatalf("%x, %x, %v", hash, old.reg.AppHash(), err)
	}
	for version, word := range map[uint64]string{registry.StateVersion + 1: "none later", 3: "none earlier", 0: "none earlier"} {
		g.Version = version
		if _, err := mustOpen(t).Init("test-chain", record.MillisOf(start()), g); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), word) {
			t.Errorf("a genesis of version %d: %v", version, err)
		}
	}
}

func mustOpen(t *testing.T) *registry.Registry {
	t.Helper()
	r, err := registry.Open(newMemory())
	if err != nil {
		t.Fatal(err)
	}
	return r
}
