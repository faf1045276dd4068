// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/registry"
)

// ledgerOf shows a node to the gateway, which stands on the same floor.
type ledgerOf struct{ node *ledger.Node }

var _ gateway.Ledger = ledgerOf{}

func (l ledgerOf) Submit(ctx context.Context, tx []byte) (registry.TxResult, error) {
	return l.node.Submit(ctx, tx)
}

func (l ledgerOf) Prove(ctx context.Context, r gateway.ProofRequest) (*proof.Bundle, error) {
	return l.node.Prove(ctx, ledger.ProofRequest(r))
}

func (l ledgerOf) Status(ctx context.Context) (gateway.Status, error) {
	s, err := l.node.Status(ctx)
	if err != nil {
		return gateway.Status{}, err
	}
	out := gateway.Status{
		ChainID: s.ChainID, GenesisHash: l.node.GenesisHash(), Height: s.Height, AppHash: s.AppHash, Time: s.Time, CatchingUp: s.CatchingUp,
	}
	out.BlockHeight, out.Block, out.Peers = s.BlockHeight, s.Block, s.Peers
	for _, v := range s.Validators {
		out.Validators = append(out.Validators, gateway.Validator(v))
	}
	return out, nil
}
