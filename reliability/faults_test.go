// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestANetworkStandsAShortKilling runs the one trial that shows most, shortened:
// the others, and its full length, are for who wants the figures.
func TestANetworkStandsAShortKilling(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if runtime.GOOS != "linux" {
		t.Skip("takes addresses of 127.0.0.0/8: needs Linux")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "attesteer")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "../cmd/attesteer").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r, err := trials()["kill"].try(t.Context(), bin, dir, 2, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Figures {
		if !f.Kept {
			t.Errorf("%s: %s, want %s", f.What, f.Figure, f.Aim)
		}
	}
}

func TestATrialThatMissesAnAimSaysWhich(t *testing.T) {
	r := &faultReport{Name: "kill", What: "a trial"}
	r.add("one", "yes", "yes", true)
	r.add("two", "", "4 s", true)
	if !r.Kept() {
		t.Error("it missed nothing")
	}
	r.add("three", "none", "7", false)
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	missed := 0
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "missed") {
			missed++
			if !strings.Contains(line, "three") {
				t.Error(line)
			}
		}
	}
	if r.Kept() || missed != 1 {
		t.Errorf("%d lines say so:\n%s", missed, b.String())
	}
}

func TestDivergingNodesAreFound(t *testing.T) {
	if err := diverged([]standing{{5, "a"}, {6, "b"}, {5, "a"}}); err != nil {
		t.Error(err)
	}
	if diverged([]standing{{5, "a"}, {6, "b"}, {5, "c"}}) == nil {
		t.Error("two states at one height are passed over")
	}
	if _, _, ok := same([]standing{{5, "a"}, {6, "b"}}); ok {
		t.Error("two heights are one")
	}
	if h, hash, ok := same([]standing{{5, "a"}, {5, "a"}}); !ok || h != 5 || hash != "a" {
		t.Error("one height is two")
	}
}
