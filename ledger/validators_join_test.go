// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// TestWhoJoinsFromASnapshotKnowsWhatWasDecidedBefore has a snapshot from after a
// change of validators and the beginning of a version.
func TestWhoJoinsFromASnapshotKnowsWhatWasDecidedBefore(t *testing.T) {
	t.Parallel() // it mostly waits
	const next = registry.StateVersion + 1
	net := found(t, 3)
	start := func(newest uint64) {
		net.adjust = func(cfg *Config) {
			snapshotsSoon(cfg)
			// Not so often that the height is there before all have voted on it.
			cfg.heartbeat, cfg.newest = 4*time.Second, newest
		}
	}
	start(next)
	var nodes []*Node
	for _, home := range net.homes {
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	decide := func(p record.Proposal) {
		same(t, 0, nodes...)
		number := proposes(t, net.homes[0], nodes[0], p)
		for i := 1; i < 3; i++ {
			same(t, 0, nodes...)
			votes(t, net.homes[i], nodes[i], number, true)
		}
		if e := proposalOf(t, nodes[2], number); e.State != record.ProposalEnacted {
			t.Fatalf("%s: %s", p.Kind(), e.State)
		}
	}
	less := record.Validator{Key: net.members[0].PublicKey, Governance: net.members[0].Governance, Power: validatorPower - 1}
	decide(record.Proposal{Validators: []record.Validator{less}})
	at := nodes[2].Registry().Height() + 20
	decide(record.Proposal{Activation: &record.Activation{Version: next, Height: at}})
	var all []attested
	taken := func() bool {
		n := nodes[0]
		return slices.ContainsFunc(n.snapshots.list(n.engine.BlockStore().Height()-provable), func(s snapshot) bool { return s.height > at })
	}
	for i := uint64(1); !taken(); i++ {
		all = append(all, r.attest(t, nodes[i%3], i))
		if i > 300 {
			t.Fatal("no snapshot was taken")
		}
	}
	trust := trusted(t, nodes[0])
	home := filepath.Join(t.TempDir(), "new")
	net.join(t, home, trust)
	joined := net.start(t, home)
	if base := joined.engine.BlockStore().Base(); base == 1 {
		t.Error("the node copied the chain")
	}
	same(t, at, append(slices.Clone(nodes), joined)...)
	if g := joined.Registry().Governance(); g.Version != next || record.TotalPower(g.Validators) != 3*validatorPower-1 {
		t.Errorf("version %d, power %d", g.Version, record.TotalPower(g.Validators))
	}
	for _, a := range []attested{all[0], all[len(all)-1], r.attest(t, joined, 1000)} {
		knows(t, joined, net.genesis, a)
	}
	// A program that does not know the version says so, and does not look on.
	home = filepath.Join(t.TempDir(), "old")
	net.join(t, home, trusted(t, nodes[0]))
	p, err := ReadPeering(home)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(t.Context(), Config{Home: home, Network: "dev", Peering: p})
	if err == nil {
		stop(t, n)
	}
	if rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), fmt.Sprint("it takes a program that knows version ", next)) {
		t.Errorf("an old program joins: %v", err)
	}
}
