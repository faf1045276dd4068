// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/attesteer/attesteer/record"
)

// victimHome names the environment variable that makes the test binary run a
// node that is there to be killed.
const victimHome = "ATTESTEER_TEST_VICTIM_HOME"

// kills is how often the victim is killed.
const kills = 5

// TestKilledNodesKeepWhatTheyAcknowledged runs a node in a process of its own,
// which prints the id of each record as soon as Submit returned it, and kills
// that process with SIGKILL while it submits.
func TestKilledNodesKeepWhatTheyAcknowledged(t *testing.T) {
	if os.Getenv(victimHome) != "" {
		t.Skip("this is the victim")
	}
	home := t.TempDir()
	var acknowledged []record.ID
	for round := range kills {
		ids := runVictim(t, home, 20+7*round)
		acknowledged = append(acknowledged, ids...)
	}
	n := run(t, dev(home))
	for _, id := range acknowledged {
		if _, err := n.Registry().Record(id); err != nil {
			t.Errorf("record %x was acknowledged: %v", id, err)
		}
	}
	t.Logf("%d records acknowledged, %d recorded", len(acknowledged), n.Registry().EventCount())
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.evidence(t, r.quote(t, 1<<40), time.Now())) // and the ledger goes on
}

// runVictim runs the victim until it has acknowledged enough, kills it and
// returns all that it acknowledged.
func runVictim(t *testing.T, home string, enough int) []record.ID {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestVictim$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), victimHome+"="+home)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []record.ID
	lines := bufio.NewScanner(out)
	for lines.Scan() { // to the end: what stands in the pipe was acknowledged too
		b, err := hex.DecodeString(lines.Text())
		if err != nil || len(b) != len(record.ID{}) {
			t.Errorf("the victim says %q", lines.Text())
			break
		}
		ids = append(ids, record.ID(b))
		if len(ids) == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the victim ended by itself")
	}
	if len(ids) < enough {
		t.Fatalf("the victim acknowledged %d records, want %d", len(ids), enough)
	}
	return ids
}

// TestVictim is no test: it submits from two submitters until it is killed.
func TestVictim(t *testing.T) {
	home := os.Getenv(victimHome)
	if home == "" {
		t.Skip("runs as a process of its own in TestKilledNodesKeepWhatTheyAcknowledged")
	}
	n, err := Start(t.Context(), dev(home))
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistrar(t, n.genesis.doc.ChainID)
	submit(t, n, r.endorsements(t, time.Now())) // known from the second round on
	base := uint64(time.Now().UnixNano())
	register := func(number uint64) {
		for ; ; number += 2 {
			res, err := n.Submit(t.Context(), r.evidence(t, r.quote(t, number), time.Now()))
			if err != nil || res.Err != nil {
				t.Error(err, res.Err)
				return
			}
			fmt.Printf("%x\n", res.RecordID)
		}
	}
	go register(base)
	register(base + 1)
}
