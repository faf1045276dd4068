// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cometbft/cometbft/light/provider"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/proto/tendermint/blocksync"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/rpc/core"
	"github.com/cometbft/cometbft/types"
)

// Channels of light blocks, beside those of CometBFT.
const (
	// lightAskChannel carries requests, and the answer that there is no such block.
	lightAskChannel = 0x70
	// lightBlockChannel carries headers with their commits and validators.
	lightBlockChannel = 0x71
)

const (
	maxLightAsk   = 1 << 10
	maxLightBlock = 1 << 20
	// lightPatience bounds the wait for one answer of one peer.
	lightPatience = 5 * time.Second
	// lightQuota is how many questions of one peer are answered in a second: who
	// joins asks one after the other.
	lightQuota = 50
)

// lightPeers lets nodes ask each other for headers, with the commits and the
// validators that vouch for them. A node that joins from a snapshot follows the
// chain by them to the hash of the snapshot's state. CometBFT asks RPC servers
// for that, which operators would have to run and to open.
type lightPeers struct {
	p2p.BaseReactor

	chainID string
	log     *slog.Logger

	mu sync.Mutex // guards what follows
	// views are nil until the node has started.
	views *core.Environment
	peers []*lightPeer
}

var _ p2p.Reactor = (*lightPeers)(nil)

func newLightPeers(chainID string, log *slog.Logger) *lightPeers {
	l := &lightPeers{chainID: chainID, log: log}
	l.BaseReactor = *p2p.NewBaseReactor("LIGHT", l)
	return l
}

// serve lets the reactor answer peers from what a node holds.
func (l *lightPeers) serve(views *core.Environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.views = views
}

// connected returns the peers that may be asked.
func (l *lightPeers) connected() []*lightPeer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.peers)
}

// GetChannels implements [p2p.Reactor].
func (l *lightPeers) GetChannels() []*p2p.ChannelDescriptor {
	return []*p2p.ChannelDescriptor{{
		ID: lightAskChannel, Priority: 2, SendQueueCapacity: 16,
		RecvMessageCapacity: maxLightAsk, MessageType: &blocksync.Message{},
	}, {
		ID: lightBlockChannel, Priority: 2, SendQueueCapacity: 4,
		RecvMessageCapacity: maxLightBlock, MessageType: &cmtproto.LightBlock{},
	}}
}

// AddPeer implements [p2p.Reactor].
func (l *lightPeers) AddPeer(peer p2p.Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = append(l.peers, &lightPeer{peer: peer, chainID: l.chainID, log: l.log})
}

// RemovePeer implements [p2p.Reactor].
func (l *lightPeers) RemovePeer(peer p2p.Peer, _ any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = slices.DeleteFunc(l.peers, func(o *lightPeer) bool { return o.peer.ID() == peer.ID() })
}

// Receive implements [p2p.Reactor]. Whoever sends what cannot be meant is cut off.
func (l *lightPeers) Receive(e p2p.Envelope) {
	var err error
	switch m := e.Message.(type) {
	case *blocksync.BlockRequest:
		if l.mayAsk(e.Src, time.Now()) {
			l.answer(e.Src, m.Height)
		}
	case *blocksync.NoBlockResponse:
		l.deliver(e.Src, lightAnswer{asked: m.Height, err: provider.ErrLightBlockNotFound})
	case *cmtproto.LightBlock:
		var b *types.LightBlock
		if b, err = types.LightBlockFromProto(m); err == nil {
			if err = b.ValidateBasic(l.chainID); err == nil {
				l.deliver(e.Src, lightAnswer{asked: b.Height, block: b})
			}
		}
	default:
		err = errors.New("no message of this channel")
	}
	if err != nil {
		l.Switch.StopPeerForError(e.Src, err)
	}
}

// mayAsk counts a question against the peer's quota.
func (l *lightPeers) mayAsk(from p2p.Peer, now time.Time) bool {
	for _, p := range l.connected() {
		if p.peer.ID() == from.ID() {
			return p.mayAsk(now)
		}
	}
	return false
}

