// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// TestANodeWhoseConsensusEndedFails takes away the folder into which a validator
// writes what it votes, as a full disk does: CometBFT panics, and lives on.
func TestANodeWhoseConsensusEndedFails(t *testing.T) {
	dir := t.TempDir()
	n, err := Start(t.Context(), Config{Home: dir, Network: "dev", heartbeat: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	data, gone := filepath.Join(dir, "data"), filepath.Join(dir, "gone")
	if err := os.Rename(data, gone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-n.Failed():
	case <-ctx.Done():
		t.Fatal("it goes on without consensus")
	}
	if err := n.Err(); rats.KindOf(err) != rats.Internal {
		t.Errorf("it failed by %v", err)
	}
	if _, err := n.Submit(ctx, []byte("anything")); err == nil || ctx.Err() != nil {
		t.Errorf("a submission: %v", err)
	}
	if err := os.Rename(gone, data); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(ctx); err != nil {
		t.Logf("stop: %v", err) // what was broken may show once more
	}
	if ctx.Err() != nil {
		t.Error("it does not stop")
	}
}
