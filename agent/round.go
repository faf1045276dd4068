// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// roundTime bounds one round: a ledger that stands still commits nothing.
const roundTime = 5 * time.Minute

// round is one attempt to have an enclave attested.
type round struct {
	keeper *Keeper
	// ledger is where the ledger of the node at hand stands.
	ledger *client.Ledger

	// What follows is the evidence, once there is one, which is good for all nodes.

	rules      *client.Governance
	challenge  *client.Challenge
	reportData [64]byte
	// since is when the challenge was taken.
	since    time.Time
	evidence []byte
	by       endorsed
	result   *attesteer.Result
	id       string
}

// delivered is what a node made of evidence.
type delivered struct {
	outcome Outcome
	node    string
	tx      string
	height  uint64
}

// run goes through the nodes until one of them has recorded the evidence. Of
// several errors it returns the first by which a node said something.
func (r *round) run(ctx context.Context) (*delivered, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	var out error
	var pause time.Duration
	for _, node := range r.keeper.cfg.Nodes {
		done, err := r.through(ctx, node)
		if err == nil {
			return done, nil
		}
		pause = max(pause, retryAfter(err))
		if !elsewhere(err) || ctx.Err() != nil {
			return nil, &failure{node.Name, err, pause}
		}
		if len(r.keeper.cfg.Nodes) > 1 {
			r.keeper.warn(ctx, "a node was of no help", err, slog.String("node", node.Name))
		}
		var refused *client.Refusal
		if out == nil || !errors.As(out, &refused) && errors.As(err, &refused) {
			out = &failure{node.Name, err, 0}
		}
	}
	var f *failure
	if errors.As(out, &f) {
		f.pause = pause
	}
	return nil, out
}

