// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/client"
)

// network is validators on one machine, each in a process of its own.
type network struct {
	bin, dir string
	members  []*member
}

// member is one of them, running or not.
type member struct {
	home, listen string
	// within are the words that go before the program, and arguments those that go
	// with each start, beside home and address.
	within, arguments []string
	// bin is the program that it runs, if not the network's.
	bin  string
	node *node
}

// initNetwork makes the homes of a new network.
func initNetwork(ctx context.Context, bin, dir string, validators int) (*network, error) {
	return initNetworkBy(ctx, []string{bin}, dir, validators)
}

// initNetworkBy is initNetwork by a program with words before it.
func initNetworkBy(ctx context.Context, program []string, dir string, validators int) (*network, error) {
	base, err := freePorts(2 * validators)
	if err != nil {
		return nil, err
	}
	args := append(program[1:len(program):len(program)], "ledger", "init", "--json", "--validators", strconv.Itoa(validators),
		"--output", filepath.Join(dir, "net"), "--base-port", strconv.Itoa(base))
	cmd := exec.CommandContext(ctx, program[0], args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ledger init: %w\n%s", err, errs.String())
	}
	var made struct {
		Homes []struct {
			Home   string `json:"home"`
			Listen string `json:"listen"`
		} `json:"homes"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return nil, err
	}
	n := &network{bin: program[len(program)-1], dir: dir}
	for _, h := range made.Homes {
		n.members = append(n.members, &member{home: h.Home, listen: h.Listen})
	}
	return n, nil
}

// freePorts returns the first of a run of ports that nobody listens on.
func freePorts(n int) (int, error) {
	for base := 21000; base < 60000; base += n {
		free := true
		for port := base; port < base+n && free; port++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if free = err == nil; free {
				free = l.Close() == nil
			}
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("no free ports")
}

// start starts a member that does not run.
func (n *network) start(ctx context.Context, m *member) (err error) {
	args := append([]string{"ledger", "start", "--home", m.home, "--listen", m.listen}, m.arguments...)
	m.node, err = startProcess(ctx, append(append([]string{}, m.within...), cmp.Or(m.bin, n.bin)), m.home+".log", args...)
	return err
}

// startAll starts them all.
func (n *network) startAll(ctx context.Context) error {
	for _, m := range n.members {
		if err := n.start(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// close ends whatever runs, without a word.
func (n *network) close() {
	for _, m := range n.members {
		if m.node != nil && m.node.alive() {
			_ = m.node.kill() // nobody waits for it any more
		}
	}
}

// api returns a client of a member.
func (m *member) api() *client.Client {
	source := submitterAddress
	if m.within != nil {
		source = "" // it is on a network of its own
	}
	return client.New("http://"+m.listen, "operator", from(source))
}

// agree waits until all running members stand at one height with one state, and
// returns it. That two of them ever had different states at one height is an error.
func (n *network) agree(ctx context.Context, within time.Duration) (height uint64, hash string, err error) {
	end := time.Now().Add(within)
	for {
		states, err := n.states(ctx)
		if err == nil {
			if err = diverged(states); err != nil {
				return 0, "", err
			}
			if h, hash, ok := same(states); ok {
				return h, hash, nil
			}
			err = fmt.Errorf("they stand at %s", describe(states))
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return 0, "", fmt.Errorf("the nodes did not come together within %v: %w", within, err)
		}
		rest(ctx, 100*time.Millisecond)
	}
}

// standing is where a member's ledger is.
type standing struct {
	height uint64
	hash   string
}

// states asks all running members.
func (n *network) states(ctx context.Context) ([]standing, error) {
	var out []standing
	for _, m := range n.members {
		if m.node == nil || !m.node.alive() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		l, err := m.api().Ledger(ctx)
		cancel()
		if err != nil {
			return nil, err
		}
		out = append(out, standing{l.Height, l.AppHash})
	}
	return out, nil
}

func diverged(states []standing) error {
	at := map[uint64]string{}
	for _, s := range states {
		if hash, ok := at[s.height]; ok && hash != s.hash {
			return fmt.Errorf("two nodes have different states at height %d: %s and %s", s.height, hash, s.hash)
		}
		at[s.height] = s.hash
	}
	return nil
}

func same(states []standing) (uint64, string, bool) {
	for _, s := range states {
		if s != states[0] {
			return 0, "", false
		}
	}
	if len(states) == 0 {
		return 0, "", false
	}
	return states[0].height, states[0].hash, true
}

func describe(states []standing) string {
	var all []string
	for _, s := range states {
		all = append(all, fmt.Sprintf("%d %.8s", s.height, s.hash))
	}
	return strings.Join(all, ", ")
}
