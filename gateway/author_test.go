// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// shieldingKey is one key for all tests: it takes a while to make.
var shieldingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) })

// shielded gives a gateway a shielding key and a URL.
func shielded(t testing.TB, gc *gateway.Config) {
	t.Helper()
	key, err := shieldingKey()
	if err != nil {
		t.Fatal(err)
	}
	gc.ShieldingKey, gc.PublicURL = key, "wss://node.example:2000"
}

func openShielded(t testing.TB, network string) *house {
	t.Helper()
	return open(t, network, func(_ *ledger.Config, gc *gateway.Config) { shielded(t, gc) })
}

// ask sends one message and returns its answer, and perhaps more later.
type asking func(t *testing.T, msg string) inner

// overBoth runs a test by POST and over a WebSocket.
func overBoth(t *testing.T, h *house, test func(t *testing.T, ask asking)) {
	t.Helper()
	t.Run("by POST", func(t *testing.T) {
		test(t, func(t *testing.T, msg string) inner { return h.rpc(t, "", msg) })
	})
	t.Run("over a WebSocket", func(t *testing.T) {
		conn := h.dial(t, nil)
		test(t, func(t *testing.T, msg string) inner { return as[inner](t, talk(t, conn, msg)) })
	})
}

// result calls a method and returns its result.
func (ask asking) result(t *testing.T, method string, params ...string) string {
	t.Helper()
	msg, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": append([]string{}, params...)})
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, string(msg))
	if got.Error != nil || got.Result == nil {
		t.Fatalf("%s: %+v", method, got)
	}
	return *got.Result
}

// text calls a method and returns the String that it answers.
func (ask asking) text(t *testing.T, method string) string {
	t.Helper()
	value, ok := returned(t, ask.result(t, method))
	text, rest := vec(t, value)
	if !ok || len(rest) != 0 {
		t.Fatalf("%s: status ok %v, %d bytes after the text", method, ok, len(rest))
	}
	return string(text)
}

func TestTheShieldingKeyIsAnsweredAsTheOriginalsIs(t *testing.T) {
	h := openShielded(t, "dev")
	key, err := shieldingKey()
	if err != nil {
		t.Fatal(err)
	}
	overBoth(t, h, func(t *testing.T, ask asking) {
		text := ask.text(t, "author_getShieldingKey")
		shown := as[struct{ N, E []int }](t, []byte(text))
		slices.Reverse(shown.N)
		n := new(big.Int)
		for _, v := range shown.N {
			n.Add(n.Lsh(n, 8), big.NewInt(int64(v)))
		}
		if len(shown.N) != 384 || n.Cmp(key.N) != 0 || !slices.Equal(shown.E, []int{1, 0, 1, 0}) {
			t.Errorf("%s", text)
		}
		if got := ask.text(t, "author_getUntrustedUrl"); got != "wss://node.example:2000" {
			t.Errorf("%s", got)
		}
	})
	bare := open(t, "dev", nil)
	for _, method := range []string{"author_getShieldingKey", "author_getUntrustedUrl"} {
		got := bare.rpc(t, "", `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`)
		if text := returnedText(t, *got.Result); !strings.HasPrefix(text, "unsupported: this node ") {
			t.Errorf("%s of a node that has none: %s", method, text)
		}
	}
}

// signer signs transactions in a registrar's name.
type signer struct {
	h   *house
	key ed25519.PrivateKey
}

func newSigner(t testing.TB, h *house) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{h, key}
}

