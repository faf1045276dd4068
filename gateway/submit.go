// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

const (
	// txLife is how long a transaction may wait for its block; the ledger
	// allows ten minutes.
	txLife = 5 * time.Minute
	// submitTimeout is how long a caller waits for a block.
	submitTimeout = 45 * time.Second
	// txRoom is what endorsements may fill of a transaction: the rest is for
	// evidence, runtime data of the same bound, url and the envelope.
	txRoom = record.MaxTransaction - 2*record.MaxEvidence - 4<<10
)

// submitted is what became of a transaction that the ledger took.
type submitted struct {
	tx     []byte
	result registry.TxResult
	// receipt is not nil while the transaction waits for its block, and there is no
	// result.
	receipt *receipt
}

// taker has the ledger take evidence, with endorsements that go along. What the
// rules refuse is a *refusedTx.
type taker func(ctx context.Context, items []rats.Endorsement, s *record.Submission) (*submitted, error)

// now is the ledger's clock: this node's, shifted as the genesis says, and
// never behind the last block.
func (g *Gateway) now() time.Time {
	offset := time.Duration(g.cfg.Registry.Genesis().ClockOffset) * time.Millisecond
	now := g.cfg.Now().Add(offset).UTC()
	if last := g.cfg.Registry.Time().Time(); last.After(now) {
		return last
	}
	return now
}

// submitEvidence has evidence decided by the ledger, with the endorsements that
// it lacks for it, and returns once the block is committed. What the rules
// refuse is a *refusedTx.
func (g *Gateway) submitEvidence(ctx context.Context, s record.Submission, format rats.Format) (*submitted, error) {
	began := g.cfg.Now()
	out, err := g.decideEvidence(ctx, s, format, g.deciding)
	g.meterSubmission(began, out, err)
	return out, err
}

// enterEvidence is submitEvidence for a caller who is content with a receipt: it
// returns one as soon as the evidence passed what is checked before a block.
func (g *Gateway) enterEvidence(ctx context.Context, s record.Submission, format rats.Format) (*submitted, error) {
	began := g.cfg.Now()
	out, err := g.decideEvidence(ctx, s, format, g.entering(began))
	if err != nil || out.receipt == nil { // else it is counted once it is decided
		g.meterSubmission(began, out, err)
	}
	return out, err
}

func (g *Gateway) decideEvidence(ctx context.Context, s record.Submission, format rats.Format, take taker) (*submitted, error) {
	if err := checkEvidence(s.Evidence, format); err != nil {
		return nil, err
	}
	if err := record.CheckURL(s.URL); err != nil {
		return nil, err
	}
	needs, err := g.cfg.Registry.Needs(s.Evidence)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	if len(needs) == 0 {
		return take(ctx, nil, &s) // its vendor's word came along
	}
	wanted := fmt.Sprintf("%v", needs)
	if g.supplied.fresh(wanted) {
		out, err := take(ctx, nil, &s)
		if !undecided(err) {
			return out, err
		}
		g.supplied.forget(wanted) // something lapsed since
	}
	lacks := g.lacking(ctx, needs)
	out, err := g.submitWith(ctx, lacks, &s, take)
	if undecided(err) && g.cfg.Vendor != nil {
		out, err = g.submitFetched(ctx, needs, lacks, &s, take, err)
	}
	if err == nil {
		g.supplied.remember(wanted)
	}
	return out, err
}

// checkEvidence checks size and kind of evidence before any work is done for it.
func checkEvidence(raw []byte, format rats.Format) error {
	if len(raw) > record.MaxEvidence {
		return rats.Errorf(rats.TooLarge, "evidence: %d bytes, at most %d", len(raw), record.MaxEvidence)
	}
	found, err := attesteer.Recognise(raw)
	if err != nil {
		return err
	}
	if format != "" && format != found {
		return rats.Errorf(rats.Malformed, "evidence: recognised as %s, not %s", found, format)
	}
	return nil
}

// undecided reports whether the ledger lacked endorsements.
func undecided(err error) bool {
	kind := rats.KindOf(err)
	return kind == rats.EndorsementUnavailable || kind == rats.EndorsementExpired
}

