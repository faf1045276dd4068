// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// network is validators of one chain that talk over the loopback interface.
type network struct {
	homes   []string
	genesis []byte
	members []Member
	// adjust changes how each node is started, if not nil.
	adjust func(*Config)
	// started is when the last node was.
	started time.Time
}

// dialling is how long a new node may take until it dials its last peer.
const dialling = 3500 * time.Millisecond

// stop stops a node that is to come back in this process. CometBFT dials each
// peer after a random pause, and when the node has stopped meanwhile leaves the
// connection open until the process ends; its peers would take the node that
// comes back for a second one of the same name.
func (n *network) stop(t *testing.T, node *Node) {
	t.Helper()
	time.Sleep(time.Until(n.started.Add(dialling)))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, _, now := node.engine.Switch().NumPeers(); now == 0 {
			break
		}
	}
	stop(t, node)
}

// TestMain lets more tests run at once than there are cores: those of networks
// mostly wait for timeouts. So many more that their nodes find no time to agree
// would be too many.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(min(3*runtime.GOMAXPROCS(0), 8))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// lastPort is the port that was given out last, above firstPort.
var lastPort atomic.Int32 //nolint:gochecknoglobals // tests of one process must not meet on a port

// Ports of nodes that have to know each other's lie below those that systems
// give to whoever asks for any, or an outgoing connection may have them first.
const (
	firstPort = 20_000
	manyPorts = 10_000
)

// port returns the address of a port that is free.
func port(t *testing.T) string {
	t.Helper()
	for range manyPorts {
		n := (os.Getpid()*97 + int(lastPort.Add(1))) % manyPorts
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+n))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// found makes the homes of a network of as many validators.
func found(t *testing.T, validators int) *network {
	t.Helper()
	n := &network{}
	for i := range validators {
		home := filepath.Join(t.TempDir(), fmt.Sprint("node", i))
		m, err := Prepare(home, Peering{Listen: port(t)}, validatorPower)
		if err != nil {
			t.Fatal(err)
		}
		n.homes, n.members = append(n.homes, home), append(n.members, m)
	}
	root := simtee.Root()
	var err error
	n.genesis, err = Found(Config{Home: n.homes[0], Network: "dev", SimulatedRoot: &root}, n.members)
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range n.homes[1:] {
		n.join(t, home, nil)
	}
	return n
}

// join makes a home a part of the network, which may have been prepared.
func (n *network) join(t *testing.T, home string, trust *TrustPoint) {
	t.Helper()
	p, err := ReadPeering(home)
	if err != nil {
		t.Fatal(err)
	}
	p.Trust = trust
	for _, m := range n.members {
		if p.Listen == "" || m.Peer[41:] != p.Listen {
			p.Peers = append(p.Peers, m.Peer)
		}
	}
	if err := Join(home, n.genesis, p); err != nil {
		t.Fatal(err)
	}
}

// start starts the node of a home.
func (n *network) start(t *testing.T, home string) *Node {
	t.Helper()
	p, err := ReadPeering(home)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Home: home, Network: "dev", Peering: p}
	if n.adjust != nil {
		n.adjust(&cfg)
	}
	node := run(t, cfg)
	n.started = time.Now()
	return node
}

// same waits until all nodes are at one height with one state, past a height,
// and returns that height.
func same(t *testing.T, past uint64, nodes ...*Node) uint64 {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		first := nodes[0].Registry()
		height, hash := first.Height(), first.AppHash()
		all := height > past && first.Height() == height
		for _, n := range nodes[1:] {
			all = all && n.Registry().Height() == height && n.Registry().AppHash() == hash
		}
		if all {
			return height
		}
		if time.Now().After(deadline) {
			for i, n := range nodes {
				t.Logf("node %d: height %d, %x", i, n.Registry().Height(), n.Registry().AppHash())
			}
			t.Fatal("the nodes do not come to one state")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// attested is an enclave that a network recorded.
type attested struct {
	id record.ID
	tx []byte
}

// attest submits the quote of the enclave of a number at a node.
func (r *registrar) attest(t *testing.T, n *Node, number uint64) attested {
	t.Helper()
	tx := r.evidence(t, r.quote(t, number), time.Now())
	return attested{id: mustSubmit(t, n, tx).RecordID, tx: tx}
}

// knows demands that a node answers as any other about an enclave: record,
// history, evidence, and a proof that holds.
func knows(t *testing.T, n *Node, genesis []byte, a attested) {
	t.Helper()
	rec, err := n.Registry().Record(a.id)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := n.Registry().History(a.id); err != nil || len(events) == 0 {
		t.Errorf("history: %v, %d events", err, len(events))
	}
	if _, err := n.Registry().Evidence(rec.EvidenceSHA256); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bundle, err := n.Bundle(ctx, a.id)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := proof.ParseGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(bundle, trust); err != nil {
		t.Errorf("proof: %v", err)
	}
}

func TestFourValidatorsAgreeAndAnyOfThemTakesSubmissions(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 4)
	var nodes []*Node
	for _, home := range net.homes {
		nodes = append(nodes, net.start(t, home))
	}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	same(t, 0, nodes...)
	var all []attested
	for i, n := range nodes {
		all = append(all, r.attest(t, n, uint64(i)))
	}
	height := same(t, 0, nodes...)
	for _, n := range nodes {
		for _, a := range all {
			knows(t, n, net.genesis, a)
		}
	}
	// One of four is missed by nobody, and comes back to the same state.
	net.stop(t, nodes[3])
	all = append(all, r.attest(t, nodes[1], 10), r.attest(t, nodes[2], 11))
	same(t, height, nodes[:3]...)
	nodes[3] = net.start(t, net.homes[3])
	same(t, height, nodes...)
	for _, a := range all {
		knows(t, nodes[3], net.genesis, a)
	}
	all = append(all, r.attest(t, nodes[3], 12))
	same(t, height, nodes...)
	knows(t, nodes[0], net.genesis, all[len(all)-1])
}