// sign returns a transaction that submits the quote of a number with what
// endorses it.
func (s signer) sign(t testing.TB, n uint64, change func(*record.Transaction)) []byte {
	t.Helper()
	now := time.Now()
	items, err := simtee.Endorsements(now)
	if err != nil {
		t.Fatal(err)
	}
	tx := record.Transaction{
		Version: record.TransactionVersion, ChainID: s.h.node.Registry().ChainID(), NotAfter: record.MillisOf(now.Add(time.Minute)),
		Endorsements: items, Submission: &record.Submission{Evidence: quote(t, n, simtee.Enclave{})},
	}
	if _, err := rand.Read(tx.Nonce[:]); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&tx)
	}
	b, err := record.Sign(s.key, tx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// alone leaves out the endorsements, which makes a transaction short.
func alone(tx *record.Transaction) { tx.Endorsements = nil }

// request shields a transaction to a house, in blocks if it is to be so.
func (h *house) request(t testing.TB, tx []byte, blocks bool) string {
	t.Helper()
	key, err := shieldingKey()
	if err != nil {
		t.Fatal(err)
	}
	shield := client.Shield
	if blocks {
		shield = client.ShieldInBlocks
	}
	r, err := shield(&key.PublicKey, h.node.GenesisHash(), tx)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(r.Encode())
}

func TestAShieldedTransactionIsSubmitted(t *testing.T) {
	h := openShielded(t, "dev")
	stranger := newSigner(t, h) // any registrar may
	n := uint64(0)
	overBoth(t, h, func(t *testing.T, ask asking) {
		for _, blocks := range []bool{false, true} {
			n++
			tx := stranger.sign(t, n, nil)
			if blocks {
				tx = stranger.sign(t, n, alone) // what endorses it is there by now
			}
			hash := sha256.Sum256(tx)
			// 32 bytes, watch nothing, status 01 of an operation, 00 submitted.
			want := "0x80" + hex.EncodeToString(hash[:]) + "00" + "0100"
			if got := ask.result(t, "author_submitExtrinsic", "0x"+h.request(t, tx, blocks)); got != want {
				t.Fatalf("blocks %v: %s, want %s", blocks, got, want)
			}
			h.holds(t, tx)
		}
	})
	c := h.client("")
	tx := stranger.sign(t, 100, alone)
	hash, err := c.SubmitExtrinsic(t.Context(), tx)
	if err != nil || hash != record.HashTx(tx) {
		t.Errorf("by the Go client: %x, %v", hash, err)
	}
	h.holds(t, tx)
	if _, err := c.SubmitExtrinsic(t.Context(), tx); err == nil || !strings.HasPrefix(err.Error(), "replayed: ") {
		t.Errorf("again: %v", err)
	}
}

// holds waits until the ledger holds the record that a transaction makes.
func (h *house) holds(t testing.TB, tx []byte) {
	t.Helper()
	hash := record.HashTx(tx)
	deadline := time.Now().Add(patience)
	for {
		page, err := h.client("secret-word").List(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Enclaves {
			if page.Enclaves[i].Tx == hex.EncodeToString(hash[:]) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("transaction %x made no record", hash)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAWatchedTransactionIsToldOfUntilABlockHasIt(t *testing.T) {
	h := openShielded(t, "dev")
	s := newSigner(t, h)
	conn := h.dial(t, nil)
	for i, id := range []string{`7`, `"seven"`, `null`, `-1`} {
		change := alone
		if i == 0 {
			change = nil
		}
		tx := s.sign(t, uint64(i), change)
		name := fmt.Sprintf("0x%x", sha256.Sum256(tx))
		msg := `{"jsonrpc":"2.0","id":` + id + `,"method":"author_submitAndWatchExtrinsic","params":["` + h.request(t, tx, false) + `"]}`
		if got, want := string(talk(t, conn, msg)), `{"jsonrpc":"2.0","id":`+id+`,"result":"`+name+`"}`; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		pushed := func(watch, status string) string {
			return `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":{"error":null,"result":"0x80` +
				name[2:] + watch + "01" + status + `","subscription":"` + name + `"}}`
		}
		if got, want := string(hear(t, conn)), pushed("01", "02"); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		last := string(hear(t, conn))
		h.holds(t, tx)
		block, err := h.node.BlockHash(h.heightOf(t, tx))
		if err != nil {
			t.Fatal(err)
		}
		if want := pushed("00", "04"+hex.EncodeToString(block[:])); last != want {
			t.Fatalf("%s, want %s", last, want)
		}
	}
	t.Run("in a batch, after all of its answers", func(t *testing.T) {
		tx := s.sign(t, 100, alone)
		got := as[[]inner](t, talk(t, conn, `[{"jsonrpc":"2.0","id":1,"method":"system_name"},{"jsonrpc":"2.0","id":2,"method":"author_submitAndWatchExtrinsic","params":["`+
			h.request(t, tx, false)+`"]},{"jsonrpc":"2.0","id":3,"method":"author_submitAndWatchExtrinsic","params":[]}]`))
		if len(got) != 3 || *got[0].Result != "attesteer" || len(*got[1].Result) != 66 || !strings.HasPrefix(returnedText(t, *got[2].Result), "malformed: ") {
			t.Fatalf("%+v", got)
		}
		for _, status := range []string{"010102", "000104"} {
			if msg := string(hear(t, conn)); !strings.Contains(msg, (*got[1].Result)[2:]+status) {
				t.Errorf("%s: %s", status, msg)
			}
		}
	})
	t.Run("not as a notification", func(t *testing.T) {
		tx := s.sign(t, 101, alone)
		if err := conn.Write(t.Context(), websocket.MessageText,
			[]byte(`{"jsonrpc":"2.0","method":"author_submitAndWatchExtrinsic","params":["`+h.request(t, tx, false)+`"]}`)); err != nil {
			t.Fatal(err)
		}
		if got := as[inner](t, talk(t, conn, nameRPC)); *got.Result != "attesteer" {
			t.Errorf("%+v", got)
		}
		if pending, err := h.node.Pending(1 << 20); err != nil || len(pending) != 0 {
			t.Errorf("%d wait, %v", len(pending), err)
		}
	})
	t.Run("not by POST", func(t *testing.T) {
		got := h.rpc(t, "", `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":["`+h.request(t, s.sign(t, 102, alone), false)+`"]}`)
		if text := returnedText(t, *got.Result); !strings.HasPrefix(text, "unsupported: nothing can be pushed over POST") {
			t.Error(text)
		}
	})
}

// hear reads one text frame.
func hear(t testing.TB, conn *websocket.Conn) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kind, b, err := conn.Read(ctx)
	if err != nil || kind != websocket.MessageText {
		t.Fatalf("%v %v", kind, err)
	}
	return b
}

// heightOf returns the block of a transaction that made a record.
func (h *house) heightOf(t testing.TB, tx []byte) uint64 {
	t.Helper()
	hash := record.HashTx(tx)
	page, err := h.client("").List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Enclaves {
		if page.Enclaves[i].Tx == hex.EncodeToString(hash[:]) {
			return page.Enclaves[i].Height
		}
	}
	t.Fatalf("no record of transaction %x", hash)
	return 0
}

// sealed is what is said of every cyphertext that does not open.
const sealed = "malformed: cyphertext: it does not decrypt to a signed transaction"

func TestWhatIsWrongWithAShieldedTransactionIsSaid(t *testing.T) {
	h := openShielded(t, "dev")
	s := newSigner(t, h)
	key, err := shieldingKey()
	if err != nil {
		t.Fatal(err)
	}
	shard := client.Shard(h.node.GenesisHash())
	good := s.sign(t, 1, alone)
	raw := func(shard client.Shard, cyphertext []byte) string {
		return hex.EncodeToString(client.Request{Shard: shard, Cyphertext: cyphertext}.Encode())
	}
	seal := func(tx []byte, blocks bool) []byte {
		b, err := hex.DecodeString(h.request(t, tx, blocks))
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.DecodeRequest(b)
		if err != nil {
			t.Fatal(err)
		}
		return r.Cyphertext
	}
	hybrid, blocks := seal(good, false), seal(good, true)
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	other, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := client.Shield(&other.PublicKey, shard, good)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := client.Shield(&key.PublicKey, client.Shard{1}, good)
	if err != nil {
		t.Fatal(err)
	}
	tick, err := record.NewTick(1)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := flip(good, len(good)-1)
	expired := s.sign(t, 2, func(tx *record.Transaction) { tx.NotAfter = 1 })
	strange := s.sign(t, 3, func(tx *record.Transaction) { tx.ChainID = "another" })
	for _, c := range []struct {
		name   string
		params string
		want   string
	}{
		{"no parameter", `[]`, "malformed: wrong number of parameters: 0, expected 1"},
		{"two parameters", `["00","00"]`, "malformed: wrong number of parameters: 2, expected 1"},
		{"a number", `[1]`, "malformed: parameter 1: not a string"},
		{"null", `[null]`, "malformed: request: empty"},
		{"not hex", `["xyz!"]`, "malformed: request: not hex"},
		{"odd", `["abc"]`, "malformed: request: an odd number"},
		{"less than a shard", `["00"]`, "malformed: request: 1 bytes, a shard alone has 32"},
		{"a shard alone", `["` + hex.EncodeToString(shard[:]) + `"]`, "malformed: request: no length"},
		{"a byte too many", `["` + raw(shard, blocks) + `00"]`, "malformed: request: no length"},
		{"another shard", `["` + raw(client.Shard{1}, hybrid) + `"]`, "not_found: shard 4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM: this node has " + shard.String()},
		{"no cyphertext", `["` + raw(shard, nil) + `"]`, "malformed: cyphertext: 0 bytes are no blocks of 384"},
		{"half a block", `["` + raw(shard, blocks[:192]) + `"]`, "malformed: cyphertext: 192 bytes are no blocks of 384"},
		{"too many blocks", `["` + raw(shard, make([]byte, 129*384)) + `"]`, "too_large: cyphertext: 129 blocks, at most 128"},
		{"too long", `["` + raw(shard, append(bytes.Clone(hybrid), make([]byte, 129<<10)...)) + `"]`, "too_large: cyphertext: "},
		{"the tag alone", `["` + raw(shard, hybrid[:16]) + `"]`, "malformed: cyphertext: 16 bytes"},
		{"the tag and a key", `["` + raw(shard, hybrid[:16+384]) + `"]`, "malformed: cyphertext: 400 bytes"},
		{"cut short", `["` + raw(shard, hybrid[:len(hybrid)-1]) + `"]`, sealed},
		{"a block of zeros", `["` + raw(shard, make([]byte, 384)) + `"]`, sealed},
		{"a block over the modulus", `["` + raw(shard, bytes.Repeat([]byte{0xff}, 384)) + `"]`, sealed},
		{"a flipped bit in the key", `["` + raw(shard, flip(hybrid, 100)) + `"]`, sealed},
		{"a flipped bit in the content", `["` + raw(shard, flip(hybrid, 500)) + `"]`, sealed},
		{"a flipped bit in the last block", `["` + raw(shard, flip(blocks, len(blocks)-10)) + `"]`, sealed},
		{"the first block alone", `["` + raw(shard, blocks[:384]) + `"]`, sealed},
		{"the last block alone", `["` + raw(shard, blocks[len(blocks)-384:]) + `"]`, sealed},
		{"under another key", `["` + raw(shard, elsewhere.Cyphertext) + `"]`, sealed},
		{"for another shard", `["` + raw(shard, moved.Cyphertext) + `"]`, sealed},
		{"not a transaction", `["` + raw(shard, seal([]byte("hello"), false)) + `"]`, sealed},
		{"a wrong signature", `["` + raw(shard, seal(unsigned, false)) + `"]`, sealed},
		{"a wrong signature in blocks", `["` + raw(shard, seal(unsigned, true)) + `"]`, sealed},
		{"a time tick", `["` + raw(shard, seal(tick, false)) + `"]`, sealed},
		{"for another chain", `["` + raw(shard, seal(strange, false)) + `"]`, "binding_mismatch: the transaction is for another ledger"},
		{"too late", `["` + raw(shard, seal(expired, false)) + `"]`, "expired: "},
		{"without what endorses it", `["` + raw(shard, hybrid) + `"]`, "endorsement_unavailable: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range []string{"author_submitExtrinsic", "author_submitAndWatchExtrinsic"} {
				msg := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + c.params + `}`
				ask := func(conn *websocket.Conn) inner { return as[inner](t, talk(t, conn, msg)) }
				got := ask(h.dial(t, nil))
				if text := returnedText(t, *got.Result); !strings.HasPrefix(text, c.want) {
					t.Errorf("%s: %s, want %s", method, text, c.want)
				}
			}
		})
	}
	h.lives(t, 9)
}
