// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
	protomem "github.com/cometbft/cometbft/proto/tendermint/mempool"

	"github.com/attesteer/attesteer/record"
)

// flooder is a peer that has nothing but transactions to send.
type flooder struct {
	p2p.BaseReactor
	peers chan p2p.Peer
}

func (f *flooder) GetChannels() []*p2p.ChannelDescriptor {
	return []*p2p.ChannelDescriptor{{
		ID: mempool.MempoolChannel, Priority: 5, SendQueueCapacity: 100,
		RecvMessageCapacity: 1 << 22, MessageType: &protomem.Message{},
	}}
}

func (f *flooder) AddPeer(p p2p.Peer)   { f.peers <- p }
func (f *flooder) Receive(p2p.Envelope) {}

// flood connects a stranger with a node.
func flood(t *testing.T, n *Node, address string) p2p.Peer {
	t.Helper()
	key := &p2p.NodeKey{PrivKey: ed25519.GenPrivKey()}
	info, ok := n.engine.NodeInfo().(p2p.DefaultNodeInfo)
	if !ok {
		t.Fatalf("the node's information is a %T", n.engine.NodeInfo())
	}
	info.DefaultNodeID, info.ListenAddr, info.Channels = key.ID(), port(t), []byte{mempool.MempoolChannel}
	transport := p2p.NewMultiplexTransport(info, *key, conn.DefaultMConnConfig())
	f := &flooder{peers: make(chan p2p.Peer, 1)}
	f.BaseReactor = *p2p.NewBaseReactor("flooder", f)
	sw := p2p.NewSwitch(config.DefaultP2PConfig(), transport)
	sw.SetLogger(log.NewNopLogger())
	sw.AddReactor("flooder", f)
	sw.SetNodeInfo(info)
	sw.SetNodeKey(key)
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Stop() })
	to, err := p2p.NewNetAddressString(p2p.IDAddressString(n.engine.NodeInfo().ID(), address))
	if err != nil {
		t.Fatal(err)
	}
	if err := sw.DialPeerWithAddress(to); err != nil {
		t.Fatal(err)
	}
	return <-f.peers
}

// gossiping starts a node that takes transactions of peers, and returns a
// registrar of its ledger and where it listens for peers.
func gossiping(t *testing.T) (n *Node, r *registrar, listen string) {
	t.Helper()
	net := found(t, 1)
	n = net.start(t, net.homes[0])
	r = newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	reach(t, n, gossipHeight)
	p, err := ReadPeering(net.homes[0])
	if err != nil {
		t.Fatal(err)
	}
	return n, r, p.Listen
}

func TestAPeerThatFloodsKeepsNobodyOut(t *testing.T) {
	t.Parallel() // it mostly waits
	n, r, listen := gossiping(t)
	peer := flood(t, n, listen)
	send := func(txs ...[]byte) bool {
		return peer.Send(p2p.Envelope{ChannelID: mempool.MempoolChannel, Message: &protomem.Txs{Txs: txs}})
	}

	copied := r.evidence(t, r.quote(t, 1), time.Now())
	most := 0
	for i := range 300 {
		garbage := make([]byte, 4096)
		_, _ = rand.Read(garbage)
		if !send(copied) || !send(r.evidence(t, garbage, time.Now())) {
			t.Fatal("a peer whose transactions a state refuses was let go")
		}
		most = max(most, n.engine.Mempool().Size())
		if i%100 == 50 {
			r.attest(t, n, uint64(i))
		}
	}
	if most > 10 {
		t.Errorf("%d transactions waited, of at most three good ones", most)
	}
	if size := n.engine.Mempool().SizeBytes(); size > 10*record.MaxTransaction {
		t.Errorf("%d bytes wait", size)
	}
	send(make([]byte, 2<<20)) // more than any transaction
	letGo(t, n, "what is too large")
	r.attest(t, n, 1000)
	if err := n.Err(); err != nil {
		t.Error(err)
	}
}

// letGo waits until a node has no peer.
func letGo(t *testing.T, n *Node, sent string) {
	t.Helper()
	for deadline := time.Now().Add(patience); n.engine.Switch().Peers().Size() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a peer that sends %s is still there", sent)
		}
	}
}

func TestAPeerThatPassesOnWhatNoNodeWouldIsLetGo(t *testing.T) {
	t.Parallel() // it mostly waits
	n, r, listen := gossiping(t)
	garbage := make([]byte, 4096)
	_, _ = rand.Read(garbage)
	good := r.evidence(t, r.quote(t, 1), time.Now())
	spoilt := bytes.Clone(good)
	spoilt[len(spoilt)-1] ^= 1
	tick, err := record.NewTick(record.MillisOf(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for what, tx := range map[string][]byte{
		"garbage": garbage, "a flipped bit of a signature": spoilt, "a ledger time": tick,
		"a transaction of another ledger": newRegistrar(t, "another").evidence(t, r.quote(t, 2), time.Now()),
	} {
		// Behind one that is good, as nodes pass them on.
		flood(t, n, listen).Send(p2p.Envelope{ChannelID: mempool.MempoolChannel, Message: &protomem.Txs{Txs: [][]byte{good, tx}}})
		letGo(t, n, what)
	}
	r.attest(t, n, 3)
	if err := n.Err(); err != nil {
		t.Error(err)
	}
}
