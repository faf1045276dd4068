// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"context"
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shelfOf returns receipts without a node behind them, and their clock.
func shelfOf(t *testing.T) (*receipts, *time.Time) {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	g := &Gateway{cfg: Config{Now: func() time.Time { return now }, Transactions: struct{ Transactions }{}}, log: slog.New(slog.DiscardHandler)}
	b := &receipts{g: g, all: make(map[record.TxHash]*receipt), recorded: list.New(), refused: list.New()}
	b.life, b.end = context.WithCancel(t.Context())
	t.Cleanup(b.end)
	return b, &now
}

func nth(n int) (tx record.TxHash) {
	binary.BigEndian.PutUint64(tx[:], uint64(n))
	return tx
}

// put adds the n-th receipt, of which it is known what became of it.
func (b *receipts) put(n int, refused bool, size int) {
	e := journalEntry{At: b.g.cfg.Now(), size: size, Recorded: &client.Recorded{}}
	if refused {
		e.Recorded, e.Problem = nil, &client.Problem{}
	}
	b.close(&receipt{tx: nth(n), done: make(chan struct{})}, &e)
}

func TestReceiptsThatTheLedgerCanAnswerForMakeRoomAndNoOthers(t *testing.T) {
	b, now := shelfOf(t)
	for n := range maxReceipts {
		b.put(n, n%2 == 0, 1)
	}
	if !b.room(1) || len(b.all) != maxReceipts-1 || b.all[nth(0)] == nil || b.all[nth(1)] != nil {
		t.Fatalf("%d receipts", len(b.all))
	}
	for n := range maxReceipts {
		if b.room(1) {
			b.put(maxReceipts+n, true, 1)
		}
	}
	if len(b.all) != maxReceipts || b.room(1) {
		t.Errorf("%d receipts, and room among the refused", len(b.all))
	}
	*now = now.Add(receiptLife)
	if !b.room(1) || len(b.all) != 0 || b.bytes != 0 || b.recorded.Len()+b.refused.Len() != 0 {
		t.Errorf("after a day %d receipts of %d bytes", len(b.all), b.bytes)
	}
}

func TestReceiptsStayWithinTheirBytes(t *testing.T) {
	b, _ := shelfOf(t)
	const size = 1 << 20
	for n := range 100 {
		if !b.room(size + receiptOverhead) {
			t.Fatal("no room for what makes room")
		}
		b.put(n, false, size)
		if b.bytes > maxReceiptBytes {
			t.Fatalf("%d bytes", b.bytes)
		}
	}
	if len(b.all) != maxReceiptBytes/(size+receiptOverhead) {
		t.Errorf("%d receipts", len(b.all))
	}
}

// TestTheFileOfReceiptsIsWrittenAnewWithoutWhatIsOver: it does not grow for ever.
func TestTheFileOfReceiptsIsWrittenAnewWithoutWhatIsOver(t *testing.T) {
	b, now := shelfOf(t)
	path := filepath.Join(t.TempDir(), "receipts")
	var err error
	if b.journal, err = openJournal(path, nil); err != nil {
		t.Fatal(err)
	}
	pending := make([]byte, 100)
	b.all[nth(1)] = &receipt{tx: nth(1), raw: pending, done: make(chan struct{}), size: 700}
	b.bytes = 700
	longest := int64(0)
	for n := range 400 {
		*now = now.Add(time.Hour)
		r := &receipt{tx: nth(1000 + n), raw: make([]byte, 20_000), done: make(chan struct{}), size: 20_512}
		if _, err := b.journal.append(&journalEntry{Tx: r.raw, At: *now}); err != nil {
			t.Fatal(err)
		}
		b.all[r.tx] = r
		b.bytes += r.size
		b.settle(r, nil, newProblem(rats.Replayed, 409))
		b.room(0)
		longest = max(longest, b.journal.size)
	}
	if longest > 2<<20 {
		t.Errorf("it grew to %d bytes", longest)
	}
	if err := b.journal.close(); err != nil {
		t.Fatal(err)
	}
	entries, damaged, err := readJournal[journalEntry](path)
	if err != nil || damaged != 0 {
		t.Fatal(damaged, err)
	}
	waits, refused := 0, make(map[string]bool)
	for _, e := range entries {
		if len(e.Tx) == len(pending) {
			waits++
		}
		if e.Problem != nil {
			refused[e.Hash] = true
		}
	}
	if waits != 1 || len(refused) < 24 {
		t.Errorf("%d entries: %d that wait, %d refused", len(entries), waits, len(refused))
	}
}

func TestPreferencesAreReadAndTheRestPassedOver(t *testing.T) {
	for text, want := range map[string]preference{
		"": {}, "respond-async": {async: true}, " Respond-Async ": {async: true}, "respond-async;x=1": {async: true},
		"wait=10": {wait: 10 * time.Second, waits: true}, "wait=10, wait=20": {wait: 10 * time.Second, waits: true},
		`x="respond-async, wait=1"`: {}, "wait": {}, "wait=": {}, "wait=1.5": {}, "wait=99999999999999999999": {},
		"return=representation, respond-async, handling=strict": {async: true},
	} {
		if got := parsePrefer(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
