// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

func TestAQuoteBecomesARecord(t *testing.T) {
	n, r := startDev(t)
	res := mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	if !res.Recorded || res.Height == 0 || res.Result == nil {
		t.Fatalf("got %+v", res)
	}
	rec, err := n.Registry().Record(res.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Status != rats.UpToDate || rec.Tx != res.Tx || rec.Height != res.Height || rec.TrustRoot != rats.SimulatedRoot {
		t.Errorf("got %+v", rec)
	}
}

func TestARefusalCarriesItsKind(t *testing.T) {
	n, r := startDev(t)
	good := r.evidence(t, r.quote(t, 1), time.Now())
	mustSubmit(t, n, good)
	elsewhere := newRegistrar(t, "another-chain")
	broken := r.quote(t, 2)
	broken[100] ^= 1
	height := n.Registry().Height()
	for _, c := range []struct {
		name string
		tx   []byte
		want []rats.Kind
	}{
		{"empty", nil, []rats.Kind{rats.Malformed}},
		{"one byte", []byte{1}, []rats.Kind{rats.Malformed}},
		{"too large", make([]byte, record.MaxTransaction+1), []rats.Kind{rats.TooLarge}},
		{"the same transaction again", good, []rats.Kind{rats.Replayed}},
		{"the same evidence again", r.evidence(t, r.quote(t, 1), time.Now()), []rats.Kind{rats.Replayed}},
		{"a flipped bit in what the enclave signed", r.evidence(t, broken, time.Now()), []rats.Kind{rats.BadSignature}},
		{"signed for another chain", elsewhere.evidence(t, r.quote(t, 3), time.Now()),
			[]rats.Kind{rats.BindingMismatch, rats.BadSignature, rats.Malformed, rats.Unauthorized, rats.PolicyRejected}},
	} {
		res := submit(t, n, c.tx)
		if res.Err == nil || !slices.Contains(c.want, res.Err.Kind) {
			t.Errorf("%s: got %v, want one of %v", c.name, res.Err, c.want)
		}
	}
	// Refused by CheckTx, nothing of it costs a block; at most the one that
	// proves the last good transaction was still to come.
	if h := n.Registry().Height(); h > height+1 {
		t.Errorf("refusals made %d blocks", h-height)
	}
}

func TestATimeTickIsNotTakenFromOutside(t *testing.T) {
	n, _ := startDev(t)
	b, err := record.Marshal(record.TimeTick{Time: n.Registry().Time() + 1000})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := record.Marshal(record.Envelope{Kind: record.KindTime, Body: b})
	if err != nil {
		t.Fatal(err)
	}
	if res := submit(t, n, tx); res.Err == nil {
		t.Error("a time tick was accepted")
	}
}

func TestSubmittingTheSameBytesAtOnceGivesOneResultToAll(t *testing.T) {
	n, r := startDev(t)
	tx := r.evidence(t, r.quote(t, 1), time.Now())
	results := make([]registry.TxResult, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = submit(t, n, tx) })
	}
	wg.Wait()
	recorded := 0
	for _, res := range results {
		switch {
		case res.Err == nil && res.Recorded:
			recorded++
		case res.Err == nil || res.Err.Kind != rats.Replayed: // came after the block
			t.Errorf("got %+v", res)
		}
	}
	if recorded == 0 {
		t.Error("nobody got the record")
	}
	if c := n.Registry().EventCount(); c != 1 {
		t.Errorf("%d events, want 1", c)
	}
}

func TestACancelledCallerLeavesTheTransactionSafeToSubmitAgain(t *testing.T) {
	n, r := startDev(t)
	for i := range uint64(20) {
		tx := r.evidence(t, r.quote(t, i), time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		_, err := n.Submit(ctx, tx)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if res := submit(t, n, tx); res.Err != nil && res.Err.Kind != rats.Replayed {
			t.Fatal(res.Err)
		}
	}
	if c := n.Registry().EventCount(); c != 20 {
		t.Errorf("%d events, want 20", c)
	}
	n.pending.mu.Lock()
	defer n.pending.mu.Unlock()
	if len(n.pending.open) != 0 || n.pending.bytes != 0 {
		t.Errorf("%d submissions of %d bytes are still open", len(n.pending.open), n.pending.bytes)
	}
}

func TestLedgerTimeMovesWithEachTransaction(t *testing.T) {
	n, r := startDev(t)
	for i := range uint64(5) {
		before, start := n.Registry().Time(), record.MillisOf(time.Now())
		mustSubmit(t, n, r.evidence(t, r.quote(t, i), time.Now()))
		after := n.Registry().Time()
		if after <= before || after < start {
			t.Errorf("ledger time went from %d to %d, by a clock at %d", before, after, start)
		}
	}
}

func TestRecordsAndAppHashOutliveARestart(t *testing.T) {
	cfg := dev(t.TempDir())
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	quote := r.quote(t, 1)
	res := mustSubmit(t, n, r.evidence(t, quote, time.Now()))
	before, err := n.Registry().Record(res.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	hash := n.Registry().AppHash()
	stop(t, n)

	n = run(t, cfg)
	if n.Registry().AppHash() != hash {
		t.Error("another app hash after the restart")
	}
	after, err := n.Registry().Record(res.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := mustMarshal(t, before), mustMarshal(t, after); !bytes.Equal(x, y) {
		t.Errorf("the record changed from %+v to %+v", before, after)
	}
	if again := submit(t, n, r.evidence(t, quote, time.Now())); again.Err == nil || again.Err.Kind != rats.Replayed {
		t.Errorf("the same evidence after a restart: %v, want replayed", again.Err)
	}
	mustSubmit(t, n, r.evidence(t, r.quote(t, 2), time.Now()))
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := record.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkRegistrations has four submitters register distinct enclaves.
func BenchmarkRegistrations(b *testing.B) {
	n, err := Start(b.Context(), dev(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := n.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	r := newRegistrar(b, n.genesis.doc.ChainID)
	mustSubmit(b, n, r.endorsements(b, time.Now()))
	txs := make([][]byte, b.N)
	for i := range txs {
		txs[i] = r.evidence(b, r.quote(b, uint64(i)), time.Now())
	}
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(txs) {
					return
				}
				if res, err := n.Submit(context.Background(), txs[i]); err != nil || res.Err != nil {
					b.Error(err, res.Err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(b.N)/float64(n.Registry().Height()), "tx/block")
}
