// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
	"github.com/attesteer/attesteer/token"
)

// patience bounds waits that end soon when nothing is wrong.
const patience = 2 * time.Minute

// house is a node with its API.
type house struct {
	home    string
	url     string
	node    *ledger.Node
	gateway *gateway.Gateway
	logged  *logbook
}

// adapter is how a node serves a gateway.
type adapter struct{ *ledger.Node }

var _ gateway.Ledger = adapter{}

func (a adapter) Prove(ctx context.Context, r gateway.ProofRequest) (*proof.Bundle, error) {
	return a.Node.Prove(ctx, ledger.ProofRequest(r))
}

// chain is what light clients read of a node.
type chain struct{ *ledger.Node }

var _ gateway.Chain = chain{}

func (c chain) Log() (uint64, [32]byte) { return c.Registry().Log() }

func (c chain) Consistency(from, to uint64) ([][]byte, error) {
	return c.Registry().Consistency(from, to)
}

func (a adapter) Status(ctx context.Context) (gateway.Status, error) {
	s, err := a.Node.Status(ctx)
	out := gateway.Status{
		ChainID: s.ChainID, GenesisHash: a.GenesisHash(), Height: s.Height, AppHash: s.AppHash, Time: s.Time, CatchingUp: s.CatchingUp,
	}
	for _, v := range s.Validators {
		out.Validators = append(out.Validators, gateway.Validator{Address: v.Address, PublicKey: v.PublicKey, Power: v.Power})
	}
	return out, err
}

// pool is a node's pool as a gateway sees it.
type pool struct{ *ledger.Node }

var _ gateway.Pool = pool{}

func (p pool) Enter(ctx context.Context, tx []byte) (gateway.Outcome, *registry.TxResult, error) {
	e, err := p.Node.Enter(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	return e.Wait, e.Refused, nil
}

// words are the tokens of a test, good for everything but to make others.
type words []string

func (w words) Verify(text string, _ time.Time) (token.Entry, error) {
	if !slices.Contains(w, text) {
		return token.Entry{}, rats.Errorf(rats.Unauthorized, "the word is %w", token.ErrUnknown)
	}
	return token.Entry{ID: "0123456789ab", Scopes: token.Scopes{token.Read, token.Submit}}, nil
}

func (words) Use(string, token.Scope, time.Time) error { return nil }

func (words) Check(string, time.Time) error { return nil }

func (words) Key(registrar string) (ed25519.PrivateKey, error) {
	return nil, rats.Errorf(rats.NotFound, "registrar %s", registrar)
}

// pages stands for the pages.
var pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "page "+r.URL.Path)
})

// open starts a node of its own for a test, and what stands before it.
func open(t testing.TB, network string, change func(*ledger.Config, *gateway.Config)) *house {
	t.Helper()
	h := &house{home: t.TempDir(), logged: new(logbook)}
	key, err := ledger.LoadRegistrarKey(h.home)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		t.Fatalf("a key of type %T", key.Public())
	}
	lc := ledger.Config{Home: h.home, Network: network, Registrars: []record.Registrar{record.Registrar(public)}}
	gc := gateway.Config{
		Source: simtee.Source{}, Key: key, Network: network, Tokens: words{"secret-word"}, Version: "test", Pages: pages,
		Logger: slog.New(slog.NewTextHandler(h.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if network == "dev" {
		root := simtee.Root()
		lc.SimulatedRoot = &root
	}
	if change != nil {
		change(&lc, &gc)
	}
	if h.node, err = ledger.Start(t.Context(), lc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNode(t, h.node) })
	index, err := explorer.OpenIndex(t.Context(), explorer.IndexConfig{Path: filepath.Join(t.TempDir(), "index.sqlite")}, h.node.Registry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	gc.Chain, gc.CheckpointKey = chain{h.node}, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	gc.Ledger, gc.Registry, gc.Index, gc.Pool = adapter{h.node}, h.node.Registry(), index, pool{h.node}
	gc.Transactions, gc.Governance = index, h.node.Registry()
	if h.gateway, err = gateway.New(gc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.gateway.Close(); err != nil {
			t.Error(err)
		}
	})
	h.url = serve(t, gateway.Server(h.gateway))
	return h
}

// serve starts a server on a free port and returns its address.
func serve(t testing.TB, server *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

func stopNode(t testing.TB, n *ledger.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (h *house) client(token string) *client.Client { return client.New(h.url, token, nil) }

// quote returns a quote of a simulated enclave that differs from all others.
func quote(t testing.TB, n uint64, e simtee.Enclave) []byte {
	t.Helper()
	e.MREnclave = sha256.Sum256([]byte("gateway"))
	e.ISVSVN = 1
	binary.BigEndian.PutUint64(e.ReportData[:], n)
	q, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// reply is an HTTP answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call makes one HTTP call.
func (h *house) call(t testing.TB, method, path, token string, body io.Reader, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

func (h *house) get(t testing.TB, path string, header ...string) reply {
	t.Helper()
	return h.call(t, http.MethodGet, path, "", nil, header...)
}

func (h *house) post(t testing.TB, path, token, body string, header ...string) reply {
	t.Helper()
	return h.call(t, http.MethodPost, path, token, strings.NewReader(body), header...)
}

// as reads JSON into a T, and nothing that T does not know.
func as[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.300s", err, b)
	}
	return v
}

// lives fails the test if the node does not record evidence any more.
func (h *house) lives(t testing.TB, n uint64) {
	t.Helper()
	if _, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, n, simtee.Enclave{})}); err != nil {
		t.Errorf("the node does not go on: %v", err)
	}
}

// vectors returns the folder of published vectors, or skips the test.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return dir
}
