// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/attesteer/attesteer/registry"
)

// clock is a clock that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// newApplication returns an application at genesis, whose ledger time is c's.
func newApplication(t *testing.T, c *clock) *application {
	t.Helper()
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := openApplication(t, s, c)
	cfg := dev("")
	state, err := json.Marshal(cfg.genesis(c.at))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.InitChain(t.Context(), &abci.RequestInitChain{ChainId: "chain", Time: c.at, AppStateBytes: state}); err != nil {
		t.Fatal(err)
	}
	return a
}

func openApplication(t *testing.T, s *store, c *clock) *application {
	t.Helper()
	reg, err := registry.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	return &application{
		registry: reg, now: c.now, self: []byte("self"), pending: newPending(10, 1<<20), blocks: newProgress(),
		log: slog.New(slog.DiscardHandler), fail: func(err error) { t.Error(err) }, snapshots: &snapshots{},
	}
}

// propose returns the block that a proposes now.
func (a *application) propose(t *testing.T, txs ...[]byte) [][]byte {
	t.Helper()
	res, err := a.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{
		Txs: txs, MaxTxBytes: maxBlockBytes, Misbehavior: []abci.Misbehavior{{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Txs
}

// decide applies and commits a block.
func (a *application) decide(t *testing.T, height int64, txs ...[]byte) *abci.ResponseFinalizeBlock {
	t.Helper()
	res, err := a.FinalizeBlock(context.Background(), &abci.RequestFinalizeBlock{
		Height: height, Hash: bytes.Repeat([]byte{byte(height)}, 32), Txs: txs,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
		t.Fatal(err)
	}
	return res
}

func TestProposalsWithABadTimeTickAreRefused(t *testing.T) {
	genesis := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &clock{at: genesis}
	a := newApplication(t, c)
	r := newRegistrar(t, "chain")
	tx := r.endorsements(t, genesis)

	tick := func(d time.Duration) []byte {
		keep := c.at
		defer func() { c.at = keep }()
		c.at = genesis.Add(d)
		return a.propose(t)[0]
	}
	early, later, ahead := tick(time.Second), tick(2*time.Second), tick(20*time.Second)
	a.decide(t, 1, early)
	c.at = genesis.Add(3 * time.Second)

	for _, p := range []struct {
		name     string
		txs      [][]byte
		own      bool
		accepted bool
	}{
		{"empty", nil, false, true},
		{"a tick alone", [][]byte{later}, false, true},
		{"a tick and a transaction", [][]byte{later, tx}, false, true},
		{"no tick", [][]byte{tx}, false, false},
		{"a tick that is not first", [][]byte{tx, later}, false, false},
		{"two ticks", [][]byte{later, later}, false, false},
		{"a time that is not later than the last", [][]byte{early, tx}, false, false},
		{"over five seconds ahead", [][]byte{ahead, tx}, false, false},
		{"over five seconds ahead, by this node itself", [][]byte{ahead, tx}, true, true},
	} {
		req := &abci.RequestProcessProposal{Height: 2, Txs: p.txs, ProposerAddress: []byte("other")}
		if p.own {
			req.ProposerAddress = []byte("self")
		}
		res, err := a.ProcessProposal(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if accepted := res.Status == abci.ResponseProcessProposal_ACCEPT; accepted != p.accepted {
			t.Errorf("%s: accepted is %v, want %v", p.name, accepted, p.accepted)
		}
	}
}

func TestProposalsOfOldTimesAreNotRefusedForTheirAge(t *testing.T) {
	genesis := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &clock{at: genesis}
	a := newApplication(t, c)
	c.at = genesis.Add(time.Second)
	block := a.propose(t)
	c.at = genesis.Add(24 * time.Hour)
	res, err := a.ProcessProposal(t.Context(), &abci.RequestProcessProposal{Height: 1, Txs: block})
	if err != nil || res.Status != abci.ResponseProcessProposal_ACCEPT {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestTheSameBlocksGiveTheSameAppHash(t *testing.T) {
	genesis := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clocks := []*clock{{at: genesis}, {at: genesis}}
	a, b := newApplication(t, clocks[0]), newApplication(t, clocks[1])
	clocks[1].at = genesis.Add(time.Hour) // applying reads no clock
	r := newRegistrar(t, "chain")
	last := []byte(nil)
	for height := range int64(4) {
		clocks[0].at = genesis.Add(time.Duration(height+1) * time.Second)
		txs := [][]byte{r.evidence(t, r.quote(t, uint64(height)), genesis), []byte("not a transaction")}
		if height == 0 {
			txs = append([][]byte{r.endorsements(t, genesis)}, txs...)
		}
		block := a.propose(t, txs...)
		x, y := a.decide(t, height+1, block...), b.decide(t, height+1, block...)
		if !bytes.Equal(x.AppHash, y.AppHash) {
			t.Fatalf("height %d: app hashes %x and %x", height+1, x.AppHash, y.AppHash)
		}
		if bytes.Equal(x.AppHash, last) {
			t.Errorf("height %d changed nothing", height+1)
		}
		last = x.AppHash
		for i := range x.TxResults {
			if p, q := x.TxResults[i], y.TxResults[i]; p.Code != q.Code || !bytes.Equal(p.Data, q.Data) {
				t.Errorf("height %d, transaction %d: %v and %v", height+1, i, p, q)
			}
		}
		if end := x.TxResults[len(x.TxResults)-1]; end.Code == 0 || end.Codespace != codespace {
			t.Errorf("what is no transaction has result %v", end)
		}
	}
}

func TestABlockThatWasAppliedButNotCommittedIsAppliedAgain(t *testing.T) {
	genesis := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &clock{at: genesis}
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	a := openApplication(t, s, c)
	state, err := json.Marshal(dev("").genesis(c.at))
	if err != nil {
		t.Fatal(err)
	}
	init := &abci.RequestInitChain{ChainId: "chain", Time: c.at, AppStateBytes: state}
	if _, err := a.InitChain(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	// The process ends before the first block: CometBFT begins anew.
	a = openApplication(t, s, c)
	if info, err := a.Info(t.Context(), nil); err != nil || info.LastBlockHeight != 0 {
		t.Fatalf("info is %v, %v; want height 0", info, err)
	}
	if _, err := a.InitChain(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	r := newRegistrar(t, "chain")
	c.at = genesis.Add(time.Second)
	block := a.propose(t, r.endorsements(t, genesis), r.evidence(t, r.quote(t, 1), genesis))
	req := &abci.RequestFinalizeBlock{Height: 1, Hash: make([]byte, 32), Txs: block}
	first, err := a.FinalizeBlock(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	// The process ends between FinalizeBlock and Commit.
	a = openApplication(t, s, c)
	if info, err := a.Info(t.Context(), nil); err != nil || info.LastBlockHeight != 0 {
		t.Fatalf("info is %v, %v; want height 0", info, err)
	}
	if _, err := a.InitChain(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	again, err := a.FinalizeBlock(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.AppHash, again.AppHash) {
		t.Errorf("app hashes %x and %x", first.AppHash, again.AppHash)
	}
	if _, err := a.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	// And after Commit nothing is applied again.
	a = openApplication(t, s, c)
	info, err := a.Info(t.Context(), nil)
	if err != nil || info.LastBlockHeight != 1 || !bytes.Equal(info.LastBlockAppHash, first.AppHash) {
		t.Errorf("info is %v, %v; want height 1 and %x", info, err, first.AppHash)
	}
}
