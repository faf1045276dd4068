// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/record"
)

// mute signs precommits and keeps them to itself while it is armed: the validator
// is locked on a block, and nobody hears of it.
type mute struct {
	types.PrivValidator
	armed *atomic.Bool
	kept  *atomic.Int32
}

func (s mute) SignVote(chainID string, vote *cmtproto.Vote) error {
	err := s.PrivValidator.SignVote(chainID, vote)
	if err == nil && s.armed.Load() && vote.Type == cmtproto.PrecommitType && len(vote.BlockID.Hash) > 0 {
		s.kept.Add(1)
		return errors.New("the power fails at this moment")
	}
	return err
}

func TestABlockThatWasLockedBeforeAStopIsDecidedAMinuteLater(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 4)
	var armed atomic.Bool
	var kept atomic.Int32
	net.adjust = func(c *Config) {
		c.signer = func(v types.PrivValidator) types.PrivValidator { return mute{v, &armed, &kept} }
	}
	var nodes []*Node
	for _, home := range net.homes {
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	same(t, 2, nodes...)
	for _, n := range nodes {
		rest(t, n) // there is no other block to be locked on
	}

	armed.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := time.Now()
	tx := r.evidence(t, r.quote(t, 1), before)
	over := make(chan error, 1)
	go func() {
		_, err := nodes[0].Submit(ctx, tx)
		over <- err
	}()
	for deadline := before.Add(patience); kept.Load() < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d validators are locked", kept.Load())
		}
	}
	after := time.Now()
	for _, n := range nodes {
		net.stop(t, n)
	}
	if err := <-over; err == nil {
		t.Fatal("the block was decided")
	}
	events := nodes[0].Registry().EventCount()

	// Three come back, and nobody submits again.
	net.adjust = func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Minute) } }
	nodes = nodes[:0]
	for _, home := range net.homes[:3] {
		nodes = append(nodes, net.start(t, home))
	}
	for deadline := time.Now().Add(patience); nodes[0].Registry().EventCount() == events; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the locked block was not decided")
		}
	}
	all, err := nodes[0].Registry().Events(events, 1)
	if err != nil || len(all) != 1 || all[0].Tx != record.HashTx(tx) {
		t.Fatalf("got %+v, %v", all, err)
	}
	if at := all[0].Time; at < record.MillisOf(before.Add(-time.Second)) || at > record.MillisOf(after.Add(time.Second)) {
		t.Errorf("its ledger time is %v, not of between %v and %v", at.Time(), before, after)
	}
}
