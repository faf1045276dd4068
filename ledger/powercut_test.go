// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWhatAPowerCutTakesOffTheRegistryIsReplayedFromTheBlocks puts the registry's
// database back to what it was some blocks ago, as a machine does that loses
// power before it wrote its last pages, and to nothing at all.
func TestWhatAPowerCutTakesOffTheRegistryIsReplayedFromTheBlocks(t *testing.T) {
	cfg := dev(t.TempDir())
	database := filepath.Join(cfg.Home, dataPath, registryDB+".db")
	earlier := filepath.Join(t.TempDir(), "earlier")

	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	stop(t, n)
	if err := os.CopyFS(earlier, os.DirFS(database)); err != nil {
		t.Fatal(err)
	}
	n = run(t, cfg)
	for number := range uint64(5) {
		mustSubmit(t, n, r.evidence(t, r.quote(t, number), time.Now()))
	}
	stop(t, n)
	height, hash, events := n.registry.Height(), n.registry.AppHash(), n.registry.EventCount()

	for name, before := range map[string]string{"the last blocks": earlier, "everything": ""} {
		if err := os.RemoveAll(database); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := os.CopyFS(database, os.DirFS(before)); err != nil {
				t.Fatal(err)
			}
		}
		n = run(t, cfg)
		if got := n.registry; got.Height() < height || got.AppHash() != hash || got.EventCount() != events {
			t.Errorf("%s lost: height %d, state %x, %d events; want %d, %x, %d", name,
				got.Height(), got.AppHash(), got.EventCount(), height, hash, events)
		}
		stop(t, n)
	}
}
