// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// original is a node that answers as it is told, by method; "ledger" is /v1/ledger.
func original(t *testing.T, answers map[string]string) (*client.Client, *[]string) {
	t.Helper()
	var params []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/ledger" {
			_, _ = io.WriteString(w, answers["ledger"])
			return
		}
		var in struct {
			Version string `json:"jsonrpc"`
			ID      int
			Method  string
			Params  []string
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Version != "2.0" || r.URL.Path != "/" || in.Params == nil {
			t.Errorf("%s %+v, %v", r.URL.Path, in, err)
		}
		params = append(params, in.Params...)
		_, _ = io.WriteString(w, answers[in.Method])
	}))
	t.Cleanup(s.Close)
	return client.New(s.URL, "word", nil), &params
}

func TestATransactionIsShieldedToTheKeyAndTheShardOfTheNode(t *testing.T) {
	key := private(t)
	text, err := client.FormatShieldingKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	shown := &client.ReturnValue{Value: client.AppendVec(nil, text)}
	hash := strings.Repeat("ab", 32)
	result := func(text string) string { return `{"jsonrpc":"2.0","id":1,"result":"` + text + `"}` }
	good := map[string]string{
		"ledger":                 `{"genesis_hash":"` + strings.Repeat("05", 32) + `"}`,
		"author_getShieldingKey": result(shown.Encode()),
		"author_submitExtrinsic": result("0x80" + hash + "000100"),
	}
	c, params := original(t, good)
	got, err := c.SubmitExtrinsic(t.Context(), []byte("signed"))
	if err != nil || hex.EncodeToString(got[:]) != hash || len(*params) != 1 {
		t.Fatalf("%x, %v, %d parameters", got, err, len(*params))
	}
	raw, err := hex.DecodeString((*params)[0])
	if err != nil {
		t.Fatal(err)
	}
	if r, err := client.DecodeRequest(raw); err != nil || r.Shard[0] != 5 || len(r.Cyphertext) != 16+384+6+16 {
		t.Errorf("%x, %d, %v", r.Shard, len(r.Cyphertext), err)
	}
	refused := func(text string) string {
		v := client.ReturnValue{Value: client.AppendVec(nil, []byte(text)), Status: client.StatusError}
		return result(v.Encode())
	}
	for _, c := range []struct {
		name, of, answer string
		kind             rats.Kind
		text             string
	}{
		{"a refusal", "author_submitExtrinsic", refused("expired: too late"), rats.Expired, "expired: too late"},
		{"a refusal of no kind", "author_submitExtrinsic", refused("it hurts"), rats.Internal, "it hurts"},
		{"a node without a key", "author_getShieldingKey", refused("unsupported: none"), rats.Unsupported, "unsupported: none"},
		{"a key that is none", "author_getShieldingKey", result("0x0c08" + "7b7d" + "0000"), rats.Malformed, "shielding key"},
		{"another status", "author_submitExtrinsic", result("0x80" + hash + "0000"), rats.Malformed, "no status of a transaction"},
		{"a short hash", "author_submitExtrinsic", result("0x04ab000100"), rats.Malformed, "no status of a transaction"},
		{"no SCALE", "author_submitExtrinsic", result("hello, world"), rats.Malformed, "not hex"},
		{"an error of JSON-RPC", "author_submitExtrinsic", `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found"}}`, rats.Internal, "method not found"},
		{"no genesis", "ledger", `{"chain_id":"x"}`, rats.Malformed, "genesis_hash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers := map[string]string{}
			for name, answer := range good {
				answers[name] = answer
			}
			answers[c.of] = c.answer
			node, _ := original(t, answers)
			_, err := node.SubmitExtrinsic(t.Context(), []byte("signed"))
			if err == nil || rats.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %s: %s", err, c.kind, c.text)
			}
		})
	}
	if _, err := c.SubmitExtrinsic(t.Context(), make([]byte, 200<<10)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("too large: %v", err)
	}
}