func (l *lightPeers) deliver(from p2p.Peer, a lightAnswer) {
	for _, p := range l.connected() {
		if p.peer.ID() == from.ID() {
			p.deliver(a)
		}
	}
}

// answer sends a light block; of height 0 the newest.
func (l *lightPeers) answer(to p2p.Peer, height int64) {
	l.mu.Lock()
	views := l.views
	l.mu.Unlock()
	var m *cmtproto.LightBlock
	if b := lightBlockAt(views, height); b != nil {
		m, _ = b.ToProto()
	}
	// Without waiting: a peer that asks and does not read loses only its answer.
	if m == nil {
		to.TrySend(p2p.Envelope{ChannelID: lightAskChannel, Message: &blocksync.NoBlockResponse{Height: height}})
		return
	}
	to.TrySend(p2p.Envelope{ChannelID: lightBlockChannel, Message: m})
}

// lightBlockAt returns a header with what vouches for it, or nil where the node
// does not hold it.
func lightBlockAt(views *core.Environment, height int64) *types.LightBlock {
	if views == nil {
		return nil
	}
	blocks, newest := views.BlockStore, views.BlockStore.Height()
	if height == 0 {
		height = newest
	}
	if height < blocks.Base() || height > newest || height <= 0 {
		return nil
	}
	commit := blocks.LoadBlockCommit(height)
	if commit == nil {
		commit = blocks.LoadSeenCommit(height)
	}
	meta := blocks.LoadBlockMeta(height)
	set, err := views.StateStore.LoadValidators(height)
	if meta == nil || commit == nil || err != nil {
		return nil
	}
	return &types.LightBlock{
		SignedHeader: &types.SignedHeader{Header: &meta.Header, Commit: commit}, ValidatorSet: set,
	}
}

// lightPeer is a peer as CometBFT's light client asks it.
type lightPeer struct {
	peer    p2p.Peer
	chainID string
	log     *slog.Logger

	turn sync.Mutex // held while a question is open

	mu sync.Mutex // guards what follows
	// waiting gets the answer about height asked; nil when there is no question.
	waiting chan lightAnswer
	asked   int64
	// questions is how many the peer asked since second.
	questions int
	second    time.Time
}

type lightAnswer struct {
	asked int64
	block *types.LightBlock
	err   error
}

var _ provider.Provider = (*lightPeer)(nil)

// ChainID implements [provider.Provider].
func (p *lightPeer) ChainID() string { return p.chainID }

// LightBlock implements [provider.Provider].
func (p *lightPeer) LightBlock(ctx context.Context, height int64) (*types.LightBlock, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lightPatience)
	defer cancel()
	answer := make(chan lightAnswer, 1)
	p.expect(answer, height)
	defer p.expect(nil, 0)
	if !p.peer.Send(p2p.Envelope{ChannelID: lightAskChannel, Message: &blocksync.BlockRequest{Height: height}}) {
		return nil, provider.ErrNoResponse
	}
	select {
	case a := <-answer:
		return a.block, a.err
	case <-ctx.Done():
		return nil, provider.ErrNoResponse
	}
}

func (p *lightPeer) mayAsk(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.second) >= time.Second {
		p.second, p.questions = now, 0
	}
	p.questions++
	return p.questions <= lightQuota
}

func (p *lightPeer) expect(answer chan lightAnswer, height int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.asked = answer, height
}

// deliver hands over the answer that is waited for, and drops any other.
func (p *lightPeer) deliver(a lightAnswer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil || (p.asked != a.asked && p.asked != 0) {
		return
	}
	p.waiting <- a
	p.waiting = nil
}

// ReportEvidence implements [provider.Provider]. Two blocks of one height, both
// signed by enough validators, are for the operator to act on.
func (p *lightPeer) ReportEvidence(ctx context.Context, e types.Evidence) error {
	p.log.ErrorContext(ctx, "peers vouch for two different chains: trust none of them until it is known why",
		slog.String("peer", string(p.peer.ID())), slog.Int64("height", e.Height()))
	return nil
}
