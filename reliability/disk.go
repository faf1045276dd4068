// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// fullDisk gives one validator a small disk, fills it, and makes room again. It
// takes root.
func fullDisk(ctx context.Context, n *network, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "disk", What: "one of four validators, whose disk is full"}
	m := n.members[3]
	unmount, err := small(ctx, m.home)
	if err != nil {
		return nil, err
	}
	defer unmount()
	l, err := n.underLoad(ctx, 20)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	_, _ = fmt.Fprintln(progress, "the disk of one is full")
	ballast := filepath.Join(m.home, "ballast")
	if err := fill(ballast); err != nil {
		return nil, err
	}
	start := time.Now()
	for m.node.alive() && time.Since(start) < recovery && ctx.Err() == nil {
		rest(ctx, 100*time.Millisecond)
	}
	said, err := logged(m.node, "no space left on device")
	if err != nil {
		return nil, err
	}
	r.add("the node with the full disk", "ends, and says why", fmt.Sprintf("after %v: %s", time.Since(start).Round(time.Millisecond), said),
		!m.node.alive() && said != "")
	err = l.waitFor(ctx, 20, recovery)
	r.add("the other three", "go on", "20 more", err == nil)
	if m.node.alive() {
		return r, m.node.kill()
	}
	_, _ = fmt.Fprintln(progress, "room again")
	if err := os.Remove(ballast); err != nil {
		return nil, err
	}
	if err := n.start(ctx, m); err != nil {
		r.add("with room again", "starts", err.Error(), false)
		return r, nil
	}
	r.add("with room again", "starts", "it does", true)
	return r, n.check(ctx, r, l.end())
}

// small puts a folder on a file system in memory of 48 MiB, and keeps what is in it.
func small(ctx context.Context, dir string) (unmount func(), err error) {
	aside := dir + ".aside"
	if err := os.Rename(dir, aside); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mount: %w: %s", err, out)
	}
	unmount = func() {
		_ = exec.Command("umount", "-l", dir).Run() // the folder is a temporary one
	}
	if err := os.CopyFS(dir, os.DirFS(aside)); err != nil {
		unmount()
		return nil, err
	}
	return unmount, private(dir)
}

// private takes from others what a copy has given them.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) //nolint:gosec // in a folder that we made
	})
}

// fill writes until there is no room.
func fill(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2] // to the last byte
		}
	}
	return f.Close()
}

// logged returns what a node's log says with a word in it, or nothing.
func logged(n *node, word string) (string, error) {
	b, err := os.ReadFile(n.errs)
	if err != nil {
		return "", err
	}
	at := strings.Index(string(b), word)
	if at < 0 {
		return "", nil
	}
	begin := strings.LastIndex(string(b[:at]), "write ")
	return string(b[max(begin, at-100, 0) : at+len(word)]), nil
}

// brokenWAL cuts, and scribbles over, the end of a killed validator's write-ahead
// log, again and again.
func brokenWAL(ctx context.Context, n *network, times int, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "wal", What: fmt.Sprintf("a validator that was killed, and whose write-ahead log is damaged at its end, %d times", times)}
	l, err := n.underLoad(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	m := n.members[3]
	started := 0
	for i := range times {
		if err := l.waitFor(ctx, 5, recovery); err != nil {
			return nil, err
		}
		if err := m.node.kill(); err != nil {
			return nil, err
		}
		if err := damage(filepath.Join(m.home, "data", "cs.wal", "wal"), i); err != nil {
			return nil, err
		}
		if err := n.start(ctx, m); err != nil {
			r.add(fmt.Sprintf("start %d", i+1), "starts", err.Error(), false)
			return r, nil
		}
		started++
		_, _ = fmt.Fprintf(progress, "%d of %d\n", i+1, times)
	}
	r.add("starts with a damaged log", "each", fmt.Sprintf("%d of %d", started, times), started == times)
	return r, n.check(ctx, r, l.end())
}

// damage cuts a file short by a growing number of bytes, or scribbles over them.
func damage(name string, round int) error {
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	cut := min(int64(1+round*round*37), st.Size())
	if round%2 == 0 {
		return os.Truncate(name, st.Size()-cut)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strings.Repeat("\xff", int(cut))), st.Size()-cut)
	return errors.Join(err, f.Close())
}
