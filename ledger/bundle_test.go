// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// trust returns what a reader with the genesis file trusts.
func trust(t *testing.T, n *Node) proof.Trust {
	t.Helper()
	b, err := os.ReadFile(n.home.path(genesisPath))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := proof.ParseGenesis(b)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// prove asks for a bundle, sends it through both of its spellings and verifies it.
func prove(t *testing.T, n *Node, id record.ID) *proof.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := n.Bundle(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	var v *proof.Verdict
	for _, spell := range []func() ([]byte, error){b.CBOR, b.JSON} {
		raw, err := spell()
		if err != nil {
			t.Fatal(err)
		}
		again, err := proof.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = proof.Verify(again, trust(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	if v.ID != id || v.ChainID != n.genesis.doc.ChainID || v.SignedPower != validatorPower {
		t.Errorf("got %+v", v)
	}
	return v
}

func TestTheProofOfARecordVerifiesAgainstTheGenesisAlone(t *testing.T) {
	n, r := startDev(t)
	res := mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	v := prove(t, n, res.RecordID)
	rec, err := n.Registry().Record(res.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Present || v.Record == nil || v.Height < res.Height || v.LedgerTime.Time < rec.LastAttested {
		t.Fatalf("got %+v", v)
	}
	if !bytes.Equal(mustMarshal(t, *v.Record), mustMarshal(t, rec)) {
		t.Errorf("proven is %+v, recorded %+v", *v.Record, rec)
	}
	if len(v.Endorsements) != len(rec.AppraisedWith) || len(v.Endorsements) == 0 {
		t.Errorf("%d endorsements proven of %d", len(v.Endorsements), len(rec.AppraisedWith))
	}
}

func TestTheAbsenceOfARecordIsProven(t *testing.T) {
	n, r := startDev(t)
	if v := prove(t, n, sha256.Sum256([]byte("nothing"))); v.Present || v.Record != nil {
		t.Errorf("got %+v", v)
	}
	mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	if v := prove(t, n, sha256.Sum256([]byte("nothing"))); v.Present {
		t.Errorf("got %+v", v)
	}
}

func TestAnEmptyLedgerProvesAbsence(t *testing.T) {
	n := run(t, Config{Home: t.TempDir(), Network: "main"}) // at once: before the first block
	if v := prove(t, n, record.ID{1}); v.Present {
		t.Errorf("got %+v", v)
	}
}

func TestProofsOfAnotherLedgerAreNotBelieved(t *testing.T) {
	n, r := startDev(t)
	other, _ := startDev(t)
	res := mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	b, err := n.Bundle(t.Context(), res.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(b, trust(t, other)); rats.KindOf(err) != rats.UntrustedRoot {
		t.Errorf("got %v, want untrusted_root", err)
	}
}

func TestProofsOutliveARestart(t *testing.T) {
	cfg := dev(t.TempDir())
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	res := mustSubmit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
	stop(t, n) // perhaps before the block that proves it
	n = run(t, cfg)
	if v := prove(t, n, res.RecordID); !v.Present {
		t.Errorf("got %+v", v)
	}
	height := n.engine.BlockStore().Height()
	stop(t, n)
	n = run(t, cfg) // and after it
	if v := prove(t, n, res.RecordID); !v.Present {
		t.Errorf("got %+v", v)
	}
	if h := n.engine.BlockStore().Height(); h != height {
		t.Errorf("a restart made %d blocks", h-height)
	}
}

func TestProofsHoldWhileBlocksGoOn(t *testing.T) {
	n, r := startDev(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() {
		for i := uint64(1000); ctx.Err() == nil; i++ {
			_, err := n.Submit(ctx, r.evidence(t, r.quote(t, i), time.Now()))
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
	for i := range uint64(30) {
		res := mustSubmit(t, n, r.evidence(t, r.quote(t, i), time.Now()))
		if v := prove(t, n, res.RecordID); !v.Present || v.Height < res.Height {
			t.Errorf("got %+v of a record of height %d", v, res.Height)
		}
	}
}

func TestWaitingForAProofEndsWithItsContext(t *testing.T) {
	n, _ := startDev(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Either there is a proof at once, or the end of the context is said.
	if b, err := n.Bundle(ctx, record.ID{}); (b == nil) == (err == nil) {
		t.Errorf("got %v, %v", b, err)
	}
	stop(t, n)
	if _, err := n.Bundle(t.Context(), record.ID{}); !errors.Is(err, errStopped) {
		t.Errorf("of a stopped node: %v", err)
	}
}
