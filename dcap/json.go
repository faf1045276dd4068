// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on what is read as JSON: Intel's largest statements are about 30 KB
// and six levels deep.
const (
	maxJSON  = 1 << 20
	maxDepth = 32
)

// pcsClause is cited by the checks of statements' form.
const pcsClause = "PCS API v4, TCB info and enclave identity"

// value is one JSON value: its bytes as they were sent, and its parts.
type value struct {
	raw     []byte
	members []member // of an object, in their order
	items   []value  // of an array
}

type member struct {
	name string
	value
}

// readJSON reads one JSON value into its parts in one pass. It refuses what
// encoding/json would let pass: duplicate members, deep nesting and invalid
// UTF-8.
func readJSON(data []byte) (value, error) {
	switch {
	case len(data) > maxJSON:
		return value{}, rats.Errorf(rats.Malformed, "JSON of %d bytes is over %d", len(data), maxJSON)
	case !utf8.Valid(data):
		return value{}, rats.Errorf(rats.Malformed, "JSON is not UTF-8")
	case !json.Valid(data):
		return value{}, rats.Errorf(rats.Malformed, "not JSON, or not all of it")
	}
	s := &splitter{data: data}
	v := s.value(0)
	return v, s.err
}

// splitter takes valid JSON apart; since it is valid, it looks for no errors
// but those that the grammar allows.
type splitter struct {
	data []byte
	at   int
	err  error
}

func (s *splitter) fail(format string, args ...any) {
	if s.err == nil {
		s.err = rats.Errorf(rats.Malformed, "JSON "+format, args...)
	}
	s.at = len(s.data)
}

// next skips white space and separators and returns the byte that follows,
// zero at the end.
func (s *splitter) next() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

func (s *splitter) value(depth int) value {
	var v value
	first := s.next()
	start := s.at
	switch {
	case depth >= maxDepth && (first == '{' || first == '['):
		s.fail("is nested over %d deep", maxDepth)
	case first == '{':
		s.at++
		for c := s.next(); c != '}' && c != 0; c = s.next() {
			name := s.name()
			v.members = append(v.members, member{name, s.value(depth + 1)})
		}
		s.at++
		s.unique(v.members)
	case first == '[':
		s.at++
		for c := s.next(); c != ']' && c != 0; c = s.next() {
			v.items = append(v.items, s.value(depth+1))
		}
		s.at++
	case first == '"':
		s.text()
	default:
		for s.at < len(s.data) && bytes.IndexByte([]byte(" \t\r\n,]}"), s.data[s.at]) < 0 {
			s.at++
		}
	}
	if s.err == nil {
		v.raw = s.data[start:s.at:s.at]
	}
	return v
}

// text passes over a string, quotes included, and returns it.
func (s *splitter) text() []byte {
	start := s.at
	for s.at++; s.at < len(s.data) && s.data[s.at] != '"'; s.at++ {
		if s.data[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	return s.data[start:min(s.at, len(s.data))]
}

func (s *splitter) name() string {
	name, _ := unquote(s.text())
	return name
}

// unquote returns what a JSON string says, and whether raw is one.
func unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var out string
	return out, json.Unmarshal(raw, &out) == nil
}

// unique refuses members of one name: readers would differ on which counts.
func (s *splitter) unique(members []member) {
	if len(members) <= 24 {
		for i := range members {
			for j := range i {
				if members[i].name == members[j].name {
					s.fail("has member %q twice", members[i].name)
				}
			}
		}
		return
	}
	seen := make(map[string]bool, len(members))
	for i := range members {
		if seen[members[i].name] {
			s.fail("has member %q twice", members[i].name)
		}
		seen[members[i].name] = true
	}
}

// object reads members of one JSON object by their exact names and keeps the
// first error. Members that nobody asks for are tolerated: Intel adds some.
type object struct {
	path string
	value
	err *error
}

func readObject(path string, v value, err *error) object {
	o := object{path: path, value: v, err: err}
	if len(v.raw) == 0 || v.raw[0] != '{' {
		o.fail("is not an object")
	}
	return o
}

func (o object) fail(format string, args ...any) {
	if *o.err == nil {
		e := rats.Errorf(rats.Malformed, o.path+" "+format, args...)
		e.Spec = pcsClause
		*o.err = e
	}
}

// find returns a member, or nil.
func (o object) find(name string) *value {
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i].value
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.find(name) != nil }

// get returns a member that must be there.
func (o object) get(name string) value {
	v := o.find(name)
	if v == nil {
		o.fail("lacks %s", name)
		return value{}
	}
	return *v
}

func (o object) text(name string) string {
	s, ok := unquote(o.get(name).raw)
	if !ok {
		o.fail("%s is not a string", name)
	}
	return s
}

// number reads a plain unsigned decimal of at most limit.
func (o object) number(name string, limit uint64) uint64 {
	n, err := strconv.ParseUint(string(o.get(name).raw), 10, 64)
	if *o.err == nil && (err != nil || n > limit) {
		o.fail("%s is not a number up to %d", name, limit)
	}
	return n
}

// bytes reads hex of either case into dst, which it must fill.
func (o object) bytes(name string, dst []byte) {
	s := o.text(name)
	if *o.err != nil {
		return
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(dst) {
		o.fail("%s is not %d bytes in hex", name, len(dst))
		return
	}
	copy(dst, b)
}

func (o object) time(name string) time.Time {
	s := o.text(name)
	const form = "2006-01-02T15:04:05Z"
	t, err := time.Parse(form, s)
	// The length keeps out the fractions that time.Parse lets pass.
	if *o.err == nil && (err != nil || len(s) != len(form)) {
		o.fail("%s is not a time such as 2025-06-20T10:55:00Z", name)
	}
	return t
}

func (o object) status(name string, allowed func(rats.TCBStatus) bool) rats.TCBStatus {
	s := rats.TCBStatus(o.text(name))
	if *o.err == nil && !allowed(s) {
		o.fail("%s %q is no status of its kind", name, s)
	}
	return s
}

func (o object) list(name string) []value {
	v := o.get(name)
	if len(v.raw) == 0 || v.raw[0] != '[' {
		o.fail("%s is not an array", name)
	}
	return v.items
}

// strings reads an array of strings that may be absent.
func (o object) strings(name string) []string {
	if !o.has(name) {
		return nil
	}
	var out []string
	for _, v := range o.list(name) {
		s, ok := unquote(v.raw)
		if !ok {
			o.fail("%s holds something other than strings", name)
			return nil
		}
		out = append(out, s)
	}
	return out
}

func (o object) child(name string) object {
	return readObject(o.path+"."+name, o.get(name), o.err)
}

// signed reads {"<name>": {…}, "signature": "<128 hex digits>"} and returns the
// inner object, whose raw bytes the signature covers as they were sent.
func signed(data []byte, name string) (inner value, signature [64]byte, err error) {
	whole, err := readJSON(data)
	if err != nil {
		return inner, signature, err
	}
	o := readObject("statement", whole, &err)
	inner = o.get(name)
	o.bytes("signature", signature[:])
	if len(o.members) != 2 {
		o.fail("has unsigned members beside %s", name)
	}
	return inner, signature, err
}
