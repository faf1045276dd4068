// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/p2p/pex"
)

// addressBookPath is where a node remembers the peers that it heard of.
const addressBookPath = "config/addrbook.json"

// Bounds on peers, beside those that the operator named.
const (
	maxInbound  = 40
	maxOutbound = 10
	// redial bounds the pause before a named peer is dialled again.
	redial = 30 * time.Second
)

// configure sets how a node reaches others.
func (p Peering) configure(c *config.P2PConfig) {
	c.PexReactor = false // ours stands in for it: see addressBook
	c.FlushThrottleTimeout = 5 * time.Millisecond
	c.MaxNumInboundPeers, c.MaxNumOutboundPeers = maxInbound, maxOutbound
	c.PersistentPeersMaxDialPeriod = redial
	c.AddrBook = addressBookPath
	c.ListenAddress = "tcp://" + aloneAddress
	if p.Listen != "" {
		c.ListenAddress = "tcp://" + p.Listen
	}
	c.ExternalAddress = p.External
	c.PersistentPeers = strings.Join(p.Peers, ",")
	ids := make([]string, len(p.Peers))
	for i, peer := range p.Peers {
		ids[i], _, _ = strings.Cut(peer, "@")
	}
	// Strangers who fill the places of peers must not keep out those that the
	// operator chose.
	c.UnconditionalPeerIDs = strings.Join(ids, ",")
	c.AddrBookStrict = !p.local()
	c.AllowDuplicateIP = p.local()
}

// addressBook is what the node knows of peers that it was not told of, and the
// exchange of such knowledge. CometBFT's own wiring leaves the book writing its
// file after the node has stopped, and nobody can wait for it.
type addressBook struct {
	book     pex.AddrBook
	exchange *pex.Reactor
}

func newAddressBook(c *config.P2PConfig, k keys, logger log.Logger) (*addressBook, error) {
	// A book that was cut short is only hearsay lost; CometBFT would panic.
	if b, err := os.ReadFile(c.AddrBookFile()); err == nil && !json.Valid(b) {
		if err := os.Remove(c.AddrBookFile()); err != nil {
			return nil, fmt.Errorf("peering: %w", err)
		}
	}
	b := &addressBook{book: pex.NewAddrBook(c.AddrBookFile(), c.AddrBookStrict)}
	b.book.SetLogger(logger.With("module", "pex"))
	for _, own := range []string{c.ListenAddress, c.ExternalAddress} {
		if own == "" {
			continue
		}
		address, err := p2p.NewNetAddressString(p2p.IDAddressString(k.node.ID(), own))
		if err != nil {
			return nil, fmt.Errorf("peering: %w", err)
		}
		b.book.AddOurAddress(address)
	}
	b.exchange = pex.NewReactor(b.book, &pex.ReactorConfig{PersistentPeersMaxDialPeriod: c.PersistentPeersMaxDialPeriod})
	b.exchange.SetLogger(logger.With("module", "pex"))
	return b, nil
}

// install makes a node use the book; it comes before the node starts.
func (b *addressBook) install(n *node.Node) {
	replace(n, "PEX", b.exchange)
	n.Switch().SetAddrBook(b.book)
}

// wait returns when the book of a stopped node writes no more.
func (b *addressBook) wait() {
	if b == nil {
		return
	}
	if w, ok := b.book.(interface{ Wait() }); ok {
		w.Wait()
	}
}
