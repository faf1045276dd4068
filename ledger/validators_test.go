// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// says has the validator of a home propose or vote at a node.
func says(t *testing.T, home string, n *Node, change func(*record.Motion)) registry.TxResult {
	t.Helper()
	key, err := LoadGovernanceKey(home)
	if err != nil {
		t.Fatal(err)
	}
	m := record.Motion{Version: 1, ChainID: n.Registry().ChainID(), NotAfter: record.MillisOf(time.Now().Add(time.Minute))}
	if _, err := rand.Read(m.Nonce[:]); err != nil {
		t.Fatal(err)
	}
	change(&m)
	tx, err := record.SignMotion(key, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := n.Submit(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// proposes opens a proposal and returns its number.
func proposes(t *testing.T, home string, n *Node, p record.Proposal) uint64 {
	t.Helper()
	p.Closes = record.MillisOf(time.Now().Add(time.Hour))
	r := says(t, home, n, func(m *record.Motion) { m.Proposal = &p })
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Proposal
}

// votes casts a vote on a proposal that the node knows.
func votes(t *testing.T, home string, n *Node, number uint64, approve bool) {
	t.Helper()
	e := proposalOf(t, n, number)
	r := says(t, home, n, func(m *record.Motion) {
		m.Ballot = &record.Ballot{Number: number, Digest: e.Digest, Approve: approve}
	})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
}

func proposalOf(t *testing.T, n *Node, number uint64) record.ProposalEntry {
	t.Helper()
	_, all, err := n.Registry().Proposals()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(e record.ProposalEntry) bool { return e.Number == number })
	if at < 0 {
		t.Fatalf("the node does not know proposal %d", number)
	}
	return all[at]
}

// decided waits until blocks are made by so many validators.
func decided(t *testing.T, n *Node, validators int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		s, err := n.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Validators) == validators {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d validators make blocks, want %d", len(s.Validators), validators)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// often has an idle network make blocks, so that changes take effect soon.
func often(cfg *Config) { cfg.heartbeat = time.Second }

func TestAFifthValidatorComesAndAnotherGoesAndTheChainGoesOn(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 4)
	net.adjust = often
	var nodes []*Node
	for _, home := range net.homes {
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	before := r.attest(t, nodes[0], 0)

	// A full node becomes the fifth.
	home := filepath.Join(t.TempDir(), "node4")
	m, err := Prepare(home, Peering{Listen: port(t)}, validatorPower)
	if err != nil {
		t.Fatal(err)
	}
	net.join(t, home, nil)
	fifth := net.start(t, home)
	same(t, 0, append(slices.Clone(nodes), fifth)...)
	added := record.Validator{Key: m.PublicKey, Governance: m.Governance, Power: m.Power}
	number := proposes(t, net.homes[0], nodes[0], record.Proposal{Validators: []record.Validator{added}})
	same(t, 0, nodes...)
	// One says one thing here and another there: the later word in the chain counts.
	votes(t, net.homes[1], nodes[1], number, true)
	same(t, 0, nodes...)
	votes(t, net.homes[1], nodes[2], number, false)
	same(t, 0, nodes...)
	votes(t, net.homes[2], nodes[2], number, true)
	if e := proposalOf(t, nodes[2], number); e.State != record.ProposalOpen || len(e.Votes) != 3 {
		t.Fatalf("20 of 40 for it and 10 against: %s, %d votes", e.State, len(e.Votes))
	}
	same(t, 0, nodes...)
	votes(t, net.homes[3], nodes[3], number, true) // 30 of 40
	if e := proposalOf(t, nodes[3], number); e.State != record.ProposalEnacted {
		t.Fatalf("30 of 40 for it: %s", e.State)
	}
	decided(t, nodes[0], 5)
	same(t, 0, append(slices.Clone(nodes), fifth)...)

	removesTheFirst(t, net, home, nodes, fifth)
	// It stays a node, and the others need it no more.
	net.stop(t, nodes[0])
	after := r.attest(t, fifth, 1)
	all := append(slices.Clone(nodes[1:]), fifth)
	same(t, 0, all...)
	for _, n := range all {
		for _, a := range []attested{before, after} {
			knows(t, n, net.genesis, a)
		}
	}
	followsChanges(t, fifth, net.genesis, after.id)
}

// removesTheFirst has the fifth validator propose that the first goes.
func removesTheFirst(t *testing.T, net *network, home string, nodes []*Node, fifth *Node) {
	t.Helper()
	// It takes part in what is decided: 40 of 50 are needed.
	gone := nodes[0].Registry().Governance().Validators
	first := record.Validator{Key: net.members[0].PublicKey, Governance: net.members[0].Governance}
	if len(gone) != 5 {
		t.Fatalf("%d validators", len(gone))
	}
	number := proposes(t, home, fifth, record.Proposal{Validators: []record.Validator{first}})
	for i := 1; i < 4; i++ {
		same(t, 0, append(slices.Clone(nodes), fifth)...)
		if e := proposalOf(t, nodes[i], number); e.State != record.ProposalOpen {
			t.Fatalf("%d of 50 for it: %s", 10*i, e.State)
		}
		votes(t, net.homes[i], nodes[i], number, true)
	}
	decided(t, nodes[1], 4)
	if r := says(t, net.homes[0], nodes[0], func(m *record.Motion) {
		m.Ballot = &record.Ballot{Number: number, Digest: [32]byte{1}}
	}); r.Err == nil || r.Err.Kind != rats.Unauthorized {
		t.Errorf("the removed one votes: %v", r.Err)
	}
}

// followsChanges demands that a bundle leads from the genesis through two changes
// of validators, that it does not without them, and that a light client which
// sees every block comes to the same.
func followsChanges(t *testing.T, n *Node, genesis []byte, id record.ID) {
	t.Helper()
	trust, err := proof.ParseGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Bundle(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Changes) != 2 {
		t.Fatalf("%d changes of validators", len(b.Changes))
	}
	for _, without := range [][]proof.Block{nil, b.Changes[:1], b.Changes[1:]} {
		cut := *b
		cut.Changes = without
		if _, err := proof.Verify(&cut, trust); err == nil {
			t.Errorf("a bundle with %d of 2 changes is held to be true", len(without))
		}
	}
	// Who trusts a later set asks for what changed since.
	for i, change := range b.Changes {
		since, err := n.Prove(t.Context(), ProofRequest{ID: id, Since: uint64(change.Header.Height) + 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(since.Changes) != 1-i {
			t.Errorf("%d changes since the one at block %d", len(since.Changes), change.Header.Height)
		}
		if trust, err = trust.Follow(&change); err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Verify(since, trust); err != nil {
			t.Errorf("with what changed since block %d: %v", change.Header.Height, err)
		}
	}
	if trust, err = proof.ParseGenesis(genesis); err != nil {
		t.Fatal(err)
	}
	f := proof.NewFollower(trust)
	for height := range n.Registry().Height() - 1 {
		block, err := n.Block(height + 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Add(block); err != nil {
			t.Fatalf("block %d: %v", height+1, err)
		}
	}
	if !bytes.Equal(f.Trust().Validators(), b.Header.Validators) {
		t.Error("the light client ends with other validators than the bundle")
	}
}

// saysItIsOld reports whether an error says that it takes a newer program.
func saysItIsOld(err error) bool {
	return rats.KindOf(err) == rats.Unsupported && strings.Contains(err.Error(), fmt.Sprint("it takes a program that knows version ", registry.StateVersion+1))
}

// stopsBefore demands that a node fails by itself before the block of a height.
func stopsBefore(t *testing.T, net *network, n *Node, height uint64) {
	t.Helper()
	select {
	case <-n.Failed():
	case <-time.After(patience):
		t.Fatal("the old program goes on")
	}
	if h := n.Registry().Height(); !saysItIsOld(n.Err()) || h != height-1 {
		t.Errorf("it stopped at height %d, and says %v", h, n.Err())
	}
	net.stop(t, n)
}

// TestAnOldProgramStopsAtTheHeightOfANewVersionAndANewerOneGoesOn has three of
// four validators know a version that the fourth does not.
func TestAnOldProgramStopsAtTheHeightOfANewVersionAndANewerOneGoesOn(t *testing.T) {
	t.Parallel() // it mostly waits
	const next = registry.StateVersion + 1
	net := found(t, 4)
	start := func(home string, newest uint64) *Node {
		// Not so often that the height is there before all have voted on it.
		net.adjust = func(cfg *Config) { cfg.heartbeat, cfg.newest = 4*time.Second, newest }
		return net.start(t, home)
	}
	var nodes []*Node
	for _, home := range net.homes[:3] {
		nodes = append(nodes, start(home, next))
	}
	old := start(net.homes[3], 0)
	all := append(slices.Clone(nodes), old)
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	at := same(t, 0, all...) + 24
	number := proposes(t, net.homes[0], nodes[0], record.Proposal{Activation: &record.Activation{Version: next, Height: at}})
	same(t, 0, all...)
	votes(t, net.homes[1], nodes[1], number, true)
	same(t, 0, all...)
	votes(t, net.homes[2], nodes[2], number, true)
	if planned, known := nodes[2].Registry().Planned(); planned == nil || !known {
		t.Fatalf("planned %+v, known %v", planned, known)
	}
	var enclaves []attested
	for i := uint64(0); nodes[0].Registry().Height() < at+2; i++ {
		enclaves = append(enclaves, r.attest(t, nodes[0], i))
	}
	stopsBefore(t, net, old, at)
	p, err := ReadPeering(net.homes[3])
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // with the same word each time
		if _, err := Start(t.Context(), Config{Home: net.homes[3], Network: "dev", Peering: p}); !saysItIsOld(err) {
			t.Fatalf("the old program starts: %v", err)
		}
	}
	// One that copies the chain from its first block stops there too.
	late := filepath.Join(t.TempDir(), "late")
	if _, err := Prepare(late, Peering{Listen: port(t)}, validatorPower); err != nil {
		t.Fatal(err)
	}
	net.join(t, late, nil)
	stopsBefore(t, net, start(late, 0), at)
	newer := start(net.homes[3], next)
	same(t, at, nodes[0], nodes[1], nodes[2], newer)
	for _, a := range enclaves {
		knows(t, newer, net.genesis, a)
	}
	if v := newer.Registry().Governance().Version; v != next {
		t.Errorf("version %d", v)
	}
	b, err := newer.Block(at)
	if err != nil {
		t.Fatal(err)
	}
	if b.Header.AppVersion != next {
		t.Errorf("the first block of the version says version %d", b.Header.AppVersion)
	}
	enclaves = append(enclaves, r.attest(t, newer, 1000))
	same(t, at, nodes[0], nodes[1], nodes[2], newer)
	knows(t, nodes[0], net.genesis, enclaves[len(enclaves)-1])
}

func TestAGenesisWhoseValidatorsAreNotThoseOfTheChainIsRefused(t *testing.T) {
	v := record.Validator{Key: record.PublicKey{2}, Governance: record.PublicKey{3}, Power: 10}
	good := updatesOf([]record.Validator{v})
	if err := sameValidators(good, []record.Validator{v}); err != nil {
		t.Error(err)
	}
	other, stronger := v, v
	other.Key[0], stronger.Power = 9, 11
	for name, engine := range map[string][]abci.ValidatorUpdate{
		"none": nil, "another": updatesOf([]record.Validator{other}), "another power": updatesOf([]record.Validator{stronger}),
		"one more": append(slices.Clone(good), updatesOf([]record.Validator{other})...),
	} {
		if err := sameValidators(engine, []record.Validator{v}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
