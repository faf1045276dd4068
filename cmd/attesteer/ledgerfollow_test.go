// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// register has a node record enclaves of its own numbers.
func register(t *testing.T, p *process, from, n uint64) {
	t.Helper()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		q, err := platform.Quote(numbered(from + i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := submitQuote(t.Context(), p.url, q); err != nil {
			t.Fatal(err)
		}
	}
}

// follow runs follow once and returns the last line that it prints.
func follow(t *testing.T, args ...string) (int, followed, string) {
	t.Helper()
	code, out, errs := command(t, append([]string{"ledger", "follow", "--once", "--json"}, args...)...)
	var last followed
	if line := strings.TrimSpace(out); line != "" {
		if err := json.Unmarshal([]byte(line[strings.LastIndexByte(line, '\n')+1:]), &last); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
	}
	return code, last, errs
}

func TestALightClientFollowsFromTheGenesisAndGoesOnFromWhereItWas(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev")
	register(t, p, 1, 3)
	genesis, state := filepath.Join(home, "config", "genesis.json"), filepath.Join(t.TempDir(), "state")
	code, first, errs := follow(t, "--trust", genesis, "--node", p.url, "--state", state)
	if code != 0 || first.Height == 0 || first.Nodes != 1 {
		t.Fatalf("exit %d, %+v\n%s", code, first, errs)
	}
	register(t, p, 10, 2)
	code, second, errs := follow(t, "--node", p.url, "--state", state)
	if code != 0 || second.Height <= first.Height || second.ChainID != first.ChainID {
		t.Errorf("exit %d, %+v after %+v\n%s", code, second, first, errs)
	}
	// What it remembers serves as trust for proofs, of the newest block too.
	bundle := filepath.Join(t.TempDir(), "bundle.json")
	for i := range 2 {
		if code, _, errs := command(t, "enclaves", "proof", nobody, "--since", strconv.FormatInt(second.Height, 10), "--node", p.url, "-o", bundle); code != 0 {
			t.Fatalf("exit %d\n%s", code, errs)
		}
		if code, _, errs := command(t, "proof", "verify", bundle, "--trust", state); code != 15 {
			t.Errorf("a proof of absence by what is remembered: exit %d\n%s", code, errs)
		}
		register(t, p, 30+uint64(i), 1)
	}
	if code, _, errs := follow(t, "--trust", strings.Repeat("0f", 32), "--node", p.url); code != 10 {
		t.Errorf("other validators: exit %d\n%s", code, errs)
	}
	if code, _, errs := follow(t, "--node", p.url); code != 2 || !strings.Contains(errs, "--trust") {
		t.Errorf("no trust: exit %d\n%s", code, errs)
	}
	if err := os.WriteFile(state, []byte(`{"schema":"something"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := follow(t, "--node", p.url, "--state", state); code != 1 || !strings.Contains(errs, state) {
		t.Errorf("a broken state: exit %d\n%s", code, errs)
	}
	p.kill()
	if code, _, errs := follow(t, "--trust", genesis, "--node", p.url); code != 1 {
		t.Errorf("nobody answers: exit %d\n%s", code, errs)
	}
}

// liar passes on what a node says, with what path's answers begin with changed.
func liar(t *testing.T, node, path string, change func([]byte) []byte) string {
	t.Helper()
	target, err := url.Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, path) {
			return nil
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		b = change(b)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		r.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

func TestALightClientFindsANodeThatLies(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev")
	register(t, p, 1, 2)
	genesis := filepath.Join(home, "config", "genesis.json")
	flip := func(name string) func([]byte) []byte {
		return func(b []byte) []byte {
			at := bytes.Index(b, []byte(`"`+name+`":"`)) + len(name) + 4
			if b[at] == '0' {
				b[at] = '1'
			} else {
				b[at] = '0'
			}
			return b
		}
	}
	for name, tt := range map[string]struct{ path, field string }{
		"a forged header":                 {"/v1/ledger/blocks/", "data_hash"},
		"another state in a header":       {"/v1/ledger/blocks/", "app_hash"},
		"a vote of somebody else":         {"/v1/ledger/blocks/", "signature"},
		"other validators beside a block": {"/v1/ledger/blocks/", "public_key"},
	} {
		code, _, errs := follow(t, "--trust", genesis, "--node", liar(t, p.url, tt.path, flip(tt.field)))
		if code != 10 {
			t.Errorf("%s: exit %d\n%s", name, code, errs)
		}
	}

	// A node that shows another state than the validators signed is found with the
	// block that carries it.
	lying := liar(t, p.url, "/v1/ledger", func(b []byte) []byte {
		if bytes.HasPrefix(b, []byte(`{"chain_id"`)) {
			return flip("app_hash")(b)
		}
		return b
	})
	w := &following{app: &app{system: system{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}}, follower: proof.NewFollower(mustTrust(t, genesis))}
	n := &followedNode{url: lying, api: w.app.dial(lying), claimed: map[uint64]string{}}
	w.nodes = append(w.nodes, n)
	n.claimed[1] = strings.Repeat("0", 64) // of a block with a time, which the next one shows
	if err := w.look(t.Context()); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("an application hash that was wrong before: %v", err)
	}
	clear(n.claimed)
	if err := w.look(t.Context()); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("a wrong application hash: %v", err)
	}
	if code, _, errs := follow(t, "--trust", genesis, "--node", lying); code != 10 || !strings.Contains(errs, "state of height") {
		t.Errorf("a wrong application hash, looked at once: exit %d\n%s", code, errs)
	}
}

