// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

type ledgerOutput struct {
	Body client.Ledger
}

type challengeOutput struct {
	Body client.Challenge
}

type nothing struct{}

func (g *Gateway) registerLedger(api huma.API) {
	register(api, g.operation(http.MethodGet, "/v1/ledger", "get-ledger", "ledger", "Get where the ledger stands"),
		func(ctx context.Context, _ *nothing) (*ledgerOutput, error) {
			out, err := g.ledger(ctx)
			if err != nil {
				return nil, g.fault(ctx, err)
			}
			return &ledgerOutput{Body: *out}, nil
		})
	op := g.operation(http.MethodGet, "/v1/challenge", "get-challenge", "ledger", "Get a recent block to bind evidence to")
	op.Description = "Evidence whose report data end in the hash, while it is recent, counts as fresh."
	register(api, op, func(context.Context, *nothing) (*challengeOutput, error) {
		hash, height, at, ok := g.cfg.Registry.Challenge()
		if !ok {
			return nil, rats.Errorf(rats.NotFound, "no block is recent enough")
		}
		return &challengeOutput{Body: client.Challenge{Hash: hex.EncodeToString(hash[:]), Height: height, Time: at}}, nil
	})
}

func (g *Gateway) ledger(ctx context.Context) (*client.Ledger, error) {
	s, err := g.cfg.Ledger.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &client.Ledger{
		ChainID: s.ChainID, Network: g.cfg.Network, GenesisHash: hex.EncodeToString(s.GenesisHash[:]),
		Height: s.Height, AppHash: hex.EncodeToString(s.AppHash[:]),
		Time: s.Time, CatchingUp: s.CatchingUp, Validators: make([]client.Validator, 0, len(s.Validators)),
	}
	out.Peers = s.Peers
	if s.BlockHeight != 0 {
		out.Block = &client.Block{Height: s.BlockHeight, Hash: hex.EncodeToString(s.Block[:])}
	}
	for _, v := range s.Validators {
		out.Validators = append(out.Validators, client.Validator{
			Address: hex.EncodeToString(v.Address[:]), PublicKey: hex.EncodeToString(v.PublicKey[:]), Power: v.Power,
		})
	}
	return out, nil
}