// lacking returns the endorsements that an appraisal needs, the source has and
// the ledger lacks. A source that fails is no reason to refuse evidence: the
// ledger may hold what is needed, and says so if not.
func (g *Gateway) lacking(ctx context.Context, needs []attesteer.Need) []rats.Endorsement {
	if g.cfg.Source == nil {
		return nil
	}
	items, err := g.cfg.Source.Endorsements(ctx, needs, g.now())
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "endorsements could not be had", attrError(err))
		return nil
	}
	return g.cfg.Registry.LacksAt(record.MillisOf(g.cfg.Now()), items)
}

// submitWith submits evidence in one transaction with the endorsements that the
// ledger lacks. What has no room there goes before it in transactions of its
// own, whose refusal is no fault of the evidence's.
func (g *Gateway) submitWith(ctx context.Context, lacks []rats.Endorsement, s *record.Submission, take taker) (*submitted, error) {
	batches := pack(lacks)
	var along []rats.Endorsement
	if n := len(batches); n > 0 && sizeOf(batches[n-1]...) <= txRoom {
		batches, along = batches[:n-1], batches[n-1]
	}
	for _, batch := range batches {
		if _, err := g.submit(ctx, batch, nil); err != nil {
			g.log.LogAttrs(ctx, slog.LevelWarn, "endorsements were refused", attrError(err))
		}
	}
	return take(ctx, along, s)
}

// deciding is the taker that waits for the block.
func (g *Gateway) deciding(ctx context.Context, items []rats.Endorsement, s *record.Submission) (*submitted, error) {
	return g.submit(ctx, items, s)
}

// submit has the ledger decide about endorsements and evidence.
func (g *Gateway) submit(ctx context.Context, items []rats.Endorsement, s *record.Submission) (*submitted, error) {
	return g.decide(ctx, record.Transaction{Endorsements: items, Submission: s})
}

// decide signs one transaction of the given content, in the name of its
// caller's registrar, and has the ledger decide about it.
func (g *Gateway) decide(ctx context.Context, tx record.Transaction) (*submitted, error) {
	signed, _, err := g.sign(ctx, tx)
	if err != nil {
		return nil, err
	}
	result, err := g.cfg.Ledger.Submit(ctx, signed)
	return outcomeOf(signed, result, err)
}

// sign signs a transaction of the given content, and returns it with the end of
// its time.
func (g *Gateway) sign(ctx context.Context, tx record.Transaction) ([]byte, record.Millis, error) {
	tx.Version, tx.ChainID = record.TransactionVersion, g.cfg.Registry.ChainID()
	tx.NotAfter = record.MillisOf(g.now().Add(txLife))
	if _, err := rand.Read(tx.Nonce[:]); err != nil {
		return nil, 0, rats.Errorf(rats.Internal, "nonce: %w", err)
	}
	key, err := g.signingKey(ctx)
	if err != nil {
		return nil, 0, err
	}
	signed, err := record.Sign(key, tx)
	return signed, tx.NotAfter, err
}

// outcomeOf is what became of a transaction.
func outcomeOf(tx []byte, result registry.TxResult, err error) (*submitted, error) {
	switch {
	case err != nil:
		return nil, err
	case result.Err != nil:
		return nil, &refusedTx{result}
	}
	return &submitted{tx: tx, result: result}, nil
}

// pack divides endorsements, in their order, into parts that each leave room in
// a transaction. One that is too large by itself gets a part of its own, for
// the ledger to refuse.
func pack(items []rats.Endorsement) [][]rats.Endorsement {
	var out [][]rats.Endorsement
	size := 0
	for _, e := range items {
		n := sizeOf(e)
		if len(out) == 0 || size+n > txRoom || len(out[len(out)-1]) == record.MaxEndorsements {
			out, size = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], e)
		size += n
	}
	return out
}

// sizeOf bounds what endorsements take in a transaction.
func sizeOf(items ...rats.Endorsement) (n int) {
	const headers = 64
	for _, e := range items {
		n += headers + len(e.Body)
		for _, cert := range e.Issuers {
			n += headers + len(cert)
		}
	}
	return n
}

// recorded returns the outward form of what the ledger took.
func (g *Gateway) recorded(s *submitted) (*client.Recorded, error) {
	r, err := g.cfg.Registry.Record(s.result.RecordID)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "a record that was just made: %w", err)
	}
	return &client.Recorded{
		Record: r.View(g.cfg.Registry.Time()), Result: s.result.Result,
		Tx: hex.EncodeToString(s.result.Tx[:]), Height: s.result.Height,
	}, nil
}
