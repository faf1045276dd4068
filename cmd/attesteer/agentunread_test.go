// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/client"
)

// TestAnAgentWhoseOutputNobodyReadsAttestsAllTheSame, such as where the program
// that takes its lines has ended.
func TestAnAgentWhoseOutputNobodyReadsAttestsAllTheSame(t *testing.T) {
	p := startNode(t, t.TempDir())
	cmd := exec.Command("attesteer", "agent", "run", "--json", "--every", "1s", "--node", p.url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := new(safeBuffer)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	id := decode[agent.Report](t, line).Record
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	c := client.New(p.url, "dev", nil)
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if v, err := c.Get(t.Context(), id); err == nil && v.Attestations >= 4 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it attests no more\n%s", said)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
