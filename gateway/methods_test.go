// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// rpcAnswer is a response of JSON-RPC, about an operation of the API.
type rpcAnswer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *rpcFault       `json:"error"`
}

// rpcFault is an error of JSON-RPC.
type rpcFault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Kind       rats.Kind       `json:"kind"`
		Check      string          `json:"check"`
		Detail     string          `json:"detail"`
		Record     string          `json:"record"`
		Tx         string          `json:"tx"`
		Result     json.RawMessage `json:"result"`
		RetryAfter int             `json:"retry_after"`
	} `json:"data"`
}

// message returns a call of a method.
func message(id, method, params string) string {
	if params == "" {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `"}`
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":` + params + `}`
}

// ask makes one call by POST.
func (h *house) ask(t testing.TB, method, params string) rpcAnswer {
	t.Helper()
	r := h.post(t, "/", "", message("1", method, params))
	if r.status != http.StatusOK {
		t.Fatalf("%s %.200s: %d %.300s", method, params, r.status, r.body)
	}
	return as[rpcAnswer](t, r.body)
}

func TestTheLedgerIsToldOverRPCAsOverREST(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	if got, want := h.ask(t, "registry.ledger", ""), h.get(t, "/v1/ledger"); string(got.Result) != string(want.body) {
		t.Errorf("%s\nwant %s", got.Result, want.body)
	}
	if got := h.ask(t, "registry.ledger", `{"x":1}`); got.Error == nil || got.Error.Code != -32602 || got.Error.Data.Kind != rats.Malformed {
		t.Errorf("%+v", got)
	}
}
