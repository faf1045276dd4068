// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is a running program, the one that is tried.
type node struct {
	cmd *exec.Cmd
	// url is the API's; host is its address alone.
	url, host string
	// metrics is the address of its metrics.
	metrics string
	// errs is the file that takes what it says.
	errs string
	// ended is closed when the process is gone; waited is why.
	ended  chan struct{}
	waited error
}

// startNode starts a node of a development network on a home and waits until it
// is ready.
func startNode(ctx context.Context, bin, home string) (*node, error) {
	return startProcess(ctx, []string{bin}, home+".log", "serve", "--network", "dev", "--home", home, "--listen", "127.0.0.1:0")
}

// startProcess starts the program as a node, with metrics on an address of its
// own, and waits until it is ready. What it says is added to a file.
func startProcess(ctx context.Context, program []string, log string, args ...string) (*node, error) {
	metrics, err := freeAddress()
	if err != nil {
		return nil, err
	}
	n := &node{metrics: metrics, errs: log, ended: make(chan struct{})}
	errs, err := os.OpenFile(n.errs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer errs.Close() //nolint:errcheck // the process has its own
	args = append(append(program[1:len(program):len(program)], args...), "--json", "--metrics-listen", metrics)
	n.cmd = exec.Command(program[0], args...)
	n.cmd.Stderr = errs
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go func() {
		var said struct {
			URL string `json:"url"`
		}
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &said)
		}
		n.url, n.host = said.URL, strings.TrimPrefix(said.URL, "http://")
		ready <- err
		n.waited = n.cmd.Wait()
		close(n.ended)
	}()
	select {
	case err := <-ready:
		if err != nil {
			said, _ := os.ReadFile(n.errs) // what it says is all there is to say
			return nil, fmt.Errorf("the node did not start: %w\n%s", err, said)
		}
		return n, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), n.kill())
	}
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// kill ends it without a word.
func (n *node) kill() error {
	if err := n.cmd.Process.Kill(); err != nil {
		return err
	}
	<-n.ended
	return nil
}

// stop has it end by itself, and returns an error if it does not do so in good
// order.
func (n *node) stop(within time.Duration) error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-n.ended:
		return n.waited
	case <-time.After(within):
		return errors.Join(fmt.Errorf("the node did not stop within %v", within), n.kill())
	}
}

// alive reports whether the process is there.
func (n *node) alive() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// usage is what a process holds of the machine.
type usage struct {
	// Memory is resident, in MiB.
	Memory float64 `json:"memory_mib"`
	// Sockets are its connections, and what it listens on. Files of its databases
	// come and go with their size.
	Sockets int `json:"sockets"`
	// Goroutines is what its metrics say.
	Goroutines int `json:"goroutines"`
}

// proc is what the system says of the process.
func (n *node) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), name)
}

// memory returns resident memory in MiB.
func (n *node) memory() (float64, error) {
	status, err := os.ReadFile(n.proc("status"))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))))
			return float64(kib) / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}

// busy returns for how long the process has kept a core busy: fields 14 and 15 of
// its stat, in hundredths of a second.
func (n *node) busy() (time.Duration, error) {
	stat, err := os.ReadFile(n.proc("stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // after the name, which may hold anything
	if len(fields) < 13 {
		return 0, errors.New("no times in /proc")
	}
	var ticks int
	for _, text := range fields[11:13] {
		one, err := strconv.Atoi(text)
		if err != nil {
			return 0, err
		}
		ticks += one
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// ownBusy is the same of this process.
func ownBusy() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sockets counts the descriptors that are sockets.
func (n *node) sockets() (count int, err error) {
	files, err := os.ReadDir(n.proc("fd"))
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		// One that was closed meanwhile is none.
		if to, err := os.Readlink(filepath.Join(n.proc("fd"), f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			count++
		}
	}
	return count, nil
}

// usage looks at all of it.
func (n *node) usage(ctx context.Context) (usage, error) {
	var u usage
	var err error
	if u.Memory, err = n.memory(); err != nil {
		return u, err
	}
	if u.Sockets, err = n.sockets(); err != nil {
		return u, err
	}
	u.Goroutines, err = n.gauge(ctx, "go_goroutines")
	return u, err
}

// get asks once, and keeps no connection.
func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	return http.DefaultClient.Do(req)
}

// gauge reads one whole number of the node's metrics.
func (n *node) gauge(ctx context.Context, name string) (int, error) {
	resp, err := get(ctx, "http://"+n.metrics+"/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			return int(f), err
		}
	}
	return 0, fmt.Errorf("the node has no metric %s", name)
}
