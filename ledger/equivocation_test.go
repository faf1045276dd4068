// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cometbft/cometbft/consensus"
	"github.com/cometbft/cometbft/p2p"
	cmtcons "github.com/cometbft/cometbft/proto/tendermint/consensus"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/record"
)

// twoFaced signs beside each prevote for a block one for another block, and has
// it sent.
type twoFaced struct {
	types.PrivValidator
	secret func(signBytes []byte) ([]byte, error)
	send   *atomic.Pointer[func(*cmtproto.Vote)]
}

func (s twoFaced) SignVote(chainID string, vote *cmtproto.Vote) error {
	err := s.PrivValidator.SignVote(chainID, vote)
	send := s.send.Load()
	if err != nil || send == nil || vote.Type != cmtproto.PrevoteType || len(vote.BlockID.Hash) == 0 {
		return err
	}
	other := *vote
	other.BlockID.Hash = bytes.Repeat([]byte{7}, 32)
	if other.Signature, err = s.secret(types.VoteSignBytes(chainID, &other)); err != nil {
		return err
	}
	go (*send)(&other)
	return nil
}

func TestAValidatorThatVotesForTwoBlocksIsRecordedByAll(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 4)
	var send atomic.Pointer[func(*cmtproto.Vote)]
	var nodes []*Node
	var address []byte // of the last one, who lies
	for i, dir := range net.homes {
		k, err := (&home{dir: dir}).readKeys()
		if err != nil {
			t.Fatal(err)
		}
		address = k.validator.GetAddress()
		net.adjust = func(c *Config) {
			if i == 3 {
				c.signer = func(v types.PrivValidator) types.PrivValidator {
					return twoFaced{v, k.validator.Key.PrivKey.Sign, &send}
				}
			}
		}
		nodes = append(nodes, net.start(t, dir))
	}
	liar := nodes[3]
	tell := func(v *cmtproto.Vote) {
		for _, peer := range liar.engine.Switch().Peers().List() {
			peer.TrySend(p2p.Envelope{ChannelID: consensus.VoteChannel, Message: &cmtcons.Vote{Vote: v}})
		}
	}
	send.Store(&tell)
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	recorded := func(n *Node) (height int64) {
		blocks := n.engine.BlockStore()
		for h := blocks.Base(); h <= blocks.Height(); h++ {
			for _, e := range blocks.LoadBlock(h).Evidence.Evidence {
				if d, ok := e.(*types.DuplicateVoteEvidence); ok && bytes.Equal(d.VoteA.ValidatorAddress, address) {
					return h
				}
			}
		}
		return 0
	}
	deadline := time.Now().Add(patience)
	for number := uint64(0); recorded(nodes[0]) == 0; number++ {
		if time.Now().After(deadline) {
			t.Fatal("nobody recorded it")
		}
		r.attest(t, nodes[0], number)
	}
	send.Store(nil)
	same(t, nodes[0].Registry().Height()-1, nodes...)
	for i, n := range nodes {
		got, want := recorded(n), recorded(nodes[0])
		if got != want {
			t.Errorf("node %d has it in block %d, node 0 in block %d", i, got, want)
		}
		all, err := n.Registry().Misbehaviour()
		if err != nil || all.Count == 0 {
			t.Fatalf("node %d: %v, %d cases in the state", i, err, all.Count)
		}
		first := all.Latest[0]
		if first.Kind != record.DuplicateVote || !bytes.Equal(first.Validator[:], address) || first.Recorded != uint64(want) || first.Height >= first.Recorded {
			t.Errorf("node %d has %+v on record", i, first)
		}
	}
}
