// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// manager is a service manager that waits to be told.
func manager(t *testing.T) (path string, told func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "notify") // a socket's path is at most 107 bytes long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "socket")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return path, func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestTheServiceManagerHearsWhenTheNodeAnswersAndWhenItStops(t *testing.T) {
	path, told := manager(t)
	t.Setenv("NOTIFY_SOCKET", path)
	p := startNode(t, t.TempDir(), "--network", "dev")
	got := told()
	for got == notifyExtension { // where a start takes long
		got = told()
	}
	if got != notifyReady {
		t.Errorf("told %q, want %q", got, notifyReady)
	}
	code, _, stderr := command(t, "healthcheck", "--node", p.url)
	if code != 0 {
		t.Errorf("a node that says that it is ready is not healthy: exit code %d\n%s", code, stderr)
	}
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	if got := told(); got != notifyStopping {
		t.Errorf("told %q, want %q", got, notifyStopping)
	}
}

func TestANodeServesThoughItsServiceManagerIsDeaf(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	p := startNode(t, t.TempDir(), "--network", "dev")
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}
