// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhoIsRefusedHearsOfWhatCountsAlready submits one quote twice, and another
// that the network does not take.
func TestWhoIsRefusedHearsOfWhatCountsAlready(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev")
	quote := filepath.Join(t.TempDir(), "quote.bin")
	if code, _, stderr := command(t, "attest", "--tee", "sim-sgx", "-o", quote); code != 0 {
		t.Fatal(stderr)
	}
	code, out, stderr := command(t, "submit", quote, "--node", p.url, "--json")
	if code != 0 {
		t.Fatal(stderr)
	}
	var got struct {
		Record struct{ ID, Tx string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Record.ID == "" {
		t.Fatalf("%v: %s", err, out)
	}

	code, out, stderr = command(t, "submit", quote, "--node", p.url, "--json")
	var said struct{ Kind, Detail, Record, Tx string }
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != 11 || said.Kind != "replayed" || said.Detail == "" || said.Record != got.Record.ID || said.Tx != got.Record.Tx {
		t.Errorf("again: %d %s, not record %s of %s", code, out, got.Record.ID, got.Record.Tx)
	}
	if !strings.Contains(stderr, "enclaves get "+got.Record.ID) {
		t.Errorf("no hint at the record: %s", stderr)
	}

	if code, _, stderr := command(t, "attest", "--tee", "sim-sgx", "--report-data", "01", "--sim-tcb", "Revoked", "-o", quote); code != 0 {
		t.Fatal(stderr)
	}
	code, out, _ = command(t, "submit", quote, "--node", p.url, "--json")
	var refused struct {
		Kind   string
		Result struct{ Schema, Kind string }
	}
	if err := json.Unmarshal([]byte(out), &refused); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != 10 || refused.Kind != "revoked" || refused.Result.Schema != "attesteer/result/v1" || refused.Result.Kind != "revoked" {
		t.Errorf("revoked: %d %s", code, out)
	}
}
