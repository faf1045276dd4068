// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// drawMotion returns a drawn governance transaction, sensible or not.
func drawMotion(t *rapid.T, c *chain) []byte {
	who := byte(rapid.IntRange(0, 5).Draw(t, "who"))
	open := c.reg.Governance().Open
	if len(open) > 0 && rapid.IntRange(0, 3).Draw(t, "vote") > 0 {
		number := rapid.SampledFrom(open).Draw(t, "number")
		return c.vote(who, number, rapid.IntRange(0, 3).Draw(t, "approve") > 0)
	}
	var p record.Proposal
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		p = lists(c, uint32(rapid.IntRange(1, 5).Draw(t, "lists")))
	case 1:
		p.Policy = &record.NetworkPolicy{AllowDebug: rapid.Bool().Draw(t, "debug"), Registrars: []string{hexOf(who)}}
	case 2:
		p.Activation = &record.Activation{Version: registry.StateVersion + 1, Height: c.reg.Height() + uint64(rapid.IntRange(2, 6).Draw(t, "height"))}
	default:
		other := byte(rapid.IntRange(0, 5).Draw(t, "other"))
		p.Validators = []record.Validator{voice(other, int64(rapid.IntRange(0, 20).Draw(t, "power")))}
		p.Leap = rapid.Bool().Draw(t, "leap")
	}
	p.Closes = c.now + record.Millis(rapid.IntRange(1, 20_000).Draw(t, "closes"))
	if p.Activation == nil && rapid.Bool().Draw(t, "waits") {
		p.NotBefore = c.now + record.Millis(rapid.IntRange(1, 20_000).Draw(t, "not before"))
	}
	return c.propose(who, p)
}

// TestTheSameVotesGiveTheSameLedgerEverywhere draws proposals and votes of
// validators that come and go. One registry applies them plainly; one checks them
// before, and is opened anew from its store; one is a newer program, and one is
// restored from a snapshot at the end.
func TestTheSameVotesGiveTheSameLedgerEverywhere(t *testing.T) {
	const newest = registry.StateVersion + 1
	rapid.Check(t, func(rt *rapid.T) {
		g := governedGenesis(10, 10, 10, 10)
		a := newChain(t, g)
		var err error
		if a.reg, err = a.knowing(newest); err != nil {
			rt.Fatal(err)
		}
		b := newChain(t, g)
		for range rapid.IntRange(1, 25).Draw(rt, "blocks") {
			a.now += record.Millis(rapid.IntRange(1, 5_000).Draw(rt, "pause"))
			txs := [][]byte{tickAt(t, a.now)}
			for range rapid.IntRange(0, 4).Draw(rt, "size") {
				txs = append(txs, drawMotion(rt, a))
			}
			if rapid.Bool().Draw(rt, "reopen") || b.reg.CanApply(b.reg.Height()+1) != nil {
				if b.reg, err = b.knowing(newest); err != nil {
					rt.Fatal(err)
				}
			}
			height := a.reg.Height() + 1
			block := registry.Block{Height: height, Hash: hashOf(height), Txs: txs}
			// Alone in a block, what Check says is what Apply does.
			var checked []registry.TxResult
			for _, tx := range txs[1:] {
				checked = append(checked, b.reg.CheckAt(a.now, tx))
			}
			want := apply(rt, a.reg, block)
			got := apply(rt, b.reg, block)
			if !same(got, want) {
				rt.Fatalf("height %d: %x and %x", height, got.AppHash, want.AppHash)
			}
			if len(checked) == 1 && rats.KindOf(errOf(checked[0])) != rats.KindOf(errOf(want.Results[1])) {
				rt.Fatalf("Check says %v, Apply %v", checked[0].Err, want.Results[1].Err)
			}
			set := a.reg.Governance().Validators
			if err := record.CheckValidators(set); err != nil || len(set) == 0 {
				rt.Fatalf("a set that no ledger can have: %v, %v", set, err)
			}
		}
		restored, err := registry.OpenKnowing(newMemory(), newest)
		if err != nil {
			rt.Fatal(err)
		}
		x, err := restored.Restore("test-chain", a.reg.Height(), a.reg.AppHash())
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range parts(t, a.store) {
			if err := x.Add(p); err != nil {
				rt.Fatal(err)
			}
		}
		if err := x.Finish(); err != nil {
			rt.Fatal(err)
		}
		a.now += 1000
		block := registry.Block{Height: a.reg.Height() + 1, Hash: hashOf(a.reg.Height() + 1), Txs: [][]byte{tickAt(t, a.now), drawMotion(rt, a)}}
		if want, got := apply(rt, a.reg, block), apply(rt, restored, block); !same(got, want) {
			rt.Fatalf("restored: %x and %x", got.AppHash, want.AppHash)
		}
	})
}
