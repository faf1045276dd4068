// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// The original's results are SCALE, the codec of Substrate chains, in hex: see
// [client.ReturnValue]. Where the value is itself a Vec or a String, its own
// compact length stands inside the first.

// Statuses of a returned value that is about no transaction.
const (
	returnOK    = client.StatusOK
	returnError = client.StatusError
)

// returnValue returns 0x and the hex of a value with its status.
func returnValue(value []byte, status client.Status) string {
	return (&client.ReturnValue{Value: value, Status: status}).Encode()
}

// returnedError returns err as the original shows errors: a String "kind:
// detail" in a value of status error.
func returnedError(err error) string {
	return returnValue(appendVec(nil, []byte(outwardText(err))), returnError)
}

// outwardText is "kind: detail"; of an internal error it is the kind alone.
func outwardText(err error) string {
	e := rats.AsError(err)
	if e.Kind == rats.Internal {
		return e.Kind.String()
	}
	return e.Error()
}

// appendVec appends a Vec<u8>, or a String, to b.
func appendVec(b, content []byte) []byte { return client.AppendVec(b, content) }
