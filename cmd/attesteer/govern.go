// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

const (
	// motionLife is how long a signed proposal or ballot waits for its block; the
	// ledger allows a day.
	motionLife = 10 * time.Minute
	// votingTime is how long a proposal is open unless its proposer says more.
	votingTime = 7 * 24 * time.Hour
)

// speaker is a validator who proposes or votes.
type speaker struct {
	home, key, node string
}

func (s *speaker) register(a *app, fl *pflag.FlagSet) {
	fl.StringVar(&s.home, "home", a.defaultHome(), "home of the validator, whose config/governance_key signs")
	fl.StringVar(&s.key, "key", "", "file of the governance key, where it is not kept in the home")
	nodeFlag(fl, &s.node)
}

// secret returns the key that signs.
func (s *speaker) secret(a *app) (ed25519.PrivateKey, error) {
	if s.key == "" {
		key, err := ledger.LoadGovernanceKey(s.home)
		if errors.Is(err, os.ErrNotExist) {
			return nil, hinted{homeError(err), "name the home of a validator with --home, or the file of its key with --key"}
		}
		if err != nil {
			return nil, homeError(err)
		}
		return key, nil
	}
	return a.readSeed(s.key)
}

// readSeed reads an Ed25519 key that is kept as its seed, in hex.
func (a *app) readSeed(name string) (ed25519.PrivateKey, error) {
	text, err := a.readSecret(name)
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, rats.Errorf(rats.Malformed, "%s: not a seed of 32 bytes in hex", name)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// checkChain refuses a node of another chain than the home's: what is signed
// counts on the chain that it names.
func (s *speaker) checkChain(chainID string) error {
	b, err := os.ReadFile(genesisFile(s.home))
	if errors.Is(err, os.ErrNotExist) && s.key != "" {
		return nil
	}
	if err != nil {
		return fileError("read", genesisFile(s.home), err)
	}
	info, err := ledger.InspectGenesis(b)
	if err != nil {
		return err
	}
	if info.ChainID != chainID {
		return rats.Errorf(rats.BindingMismatch, "the node's chain is %s, and the home's is %s", chainID, info.ChainID)
	}
	return nil
}

// say signs and submits a proposal or a ballot, which make returns from what the
// validators decided so far and from ledger time.
func (s *speaker) say(ctx context.Context, a *app, make func(*client.Governance, record.Millis) (record.Motion, error)) (*client.Motioned, error) {
	key, err := s.secret(a)
	if err != nil {
		return nil, err
	}
	c := a.dial(s.node)
	now, err := c.Ledger(ctx)
	if err != nil {
		return nil, a.nodeError(s.node, err)
	}
	if err := s.checkChain(now.ChainID); err != nil {
		return nil, err
	}
	g, err := c.Governance(ctx)
	if err != nil {
		return nil, a.nodeError(s.node, err)
	}
	m, err := make(g, now.Time)
	if err != nil {
		return nil, err
	}
	m.Version, m.ChainID = record.TransactionVersion, now.ChainID
	m.NotAfter = now.Time + record.Millis(motionLife.Milliseconds())
	if _, err := rand.Read(m.Nonce[:]); err != nil {
		return nil, rats.Errorf(rats.Internal, "nonce: %w", err)
	}
	tx, err := record.SignMotion(key, m)
	if err != nil {
		return nil, err
	}
	out, err := c.SubmitMotion(ctx, tx)
	if err != nil {
		return nil, a.motionError(s.node, err)
	}
	return out, nil
}

// motionError adds a hint where the key is nobody's.
func (a *app) motionError(node string, err error) error {
	var refused *client.Refusal
	if errors.As(err, &refused) && rats.KindOf(err) == rats.Unauthorized {
		return hinted{err, "only validators propose and vote: attesteer ledger proposals shows their governance keys"}
	}
	return a.nodeError(node, err)
}

func (a *app) ledgerVoteCommand() *cobra.Command {
	var s speaker
	cmd := &cobra.Command{
		Use: "vote NUMBER yes|no", Short: "Vote on a proposal, as a validator",
		Long: `vote signs a ballot with the validator's governance key and returns once its block
is committed. Read the proposal first: "attesteer ledger proposals NUMBER". The
ballot names the proposal as it is shown, by its hash, so that a node cannot show
one and have you vote for another.

A later vote replaces an earlier one until the proposal is decided. It passes with
more than two thirds of the power of all validators, and fails with a third of it
or more against it, or when its time is over.`,
		Example: `  attesteer ledger vote 3 yes --home net/node1 --node http://127.0.0.1:2701`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ledgerVote(cmd.Context(), s, args[0], args[1])
		},
	}
	s.register(a, cmd.Flags())
	return cmd
}

func (a *app) ledgerVote(ctx context.Context, s speaker, number, word string) error {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return usagef("%q is no number of a proposal", number)
	}
	if word != "yes" && word != "no" {
		return usagef("vote yes or no, not %q", word)
	}
	out, err := s.say(ctx, a, func(g *client.Governance, _ record.Millis) (record.Motion, error) {
		p, err := pick(g, n)
		if err != nil {
			return record.Motion{}, err
		}
		digest, err := p.Check()
		return record.Motion{Ballot: &record.Ballot{Number: n, Digest: digest, Approve: word == "yes"}}, err
	})
	if err != nil {
		return err
	}
	return a.sayMotioned(ctx, s.node, out)
}

// pick returns the proposal of a number.
func pick(g *client.Governance, number uint64) (*client.Proposal, error) {
	for i := range g.Proposals {
		if g.Proposals[i].Number == number {
			return &g.Proposals[i], nil
		}
	}
	return nil, rats.Errorf(rats.NotFound, "no proposal %d, or it was decided long ago", number)
}

// sayMotioned prints how a proposal stands after a vote.
func (a *app) sayMotioned(ctx context.Context, node string, out *client.Motioned) error {
	g, err := a.dial(node).Governance(ctx)
	if err != nil {
		return a.nodeError(node, err)
	}
	p, err := pick(g, out.Proposal)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(p)
	}
	a.printProposal(p, g)
	return nil
}
