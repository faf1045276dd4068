// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
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

// checkJSON refuses what encoding/json would let pass: duplicate members, deep
// nesting, invalid UTF-8 and trailing data.
func checkJSON(data []byte) error {
	if len(data) > maxJSON {
		return rats.Errorf(rats.Malformed, "JSON of %d bytes is over %d", len(data), maxJSON)
	}
	if !utf8.Valid(data) {
		return rats.Errorf(rats.Malformed, "JSON is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var open []*level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(open) != 0 {
				return rats.Errorf(rats.Malformed, "JSON ends early")
			}
			return nil
		}
		if err != nil {
			return rats.Errorf(rats.Malformed, "JSON: %w", err)
		}
		if open, err = step(open, token); err != nil {
			return err
		}
	}
}

// level is an object or array that is being read.
type level struct {
	// members is nil in an array.
	members map[string]bool
	// value: the next token is a member's value.
	value bool
}

func step(open []*level, token json.Token) ([]*level, error) {
	var top *level
	if len(open) > 0 {
		top = open[len(open)-1]
	}
	delim, isDelim := token.(json.Delim)
	if isDelim && (delim == '}' || delim == ']') {
		return open[:len(open)-1], nil
	}
	if top != nil && top.members != nil && !top.value {
		name, ok := token.(string)
		if !ok || top.members[name] {
			return nil, rats.Errorf(rats.Malformed, "JSON: member %q stands twice", name)
		}
		top.members[name], top.value = true, true
		return open, nil
	}
	if top != nil {
		top.value = false
	}
	if !isDelim {
		return open, nil
	}
	if len(open) == maxDepth {
		return nil, rats.Errorf(rats.Malformed, "JSON is nested over %d deep", maxDepth)
	}
	l := &level{}
	if delim == '{' {
		l.members = map[string]bool{}
	}
	return append(open, l), nil
}

// object reads members of one JSON object by their exact names and keeps the
// first error. Members that nobody asks for are tolerated: Intel adds some.
type object struct {
	path    string
	members map[string]json.RawMessage
	err     *error
}

func readObject(path string, data json.RawMessage, err *error) object {
	o := object{path: path, err: err}
	if *err == nil && json.Unmarshal(data, &o.members) != nil || o.members == nil {
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

func (o object) has(name string) bool {
	_, ok := o.members[name]
	return ok
}

// get returns the raw value of a member that must be there.
func (o object) get(name string) json.RawMessage {
	raw, ok := o.members[name]
	if !ok {
		o.fail("lacks %s", name)
	}
	return raw
}

func (o object) text(name string) string {
	var s string
	raw := o.get(name)
	if *o.err == nil && (len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil) {
		o.fail("%s is not a string", name)
	}
	return s
}

// number reads a plain unsigned decimal of at most limit.
func (o object) number(name string, limit uint64) uint64 {
	raw := o.get(name)
	n, err := strconv.ParseUint(string(raw), 10, 64)
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

func (o object) list(name string) []json.RawMessage {
	var out []json.RawMessage
	raw := o.get(name)
	if *o.err == nil && (len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &out) != nil) {
		o.fail("%s is not an array", name)
	}
	return out
}

// strings reads an array of strings that may be absent.
func (o object) strings(name string) []string {
	if !o.has(name) || *o.err != nil {
		return nil
	}
	var out []string
	for _, raw := range o.list(name) {
		var s string
		if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
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
// inner object's raw bytes, which the signature covers as they were sent.
func signed(data []byte, name string) (inner json.RawMessage, signature [64]byte, err error) {
	if err = checkJSON(data); err != nil {
		return nil, signature, err
	}
	o := readObject("statement", data, &err)
	inner = o.get(name)
	o.bytes("signature", signature[:])
	if err == nil && len(o.members) != 2 {
		o.fail("has unsigned members beside %s", name)
	}
	return inner, signature, err
}
