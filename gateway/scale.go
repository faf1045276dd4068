// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/attesteer/attesteer/rats"
)

// The original's results are SCALE, the codec of Substrate chains, in hex:
//
//	value     Vec<u8>  compact length, bytes
//	do_watch  bool     00
//	status             00 ok, 02 error
//
// Where the value is itself a Vec or a String, its own compact length stands
// inside the first.

// Statuses of a returned value; 01 carries the status of an operation that is
// watched, which no call here starts.
const (
	returnOK    = 0x00
	returnError = 0x02
)

// returnValue returns 0x and the hex of a value with its status.
func returnValue(value []byte, status byte) string {
	b := appendVec(nil, value)
	b = append(b, 0x00, status)
	return "0x" + hex.EncodeToString(b)
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
func appendVec(b, content []byte) []byte {
	return append(appendCompact(b, uint32(len(content))), content...) //nolint:gosec // what is answered is far below 4 GiB
}

// appendCompact appends a compact integer: its two low bits say how many bytes
// hold it.
func appendCompact(b []byte, n uint32) []byte {
	switch {
	case n < 1<<6:
		return append(b, byte(n<<2))
	case n < 1<<14:
		return binary.LittleEndian.AppendUint16(b, uint16(n<<2|1)) //nolint:gosec // below 1<<16 here
	case n < 1<<30:
		return binary.LittleEndian.AppendUint32(b, n<<2|2)
	default:
		return binary.LittleEndian.AppendUint32(append(b, 3), n)
	}
}