// atRest waits until the newest block of a node has no transactions.
func atRest(t *testing.T, p *process) {
	t.Helper()
	a := &app{system: system{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}}
	nothing := sha256.Sum256(nil)
	for range 1000 {
		l, err := a.dial(p.url).Ledger(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := a.dial(p.url).Block(t.Context(), l.Height)
		if err != nil {
			t.Fatal(err)
		}
		b, err := proof.DecodeBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b.Header.Data, nothing[:]) && l.Height > 2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the ledger does not come to rest")
}

// TestALightClientThatLooksOnceWaitsForTheBlockThatShowsTheState has a node show the
// block before its newest first, as if that were still to come.
func TestALightClientThatLooksOnceWaitsForTheBlockThatShowsTheState(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev")
	register(t, p, 1, 1)
	atRest(t, p)
	genesis := filepath.Join(home, "config", "genesis.json")
	var shown atomic.Int64
	late := liar(t, p.url, "/v1/ledger", func(b []byte) []byte {
		if !bytes.HasPrefix(b, []byte(`{"chain_id"`)) {
			return b
		}
		if shown.Add(1) > 1 {
			return b
		}
		var l map[string]any
		if json.Unmarshal(b, &l) != nil {
			return b
		}
		height := int(l["height"].(float64)) - 1
		l["height"] = height
		l["block"].(map[string]any)["height"] = height
		out, err := json.Marshal(l)
		if err != nil {
			return b
		}
		return out
	})
	code, last, errs := follow(t, "--trust", genesis, "--node", late, "--every", "50ms")
	if code != 0 || shown.Load() < 2 {
		t.Fatalf("exit %d after %d looks\n%s", code, shown.Load(), errs)
	}
	if last.Nodes != 1 {
		t.Errorf("%+v", last)
	}
}

func mustTrust(t *testing.T, genesis string) proof.Trust {
	t.Helper()
	trust, err := readTrust(genesis)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// TestALightClientProvesAFork runs two copies of one validator, which then signs
// two blocks of each height.
func TestALightClientProvesAFork(t *testing.T) {
	one := t.TempDir()
	p := startNode(t, one, "--network", "dev")
	register(t, p, 1, 2)
	p.kill()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(other, os.DirFS(one)); err != nil {
		t.Fatal(err)
	}
	closeModes(t, other)
	a, b := startNode(t, one, "--network", "dev"), startNode(t, other, "--network", "dev")
	register(t, a, 100, 3)
	register(t, b, 200, 3)
	evidence := filepath.Join(t.TempDir(), "fork.json")
	args := []string{"--trust", filepath.Join(one, "config", "genesis.json"), "--evidence", evidence}
	code, _, errs := follow(t, append(args, "--node", a.url, "--node", b.url)...)
	if code != 10 || !strings.Contains(errs, "forked") {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	raw, err := os.ReadFile(evidence)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []json.RawMessage
	if err := json.Unmarshal(raw, &blocks); err != nil || len(blocks) != 2 {
		t.Fatalf("%v in %s", err, raw)
	}
	trust := mustTrust(t, filepath.Join(one, "config", "genesis.json"))
	var decoded []*proof.Block
	for _, block := range blocks {
		d, err := proof.DecodeBlock(block)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Follow(d); err != nil {
			t.Errorf("a block of the fork that nobody decided: %v", err)
		}
		decoded = append(decoded, d)
	}
	if decoded[0].Header.Height != decoded[1].Header.Height || decoded[0].Hash().String() == decoded[1].Hash().String() {
		t.Error("the two blocks are no fork")
	}
}

// closeModes gives the files of a copied home the mode of the original's.
func closeModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
