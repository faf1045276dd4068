// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/simtee"
)

// TestTheRunbookNamesCommandsAndFlagsThatExist reads every command of ours in
// the pages for operators.
func TestTheRunbookNamesCommandsAndFlagsThatExist(t *testing.T) {
	n := 0
	for _, name := range []string{"runbook.md", "metrics.md"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:\$ )?attesteer ([a-z].*)$`).FindAllStringSubmatch(string(b), -1) {
			args := strings.Fields(m[1])
			_, root := tree(t)
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root {
				t.Errorf("%s: attesteer %s: %v", name, m[1], err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: attesteer %s: %v", name, m[1], err)
			}
			n++
		}
		known := map[string]bool{}
		_, root := tree(t)
		for _, v := range environment(root) {
			known["--"+v.flag] = true
		}
		for _, flag := range regexp.MustCompile("`(--[a-z0-9-]+)").FindAllStringSubmatch(string(b), -1) {
			if !known[flag[1]] {
				t.Errorf("%s: no command has %s", name, flag[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands were read", n)
	}
}

// TestARestoredHomeHasWhatTheOneThatWasBackedUpHad does what the runbook says.
func TestARestoredHomeHasWhatTheOneThatWasBackedUpHad(t *testing.T) {
	tar, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar is here")
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "attesteer")
	p := startNode(t, home, "--network", "dev")
	evidence, err := simtee.Enclave{ISVSVN: 1}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.New(p.url, "dev", nil).SubmitEvidence(t.Context(), client.Submission{Evidence: evidence})
	if err != nil {
		t.Fatal(err)
	}
	secret := newToken(t, home, "--name", "kept")
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	archive, restored := filepath.Join(dir, "back-up.tar.gz"), filepath.Join(dir, "restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-C", dir, "-czf", archive, "--numeric-owner", "attesteer"}, {"-C", restored, "-xzf", archive, "--numeric-owner"},
	} {
		if out, err := exec.Command(tar, args...).CombinedOutput(); err != nil {
			t.Fatalf("tar %v: %v\n%s", args, err, out)
		}
	}
	again := filepath.Join(restored, "attesteer")
	code, out, errs := command(t, "config", "check", "--home", again, "--listen", "127.0.0.1:0", "--json")
	if code != 0 {
		t.Errorf("config check: exit %d\n%s%s", code, out, errs)
	}
	q := startNode(t, again)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := client.New(q.url, secret, nil).Get(ctx, made.Record.ID)
	if err != nil || got.ID != made.Record.ID || got.Tx != made.Record.Tx || got.Height != made.Height {
		t.Errorf("%+v, %v, want %+v", got, err, made.Record)
	}
	if code, out, errs := command(t, "submit", seed(t)+"/quote.bin", "--node", q.url); code != 12 && code != 0 {
		t.Errorf("the restored node does not judge: exit %d\n%s%s", code, out, errs)
	}
	var genesis, kept map[string]json.RawMessage
	for file, to := range map[string]*map[string]json.RawMessage{home: &genesis, again: &kept} {
		b, err := os.ReadFile(filepath.Join(file, "config", "genesis.json"))
		if err != nil || json.Unmarshal(b, to) != nil {
			t.Fatal(err)
		}
	}
	if string(genesis["chain_id"]) != string(kept["chain_id"]) {
		t.Errorf("another chain: %s, %s", kept["chain_id"], genesis["chain_id"])
	}
}
