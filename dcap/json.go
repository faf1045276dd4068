// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// pcsClause is cited by the checks of statements' form.
const pcsClause = "PCS API v4, TCB info and enclave identity"

// value is one JSON value: its bytes as they were sent, and its place in the
// document. The zero value is none.
type value struct {
	raw []byte
	doc *document
	at  int
}

// value returns the value that node n is.
func (d *document) value(n int) value {
	start, end := d.nodes[n].start, d.nodes[n].end
	return value{raw: d.text[start:end:end], doc: d, at: n}
}

// string returns what the name or string that node n is says.
func (d *document) string(n int) []byte {
	content := d.text[d.nodes[n].start+1 : d.nodes[n].end-1]
	if bytes.IndexByte(content, '\\') < 0 {
		return content
	}
	return unescaped(content)
}

// after returns the node after value n and all its parts.
func (d *document) after(n int) int { return int(d.nodes[n].next) }

// excerpt quotes the beginning of what a statement says for an error's text.
func excerpt(content []byte) string {
	const most = 64
	if len(content) > most {
		return strconv.Quote(string(content[:most])) + " and so on"
	}
	return strconv.Quote(string(content))
}

// named reports whether the name that node n is says name, which has no
// backslash.
func (d *document) named(n int, name string) bool {
	raw := d.text[d.nodes[n].start+1 : d.nodes[n].end-1]
	// What is escaped is longer than what it says.
	return string(raw) == name || len(raw) > len(name) && string(d.string(n)) == name
}

func (v value) is(opening byte) bool { return len(v.raw) > 0 && v.raw[0] == opening }

// parts returns the nodes from first to before end that a container holds.
func (v value) parts() (first, end int) {
	if v.doc == nil {
		return 0, 0
	}
	return v.at + 1, v.doc.after(v.at)
}

// content returns what a string says, and whether v is one.
func (v value) content() ([]byte, bool) {
	if !v.is('"') {
		return nil, false
	}
	return v.doc.string(v.at), true
}

// unescaped returns what a string's bytes say. Half a surrogate pair says
// U+FFFD, as in encoding/json.
func unescaped(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		plain := bytes.IndexByte(raw, '\\')
		if plain < 0 {
			return append(out, raw...)
		}
		out, raw = append(out, raw[:plain]...), raw[plain:]
		switch c := raw[1]; c {
		case 'u':
			r, _ := hex4(raw[2:])
			raw = raw[6:]
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if bytes.HasPrefix(raw, []byte(`\u`)) {
					second, _ := hex4(raw[2:])
					pair = utf16.DecodeRune(r, second)
				}
				if r = pair; r != utf8.RuneError {
					raw = raw[6:]
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, c)
		}
		raw = raw[2:]
	}
	return out
}

// hex4 reads the four digits of \uXXXX.
func hex4(digits []byte) (r rune, ok bool) {
	if len(digits) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(n), err == nil
}

// object reads members of one JSON object by their exact names and keeps the
// first error. Members that nobody asks for are tolerated: Intel adds some.
type object struct {
	value
	// in, label and index make up the path: the object is the member label of
	// in, or, unless index is negative, one item of it.
	in    *object
	label string
	index int
	// first to end are the nodes of the members; the search for one begins at
	// next, since most are asked for in the order in which they were sent.
	first, next, end int
	err              *error
}

func readObject(label string, v value, err *error) object {
	o := object{value: v, label: label, index: -1, err: err}
	o.open()
	return o
}

// child reads a member that is an object.
func (o *object) child(name string) object {
	c := object{value: o.get(name), in: o, label: name, index: -1, err: o.err}
	c.open()
	return c
}

// item reads item number index of the member name.
func (o *object) item(name string, index int, v value) object {
	c := object{value: v, in: o, label: name, index: index, err: o.err}
	c.open()
	return c
}

func (o *object) open() {
	if !o.is('{') {
		o.fail("is not an object")
		return
	}
	o.first, o.end = o.parts()
	o.next = o.first
}

func (o *object) path() string {
	path := o.label
	if o.in != nil {
		path = o.in.path() + "." + path
	}
	if o.index >= 0 {
		path += "[" + strconv.Itoa(o.index) + "]"
	}
	return path
}

func (o *object) fail(format string, args ...any) {
	if *o.err == nil {
		e := rats.Errorf(rats.Malformed, o.path()+" "+format, args...)
		e.Spec = pcsClause
		*o.err = e
	}
}

// find returns the node of a member's name.
func (o *object) find(name string) (n int, ok bool) {
	for n := o.next; n < o.end; n = o.after(n) {
		if o.doc.named(n, name) {
			o.next = o.after(n)
			return n, true
		}
	}
	for n := o.first; n < o.next; n = o.after(n) {
		if o.doc.named(n, name) {
			o.next = o.after(n)
			return n, true
		}
	}
	return 0, false
}

// after returns the node that follows the member whose name is node n.
func (o *object) after(n int) int { return o.doc.after(n + 1) }

// size returns the number of members.
func (o *object) size() (size int) {
	for n := o.first; n < o.end; n = o.after(n) {
		size++
	}
	return size
}

func (o *object) has(name string) bool {
	_, ok := o.find(name)
	return ok
}

