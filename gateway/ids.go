// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"sync"
)

// ids gives the calls of a line other ids than their callers did, so that jrpc2
// meets none twice: JSON-RPC 2.0 forbids no caller to use an id again while it is
// in use, in a batch or in another message, and each such call has its answer. The
// caller's own comes back in the answer as it came, to the byte; null is an id like
// others (section 4), which jrpc2 takes for none.
type ids struct {
	// before is how each of them begins, quote included: nobody can guess it.
	before []byte

	mu    sync.Mutex // guards what follows
	next  uint64
	given map[uint64]json.RawMessage
}

func newIDs() *ids {
	return &ids{before: []byte(`"` + rand.Text() + "-"), given: make(map[uint64]json.RawMessage)}
}

// alias returns what stands for an id until its answer is restored; what is none
// (section 4: a string, a number or null) is left as it is, to be refused.
func (n *ids) alias(id json.RawMessage) (json.RawMessage, bool) {
	id = bytes.TrimSpace(id)
	switch c := id[0]; {
	case c == '"', c == '-', c >= '0' && c <= '9', c == 'n':
	default:
		return nil, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	n.given[n.next] = id
	return append(strconv.AppendUint(bytes.Clone(n.before), n.next, 10), '"'), true
}

// restore puts the callers' ids into a message, each of them once.
func (n *ids) restore(msg []byte) []byte {
	var out []byte
	for {
		at := bytes.Index(msg, n.before)
		if at < 0 {
			break
		}
		rest := msg[at+len(n.before):]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			break // jrpc2 writes JSON
		}
		out = append(append(out, msg[:at]...), n.take(string(rest[:end]))...)
		msg = rest[end+1:]
	}
	if out == nil {
		return msg
	}
	return append(out, msg...)
}

func (n *ids) take(number string) json.RawMessage {
	v, err := strconv.ParseUint(number, 10, 64)
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.given[v]
	if err != nil || !ok {
		return json.RawMessage("null") // it was never given
	}
	delete(n.given, v)
	return id
}
