// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"strconv"

	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// rpcCode is the code of a kind of error: those that JSON-RPC 2.0 section 5.1
// fixes where one fits, and else one of the range that it leaves to servers.
// They are never changed; new kinds get new ones.
func rpcCode(k rats.Kind) jrpc2.Code {
	switch k {
	case rats.Malformed:
		return jrpc2.InvalidParams
	case rats.Unsupported:
		return -32001
	case rats.BadSignature:
		return -32002
	case rats.UntrustedRoot:
		return -32003
	case rats.Revoked:
		return -32004
	case rats.BindingMismatch:
		return -32005
	case rats.Expired:
		return -32006
	case rats.TCBRejected:
		return -32007
	case rats.DebugForbidden:
		return -32008
	case rats.MeasurementUnknown:
		return -32009
	case rats.PolicyRejected:
		return -32010
	case rats.EndorsementUnavailable:
		return -32011
	case rats.EndorsementExpired:
		return -32012
	case rats.Replayed:
		return -32013
	case rats.NotFound:
		return -32014
	case rats.Unauthorized:
		return -32015
	case rats.QuotaExceeded:
		return -32016
	case rats.TooLarge:
		return -32017
	case rats.None, rats.Internal:
	}
	return jrpc2.InternalError
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
