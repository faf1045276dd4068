// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestANodeStandsAShortAbuse has everybody at a real node for a few seconds. What
// depends on the machine, times and memory, is for the long run to show.
func TestANodeStandsAShortAbuse(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc, and takes addresses of 127.0.0.0/8: needs Linux")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "attesteer")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "../cmd/attesteer")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r, err := abuse(t.Context(), bin, dir, 8*time.Second, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.aims() {
		switch a.what {
		case "good submissions", "good reads", "resident memory, the most":
			continue
		}
		if !a.kept {
			t.Errorf("%s: %s, want %s", a.what, a.figure, a.aim)
		}
	}
	for _, a := range r.Abuse {
		if a.Outcomes["201"] > 0 || a.Outcomes["500"] > 0 || a.Name == "not JSON" && a.Outcomes["400"] == 0 {
			t.Errorf("%s: %s", a.Name, said(a.Outcomes))
		}
	}
}
