// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/ledger"
)

type ledgerJoinFlags struct {
	home, genesis, trust string
	peering              peeringFlags
}

func (a *app) ledgerJoinCommand() *cobra.Command {
	var f ledgerJoinFlags
	cmd := &cobra.Command{
		Use: "join", Short: "Make a home for a chain that exists",
		Long: `join makes the home of a node for a chain that exists, from the chain's genesis
file and the address of one node or more. The node is a full node: it checks every
block, serves the API and passes on what is submitted to it. Where init --keys made
the home's keys and the genesis names them, it is a validator.

Without --trust the node copies and checks every block from the first, which takes
a node that has them all. With --trust it takes a snapshot of the state from its
peers, and believes it if the validators signed its hash, in a chain of headers
that starts from the block that is named. That block has to come from somebody
whom you trust, and to be no older than two weeks: "attesteer ledger status" at a
node shows its newest.`,
		Example: `  attesteer ledger join --home node --genesis genesis.json --peers ID@a.example:26656
  attesteer ledger join --home node --genesis genesis.json --peers ID@a.example:26656 --trust 120034:HASH
  attesteer ledger join --home net/node5 --genesis net/node1/config/genesis.json --peers ID@127.0.0.1:2700 --p2p-listen 127.0.0.1:2708`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledgerJoin(f, cmd.Flags()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder for keys, genesis and data")
	fl.StringVar(&f.genesis, "genesis", "", "genesis file of the chain")
	fl.StringVar(&f.trust, "trust", "", "join from a snapshot, trusting this block, as HEIGHT:HASH")
	f.peering.register(fl, "")
	return cmd
}

func (a *app) ledgerJoin(f ledgerJoinFlags, fl *pflag.FlagSet) error {
	if f.genesis == "" {
		return usagef("--genesis FILE is needed: it says which chain to join")
	}
	home, err := filepath.Abs(f.home)
	if err != nil {
		return fileError("use", f.home, err)
	}
	genesis, err := os.ReadFile(f.genesis)
	if err != nil {
		return fileError("read", f.genesis, err)
	}
	p, err := f.peering.over(home, fl)
	if err != nil {
		return err
	}
	if len(p.Peers) == 0 {
		return usagef("--peers NODE-ID@HOST:PORT is needed: a new node knows nobody")
	}
	if f.trust != "" {
		if p.Trust, err = ledger.ParseTrustPoint(f.trust); err != nil {
			return usagef("--trust: %w", err)
		}
	}
	if err := ledger.Join(home, genesis, p); err != nil {
		return homeError(err)
	}
	id, err := ledger.NodeID(home)
	if err != nil {
		return homeError(err)
	}
	node := foundedHome{Home: home, NodeID: id, P2P: p.Listen}
	if m, err := ledger.ReadMember(home, defaultPower); err == nil { // else nobody could reach it
		node.Validator = m.String()
	}
	if err := a.sayFounded(genesis, genesisFile(home), []foundedHome{node}); err != nil {
		return err
	}
	if node.Validator != "" && !a.asJSON {
		a.sayf("hint: for the validators to make it one of them, give them this line; it holds no secret\n  %s", node.Validator)
	}
	return nil
}
