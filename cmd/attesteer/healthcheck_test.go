// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// half is a node that is alive, and not ready.
func half(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestHealthIsAskedWithAndWithoutTLS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(half))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(half))
	defer secure.Close()
	for name, server := range map[string]*httptest.Server{"http": plain, "https": secure} {
		_, port, err := net.SplitHostPort(server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		// The listening address is no address to call: any address, by whatever
		// spelling, is this machine.
		for _, listen := range []string{"127.0.0.1:" + port, ":" + port, "0.0.0.0:" + port, "[::]:" + port} {
			if code, _, stderr := command(t, "healthcheck", "--listen", listen); code != 0 {
				t.Errorf("%s on %s: exit code %d, want 0\n%s", name, listen, code, stderr)
			}
		}
		if code, _, stderr := command(t, "healthcheck", "--ready", "--listen", ":"+port); code != 1 || !strings.Contains(stderr, "/readyz with status 503") {
			t.Errorf("%s: not ready: exit code %d, want 1\n%s", name, code, stderr)
		}
		code, stdout, _ := command(t, "healthcheck", "--ready", "--json", "--listen", ":"+port)
		if code != 1 || stdout != `{"healthy":false,"status":503}`+"\n" {
			t.Errorf("%s: exit code %d, %s", name, code, stdout)
		}
	}
	// A node that is named proves its name.
	if code, _, stderr := command(t, "healthcheck", "--node", secure.URL); code != 1 || !strings.Contains(stderr, "certificate") {
		t.Errorf("a certificate of nobody's: exit code %d, want 1\n%s", code, stderr)
	}
	if code, _, stderr := command(t, "healthcheck", "--node", plain.URL+"/"); code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, stderr)
	}
}

func TestWhoeverDoesNotAnswerIsNotHealthy(t *testing.T) {
	if code, _, stderr := command(t, "healthcheck", "--listen", freePort(t)); code != 1 {
		t.Errorf("nobody there: exit code %d, want 1\n%s", code, stderr)
	}
	for _, listen := range []string{"127.0.0.1:0", "127.0.0.1"} {
		if code, _, _ := command(t, "healthcheck", "--listen", listen); code != exitUsage {
			t.Errorf("--listen %s: exit code %d, want %d", listen, code, exitUsage)
		}
	}
}
