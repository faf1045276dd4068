// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// maxInput bounds what is read at all; a report with its chain has about 6 kB.
const maxInput = 128 << 10

// members are those of one JSON object, by their exact names. The first fault
// in reading them is kept.
type members struct {
	what   string
	values map[string]json.RawMessage
	err    error
}

// readMembers reads one JSON object and nothing after it. It refuses what
// encoding/json would let pass: a member that comes twice, on which readers
// would differ, and text that is not UTF-8.
func readMembers(what string, text []byte) *members {
	m := &members{what: what, values: make(map[string]json.RawMessage)}
	if !utf8.Valid(text) {
		m.fail("is not UTF-8")
		return m
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		m.fail("is not a JSON object")
		return m
	}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err == nil && ok {
			err = d.Decode(&value)
		}
		if err != nil || !ok {
			m.fail("is not JSON")
			return m
		}
		if _, twice := m.values[name]; twice {
			m.fail("has member %.40q twice", name)
			return m
		}
		m.values[name] = value
	}
	if _, err := d.Token(); err != nil {
		m.fail("is not JSON")
	} else if _, err := d.Token(); !errors.Is(err, io.EOF) {
		m.fail("is followed by something else")
	}
	return m
}

func (m *members) fail(format string, args ...any) {
	if m.err == nil {
		m.err = malformed(m.what+" "+format, args...)
	}
}

func malformed(format string, args ...any) error { return rats.Errorf(rats.Malformed, format, args...) }

// text returns a string, empty where the member is not there and need not be.
func (m *members) text(name string, needed bool) string {
	raw, ok := m.values[name]
	if !ok {
		if needed {
			m.fail("lacks %s", name)
		}
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		m.fail("has a %s that is not a string", name)
	}
	return s
}

// number returns a plain decimal of at most 32 bits, nil where there is none.
func (m *members) number(name string) *uint32 {
	raw, ok := m.values[name]
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil {
		m.fail("has a %s that is not a number of 32 bits", name)
	}
	small := uint32(n)
	return &small
}

// base64 returns what a string says in standard base64, of exactly size bytes.
func (m *members) base64(name string, size int, needed bool) []byte {
	text := m.text(name, needed)
	if text == "" && !needed {
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if m.err == nil && (err != nil || len(b) != size) {
		m.fail("has a %s that is not %d bytes of base64", name, size)
	}
	return b
}

// hex returns what a string says in hex of either case, nil where there is none.
func (m *members) hex(name string) []byte {
	text := m.text(name, false)
	if text == "" {
		return nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		m.fail("has a %s that is not hex", name)
	}
	return b
}

// texts returns a list of strings, which need not be there.
func (m *members) texts(name string) []string {
	raw, ok := m.values[name]
	if !ok {
		return nil
	}
	var list []*string
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		m.fail("has a %s that is not a list of strings", name)
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s == nil || *s == "" {
			m.fail("has an empty item in %s", name)
			continue
		}
		out = append(out, *s)
	}
	return out
}
