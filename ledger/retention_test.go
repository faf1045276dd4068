// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestOldBlocksAndEvidenceGoUnlessTheNodeIsAnArchive(t *testing.T) {
	for _, archive := range []bool{false, true} {
		cfg := dev(t.TempDir())
		cfg.minBlocks = 3
		if !archive {
			cfg.Retention = Retention{Blocks: 200 * time.Millisecond, Evidence: 100 * time.Millisecond}
		}
		n := run(t, cfg)
		r := newRegistrar(t, n.genesis.doc.ChainID)
		mustSubmit(t, n, r.endorsements(t, time.Now()))
		first := r.quote(t, 1)
		id := mustSubmit(t, n, r.evidence(t, first, time.Now())).RecordID
		old, err := n.Registry().Record(id)
		if err != nil {
			t.Fatal(err)
		}
		// The same enclave on another machine: its record rests on that evidence now.
		if r.platform, err = simtee.NewPlatform(2, rats.UpToDate); err != nil {
			t.Fatal(err)
		}
		r.attest(t, n, 1)
		pruned := func() bool {
			_, err := n.Registry().Evidence(old.EvidenceSHA256)
			return n.engine.BlockStore().Base() > 2 && rats.KindOf(err) == rats.NotFound
		}
		number := uint64(1)
		long := patience
		if archive { // what does not go is not waited for
			long = time.Second
		}
		for deadline := time.Now().Add(long); time.Now().Before(deadline) && (archive || !pruned()); {
			number++
			r.attest(t, n, number)
			time.Sleep(20 * time.Millisecond)
		}
		if pruned() == archive {
			t.Errorf("archive %v: pruned %v, the first block is %d", archive, pruned(), n.engine.BlockStore().Base())
		}
		newest, err := n.Registry().Record(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Registry().Evidence(newest.EvidenceSHA256); err != nil {
			t.Errorf("archive %v: evidence of an active record: %v", archive, err)
		}
		if v := prove(t, n, id); v.Record == nil {
			t.Errorf("archive %v: got %+v", archive, v)
		}
		stop(t, n)
		again := run(t, cfg) // blocks that are gone are not missed
		r.attest(t, again, number+1)
	}
}

func TestBlocksStayThatANodeWouldMissThatJoins(t *testing.T) {
	cfg := dev(t.TempDir())
	cfg.minBlocks = 1
	cfg.Retention = Retention{Blocks: time.Millisecond}
	cfg.Snapshots = Snapshots{Every: 50 * time.Millisecond, Keep: 100}
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	number := uint64(0)
	snapshotOf(t, n, r, &number)
	for range 5 {
		number++
		r.attest(t, n, number)
	}
	oldest := int64(n.snapshots.oldest())
	if base := n.engine.BlockStore().Base(); base > oldest {
		t.Errorf("the first block is %d, the oldest snapshot %d", base, oldest)
	}
}
