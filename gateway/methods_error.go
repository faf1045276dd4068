// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"strconv"

	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// rpcCode is the code of a kind of error: what JSON-RPC 2.0 section 5.1 fixes
// where that fits, and else, of the range that it leaves to servers, -32000 less
// the kind's number, which never changes.
func rpcCode(k rats.Kind) jrpc2.Code {
	switch k { //nolint:exhaustive // the others have the codes of their numbers
	case rats.Malformed:
		return jrpc2.InvalidParams
	case rats.None, rats.Internal:
		return jrpc2.InternalError
	}
	return -32000 - jrpc2.Code(k)
}

// rpcData is the data of an error: what a problem says over REST.
type rpcData struct {
	Kind   rats.Kind         `json:"kind"`
	Check  string            `json:"check,omitempty"`
	Detail string            `json:"detail,omitempty"`
	Record string            `json:"record,omitempty"`
	Tx     string            `json:"tx,omitempty"`
	Result *attesteer.Result `json:"result,omitempty"`
	// RetryAfter is in seconds.
	RetryAfter int `json:"retry_after,omitempty"`
}

// rpcError returns a problem as JSON-RPC has errors. Of an internal one it says
// nothing but that.
func rpcError(p *problem) *jrpc2.Error {
	data := rpcData{Kind: p.Kind, Check: p.Check, Detail: p.Detail, Record: p.Record, Tx: p.Tx, Result: p.Result}
	data.RetryAfter, _ = strconv.Atoi(p.header.Get("Retry-After")) // 0 where there is none
	out := &jrpc2.Error{Code: rpcCode(p.Kind), Message: outwardText(p)}
	b, err := json.Marshal(data)
	if err != nil {
		return out
	}
	out.Data = b
	return out
}
