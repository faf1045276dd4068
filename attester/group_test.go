// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attester_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/rats"
)

// TestWhatACommandStartedEndsWithIt has a command that is broken off while another
// one works for it. A connection tells when that one is gone.
func TestWhatACommandStartedEndsWithIt(t *testing.T) {
	if terminal, err := os.Open("/dev/tty"); err == nil {
		_ = terminal.Close()
		t.Skip("commands share the terminal that this has")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was written
	a, err := attester.Open(attester.Command, acting(parent+l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := a.Evidence(ctx, asked())
		ended <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	cancel()
	wantKind(t, <-ended, rats.Internal, "broken off", "")
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("what it started is still there: %v", err)
	}
}

// TestWhatACommandLeavesBehindIsNotWaitedFor: a connection that ssh shares, say,
// holds the output open.
func TestWhatACommandLeavesBehindIsNotWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := attester.Open(attester.Command, acting(leaver+l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := a.Evidence(t.Context(), asked()); err != nil || len(raw) == 0 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if err := l.Close(); err != nil { // with it ends what was left
		t.Error(err)
	}
}
