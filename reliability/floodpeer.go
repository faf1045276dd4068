// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cometbft/cometbft/config"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/conn"
	protomem "github.com/cometbft/cometbft/proto/tendermint/mempool"
	"github.com/cometbft/cometbft/version"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/record"
)

// floodKind is one kind of rubbish that peers send, and what came of it.
type floodKind struct {
	name string
	// peers do it at each validator at once.
	peers int
	// txs returns the transactions of the next message; nil is for those that
	// do not speak CometBFT's protocol.
	txs func(f *floods) [][]byte

	messages, sent, connected, refused atomic.Int64
}

// peerFigures is what came of one kind.
type peerFigures struct {
	Name      string `json:"name"`
	Peers     int    `json:"peers"`
	Messages  int64  `json:"messages"`
	Bytes     int64  `json:"bytes"`
	Connected int64  `json:"connected"`
	Refused   int64  `json:"refused"`
}

func (k *floodKind) figures() peerFigures {
	return peerFigures{k.name, k.peers, k.messages.Load(), k.sent.Load(), k.connected.Load(), k.refused.Load()}
}

// said is what came of a kind in a time.
func (p peerFigures) said(d time.Duration) string {
	return fmt.Sprintf("%d messages, %.1f MB a second, %d connections, %d refused", p.Messages, float64(p.Bytes)/1e6/d.Seconds(), p.Connected, p.Refused)
}

// floods are strangers who know of a network what everybody can know.
type floods struct {
	chainID string
	targets []*p2p.NetAddress
	kinds   []*floodKind

	mint *mint
	key  ed25519.PrivateKey
	// copied is a transaction that the ledger took; again makes another of the
	// same evidence.
	copied []byte
	again  func() []byte
}

// newFloods gets one transaction of its own recorded, to send again.
func newFloods(ctx context.Context, plan floodPlan) (*floods, error) {
	f := &floods{chainID: plan.ChainID, kinds: []*floodKind{
		{name: "garbage of 4 KB", peers: 2, txs: func(*floods) [][]byte { return [][]byte{random(4096)} }},
		{name: "an old transaction again", peers: 1, txs: func(f *floods) [][]byte { return [][]byte{f.copied, f.copied} }},
		{name: "a transaction with a flipped bit", peers: 2, txs: (*floods).spoilt},
		{name: "old evidence, signed anew", peers: 1, txs: func(f *floods) [][]byte { return [][]byte{f.again()} }},
		{name: "garbage of 128 KiB", peers: 1, txs: func(*floods) [][]byte { return [][]byte{random(record.MaxTransaction)} }},
		{name: "a transaction of 2 MiB", peers: 1, txs: func(*floods) [][]byte { return [][]byte{make([]byte, 2<<20)} }},
		{name: "noise for a handshake", peers: 2},
	}}
	for _, target := range plan.Targets {
		to, err := p2p.NewNetAddressString(target)
		if err != nil {
			return nil, err
		}
		f.targets = append(f.targets, to)
	}
	var err error
	if f.mint, err = newMint(); err != nil {
		return nil, err
	}
	return f, f.own(ctx, client.New(plan.URL, "", from("")))
}

