// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// A receipt says that evidence is on its way into the ledger. It is no verdict:
// what becomes of the evidence is the next block's to say, and the receipt tells
// it once that is known.
//
// Whoever was given a receipt gets to hear what became of it, also when the node
// ends meanwhile. A transaction is written to a file before the receipt is given,
// and enters the pool again when the node starts; there it has the same bytes,
// so that it is taken once however often it enters. If no block took it before
// its time was over, the receipt says that. What made a record is known to the
// ledger for good, and what was refused is kept for a day.

// Bounds of the receipts at hand. Where there is no room, no receipt is given:
// callers wait for the block, as if they had not asked for one.
const (
	// receiptLife is for how long it is told what became of a transaction that
	// the ledger does not know.
	receiptLife     = 24 * time.Hour
	maxReceipts     = 16384
	maxReceiptBytes = 64 << 20
	// receiptOverhead is about what a receipt takes beside its content.
	receiptOverhead = 512
)

// receipt is one transaction that somebody was given a receipt for.
type receipt struct {
	tx    record.TxHash
	began time.Time
	// raw is the transaction until it is known what became of it, and notAfter
	// the end of its time.
	raw      []byte
	notAfter record.Millis
	// done is closed once one of recorded and problem is set.
	done     chan struct{}
	recorded *client.Recorded
	problem  *client.Problem
	until    time.Time
	size     int
	// last is what the file says of it, which is told only when it is on the disk.
	last *journalEntry
}

// receipts are those that a gateway gave. It is safe for concurrent use.
type receipts struct {
	g *Gateway
	// life ends with the gateway; what waits for a block then goes on waiting in
	// the file.
	life context.Context //nolint:containedctx // the receipts outlive the calls that they were given to
	end  context.CancelFunc
	work sync.WaitGroup

	mu sync.Mutex // guards what follows, and the receipts' fields
	// journal is nil without a file.
	journal *journal
	all     map[record.TxHash]*receipt
	// recorded and refused hold those of which it is known what became of them,
	// oldest first.
	recorded, refused *list.List
	bytes             int
	closed            bool
}

// openReceipts reads the file of receipts, if there is to be one, and sends those
// transactions on their way again of which it is not known what became of them.
func openReceipts(g *Gateway) (*receipts, error) {
	b := &receipts{g: g, all: make(map[record.TxHash]*receipt), recorded: list.New(), refused: list.New()}
	b.life, b.end = context.WithCancel(context.Background())
	if g.cfg.Receipts == "" {
		return b, nil
	}
	entries, damaged, err := readJournal[journalEntry](g.cfg.Receipts)
	if err != nil {
		return nil, err
	}
	if damaged > 0 {
		// Receipts may be lost: an operator should know, and have what is left.
		aside := g.cfg.Receipts + ".damaged"
		g.log.LogAttrs(b.life, slog.LevelError, "the file of receipts is damaged and was put aside",
			slog.Int("line", damaged), slog.String("file", aside), attrError(os.Rename(g.cfg.Receipts, aside)))
	}
	for i := range entries {
		if err := b.restore(&entries[i]); err != nil {
			// The rest counts all the same.
			g.log.LogAttrs(b.life, slog.LevelError, "a receipt cannot be read", attrError(err))
		}
	}
	if b.journal, err = openJournal(g.cfg.Receipts, b.lines()); err != nil {
		return nil, err
	}
	var waiting []*receipt
	for _, r := range b.all {
		if r.raw != nil {
			waiting = append(waiting, r)
		}
	}
	for _, r := range waiting { // from here on b is shared
		b.work.Go(func() { b.follow(r, nil) })
	}
	return b, nil
}

// restore takes one entry of the file.
func (b *receipts) restore(e *journalEntry) error {
	if len(e.Tx) > 0 {
		o, err := record.Open(e.Tx)
		if err != nil {
			return err
		}
		r := &receipt{tx: o.Hash, began: e.At, raw: e.Tx, done: make(chan struct{}), size: receiptOverhead + len(e.Tx)}
		if o.Tx != nil {
			r.notAfter = o.Tx.NotAfter
		}
		b.all[r.tx] = r
		b.bytes += r.size
		return nil
	}
	hash, err := hex.DecodeString(e.Hash)
	if err != nil || len(hash) != len(record.TxHash{}) || (e.Recorded == nil) == (e.Problem == nil) {
		return rats.Errorf(rats.Malformed, "neither a transaction nor what became of one")
	}
	r, ok := b.all[record.TxHash(hash)]
	if !ok {
		r = &receipt{tx: record.TxHash(hash), done: make(chan struct{})}
	}
	if r.settledAlready() {
		return nil
	}
	b.close(r, e)
	return nil
}

func (r *receipt) settledAlready() bool { return r.recorded != nil || r.problem != nil }

// room reports whether one more receipt of a size has room, and makes it if need
// be of those that the ledger can answer for. The caller holds mu.
func (b *receipts) room(size int) bool {
	now := b.g.cfg.Now()
	full := func() bool { return len(b.all) >= maxReceipts || b.bytes+size > maxReceiptBytes }
	b.drop(b.refused, func(r *receipt) bool { return !now.Before(r.until) })
	b.drop(b.recorded, func(r *receipt) bool { return !now.Before(r.until) || b.g.cfg.Transactions != nil && full() })
	return !full()
}

