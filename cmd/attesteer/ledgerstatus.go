// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) ledgerStatusCommand() *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use: "status", Short: "Show where a node's ledger stands",
		Long: `status asks a node for its height, the hash of its state, ledger time, validators
and peers. The block that it names is what a node that joins may be told to trust,
if this one is to be trusted: "attesteer ledger join --trust HEIGHT:HASH".`,
		Example: `  attesteer ledger status
  attesteer ledger status --node http://127.0.0.1:2701 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledgerStatus(cmd.Context(), node) },
	}
	nodeFlag(cmd.Flags(), &node)
	return cmd
}

func (a *app) ledgerStatus(ctx context.Context, node string) error {
	s, err := a.dial(node).Ledger(ctx)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(s)
	}
	a.printf("%s network %s\n", s.Network, s.ChainID)
	a.row("height", strconv.FormatUint(s.Height, 10))
	a.row("hash of the state", s.AppHash)
	a.row("ledger time", s.Time.Time().Format(time.RFC3339))
	if s.Block != nil {
		a.row("newest block", fmt.Sprintf("%d:%s", s.Block.Height, s.Block.Hash))
	}
	a.row("peers", strconv.Itoa(s.Peers))
	doing := "takes part"
	if s.CatchingUp {
		doing = "catches up with the others"
	}
	a.row("the node", doing)
	for _, v := range s.Validators {
		a.row("validator", fmt.Sprintf("%s, power %d", v.PublicKey, v.Power))
	}
	return nil
}