// failure is why a round came to nothing.
type failure struct {
	node string
	err  error
	// pause is how long nodes asked to be left alone.
	pause time.Duration
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// through goes through one node.
func (r *round) through(ctx context.Context, node Node) (*delivered, error) {
	var err error
	if r.ledger, err = node.Ledger.Ledger(ctx); err != nil {
		return nil, err
	}
	if r.ledger.CatchingUp {
		return nil, errors.New("the node copies blocks before it takes part")
	}
	if err := r.keeper.sameLedger(r.ledger); err != nil {
		return nil, &away{err}
	}
	if r.evidence == nil || r.stale() {
		if err := r.prepare(ctx, node); err != nil {
			return nil, err
		}
	}
	return r.deliver(ctx, node)
}

// away is an error that is about a node alone.
type away struct{ err error }

func (a *away) Error() string { return a.err.Error() }

// stale reports whether the challenge is too old to be bound to. Evidence that
// names a block which the ledger has forgotten would be another's.
func (r *round) stale() bool {
	return r.challenge != nil && time.Since(r.since) > millis(r.rules.Parameters.FreshnessWindow)/2
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// prepare makes evidence and appraises it.
func (r *round) prepare(ctx context.Context, node Node) error {
	k := r.keeper
	var err error
	if r.rules, err = node.Governance(ctx); err != nil {
		return err
	}
	p := r.rules.Parameters
	if asked := k.cfg.ValidFor; asked > 0 && (asked < millis(p.MinDuration) || asked > millis(p.MaxDuration)) {
		return &final{rats.Errorf(rats.Malformed, "an attestation valid for %v is not what this ledger takes: it takes %v to %v", asked, millis(p.MinDuration), millis(p.MaxDuration))}
	}
	k.listings = int(p.MaxListings)
	if err := r.bind(ctx, node); err != nil {
		return err
	}
	evidence, err := k.cfg.Attest(ctx, r.reportData)
	if err != nil {
		return &rats.Error{Kind: rats.KindOf(err), Detail: "the enclave could not be attested: " + words(err), Err: err}
	}
	at := r.ledger.Time.Time()
	r.by = k.ask(ctx, evidence, at)
	r.evidence = evidence
	if r.result, err = r.appraise(r.by, k.policy(r.ledger.Network, r.rules), at); err != nil {
		r.evidence = nil
		return &rats.Error{Kind: rats.KindOf(err), Detail: "the evidence is of no use and was not sent: " + words(err), Err: err}
	}
	r.id = r.recordOf(r.result)
	if r.stale() {
		r.evidence = nil
		return rats.Errorf(rats.Internal, "it took %v to attest the enclave: the ledger may have forgotten the block that the evidence is bound to", time.Since(r.since).Round(time.Second))
	}
	return nil
}

// bind settles the report data, with a recent block unless the owner wants none.
func (r *round) bind(ctx context.Context, node Node) error {
	r.reportData, r.challenge = r.keeper.cfg.ReportData, nil
	if r.keeper.cfg.Unbound {
		return nil
	}
	c, err := firstChallenge(ctx, node)
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(c.Hash)
	if err != nil || len(hash) != 32 {
		return fmt.Errorf("the node's challenge: %q is no hash of a block", c.Hash)
	}
	copy(r.reportData[32:], hash)
	r.challenge, r.since = c, time.Now()
	return nil
}

// firstChallenge returns the node's challenge. A ledger that has just begun has
// none until its first block with a time, nor one that stood still: that block
// comes by itself.
func firstChallenge(ctx context.Context, node Node) (*client.Challenge, error) {
	ctx, cancel := context.WithTimeout(ctx, idleBlocks)
	defer cancel()
	for {
		c, err := node.Challenge(ctx)
		if rats.KindOf(err) != rats.NotFound {
			return c, err
		}
		if wait(ctx, soonest); ctx.Err() != nil {
			return nil, rats.Errorf(rats.Internal, "the ledger makes no block to be bound to: %s", words(err))
		}
	}
}

// deliver publishes endorsements and submits the evidence.
func (r *round) deliver(ctx context.Context, node Node) (*delivered, error) {
	before, err := node.Get(ctx, r.id)
	if err != nil && rats.KindOf(err) != rats.NotFound {
		return nil, err
	}
	if err := r.mayRevive(before); err != nil {
		return nil, err
	}
	if _, err := r.keeper.publish(ctx, node, r.by.items); err != nil {
		return nil, err
	}
	got, err := node.Submit(ctx, r.submission())
	var refused *client.Refusal
	switch {
	case rats.KindOf(err) == rats.Replayed && errors.As(err, &refused):
		return r.known(ctx, node, refused)
	case err != nil:
		if stale := rats.KindOf(err); stale == rats.EndorsementUnavailable || stale == rats.EndorsementExpired {
			clear(r.keeper.published) // what the ledger knew it has lost
		}
		return nil, err
	case got.Record.ID != r.id:
		return nil, rats.Errorf(rats.Internal, "the evidence made record %s instead of carrying %s: the block that it is bound to was too old", got.Record.ID, r.id)
	}
	k := r.keeper
	k.evidence, k.repeats, k.forgotten = r.evidence, 0, false
	if own := changedListing(before, &got.Record); own != "" {
		k.registrar = own
	}
	k.see(&got.Record, max(r.now(ctx, node), got.Record.LastAttested))
	return &delivered{Recorded, node.Name, got.Tx, got.Height}, nil
}

// mayRevive refuses to bring back a record that was withdrawn, unless the owner
// wants it. The challenge was taken before the record was looked at: evidence for
// a record that is withdrawn after that is refused by the ledger (docs/records.md).
func (r *round) mayRevive(before *record.View) error {
	switch {
	case before == nil || before.State != record.Withdrawn:
		return nil
	case !r.keeper.cfg.Revive:
		return withdrawn(before)
	case r.challenge == nil:
		return &final{rats.Errorf(rats.PolicyRejected, "record %s was withdrawn, and only evidence that binds a block can revive it", before.ID)}
	case before.Withdrawn != nil && r.challenge.Height <= before.Withdrawn.Height:
		return rats.Errorf(rats.Internal, "record %s can be revived after the next block", before.ID)
	default:
		return nil
	}
}

func withdrawn(v *record.View) error {
	when := ""
	if v.Withdrawn != nil {
		when = " at " + v.Withdrawn.At.Time().Format(time.RFC3339)
	}
	return &final{rats.Errorf(rats.PolicyRejected, "record %s was withdrawn by the enclave's key%s, and is left so", v.ID, when)}
}

// submission is what is sent.
func (r *round) submission() client.Submission {
	s := client.Submission{Evidence: r.evidence, URL: r.keeper.cfg.URL, RuntimeData: r.keeper.cfg.RuntimeData}
	if d := r.validFor(); d > 0 {
		s.ValidFor = strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return s
}

// validFor is how long to vouch: not much longer than the enclave is to be kept.
func (r *round) validFor() time.Duration {
	k, p := r.keeper, r.rules.Parameters
	d := k.cfg.ValidFor
	if k.ends.IsZero() {
		return d
	}
	if d == 0 {
		d = millis(p.DefaultDuration)
	}
	return min(d, max(time.Until(k.ends), millis(p.MinDuration)))
}

// known is for evidence that somebody had recorded before, such as this keeper,
// by an answer that was lost, or another one of the same enclave. It is as good as
// recorded where the record is this one and holds.
func (r *round) known(ctx context.Context, node Node, refused *client.Refusal) (*delivered, error) {
	view, err := node.Get(ctx, r.id)
	if err != nil {
		return nil, err
	}
	if refused.Record != "" && refused.Record != r.id || view.State != record.Active {
		return nil, refused
	}
	r.keeper.evidence, r.keeper.forgotten = r.evidence, false
	r.keeper.repeats++
	r.keeper.see(view, r.now(ctx, node))
	return &delivered{Known, node.Name, view.Tx, view.Height}, nil
}

// now is ledger time: that of the last block, at least when the round began.
func (r *round) now(ctx context.Context, node Node) record.Millis {
	if l, err := node.Ledger.Ledger(ctx); err == nil {
		return max(l.Time, r.ledger.Time)
	}
	return r.ledger.Time
}

// changedListing returns the registrar of the one listing that a submission added
// or changed; empty where that cannot be told.
func changedListing(before, after *record.View) (registrar string) {
	old := make(map[string]record.ListingView)
	if before != nil {
		for _, l := range before.Listings {
			old[l.Registrar] = l
		}
	}
	for _, l := range after.Listings {
		was, known := old[l.Registrar]
		if known && was.Expires == l.Expires && was.Since == l.Since {
			continue
		}
		if registrar != "" {
			return ""
		}
		registrar = l.Registrar
	}
	return registrar
}