// drop forgets the oldest of a list for as long as they may be. The caller holds mu.
func (b *receipts) drop(settled *list.List, may func(*receipt) bool) {
	for e := settled.Front(); e != nil; e = settled.Front() {
		r, ok := e.Value.(*receipt)
		if !ok || !may(r) {
			return
		}
		settled.Remove(e)
		delete(b.all, r.tx)
		b.bytes -= r.size
	}
}

// give makes the receipt of a transaction that waits for a block, and reports
// whether it may be given: it is safe on the disk then.
func (b *receipts) give(tx []byte, hash record.TxHash, notAfter record.Millis, began time.Time, wait Outcome) (*receipt, bool) {
	r := &receipt{tx: hash, began: began, raw: tx, notAfter: notAfter, done: make(chan struct{}), size: receiptOverhead + len(tx)}
	b.mu.Lock()
	if b.closed || !b.room(r.size) {
		b.mu.Unlock()
		return nil, false
	}
	j := b.journal
	mark, err := j.append(&journalEntry{Tx: tx, At: began})
	if err == nil {
		b.all[hash] = r
		b.bytes += r.size
	}
	b.mu.Unlock()
	if err == nil {
		err = j.sync(mark)
	}
	if err != nil {
		b.g.log.LogAttrs(b.life, slog.LevelError, "a receipt could not be written", attrError(err))
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.all[hash] == r {
			delete(b.all, hash)
			b.bytes -= r.size
		}
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.work.Go(func() { b.follow(r, wait) })
	}
	return r, true
}

// settle keeps what became of a transaction. That it was refused is safe on the
// disk before anybody is told: else it could enter once more, and be taken.
func (b *receipts) settle(r *receipt, recorded *client.Recorded, p *problem) {
	e := &journalEntry{Hash: hex.EncodeToString(r.tx[:]), At: b.g.cfg.Now(), Recorded: recorded}
	if p != nil {
		e.Problem = &p.Problem
	}
	b.mu.Lock()
	j := b.journal
	mark, err := j.append(e)
	r.last = e
	b.mu.Unlock()
	if err == nil && p != nil {
		err = j.sync(mark)
	}
	if err != nil {
		b.g.log.LogAttrs(b.life, slog.LevelError, "what became of a receipt could not be written", attrError(err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close(r, e)
	if j.wasteful(b.bytes) {
		if err := j.replace(b.lines()); err != nil {
			b.g.log.LogAttrs(b.life, slog.LevelError, "the file of receipts could not be written anew", attrError(err))
		}
	}
}

// close sets what became of a transaction. The caller holds mu, or is alone.
func (b *receipts) close(r *receipt, e *journalEntry) {
	if _, known := b.all[r.tx]; known {
		b.bytes -= r.size
	}
	r.recorded, r.problem, r.raw, r.last = e.Recorded, e.Problem, nil, nil
	r.until = e.At.Add(receiptLife)
	r.size = receiptOverhead + e.size
	b.all[r.tx] = r
	b.bytes += r.size
	if r.recorded != nil {
		b.recorded.PushBack(r)
	} else {
		b.refused.PushBack(r)
	}
	close(r.done)
}

// lines returns the file's content as it has to be: what is over is left out.
// The caller holds mu, or is alone.
func (b *receipts) lines() []journaled {
	b.room(0)
	out := make([]journaled, 0, len(b.all))
	for _, settled := range []*list.List{b.recorded, b.refused} {
		for e := settled.Front(); e != nil; e = e.Next() {
			if r, ok := e.Value.(*receipt); ok {
				out = append(out, &journalEntry{
					Hash: hex.EncodeToString(r.tx[:]), At: r.until.Add(-receiptLife), Recorded: r.recorded, Problem: r.problem,
				})
			}
		}
	}
	for _, r := range b.all {
		switch {
		case r.settledAlready():
		case r.last != nil:
			out = append(out, r.last)
		default:
			out = append(out, &journalEntry{Tx: r.raw, At: r.began})
		}
	}
	return out
}

// find returns what is known of a transaction.
func (b *receipts) find(tx record.TxHash) (client.Receipt, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.all[tx]
	if !ok || r.settledAlready() && !b.g.cfg.Now().Before(r.until) {
		return client.Receipt{}, false
	}
	return r.view(), true
}

// view is the receipt as it is shown. The caller holds mu, or the receipt is done.
func (r *receipt) view() client.Receipt {
	out := receiptOf(r.tx)
	switch {
	case r.recorded != nil:
		out.Status, out.Recorded = client.ReceiptRecorded, r.recorded
	case r.problem != nil:
		out.Status, out.Problem = client.ReceiptRefused, r.problem
	}
	return out
}

// receiptOf is the receipt of a transaction that waits.
func receiptOf(tx record.TxHash) client.Receipt {
	name := hex.EncodeToString(tx[:])
	return client.Receipt{Receipt: name, Tx: name, Status: client.ReceiptPending, Location: receiptsPath + name}
}

// shut ends the waiting. What waits is in the file.
func (b *receipts) shut() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.work.Wait()
	if again {
		return nil
	}
	return b.journal.close()
}
