// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// newToken has the command make a token for a home.
func newToken(t testing.TB, home string, args ...string) string {
	t.Helper()
	code, out, errs := command(t, append([]string{"token", "create", "--home", home}, args...)...)
	if code != 0 {
		t.Fatalf("exit %d %s", code, errs)
	}
	return strings.TrimSpace(out)
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// TestARunningNodeGoesByWhatTheCommandChanges makes, uses up and revokes tokens
// beside a node that runs, and starts it again.
func TestARunningNodeGoesByWhatTheCommandChanges(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "main", "--anonymous-reads=false")
	submit := func(p *process, token string, want int) {
		t.Helper()
		if status, body := call(t, http.MethodPost, p.url+"/v1/evidence", token, `{"evidence":"AA=="}`); status != want {
			t.Errorf("%d %s, want %d", status, body, want)
		}
	}
	if status, body := call(t, http.MethodGet, p.url+"/v1/ledger", "", ""); status != http.StatusUnauthorized {
		t.Errorf("a read without a token: %d %s", status, body)
	}
	day := today()
	two, gone := newToken(t, home, "--per-day", "2"), newToken(t, home)
	submit(p, two, http.StatusBadRequest) // it is let in, and malformed
	submit(p, two, http.StatusBadRequest)
	if today() == day {
		submit(p, two, http.StatusTooManyRequests)
	}
	submit(p, gone, http.StatusBadRequest)
	if code, _, errs := command(t, "token", "revoke", gone[4:16], "--home", home); code != 0 {
		t.Errorf("revoke: exit %d %s", code, errs)
	}
	submit(p, gone, http.StatusUnauthorized)
	if err := p.stop(t); err != nil {
		t.Fatal(err)
	}
	again := startNode(t, home)
	if today() == day { // what a token used of a day outlives the process
		submit(again, two, http.StatusTooManyRequests)
	}
	submit(again, gone, http.StatusUnauthorized)
	if status, body := call(t, http.MethodGet, again.url+"/v1/ledger", "", ""); status != http.StatusOK {
		t.Errorf("a read without a token, which is the default: %d %s", status, body)
	}
	admin := newToken(t, home, "--scope", "admin", "--expires", "1h")
	status, body := call(t, http.MethodPost, again.url+"/v1/admin/tokens", admin, `{"name":"made over the API"}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	code, out, _ := command(t, "token", "list", "--home", home)
	if code != 0 || !strings.Contains(out, "made over the API") || strings.Count(out, "\n") != 4 {
		t.Errorf("exit %d %s", code, out)
	}
}
