// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// The compatible methods speak SCALE, the codec of Substrate chains, in hex.

// Request is what author_submitExtrinsic takes: a signed transaction, shielded.
// Its bytes are the shard's, and those of the cyphertext after their number.
type Request struct {
	Shard Shard
	// Cyphertext has one of the two forms of [Shield] and [ShieldInBlocks].
	Cyphertext []byte
}

// Encode returns the SCALE encoding.
func (r Request) Encode() []byte {
	return AppendVec(bytes.Clone(r.Shard[:]), r.Cyphertext)
}

// DecodeRequest is the reverse of [Request.Encode]. What is cut short, goes on
// after the end, or spells a length otherwise is [rats.Malformed].
func DecodeRequest(b []byte) (Request, error) {
	var r Request
	if len(b) < len(r.Shard) {
		return r, rats.Errorf(rats.Malformed, "request: %d bytes, a shard alone has %d", len(b), len(r.Shard))
	}
	copy(r.Shard[:], b)
	content, rest, ok := cutVec(b[len(r.Shard):])
	if !ok || len(rest) != 0 {
		return r, rats.Errorf(rats.Malformed, "request: no length and as many bytes follow the shard")
	}
	r.Cyphertext = content
	return r, nil
}

// Status tells what a [ReturnValue] is about.
type Status byte

// The statuses.
const (
	StatusOK Status = 0
	// StatusOperation: the value is the hash of a transaction, and
	// [ReturnValue.Operation] says where it stands.
	StatusOperation Status = 1
	// StatusError: the value is a text, "kind: detail".
	StatusError Status = 2
)

// Operation is where a transaction stands. Of the original's statuses these are
// the ones that a ledger without forks has.
type Operation byte

// The operations.
const (
	// Submitted: it waits for a block.
	Submitted Operation = 0x00
	// Ready: it waits for a block, in the first push about it.
	Ready Operation = 0x02
	// InBlock: it is in a block, for good.
	InBlock Operation = 0x04
	// Dropped: the node stopped before a block had it.
	Dropped Operation = 0x09
	// Invalid: a block had it, and the rules refused it there.
	Invalid Operation = 0x0a
)

// ReturnValue is what compatible methods answer.
type ReturnValue struct {
	Value []byte
	// Watch: more about it will be pushed.
	Watch  bool
	Status Status
	// Operation is set with [StatusOperation].
	Operation Operation
	// Block is the hash of the block, for [InBlock].
	Block [32]byte
}

// Encode returns 0x and the hex of the SCALE encoding: length and bytes of the
// value, whether to watch, the status.
func (v *ReturnValue) Encode() string {
	b := AppendVec(nil, v.Value)
	watch := byte(0)
	if v.Watch {
		watch = 1
	}
	b = append(b, watch, byte(v.Status))
	if v.Status == StatusOperation {
		b = append(b, byte(v.Operation))
		if v.Operation == InBlock {
			b = append(b, v.Block[:]...)
		}
	}
	return "0x" + hex.EncodeToString(b)
}

// DecodeReturnValue is the reverse of [ReturnValue.Encode]; hex is taken
// without 0x too. Errors are [rats.Malformed].
func DecodeReturnValue(text string) (*ReturnValue, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "returned value: not hex")
	}
	value, rest, ok := cutVec(b)
	if !ok || len(rest) < 2 || rest[0] > 1 {
		return nil, rats.Errorf(rats.Malformed, "returned value: no value, watch and status")
	}
	v := &ReturnValue{Value: value, Watch: rest[0] == 1, Status: Status(rest[1])}
	rest = rest[2:]
	if v.Status == StatusOperation && len(rest) > 0 {
		v.Operation, rest = Operation(rest[0]), rest[1:]
		if v.Operation == InBlock && len(rest) >= len(v.Block) {
			copy(v.Block[:], rest)
			rest = rest[len(v.Block):]
		} else if v.Operation == InBlock {
			return nil, rats.Errorf(rats.Malformed, "returned value: no hash of the block")
		}
	} else if v.Status == StatusOperation || v.Status > StatusError {
		return nil, rats.Errorf(rats.Malformed, "returned value: status %x", rest)
	}
	if len(rest) != 0 {
		return nil, rats.Errorf(rats.Malformed, "returned value: %d bytes after its end", len(rest))
	}
	return v, nil
}

// Text returns the String that a value holds: of a status error the reason.
func (v *ReturnValue) Text() (string, error) {
	text, rest, ok := cutVec(v.Value)
	if !ok || len(rest) != 0 {
		return "", rats.Errorf(rats.Malformed, "returned value: it holds no text")
	}
	return string(text), nil
}

// AppendVec appends a Vec<u8>, or a String: its length and its bytes.
func AppendVec(b, content []byte) []byte { return append(AppendCompact(b, len(content)), content...) }

// AppendCompact appends a compact integer: its two low bits say how many bytes
// hold it.
func AppendCompact(b []byte, n int) []byte {
	switch {
	case n < 1<<6:
		return append(b, byte(n<<2)) //nolint:gosec // below 1<<8 here
	case n < 1<<14:
		return binary.LittleEndian.AppendUint16(b, uint16(n<<2|1)) //nolint:gosec // below 1<<16 here
	case n < 1<<30:
		return binary.LittleEndian.AppendUint32(b, uint32(n<<2|2)) //nolint:gosec // below 1<<32 here
	default:
		return binary.LittleEndian.AppendUint32(append(b, 3), uint32(min(n, math.MaxUint32)))
	}
}

// cutVec cuts a length and as many bytes off b. A length that could be spelt
// shorter is none, as for the codec's other implementations.
func cutVec(b []byte) (content, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	var n, size int
	switch b[0] & 3 {
	case 0:
		n, size = int(b[0]>>2), 1
	case 1:
		if len(b) < 2 {
			return nil, nil, false
		}
		n, size = int(binary.LittleEndian.Uint16(b))>>2, 2
	case 2:
		if len(b) < 4 {
			return nil, nil, false
		}
		n, size = int(binary.LittleEndian.Uint32(b))>>2, 4
	default:
		return nil, nil, false // a gigabyte and more: nothing here is
	}
	if n > len(b)-size || len(AppendCompact(nil, n)) != size {
		return nil, nil, false
	}
	return b[size : size+n], b[size+n:], true
}
