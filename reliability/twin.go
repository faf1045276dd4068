// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// twin runs one validator twice, with one key: its votes contradict each other
// sooner or later, and the others put that on record.
func twin(ctx context.Context, n *network, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "twin", What: "one of four validators, run twice with the same key"}
	second, err := n.double(ctx, n.members[3])
	if err != nil {
		return nil, err
	}
	l, err := n.underLoad(ctx, 10)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	_, _ = fmt.Fprintln(progress, "the second of the twins starts")
	if err := n.start(ctx, second); err != nil {
		return nil, err
	}
	defer func() {
		if second.node.alive() {
			_ = second.node.kill() // nobody waits for it any more
		}
	}()
	start := time.Now()
	found := 0
	for found == 0 && time.Since(start) < recovery && ctx.Err() == nil {
		if found, err = n.members[0].node.gauge(ctx, "attesteer_misbehaviour_total"); err != nil {
			found = 0
		}
		rest(ctx, 500*time.Millisecond)
	}
	r.add("votes that contradict each other, on record", "one at least", fmt.Sprintf("%d after %v", found, time.Since(start).Round(time.Second)), found > 0)
	if err := second.node.kill(); err != nil {
		return nil, err
	}
	return r, n.check(ctx, r, l.end())
}

// double copies a member that does not run, under another name among its peers.
func (n *network) double(ctx context.Context, m *member) (*member, error) {
	home := filepath.Join(n.dir, "net", "twin")
	if err := os.CopyFS(home, os.DirFS(m.home)); err != nil {
		return nil, err
	}
	other := filepath.Join(n.dir, "net", "other")
	if out, err := exec.CommandContext(ctx, n.bin, "ledger", "init", "--home", other, "--keys").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ledger init --keys: %w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(other, "config", "node_key.json"), filepath.Join(home, "config", "node_key.json")); err != nil {
		return nil, err
	}
	if err := private(home); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p2p, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return &member{home: home, listen: address, arguments: []string{"--p2p-listen", p2p}}, ctx.Err()
}
