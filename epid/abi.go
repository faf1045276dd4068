// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// word is the length of a slot of the Solidity contract ABI in bytes.
const word = 32

// isABI tells from the first slot whether b is the ABI encoding of a pair of
// bytes: both begin with how far off the first of them is.
func isABI(b []byte) bool {
	b = bare(b)
	n, ok := slot(b)
	return ok && n == 2*word
}

// bare returns an encoding without the slot that a struct's begins with.
func bare(b []byte) []byte {
	if n, ok := slot(b); ok && n == word {
		return b[word:]
	}
	return b
}

// slot reads the number in the first slot, if there is one of under 2^31.
func slot(b []byte) (int, bool) {
	if len(b) < word || !bytes.Equal(b[:word-4], make([]byte, word-4)) {
		return 0, false
	}
	n := binary.BigEndian.Uint32(b[word-4:])
	return int(n & 0x7fffffff), n>>31 == 0
}

// readSlots reads the ABI encoding of count values of type bytes (Solidity,
// Contract ABI Specification, Use of Dynamic Types) as every encoder writes it:
// the offsets in their order, each value after the one before, zeros up to the
// next slot, and nothing else. So one sequence of values has one encoding.
func readSlots(b []byte, count int) ([][]byte, error) {
	at := count * word
	out := make([][]byte, count)
	for i := range out {
		if len(b) < at {
			return nil, malformed("the ABI encoding is cut short")
		}
		if offset, ok := slot(b[i*word:]); !ok || offset != at {
			return nil, malformed("value %d of the ABI encoding is not where it belongs", i+1)
		}
		size, ok := slot(b[at:])
		at += word
		padded := (size + word - 1) / word * word
		if !ok || padded > len(b)-at {
			return nil, malformed("value %d of the ABI encoding is cut short", i+1)
		}
		out[i] = b[at : at+size : at+size]
		if !bytes.Equal(b[at+size:at+padded], make([]byte, padded-size)) {
			return nil, malformed("value %d of the ABI encoding is not followed by zeros", i+1)
		}
		at += padded
	}
	if at != len(b) {
		return nil, malformed("%d bytes follow the ABI encoding", len(b)-at)
	}
	return out, nil
}

// readABI reads (bytes report, bytes signature).
func (ev *Evidence) readABI(b []byte) error {
	pair, err := readSlots(bare(b), 2)
	if err != nil {
		return err
	}
	ev.Body, ev.Signature = pair[0], pair[1]
	if len(ev.Body) > 0 && ev.Body[0] != '{' {
		ev.Body, err = joinValues(ev.Body)
	}
	return err
}

// joinValues makes the body anew of its members' values, which on-chain
// verifiers take so as not to read JSON: strings without their quotes, version
// and advisories as they stand, the quote as bytes. There are eight or nine:
// one of pseudonym and platform info can be missing. What was not the body fails
// its signature.
func joinValues(b []byte) ([]byte, error) {
	n, ok := slot(b)
	if count := n / word; !ok || count != 8 && count != 9 {
		return nil, malformed("the report is neither JSON nor the ABI encoding of its members")
	}
	values, err := readSlots(b, n/word)
	if err != nil {
		return nil, err
	}
	type member struct{ before, after string }
	id, at, version := member{`"id":"`, `"`}, member{`"timestamp":"`, `"`}, member{`"version":`, ""}
	pseudonym, url, ids := member{`"epidPseudonym":"`, `"`}, member{`"advisoryURL":"`, `"`}, member{`"advisoryIDs":`, ""}
	status, info, quoted := member{`"isvEnclaveQuoteStatus":"`, `"`}, member{`"platformInfoBlob":"`, `"`}, member{`"isvEnclaveQuoteBody":"`, `"`}
	order := []member{id, at, version, pseudonym, url, ids, status, info, quoted}
	switch {
	case len(values) == 9:
	case bytes.HasPrefix(values[3], []byte("http")):
		order = []member{id, at, version, url, ids, status, info, quoted}
	default:
		order = []member{id, at, version, pseudonym, url, ids, status, quoted}
	}
	body := []byte{'{'}
	for i, m := range order {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, m.before...)
		if m == quoted {
			body = base64.StdEncoding.AppendEncode(body, values[i])
		} else {
			body = append(body, values[i]...)
		}
		body = append(body, m.after...)
	}
	return append(body, '}'), nil
}
