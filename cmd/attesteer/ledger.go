// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/ledger"
)

// defaultP2P is where a node that is made for a network listens for its peers
// unless it is told otherwise.
const defaultP2P = "127.0.0.1:26656"

func (a *app) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ledger", Short: "Found a network of nodes, join one, see how it stands, and decide about it",
		Long: `ledger makes the homes of nodes that form a network: validators, which decide on
blocks together, and full nodes, which check and serve them. Every node verifies
every piece of evidence itself and serves the whole API.

A node that stands alone needs none of this: see "attesteer serve".`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.ledgerInitCommand(), a.ledgerJoinCommand(), a.ledgerStartCommand(), a.ledgerStatusCommand(),
		a.ledgerExportCommand(), a.ledgerFollowCommand(), a.ledgerCheckpointCommand(), a.ledgerWitnessCommand(),
		a.ledgerProposeCommand(), a.ledgerVoteCommand(), a.ledgerProposalsCommand(),
	)
	return cmd
}

// peeringFlags say how a node reaches others.
type peeringFlags struct {
	listen, external string
	peers            []string
}

func (f *peeringFlags) register(fl *pflag.FlagSet, listen string) {
	fl.StringVar(&f.listen, "p2p-listen", listen, "address at which peers reach this node (default: as the home was made)")
	fl.StringVar(&f.external, "p2p-external", "", "address that peers are told, where it is not that of --p2p-listen")
	fl.StringSliceVar(&f.peers, "peers", nil, "node to stay connected to, as NODE-ID@HOST:PORT (repeatable)")
}

// over returns what a home says of its peers with what the flags say instead.
func (f *peeringFlags) over(home string, fl *pflag.FlagSet) (ledger.Peering, error) {
	p, err := ledger.ReadPeering(home)
	if err != nil {
		return p, err
	}
	if fl.Changed("p2p-listen") || p.Listen == "" {
		p.Listen = f.listen
	}
	if fl.Changed("p2p-external") {
		p.External = f.external
	}
	if fl.Changed("peers") {
		p.Peers = f.peers
	}
	if err := p.Validate(); err != nil {
		return p, usageError{err}
	}
	return p, nil
}

// ledgerStartCommand is serve for a home that was made for a network.
func (a *app) ledgerStartCommand() *cobra.Command {
	cmd := a.serveCommand()
	cmd.Use, cmd.Short = "start", "Start the node of a home that init or join made"
	cmd.Long = `start runs the node of a home that "attesteer ledger init" or "attesteer ledger
join" made, with its API and pages, as "attesteer serve" does; but it never makes
a new chain.`
	cmd.Example = `  attesteer ledger start --home net/node1 --listen 127.0.0.1:2001
  attesteer ledger start --home /var/lib/attesteer --endorsements https://api.trustedservices.intel.com`
	serve := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		home, err := cmd.Flags().GetString("home")
		if err != nil {
			return err
		}
		if !ledger.Founded(home) {
			return hinted{fileFault{"start", home, errors.New("it holds no ledger")}, "make one with attesteer ledger init, or join one with attesteer ledger join"}
		}
		return serve(cmd, args)
	}
	return cmd
}

// genesisFile is where a home keeps its genesis.
func genesisFile(home string) string { return filepath.Join(home, "config", "genesis.json") }