// get returns a member that must be there.
func (o *object) get(name string) value {
	n, ok := o.find(name)
	if !ok {
		o.fail("lacks %s", name)
		return value{}
	}
	return o.doc.value(n + 1)
}

func (o *object) text(name string) string { return string(o.content(name)) }

// content is text that need not be kept.
func (o *object) content(name string) []byte {
	s, ok := o.get(name).content()
	if !ok {
		o.fail("%s is not a string", name)
	}
	return s
}

// number reads a plain unsigned decimal of at most limit, which is below 2^32.
func (o *object) number(name string, limit uint64) uint64 {
	n, ok := digitsOnly(o.get(name).raw, limit)
	if !ok {
		o.fail("%s is not a number up to %d", name, limit)
	}
	return n
}

// digitsOnly reads a JSON value that is a number of digits alone.
func digitsOnly(raw []byte, limit uint64) (n uint64, ok bool) {
	for _, c := range raw {
		if c -= '0'; c > 9 || n > limit {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	if n > limit || len(raw) == 0 {
		return 0, false
	}
	return n, true
}

// bytes reads hex of either case into dst, which it must fill.
func (o *object) bytes(name string, dst []byte) {
	s := o.content(name)
	if *o.err != nil {
		return
	}
	if len(s) != hex.EncodedLen(len(dst)) {
		o.fail("%s is not %d bytes in hex", name, len(dst))
	} else if _, err := hex.Decode(dst, s); err != nil {
		o.fail("%s is not %d bytes in hex", name, len(dst))
	}
}

// time reads a time of the one form that Intel writes.
func (o *object) time(name string) time.Time {
	s := o.content(name)
	const form = "0000-00-00T00:00:00Z"
	ok := len(s) == len(form)
	var digits [14]byte
	n := 0
	for i := 0; ok && i < len(form); i++ {
		if form[i] == '0' {
			digits[n] = s[i]
			n++
		} else {
			ok = s[i] == form[i]
		}
	}
	var t time.Time
	if ok {
		t, ok = timeOf(digits)
	}
	if !ok {
		o.fail("%s is not a time such as 2025-06-20T10:55:00Z", name)
	}
	return t
}

// timeOf reads the digits of a time, YYYYMMDDhhmmss in UTC.
func timeOf(digits [14]byte) (t time.Time, ok bool) {
	var parts [7]int
	for i := range parts {
		a, b := digits[2*i]-'0', digits[2*i+1]-'0'
		if a > 9 || b > 9 {
			return t, false
		}
		parts[i] = int(a)*10 + int(b)
	}
	month, day, hour, minute, second := parts[2], parts[3], parts[4], parts[5], parts[6]
	if month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	t = time.Date(parts[0]*100+parts[1], time.Month(month), day, hour, minute, second, 0, time.UTC)
	// A day that the month does not have comes out as one of the next.
	return t, day >= 1 && t.Day() == day
}

// status reads one of the words that are allowed.
func (o *object) status(name string, allowed func([]byte) (rats.TCBStatus, bool)) rats.TCBStatus {
	word := o.content(name)
	s, ok := allowed(word)
	if !ok {
		o.fail("%s %s is no status of its kind", name, excerpt(word))
	}
	return s
}

// list reads the items of an array, of which its reader allows maxLevels, up to
// the first that is over.
func (o *object) list(name string) []value {
	array := o.array(name)
	out := make([]value, 0, min(array.count(), maxLevels+1))
	for _, v := range array.items {
		if len(out) == cap(out) {
			break
		}
		out = append(out, v)
	}
	return out
}

// array reads a member that is an array.
func (o *object) array(name string) value {
	v := o.get(name)
	if !v.is('[') {
		o.fail("%s is not an array", name)
		return value{}
	}
	return v
}

// count returns the number of an array's items.
func (v value) count() (count int) {
	for n, end := v.parts(); n < end; n = v.doc.after(n) {
		count++
	}
	return count
}

// items yields an array's items and their numbers.
func (v value) items(yield func(int, value) bool) {
	i := 0
	for n, end := v.parts(); n < end; n = v.doc.after(n) {
		if !yield(i, v.doc.value(n)) {
			return
		}
		i++
	}
}

// strings reads an array of strings that may be absent.
func (o *object) strings(name string) []string {
	if !o.has(name) {
		return nil
	}
	array := o.array(name)
	count := array.count()
	if count == 0 {
		return nil
	}
	out := make([]string, 0, count)
	text := string(array.raw) // of which the strings are parts
	base := o.doc.nodes[array.at].start
	plain := bytes.IndexByte(array.raw, '\\') < 0
	for n, end := array.parts(); n < end; n = o.doc.after(n) {
		from, to := o.doc.nodes[n].start-base, o.doc.nodes[n].end-base
		switch {
		case text[from] != '"':
			o.fail("%s holds something other than strings", name)
			return nil
		case plain:
			out = append(out, text[from+1:to-1])
		default:
			out = append(out, string(o.doc.string(n)))
		}
	}
	return out
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
	if o.size() != 2 {
		o.fail("has unsigned members beside %s", name)
	}
	return inner, signature, err
}