// addressOf is where peers reach the node of a home.
func addressOf(home string) (*p2p.NetAddress, error) {
	key, err := p2p.LoadNodeKey(filepath.Join(home, "config", "node_key.json"))
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(home, "config", "peering.json"))
	if err != nil {
		return nil, err
	}
	var said struct {
		Listen string `json:"listen"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, err
	}
	return p2p.NewNetAddressString(p2p.IDAddressString(key.ID(), said.Listen))
}

// own hands one transaction in by a peer's connection, as a full node would, and
// waits until the ledger has its record.
func (f *floods) own(ctx context.Context, api *client.Client) error {
	var err error
	if _, f.key, err = ed25519.GenerateKey(crand.Reader); err != nil {
		return err
	}
	quote, err := f.mint.quote()
	if err != nil {
		return err
	}
	f.again = func() []byte { return f.signed(quote) }
	f.copied = f.again()
	s, err := f.dial(f.targets[0])
	if err != nil {
		return err
	}
	defer s.close()
	if !s.send([][]byte{f.copied}) {
		return errors.New("a peer's transaction was not taken")
	}
	for end := time.Now().Add(recovery); ; rest(ctx, 100*time.Millisecond) {
		page, err := api.List(ctx, url.Values{"registrar": {hex.EncodeToString(f.key[ed25519.SeedSize:])}})
		switch {
		case err != nil:
			return err
		case len(page.Enclaves) > 0:
			return ctx.Err()
		case time.Now().After(end):
			return errors.New("a peer's transaction was not decided")
		}
	}
}

// signed returns a new transaction with some evidence, of a registrar whom
// nobody knows.
func (f *floods) signed(quote []byte) []byte {
	tx := record.Transaction{
		Version: record.TransactionVersion, ChainID: f.chainID,
		NotAfter: record.MillisOf(time.Now().Add(5 * time.Minute)), Submission: &record.Submission{Evidence: quote},
	}
	copy(tx.Nonce[:], random(len(tx.Nonce)))
	b, err := record.Sign(f.key, tx)
	if err != nil {
		panic(err) // it always encodes
	}
	return b
}

func (f *floods) spoilt() [][]byte {
	b := bytes.Clone(f.copied)
	b[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
	return [][]byte{b}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = crand.Read(b) // it never fails
	return b
}

// start has all of them at it until ctx ends.
func (f *floods) start(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, k := range f.kinds {
		for _, to := range f.targets {
			for range k.peers {
				all.Go(func() {
					for ctx.Err() == nil {
						if k.txs == nil {
							k.noise(ctx, to)
						} else {
							f.peer(ctx, k, to)
						}
						rest(ctx, 100*time.Millisecond)
					}
				})
			}
		}
	}
	return &all
}

// peer is one of them, for as long as the validator has it.
func (f *floods) peer(ctx context.Context, k *floodKind, to *p2p.NetAddress) {
	s, err := f.dial(to)
	if err != nil {
		k.refused.Add(1)
		return
	}
	defer s.close()
	k.connected.Add(1)
	for ctx.Err() == nil && s.peer.IsRunning() {
		txs := k.txs(f)
		if !s.send(txs) {
			continue // its queue is full: the validator reads as fast as it wants to
		}
		k.messages.Add(1)
		for _, tx := range txs {
			k.sent.Add(int64(len(tx)))
		}
	}
}

// noise sends bytes where a handshake should be, until the validator hangs up.
func (k *floodKind) noise(ctx context.Context, to *p2p.NetAddress) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.DialString())
	if err != nil {
		k.refused.Add(1)
		return
	}
	defer c.Close() //nolint:errcheck // it is over either way
	k.connected.Add(1)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	for {
		b := random(1024)
		if _, err := c.Write(b); err != nil {
			return
		}
		k.messages.Add(1)
		k.sent.Add(int64(len(b)))
	}
}

// stranger is a node of its own with one peer and nothing but transactions.
type stranger struct {
	p2p.BaseReactor
	sw   *p2p.Switch
	peer p2p.Peer
	met  chan p2p.Peer
}

// GetChannels implements [p2p.Reactor].
func (s *stranger) GetChannels() []*p2p.ChannelDescriptor {
	return []*p2p.ChannelDescriptor{{
		ID: mempool.MempoolChannel, Priority: 5, SendQueueCapacity: 10,
		RecvMessageCapacity: 1 << 22, MessageType: &protomem.Message{},
	}}
}

// AddPeer implements [p2p.Reactor].
func (s *stranger) AddPeer(p p2p.Peer) { s.met <- p }

// Receive implements [p2p.Reactor].
func (s *stranger) Receive(p2p.Envelope) {}

func (s *stranger) send(txs [][]byte) bool {
	return s.peer.Send(p2p.Envelope{ChannelID: mempool.MempoolChannel, Message: &protomem.Txs{Txs: txs}})
}

func (s *stranger) close() { _ = s.sw.Stop() } // it is over either way

// dial connects a new node with a validator, with all of CometBFT's handshakes.
func (f *floods) dial(to *p2p.NetAddress) (*stranger, error) {
	key := p2p.NodeKey{PrivKey: cmted25519.GenPrivKey()}
	info := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(version.P2PProtocol, version.BlockProtocol, 0),
		DefaultNodeID:   key.ID(), ListenAddr: "127.0.0.1:1", Network: f.chainID, Version: version.TMCoreSemVer,
		Channels: []byte{mempool.MempoolChannel}, Moniker: "stranger",
		Other: p2p.DefaultNodeInfoOther{TxIndex: "off"},
	}
	limits := conn.DefaultMConnConfig()
	limits.SendRate = 100 << 20 // what it may send is not for itself to say
	s := &stranger{met: make(chan p2p.Peer, 1)}
	s.BaseReactor = *p2p.NewBaseReactor("STRANGER", s)
	s.sw = p2p.NewSwitch(config.DefaultP2PConfig(), p2p.NewMultiplexTransport(info, key, limits))
	s.sw.SetLogger(log.NewNopLogger())
	s.sw.AddReactor("STRANGER", s)
	s.sw.SetNodeInfo(info)
	s.sw.SetNodeKey(&key)
	if err := s.sw.Start(); err != nil {
		return nil, err
	}
	if err := s.sw.DialPeerWithAddress(to); err != nil {
		s.close()
		return nil, err
	}
	s.peer = <-s.met
	return s, nil
}
