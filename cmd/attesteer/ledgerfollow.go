// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

type followFlags struct {
	nodes    []string
	trust    string
	state    string
	evidence string
	once     bool
	every    time.Duration
}

func (a *app) ledgerFollowCommand() *cobra.Command {
	var f followFlags
	cmd := &cobra.Command{
		Use: "follow", Short: "Follow a ledger as a light client, and hold several nodes to one another",
		Long: `follow goes with a ledger from what you trust, a genesis or the hash of a validator
set, and verifies every block that it is shown: the signatures of more than two
thirds of the validators, and each change of who they are. It keeps a few kilobytes
and verifies no evidence; the proof of a record does.

With several --node it compares what they say. It ends with code 10 when a block is
forged, when a node's state is not the one that the validators signed, or when the
ledger forked: then --evidence FILE takes both blocks, which prove it to anyone.

The validators sign a state with the block after it. With --once it waits for that
block, for three quarters of a minute at most, so that the newest state which each
node shows was held against it.

--state FILE remembers how far it came, and is what the next run trusts.`,
		Example: `  attesteer ledger follow --trust genesis.json --node https://a.example --node https://b.example
  attesteer ledger follow --trust genesis.json --state ledger.state --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledgerFollow(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.nodes, "node", []string{"http://" + defaultListen}, "node to ask (repeatable)")
	trustFlags(fl)
	fl.StringVar(&f.trust, "trust", "", "genesis file, or validator set hash in hex")
	fl.StringVar(&f.state, "state", "", "file that remembers how far the ledger was followed")
	fl.StringVar(&f.evidence, "evidence", "", "file for the two blocks of a fork")
	fl.BoolVar(&f.once, "once", false, "end when the newest blocks were seen")
	fl.DurationVar(&f.every, "every", 2*time.Second, "how long to wait between looks")
	return cmd
}

// followed is what follow prints for each step.
type followed struct {
	ChainID    string `json:"chain_id"`
	Height     int64  `json:"height"`
	Hash       string `json:"hash"`
	AppHash    string `json:"app_hash"`
	Validators string `json:"validators_hash"`
	Time       string `json:"time"`
	// Nodes are those that have shown this block or a later one.
	Nodes int `json:"nodes"`
}

// followState is the file of --state.
type followState struct {
	Schema string          `json:"schema"`
	Block  json.RawMessage `json:"block"`
}

// maxClaims bounds what of a node's claims waits for the blocks that show them.
const maxClaims = 100

const followSchema = "attesteer/followed/v1"

// following is a run of follow.
type following struct {
	app      *app
	flags    followFlags
	follower *proof.Follower
	nodes    []*followedNode
	printed  int64
	// closing: what nodes say of their newest state is not taken down any more.
	closing bool
}

// followedNode is a node that is asked, and what it last said of its state.
type followedNode struct {
	url     string
	api     *client.Client
	height  uint64
	claimed map[uint64]string
	down    bool
}

func (a *app) ledgerFollow(ctx context.Context, f followFlags) error {
	trust, err := a.followTrust(f)
	if err != nil {
		return err
	}
	w := &following{app: a, flags: f, follower: proof.NewFollower(trust)}
	for _, node := range f.nodes {
		w.nodes = append(w.nodes, &followedNode{url: node, api: a.dial(node), claimed: map[uint64]string{}})
	}
	if f.once {
		return w.once(ctx)
	}
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		if err := w.say(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.every):
		}
	}
}

// once looks until the newest state that each node showed in the first look was
// held against the block that carries it.
func (w *following) once(ctx context.Context) error {
	for end := time.Now().Add(signing); ; {
		if err := w.look(ctx); err != nil {
			return err
		}
		w.closing = true
		open := w.open()
		if open == nil {
			break
		}
		if time.Now().After(end) {
			w.app.sayf("warning: %s: the block that carries its newest state is not there yet", open.url)
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(w.flags.every, time.Second)):
		}
	}
	return w.say()
}

// open returns a node that answers and whose newest state was not held against a
// block, or nil.
func (w *following) open() *followedNode {
	for _, n := range w.nodes {
		if !n.down && len(n.claimed) > 0 {
			return n
		}
	}
	return nil
}

// followTrust is where following begins: what is remembered, or --trust.
func (a *app) followTrust(f followFlags) (proof.Trust, error) {
	if f.state != "" {
		b, err := os.ReadFile(f.state)
		if err == nil {
			return readFollowState(f.state, b)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return proof.Trust{}, fileError("read", f.state, err)
		}
	}
	if f.trust == "" {
		return proof.Trust{}, hinted{usagef("--trust is missing"), "name the ledger's genesis file (HOME/config/genesis.json) or its validator set hash"}
	}
	return readTrust(f.trust)
}

// isFollowState reports whether a file is what follow remembers.
func isFollowState(b []byte) bool {
	var s followState
	return json.Unmarshal(b, &s) == nil && s.Schema == followSchema
}

// readFollowState trusts the block that a run before this one followed.
func readFollowState(name string, b []byte) (proof.Trust, error) {
	var s followState
	if err := json.Unmarshal(b, &s); err != nil || s.Schema != followSchema {
		return proof.Trust{}, fileError("read", name, errors.New("not what follow remembers"))
	}
	block, err := proof.DecodeBlock(s.Block)
	if err != nil {
		return proof.Trust{}, fileError("read", name, err)
	}
	t, err := proof.TrustHash(block.Header.Validators.String())
	if err == nil {
		t, err = t.Follow(block)
	}
	if err != nil {
		return proof.Trust{}, fileError("read", name, err)
	}
	return t, nil
}

// look asks every node once. A node that does not answer is passed over, unless
// none does; one that says what is false ends it.
func (w *following) look(ctx context.Context) error {
	answered := 0
	var down error
	for _, n := range w.nodes {
		err := w.ask(ctx, n)
		var network *url.Error
		switch {
		case err == nil:
			answered, n.down = answered+1, false
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &network):
			down = err
			if !n.down {
				w.app.sayf("warning: %s does not answer", n.url)
			}
			n.down = true
		default:
			return w.accuse(n, err)
		}
	}
	if answered == 0 && w.flags.once {
		return down
	}
	if err := w.compare(ctx); err != nil {
		return err
	}
	return w.newest()
}

// newest holds what nodes say of their newest state against the blocks that are
// there by now, after the nodes were held to one another: a fork is more to show.
func (w *following) newest() error {
	for _, n := range w.nodes {
		for height, hash := range n.claimed {
			held, err := w.holds(n, height, hash)
			if err != nil {
				return w.accuse(n, err)
			}
			if held {
				delete(n.claimed, height)
			}
		}
	}
	return nil
}

// compare holds the nodes to one another at the newest height that all have.
func (w *following) compare(ctx context.Context) error {
	var common uint64
	for _, n := range w.nodes {
		if !n.down && (common == 0 || n.height < common) {
			common = n.height
		}
	}
	for _, n := range w.nodes {
		if n.down || common == 0 {
			continue
		}
		var network *url.Error
		if err := w.add(ctx, n, common); err != nil && !errors.As(err, &network) {
			return w.accuse(n, err)
		}
	}
	return ctx.Err()
}

// ask takes what one node has to show.
func (w *following) ask(ctx context.Context, n *followedNode) error {
	l, err := n.api.Ledger(ctx)
	if err != nil || l.Block == nil {
		return err
	}
	n.height = l.Block.Height
	if err := w.changes(ctx, n); err != nil {
		return err
	}
	// The header that carries a state is the next one's: it is there later.
	for height, hash := range n.claimed {
		if height >= n.height {
			continue
		}
		if err := w.add(ctx, n, height+1); err != nil {
			return err
		}
		if _, err := w.holds(n, height, hash); err != nil {
			return err
		}
		delete(n.claimed, height)
	}
	if !w.closing {
		if len(n.claimed) >= maxClaims {
			clear(n.claimed) // of heights that never came
		}
		n.claimed[l.Height] = l.AppHash
	}
	return w.add(ctx, n, n.height)
}

// changes takes the blocks at which the validators changed: they come with any
// proof.
func (w *following) changes(ctx context.Context, n *followedNode) error {
	if int64(n.height) <= w.follower.Trust().Height() { //nolint:gosec // heights are positive
		return nil
	}
	since := uint64(max(0, w.follower.Trust().Height()))
	raw, err := n.api.ProofOf(ctx, nobody, client.ProofOptions{Since: since})
	if err != nil {
		return err
	}
	bundle, err := proof.Decode(raw)
	if err != nil {
		return err
	}
	begun := w.follower.Trust().Validators()
	met := w.follower.Tip() != nil
	for i := range bundle.Changes {
		b := &bundle.Changes[i]
		met = met || b.Header.Validators.String() == begun.String()
		if !met || b.Header.Height <= w.follower.Trust().Height() {
			continue // from before what is trusted
		}
		if err := w.follower.Add(b); err != nil {
			return err
		}
	}
	return nil
}

// add takes one block.
func (w *following) add(ctx context.Context, n *followedNode, height uint64) error {
	raw, err := n.api.Block(ctx, height)
	if rats.KindOf(err) == rats.NotFound {
		return nil // pruned, or not yet
	}
	if err != nil {
		return err
	}
	b, err := proof.DecodeBlock(raw)
	if err != nil {
		return err
	}
	if b.Header.Height != int64(height) { //nolint:gosec // heights are positive
		return rats.Errorf(rats.BindingMismatch, "block %d was asked for, and block %d came", height, b.Header.Height)
	}
	return w.follower.Add(b)
}

// holds compares what a node said of its state with what the validators signed, if
// they are known to have.
func (w *following) holds(n *followedNode, height uint64, hash string) (held bool, err error) {
	var claimed proof.Hex
	if err := json.Unmarshal([]byte(`"`+hash+`"`), &claimed); err != nil {
		return false, rats.Errorf(rats.Malformed, "%s: the hash of its state: %w", n.url, err)
	}
	err = w.follower.Holds(height, claimed)
	if rats.KindOf(err) == rats.NotFound {
		return false, nil
	}
	return err == nil, err
}

// accuse names the node, and keeps the proof of a fork.
func (w *following) accuse(n *followedNode, err error) error {
	var fork *proof.Fork
	if errors.As(err, &fork) && w.flags.evidence != "" {
		b, encodeErr := json.MarshalIndent([]*proof.Block{fork.One, fork.Other}, "", "  ")
		if encodeErr == nil {
			encodeErr = os.WriteFile(w.flags.evidence, append(b, '\n'), 0o644) //nolint:gosec // it is there to be shown
		}
		if encodeErr != nil {
			w.app.sayf("warning: %v", fileError("write", w.flags.evidence, encodeErr))
		}
	}
	return fmt.Errorf("%s: %w", n.url, err)
}

// say prints a new tip and remembers it.
func (w *following) say() error {
	tip := w.follower.Tip()
	if tip == nil || tip.Header.Height == w.printed {
		return nil
	}
	w.printed = tip.Header.Height
	out := followed{
		ChainID: tip.Header.ChainID, Height: tip.Header.Height, Hash: tip.Hash().String(), AppHash: tip.Header.App.String(),
		Validators: tip.Header.Validators.String(), Time: tip.Header.Time.Time().Format(time.RFC3339),
	}
	for _, n := range w.nodes {
		if int64(n.height) >= out.Height { //nolint:gosec // heights are positive
			out.Nodes++
		}
	}
	if w.flags.state != "" {
		if err := w.remember(tip); err != nil {
			return err
		}
	}
	if w.app.asJSON {
		return w.app.printJSON(out)
	}
	w.app.printf("%d  %.16s  state %.16s  %s  %d of %d nodes\n", out.Height, out.Hash, out.AppHash, out.Time, out.Nodes, len(w.nodes))
	return nil
}

// remember replaces the file of --state.
func (w *following) remember(tip *proof.Block) error {
	block, err := tip.JSON()
	if err != nil {
		return err
	}
	b, err := json.Marshal(followState{Schema: followSchema, Block: block})
	if err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	next := w.flags.state + ".new"
	if err := os.WriteFile(next, append(b, '\n'), 0o644); err != nil { //nolint:gosec // no secret
		return fileError("write", next, err)
	}
	if err := os.Rename(next, w.flags.state); err != nil {
		return fileError("write", w.flags.state, err)
	}
	return nil
}
