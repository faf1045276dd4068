// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// segments is a network of machines: a network namespace for each member, with
// an address of its own, on one of two bridges that do not know each other. It
// takes root and iproute2.
type segments struct {
	prefix string
	count  int
}

// newSegments makes the namespaces, all on the first bridge.
func newSegments(ctx context.Context, count int) (*segments, error) {
	s := &segments{prefix: "attr", count: count}
	s.remove() // what an earlier trial left that was killed
	commands := [][]string{
		{"link", "add", s.bridge(0), "type", "bridge"}, {"link", "add", s.bridge(1), "type", "bridge"},
		{"addr", "add", "10.77.0.254/24", "dev", s.bridge(0)},
		{"link", "set", s.bridge(0), "up"}, {"link", "set", s.bridge(1), "up"},
	}
	for i := range count {
		ns, outside, inside := s.namespace(i), s.prefix+"o"+strconv.Itoa(i), s.prefix+"i"+strconv.Itoa(i)
		commands = append(commands,
			[]string{"netns", "add", ns},
			[]string{"link", "add", outside, "type", "veth", "peer", "name", inside, "netns", ns},
			[]string{"-n", ns, "addr", "add", s.address(i) + "/24", "dev", inside},
			[]string{"-n", ns, "link", "set", inside, "up"}, []string{"-n", ns, "link", "set", "lo", "up"},
			[]string{"link", "set", outside, "master", s.bridge(0)}, []string{"link", "set", outside, "up"},
		)
	}
	for _, args := range commands {
		if err := ip(ctx, args...); err != nil {
			s.remove()
			return nil, err
		}
	}
	return s, nil
}

func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (s *segments) bridge(n int) string    { return s.prefix + "b" + strconv.Itoa(n) }
func (s *segments) namespace(i int) string { return s.prefix + strconv.Itoa(i) }
func (s *segments) address(i int) string   { return "10.77.0." + strconv.Itoa(i+1) }

// move puts a member on a bridge.
func (s *segments) move(ctx context.Context, i, bridge int) error {
	return ip(ctx, "link", "set", s.prefix+"o"+strconv.Itoa(i), "master", s.bridge(bridge))
}

// remove takes it all away; what is not there is no concern.
func (s *segments) remove() {
	for i := range s.count {
		_ = ip(context.Background(), "netns", "del", s.namespace(i))
	}
	for i := range 2 {
		_ = ip(context.Background(), "link", "del", s.bridge(i))
	}
}

// spread makes a network whose members are on machines of their own, the way
// operators do who share no machine: each makes keys, one the genesis.
func spread(ctx context.Context, bin, dir string, s *segments) (*network, error) {
	n := &network{bin: bin, dir: dir}
	var lines, peers []string
	ledger := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, bin, append([]string{"ledger"}, args...)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("ledger %s: %w\n%s", strings.Join(args, " "), err, errs.String())
		}
		return out, err
	}
	for i := range s.count {
		m := &member{home: filepath.Join(dir, "net", "node"+strconv.Itoa(i+1)), listen: s.address(i) + ":2000", within: []string{"ip", "netns", "exec", s.namespace(i)}}
		out, err := ledger("init", "--json", "--home", m.home, "--p2p-listen", s.address(i)+":26656", "--keys")
		if err != nil {
			return nil, err
		}
		var made struct {
			Homes []struct {
				NodeID    string `json:"node_id"`
				Validator string `json:"validator"`
			} `json:"homes"`
		}
		if err := json.Unmarshal(out, &made); err != nil || len(made.Homes) != 1 {
			return nil, fmt.Errorf("ledger init --keys said %s: %w", out, err)
		}
		lines = append(lines, "--validator", made.Homes[0].Validator)
		peers = append(peers, made.Homes[0].NodeID+"@"+s.address(i)+":26656")
		n.members = append(n.members, m)
	}
	if _, err := ledger(append([]string{"init", "--home", n.members[0].home}, lines...)...); err != nil {
		return nil, err
	}
	genesis := filepath.Join(n.members[0].home, "config", "genesis.json")
	for i, m := range n.members[1:] {
		others := append(append([]string{}, peers[:i+1]...), peers[i+2:]...)
		if _, err := ledger("join", "--home", m.home, "--genesis", genesis, "--peers", strings.Join(others, ",")); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// partition cuts a network in two, unevenly and evenly, and heals it.
func partition(ctx context.Context, bin, dir string, progress io.Writer) (*faultReport, error) {
	s, err := newSegments(ctx, validators)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	n, err := spread(ctx, bin, dir, s)
	if err != nil {
		return nil, err
	}
	defer n.close()
	r := &faultReport{Name: "partition", What: fmt.Sprintf("%d validators, each in a network namespace of its own, cut apart and joined again", validators)}
	l, err := n.underLoad(ctx, 10)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	_, _ = fmt.Fprintln(progress, "one of four cut off")
	if err := s.move(ctx, 3, 1); err != nil {
		return nil, err
	}
	start := time.Now()
	err = l.waitFor(ctx, 20, recovery)
	r.add("with one cut off", "goes on", fmt.Sprintf("20 more in %v", time.Since(start).Round(time.Millisecond)), err == nil)
	_, _ = fmt.Fprintln(progress, "two and two")
	if err := s.move(ctx, 2, 1); err != nil {
		return nil, err
	}
	rest(ctx, 5*time.Second)
	before := len(l.acks.all())
	rest(ctx, 20*time.Second)
	after := len(l.acks.all())
	r.add("cut in halves", "stops", fmt.Sprintf("%d acknowledged in 20 s", after-before), after == before)
	_, _ = fmt.Fprintln(progress, "healed")
	start = time.Now()
	if err := errors.Join(s.move(ctx, 2, 0), s.move(ctx, 3, 0)); err != nil {
		return nil, err
	}
	err = l.waitFor(ctx, 10, recovery)
	r.add("healed", "goes on by itself", fmt.Sprintf("10 more after %v", time.Since(start).Round(time.Millisecond)), err == nil)
	return r, n.check(ctx, r, l.end())
}
