// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/p2p"
	protomem "github.com/cometbft/cometbft/proto/tendermint/mempool"

	"github.com/attesteer/attesteer/rats"
)

// shunned is for how long a peer that sent what no node passes on is not dialled.
const shunned = time.Hour

// passing takes the transactions that peers pass on. CometBFT's own reactor, which
// does the work, refuses bad ones and goes on listening to who sends them. Every
// node checks what it passes on, so one that does not read, is another ledger's, or
// was not signed by whom it names shows that its sender is no node of ours, and the
// connection ends. What only a state makes wrong (a nonce that was used, evidence
// that is recorded, a quota that is spent) shows nothing: the sender may be a block
// behind.
type passing struct {
	*mempool.Reactor

	authentic func(tx []byte) error
	// book is nil on a node that stands alone.
	book *addressBook
}

// pass puts ours in the place of the engine's reactor; it comes before the node starts.
func (e *engine) pass(authentic func(tx []byte) error) {
	if r, ok := e.Switch().Reactor("MEMPOOL").(*mempool.Reactor); ok {
		own := &passing{Reactor: r, authentic: authentic, book: e.book}
		replace(e.Node, "MEMPOOL", own)
	}
}

// Receive implements [p2p.Reactor].
func (p *passing) Receive(e p2p.Envelope) {
	if m, ok := e.Message.(*protomem.Txs); ok {
		for _, tx := range m.GetTxs() {
			if err := p.authentic(tx); err != nil && rats.KindOf(err) != rats.Unsupported {
				p.shun(e.Src, err)
				return
			}
		}
	}
	p.Reactor.Receive(e)
}

// shun ends the connection with a peer. One that the operator named is dialled
// again; another is not, and may come by itself under another key.
func (p *passing) shun(peer p2p.Peer, err error) {
	if p.book != nil && !peer.IsPersistent() {
		if at, addressErr := peer.NodeInfo().NetAddress(); addressErr == nil {
			p.book.book.MarkBad(at, shunned)
		}
	}
	p.Switch.StopPeerForError(peer, err)
}
