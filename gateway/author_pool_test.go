// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/token"
)

// room is a pool in which transactions wait until a test says what became of them.
type room struct {
	mu      sync.Mutex // guards waiting
	waiting [][]byte
	outcome chan verdict
}

// verdict is what becomes of a transaction.
type verdict struct {
	result registry.TxResult
	err    error
}

func newRoom() *room { return &room{outcome: make(chan verdict)} }

func (r *room) Enter(_ context.Context, tx []byte) (gateway.Outcome, *registry.TxResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, tx)
	return func(ctx context.Context) (registry.TxResult, error) {
		select {
		case v := <-r.outcome:
			return v.result, v.err
		case <-ctx.Done():
			return registry.TxResult{}, ctx.Err()
		}
	}, nil, nil
}

func (r *room) Pending(maxBytes int) ([][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out [][]byte
	for _, tx := range r.waiting {
		if maxBytes -= len(tx); maxBytes < 0 {
			break
		}
		out = append(out, tx)
	}
	return out, nil
}

func (r *room) BlockHash(height uint64) ([32]byte, error) {
	if height != 7 {
		return [32]byte{}, rats.Errorf(rats.NotFound, "block %d", height)
	}
	return [32]byte{0xb7}, nil
}

// openRoom starts a node before which a room stands.
func openRoom(t testing.TB) (*guarded, *room) {
	t.Helper()
	r := newRoom()
	g := openGuarded(t, "dev", func(gc *gateway.Config) { shielded(t, gc) })
	g.house = beside(t, g.house, func(gc *gateway.Config) {
		gc.Pool, gc.Tokens, gc.Now = r, g.store, g.clock.now
	})
	return g, r
}

// beside opens another gateway to a house's node.
func beside(t testing.TB, h *house, change func(*gateway.Config)) *house {
	t.Helper()
	gc := gateway.Config{
		Ledger: adapter{h.node}, Registry: h.node.Registry(), Index: noIndex{}, Key: registrarKey(t, h), Network: "dev", Tokens: words{},
	}
	shielded(t, &gc)
	change(&gc)
	g, err := gateway.New(gc)
	if err != nil {
		t.Fatal(err)
	}
	out := &house{home: h.home, node: h.node, gateway: g, logged: h.logged}
	out.url = serve(t, gateway.Server(g))
	return out
}

// submitWaiting submits as many transactions of a signer, and returns them.
func submitWaiting(t testing.TB, h *house, s signer, n int) [][]byte {
	t.Helper()
	var txs [][]byte
	for i := range n {
		tx := s.sign(t, uint64(i), alone)
		if _, err := h.client("dev").SubmitExtrinsic(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	return txs
}

// vecs reads a Vec of Vec<u8>.
func vecs(t testing.TB, b []byte) (out [][]byte, rest []byte) {
	t.Helper()
	n, b := compact(t, b)
	for range n {
		var one []byte
		one, b = vec(t, b)
		out = append(out, one)
	}
	return out, b
}

func sameBytes(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func TestWaitingTransactionsAreListedByShard(t *testing.T) {
	g, _ := openRoom(t)
	txs := submitWaiting(t, g.house, newSigner(t, g.house), 3)
	shard := client.Shard(g.node.GenesisHash()).String()
	other := client.Shard{1}.String()
	overBoth(t, g.house, func(t *testing.T, ask asking) {
		for name, c := range map[string]struct {
			params []string
			shards int
		}{
			"none": {nil, 0}, "the node's": {[]string{shard}, 1}, "another": {[]string{other}, 0},
			"both": {[]string{other, shard}, 1}, "one twice": {[]string{shard, shard}, 1},
		} {
			value, ok := returned(t, ask.result(t, "author_pendingExtrinsics", c.params...))
			shards, rest := compact(t, value)
			if !ok || shards != c.shards {
				t.Fatalf("%s: %d shards in %x", name, shards, value)
			}
			for range shards {
				var got [][]byte
				if got, rest = vecs(t, rest); !sameBytes(got, txs) {
					t.Errorf("%s: %d transactions", name, len(got))
				}
			}
			if len(rest) != 0 {
				t.Errorf("%s: %d bytes after the end", name, len(rest))
			}
		}
		for want, params := range map[string]string{
			"malformed: shard: not base58":                                       `["0OIl"]`,
			"malformed: shard: 1 bytes, a hash has 32":                           `["2"]`,
			"malformed: shard: 0 bytes, a hash has 32":                           `[""]`,
			"malformed: parameter 2: not a string":                               `["` + shard + `",1]`,
			"malformed: wrong number of parameters: 65, expected 0 to 64":        `["` + strings.Repeat(`2","`, 64) + `2"]`,
			"malformed: shard: 60 characters, at most 44":                        `["` + strings.Repeat("2", 60) + `"]`,
			"malformed: shard: 33 bytes, a hash has 32":                          `["` + strings.Repeat("1", 33) + `"]`,
			"malformed: shard: " + fmt.Sprint(31) + " bytes, a hash has " + "32": `["` + strings.Repeat("1", 31) + `"]`,
		} {
			got := ask(t, `{"jsonrpc":"2.0","id":1,"method":"author_pendingExtrinsics","params":`+params+`}`)
			if text := returnedText(t, *got.Result); text != want {
				t.Errorf("%.60s: %s, want %s", params, text, want)
			}
		}
	})
}

func TestWhatWaitsForAnAccountIsToldToItsTokenAlone(t *testing.T) {
	g, r := openRoom(t)
	own := g.create(t, token.Request{Registrar: token.NewRegistrar})
	shared := g.create(t, token.Request{Registrar: own.Registrar, Scopes: token.Scopes{token.Read}})
	nodes := g.create(t, token.Request{})
	admin := g.create(t, token.Request{Scopes: token.Scopes{token.Admin}})
	key, err := g.store.Key(own.Registrar)
	if err != nil {
		t.Fatal(err)
	}
	of := signer{g.house, key}
	stranger := newSigner(t, g.house)
	node := signer{g.house, registrarKey(t, g.house)}
	submitWaiting(t, g.house, stranger, 1)
	mine := submitWaiting(t, g.house, of, 2)
	nodesOwn := submitWaiting(t, g.house, node, 1)
	r.mu.Lock()
	r.waiting = append(r.waiting, []byte("no transaction"))
	r.mu.Unlock()
	shard := client.Shard(g.node.GenesisHash()).String()
	account := func(s signer) string { return hex.EncodeToString(s.key[32:]) }
	const never, other = "unauthorized: what waits for an account is told to its own token alone", "unauthorized: the account is not the token's"
	for _, c := range []struct {
		name, token, shard, account string
		want                        [][]byte
		refusal                     string
	}{
		{"nobody", "", shard, account(of), nil, never},
		{"nobody, of the node", "", shard, account(node), nil, never},
		{"a word", "anything", shard, account(of), nil, never},
		{"the word of commands", "dev", shard, account(node), nil, never},
		{"the registrar's token", own.Token, shard, account(of), mine, ""},
		{"the registrar's token, with 0x and in capitals", own.Token, shard, "0x" + strings.ToUpper(account(of)), mine, ""},
		{"another token of the registrar", shared.Token, shard, account(of), mine, ""},
		{"the registrar's token for another account", own.Token, shard, account(stranger), nil, other},
		{"the registrar's token for the node's", own.Token, shard, account(node), nil, other},
		{"a token without a registrar for the node's", nodes.Token, shard, account(node), nodesOwn, ""},
		{"a token without a registrar for a registrar's", nodes.Token, shard, account(of), nil, other},
		{"an operator's token for a registrar's", admin.Token, shard, account(of), nil, other},
		{"another shard", own.Token, client.Shard{1}.String(), account(of), [][]byte{}, ""},
		{"no shard", own.Token, "?", account(of), nil, "malformed: shard: not base58"},
		{"an account that is short", own.Token, shard, "00", nil, "malformed: account: 1 bytes, a registrar's key has 32"},
		{"an account that is no hex", own.Token, shard, shard, nil, "malformed: account: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"author_pendingTrustedCallsFor","params":[%q,%q]}`, c.shard, c.account)
			header := http.Header{}
			if c.token != "" {
				header.Set("Authorization", "Bearer "+c.token)
			}
			for _, got := range []inner{g.rpc(t, c.token, msg), as[inner](t, talk(t, g.dial(t, header), msg))} {
				if c.refusal != "" {
					if text := returnedText(t, *got.Result); !strings.HasPrefix(text, c.refusal) {
						t.Errorf("%s, want %s", text, c.refusal)
					}
					continue
				}
				value, ok := returned(t, *got.Result)
				txs, rest := vecs(t, value)
				if !ok || len(rest) != 0 || !sameBytes(txs, c.want) {
					t.Errorf("%d transactions, want %d", len(txs), len(c.want))
				}
			}
		})
	}
	for _, params := range []string{`[]`, `["x"]`, `["x","y","z"]`} {
		got := g.rpc(t, own.Token, `{"jsonrpc":"2.0","id":1,"method":"author_pendingTrustedCallsFor","params":`+params+`}`)
		if text := returnedText(t, *got.Result); !strings.HasPrefix(text, "malformed: wrong number of parameters: ") || !strings.HasSuffix(text, ", expected 2") {
			t.Errorf("%s: %s", params, text)
		}
	}
}

// watching submits a transaction over a new connection, and returns that after
// the first push.
func watching(t testing.TB, g *guarded, s signer, n uint64, tokenText string) (conn *websocket.Conn, tx []byte) {
	t.Helper()
	header := http.Header{}
	if tokenText != "" {
		header.Set("Authorization", "Bearer "+tokenText)
	}
	conn = g.dial(t, header)
	tx = s.sign(t, n, alone)
	got := as[inner](t, talk(t, conn, `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":["`+g.request(t, tx, false)+`"]}`))
	if want := fmt.Sprintf("0x%x", sha256.Sum256(tx)); got.Result == nil || *got.Result != want {
		t.Fatalf("%+v, want %s", got, want)
	}
	if msg := string(hear(t, conn)); !strings.Contains(msg, `010102"`) {
		t.Fatalf("%s", msg)
	}
	return conn, tx
}

func TestAWatchedTransactionIsToldOfHoweverItEnds(t *testing.T) {
	g, r := openRoom(t)
	s := newSigner(t, g.house)
	for i, c := range []struct {
		name    string
		verdict verdict
		status  string
		reason  string
	}{
		{"in a block", verdict{result: registry.TxResult{Height: 7}}, "04b7" + strings.Repeat("00", 31), `null`},
		{"refused by a block", verdict{result: registry.TxResult{Height: 7, Err: rats.Errorf(rats.Expired, "too late")}}, "0a", `"expired: too late"`},
		{"the node stops", verdict{err: rats.Errorf(rats.Internal, "secret")}, "09", `"internal"`},
		{"the pool is full", verdict{err: rats.Errorf(rats.QuotaExceeded, "full")}, "09", `"quota_exceeded: full"`},
		{"in a block that is nowhere", verdict{result: registry.TxResult{Height: 8}}, "09", `"not_found: block 8"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, tx := watching(t, g, s, uint64(i), "")
			r.outcome <- c.verdict
			hash := fmt.Sprintf("%x", sha256.Sum256(tx))
			want := `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":{"error":` + c.reason +
				`,"result":"0x80` + hash + `0001` + c.status + `","subscription":"0x` + hash + `"}}`
			if got := string(hear(t, conn)); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			if got := as[inner](t, talk(t, conn, nameRPC)); *got.Result != "attesteer" {
				t.Errorf("afterwards: %+v", got)
			}
		})
	}
}

func TestAConnectionWatchesSoManyTransactions(t *testing.T) {
	g, r := openRoom(t)
	s := newSigner(t, g.house)
	conn, _ := watching(t, g, s, 0, "")
	say := func(n uint64) inner {
		msg := `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":["` + g.request(t, s.sign(t, n, alone), false) + `"]}`
		return as[inner](t, talk(t, conn, msg))
	}
	for n := uint64(1); n < 32; n++ {
		say(n)
		hear(t, conn)
	}
	before, _ := r.Pending(1 << 20)
	if text := returnedText(t, *say(32).Result); !strings.HasPrefix(text, "quota_exceeded: ") {
		t.Error(text)
	}
	if after, _ := r.Pending(1 << 20); len(after) != len(before) || len(before) != 32 {
		t.Errorf("what nobody would be told of was submitted: %d, then %d wait", len(before), len(after))
	}
}

// ends waits for the end of a connection and demands its status.
func ends(t testing.TB, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, msg, err := conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, reason) {
		t.Errorf("%s, %v; want %d %s", msg, err, code, reason)
	}
}

func TestATokenThatEndsEndsItsWatches(t *testing.T) {
	g, _ := openRoom(t)
	s := newSigner(t, g.house)
	revoked, kept := g.create(t, token.Request{}), g.create(t, token.Request{})
	expires := g.create(t, token.Request{Expires: g.clock.now().Add(time.Hour)})
	ended, _ := watching(t, g, s, 1, revoked.Token)
	goesOn, _ := watching(t, g, s, 2, kept.Token)
	lapsed, _ := watching(t, g, s, 3, expires.Token)
	if _, err := g.store.Revoke(revoked.ID, g.clock.now()); err != nil {
		t.Fatal(err)
	}
	ends(t, ended, websocket.StatusPolicyViolation, "unauthorized: the token was revoked")
	g.clock.wind(time.Hour)
	ends(t, lapsed, websocket.StatusPolicyViolation, "unauthorized: the token expired")
	if got := as[inner](t, talk(t, goesOn, nameRPC)); *got.Result != "attesteer" {
		t.Errorf("another's: %+v", got)
	}
}

func TestAStoppingNodeEndsWatches(t *testing.T) {
	g, _ := openRoom(t)
	conn, _ := watching(t, g, newSigner(t, g.house), 1, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- g.gateway.Drain(ctx) }()
	ends(t, conn, websocket.StatusGoingAway, "the node is stopping")
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestTransactionsTakeATokenThatSubmits(t *testing.T) {
	h := openShielded(t, "test")
	s := newSigner(t, h)
	for _, method := range []string{"author_submitExtrinsic", "author_submitAndWatchExtrinsic", "attesteer_forwardIasAttestationReport"} {
		msg, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": []string{h.request(t, s.sign(t, 1, alone), false)}})
		if err != nil {
			t.Fatal(err)
		}
		r := h.post(t, "/", "", string(msg))
		if text := returnedText(t, *as[inner](t, r.body).Result); r.status != 401 || !strings.HasPrefix(text, "unauthorized: ") {
			t.Errorf("%s without a token: %d %s", method, r.status, text)
		}
		if text := returnedText(t, *as[inner](t, talk(t, h.dial(t, nil), string(msg))).Result); !strings.HasPrefix(text, "unauthorized: ") {
			t.Errorf("%s without a token over a WebSocket: %s", method, text)
		}
		r = h.post(t, "/", "secret-word", string(msg))
		if text := returnedText(t, *as[inner](t, r.body).Result); r.status != 200 || strings.HasPrefix(text, "unauthorized: ") {
			t.Errorf("%s with a token: %d %s", method, r.status, text)
		}
	}
}
