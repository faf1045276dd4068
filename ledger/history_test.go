// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// recorded attests the enclave of a number, under one of its machine's keys.
func recorded(t *testing.T, n *Node, r *registrar, number uint64, key uint32) record.ID {
	t.Helper()
	e := simtee.Enclave{AttestationKey: key}
	binary.BigEndian.PutUint64(e.ReportData[:], number)
	q, err := r.platform.Quote(e)
	if err != nil {
		t.Fatal(err)
	}
	return mustSubmit(t, n, r.evidence(t, q, time.Now())).RecordID
}

func TestTheHistoryOfARecordIsProvenWithIt(t *testing.T) {
	n, r := startDev(t)
	var id record.ID
	for i := range 3 {
		id = recorded(t, n, r, 1, uint32(i))
	}
	recorded(t, n, r, 2, 9)
	b, err := n.Prove(t.Context(), ProofRequest{ID: id, Events: 2})
	if err != nil {
		t.Fatal(err)
	}
	v, err := proof.Verify(b, trust(t, n))
	if err != nil {
		t.Fatal(err)
	}
	history, err := n.Registry().History(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(history) != 3 || len(v.Events) != 2 || v.Events[1].Sequence != history[2].Sequence || v.Events[0].Sequence != history[1].Sequence {
		t.Errorf("%d events, proven %+v", len(history), v.Events)
	}
	if size, root := n.Registry().Log(); v.Log != (proof.Log{Size: size, Root: root}) {
		t.Errorf("%+v, want %d %x", v.Log, size, root)
	}
	for _, events := range []int{-1, MaxProofEvents + 1} {
		if _, err := n.Prove(t.Context(), ProofRequest{ID: id, Events: events}); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%d events: %v", events, err)
		}
	}
}

func TestRecentHeightsCanBeProvenAndOthersAreNotFound(t *testing.T) {
	n, r := startDev(t)
	var heights []uint64
	var id record.ID
	for i := range 5 {
		id = recorded(t, n, r, 1, uint32(i))
		heights = append(heights, n.Registry().Height())
	}
	for i, height := range heights {
		b, err := n.Prove(t.Context(), ProofRequest{ID: id, Height: height})
		if err != nil {
			t.Fatalf("height %d: %v", height, err)
		}
		v, err := proof.Verify(b, trust(t, n))
		if err != nil || v.Height != height || v.Record.Attestations != uint64(i+1) {
			t.Errorf("height %d: %+v, %v", height, v, err)
		}
	}
	if _, err := n.Prove(t.Context(), ProofRequest{ID: id, Height: n.Registry().Height() + 10}); rats.KindOf(err) != rats.NotFound {
		t.Errorf("a height to come: %v", err)
	}
}

func TestABlockCanBeFollowedFromTheGenesis(t *testing.T) {
	n, r := startDev(t)
	recorded(t, n, r, 1, 1)
	recorded(t, n, r, 2, 2)
	at := trust(t, n)
	for height := uint64(1); height <= n.Registry().Height(); height++ {
		b, err := n.Block(height)
		if err != nil {
			t.Fatal(err)
		}
		if at, err = at.Follow(b); err != nil {
			t.Fatalf("block %d: %v", height, err)
		}
	}
	for _, height := range []uint64{0, 1 << 40, 1<<64 - 1} {
		if _, err := n.Block(height); rats.KindOf(err) != rats.NotFound {
			t.Errorf("block %d: %v", height, err)
		}
	}
}

// TestChangesOfValidatorsAreFoundOnceAndKept looks through headers in which the
// set changes twice, with stops in between.
func TestChangesOfValidatorsAreFoundOnceAndKept(t *testing.T) {
	n, r := startDev(t)
	for i := range 4 {
		recorded(t, n, r, uint64(i), 1)
	}
	looked := map[int64]int{}
	open := func() *changes {
		c, err := openChanges(n.store)
		if err != nil {
			t.Fatal(err)
		}
		c.load = n.block
		c.meta = func(height int64) *types.BlockMeta {
			looked[height]++
			m := *n.engine.BlockStore().LoadBlockMeta(height)
			if height == 2 || height == 4 {
				m.Header.NextValidatorsHash = make([]byte, 32)
			}
			return &m
		}
		return c
	}
	heights := func(c *changes, below int64) (out []int64) {
		all, err := c.before(below, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			out = append(out, b.Header.Height)
		}
		return out
	}
	c := open()
	if got := heights(c, 4); !slices.Equal(got, []int64{2}) {
		t.Errorf("below 4: %v", got)
	}
	if got := heights(c, 5); !slices.Equal(got, []int64{2, 4}) {
		t.Errorf("below 5: %v", got)
	}
	if got := heights(c, 3); !slices.Equal(got, []int64{2}) {
		t.Errorf("below 3, again: %v", got)
	}
	again := open()
	if got := heights(again, 5); !slices.Equal(got, []int64{2, 4}) {
		t.Errorf("opened again: %v", got)
	}
	for height, times := range looked {
		if times != 1 {
			t.Errorf("header %d was looked at %d times", height, times)
		}
	}
}
