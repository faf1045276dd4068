// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"net/http"

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

func (g *Gateway) ledgerEntries() []entry {
	const tag = "ledger"
	challenge := g.operation(http.MethodGet, "/v1/challenge", "get-challenge", tag, "Get a recent block to bind evidence to")
	challenge.Description = "Evidence whose report data end in the hash, while it is recent, counts as fresh."
	return []entry{
		serve("registry.ledger", g.validated(g.operation(http.MethodGet, "/v1/ledger", "get-ledger", tag, "Get where the ledger stands"), revalidated), g.getLedger),
		serve("registry.challenge", challenge, g.getChallenge),
	}
}

func (g *Gateway) getLedger(ctx context.Context, _ *nothing) (*ledgerOutput, error) {
	out, err := g.ledger(ctx)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return &ledgerOutput{Body: *out}, nil
}

func (g *Gateway) getChallenge(context.Context, *nothing) (*challengeOutput, error) {
	hash, height, at, ok := g.cfg.Registry.Challenge()
	if !ok {
		return nil, rats.Errorf(rats.NotFound, "no block is recent enough")
	}
	return &challengeOutput{Body: client.Challenge{Hash: hex.EncodeToString(hash[:]), Height: height, Time: at}}, nil
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
	out.CheckpointKey = checkpointName(s.ChainID, g.cfg.CheckpointKey)
	if s.BlockHeight != 0 {
		out.Block = &client.Block{Height: s.BlockHeight, Hash: hex.EncodeToString(s.Block[:])}
	}
	offences, err := g.cfg.Registry.Misbehaviour()
	if err != nil {
		return nil, err
	}
	out.Misbehaviour = client.Offences{Count: offences.Count, Latest: make([]client.Offence, 0, len(offences.Latest))}
	for _, m := range offences.Latest {
		out.Misbehaviour.Latest = append(out.Misbehaviour.Latest, client.Offence{
			Kind: m.Kind, Validator: hex.EncodeToString(m.Validator[:]), Power: m.Power, Height: m.Height, Time: m.Time, Recorded: m.Recorded,
		})
	}
	for _, v := range s.Validators {
		out.Validators = append(out.Validators, client.Validator{
			Address: hex.EncodeToString(v.Address[:]), PublicKey: hex.EncodeToString(v.PublicKey[:]), Power: v.Power,
		})
	}
	return out, nil
}
