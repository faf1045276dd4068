// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// maxDepth is how deep values may lie in each other. The library has no bound;
// its own files are three deep.
const maxDepth = 200

// form is what a JSON value is.
type form int

const (
	formNull form = iota
	formBool
	formNumber
	formString
	formArray
	formObject
)

// value is a JSON value and where it begins.
type value struct {
	form form
	at   int
	yes  bool
	text string
	// whole says that a number is written without fraction and exponent, and
	// fits 64 bits, with its sign or without: then it is no floating one.
	whole   bool
	number  float64
	members []member
}

// member is one entry of an object, in the order of the file.
type member struct {
	name  string
	at    int
	value value
}

// dialect reads what RapidJSON reads with comments allowed, as the library has
// it: RFC 8259 with // and /* */ wherever white space may be, and nothing else
// of what other dialects allow.
type dialect struct {
	src []byte
	i   int
}

// broken is where the text stops being of the dialect, and why.
type broken struct {
	at   int
	what string
}

// readValue reads a whole text. A zero byte ends it, as it does for a reader of
// streams that has no other word for their end.
func readValue(src []byte) (value, *broken) {
	if end := bytes.IndexByte(src, 0); end >= 0 {
		src = src[:end]
	}
	d := &dialect{src: src}
	if b := d.space(); b != nil {
		return value{}, b
	}
	if d.i == len(src) {
		return value{}, d.fail("the file is empty")
	}
	v, b := d.value(0)
	if b == nil {
		b = d.space()
	}
	if b == nil && d.i < len(src) {
		b = d.fail("there is more after the end of the object")
	}
	return v, b
}

func (d *dialect) fail(what string) *broken { return &broken{d.i, what} }

// peek returns the next byte, and zero at the end: no zero lies in the text.
func (d *dialect) peek() byte {
	if d.i < len(d.src) {
		return d.src[d.i]
	}
	return 0
}

// space passes over white space and comments.
func (d *dialect) space() *broken {
	for {
		switch d.peek() {
		case ' ', '\t', '\n', '\r':
			d.i++
			continue
		case '#':
			return d.fail("a comment begins with // or /*, not with #")
		case '/':
		default:
			return nil
		}
		rest := d.src[d.i:]
		switch {
		case bytes.HasPrefix(rest, []byte("//")):
			if n := bytes.IndexByte(rest, '\n'); n >= 0 {
				d.i += n + 1
			} else {
				d.i = len(d.src)
			}
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				return d.fail("this comment has no end")
			}
			d.i += n + 4
		default:
			return d.fail("a lone slash: a comment begins with // or /*")
		}
	}
}

func (d *dialect) value(depth int) (value, *broken) {
	if depth > maxDepth {
		return value{}, d.fail("values lie too deep in each other")
	}
	at := d.i
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		text, b := d.quoted()
		return value{form: formString, at: at, text: text}, b
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	case d.word("true"):
		return value{form: formBool, at: at, yes: true}, nil
	case d.word("false"):
		return value{form: formBool, at: at}, nil
	case d.word("null"):
		return value{form: formNull, at: at}, nil
	}
	return value{}, d.fail("want a value: a string in double quotes, a number, true, false or an object")
}

func (d *dialect) word(w string) bool {
	if !bytes.HasPrefix(d.src[d.i:], []byte(w)) {
		return false
	}
	d.i += len(w)
	return true
}

func (d *dialect) object(depth int) (value, *broken) {
	v := value{form: formObject, at: d.i}
	d.i++
	if b := d.space(); b != nil {
		return v, b
	}
	if d.peek() == '}' {
		d.i++
		return v, nil
	}
	for {
		if d.peek() != '"' {
			return v, d.fail(noName(d.peek(), len(v.members) == 0))
		}
		m := member{at: d.i}
		var b *broken
		if m.name, b = d.quoted(); b != nil {
			return v, b
		}
		if b = d.space(); b != nil {
			return v, b
		}
		if d.peek() != ':' {
			return v, d.fail("want a colon after the name of an option")
		}
		d.i++
		if b = d.space(); b != nil {
			return v, b
		}
		if m.value, b = d.value(depth + 1); b != nil {
			return v, b
		}
		v.members = append(v.members, m)
		done, b := d.next('}', "want a comma before the next option, or the closing brace")
		if done || b != nil {
			return v, b
		}
	}
}

// noName says what is wrong where the name of an option should begin.
func noName(c byte, first bool) string {
	switch {
	case c == ',' && first:
		return "a comma before the first option, as is left when that is commented out"
	case c == ',':
		return "two commas in a row"
	case c == '}':
		return "a comma before the closing brace"
	case c == 0:
		return "the file ends within an object"
	default:
		return "want the name of an option in double quotes"
	}
}

func (d *dialect) array(depth int) (value, *broken) {
	v := value{form: formArray, at: d.i}
	d.i++
	if b := d.space(); b != nil {
		return v, b
	}
	if d.peek() == ']' {
		d.i++
		return v, nil
	}
	for {
		if _, b := d.value(depth + 1); b != nil {
			return v, b
		}
		if done, b := d.next(']', "want a comma or the closing bracket"); done || b != nil {
			return v, b
		}
	}
}

// next passes over what follows an element: the end, or a comma.
func (d *dialect) next(end byte, otherwise string) (done bool, b *broken) {
	if b := d.space(); b != nil {
		return false, b
	}
	switch d.peek() {
	case end:
		d.i++
		return true, nil
	case ',':
		d.i++
		return false, d.space()
	case 0:
		return false, d.fail("the file ends within an object or array")
	}
	return false, d.fail(otherwise)
}

// quoted reads a string. Bytes that are no UTF-8 stay as they are.
func (d *dialect) quoted() (string, *broken) {
	begin := d.i
	d.i++
	var out []byte
	for {
		switch c := d.peek(); {
		case c == '"':
			d.i++
			return string(out), nil
		case c == '\\':
			r, b := d.escape()
			if b != nil {
				return "", b
			}
			out = utf8.AppendRune(out, r)
		case c == 0:
			d.i = begin
			return "", d.fail("this string has no closing quote")
		case c < ' ':
			return "", d.fail("a line break or control character within a string: is the closing quote missing?")
		default:
			out = append(out, c)
			d.i++
		}
	}
}

// escape reads what begins with a backslash.
func (d *dialect) escape() (rune, *broken) {
	plain := map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	d.i++
	c := d.peek()
	if r, ok := plain[c]; ok {
		d.i++
		return r, nil
	}
	if c != 'u' {
		d.i--
		return 0, d.fail("a backslash that escapes nothing")
	}
	d.i++
	r, b := d.unit()
	if b != nil || !utf16.IsSurrogate(r) {
		return r, b
	}
	if d.word(`\u`) {
		low, b := d.unit()
		if b != nil {
			return 0, b
		}
		if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
			return whole, nil
		}
	}
	return 0, d.fail("half of a character beyond 16 bits")
}

func (d *dialect) unit() (rune, *broken) {
	if d.i+4 > len(d.src) {
		return 0, d.fail(`want four hex digits after \u`)
	}
	n, err := strconv.ParseUint(string(d.src[d.i:d.i+4]), 16, 16)
	if err != nil {
		return 0, d.fail(`want four hex digits after \u`)
	}
	d.i += 4
	return rune(n), nil
}

// number reads a number in JSON's grammar (RFC 8259 section 6).
func (d *dialect) number() (value, *broken) {
	v := value{form: formNumber, at: d.i, whole: true}
	if d.peek() == '-' {
		d.i++
	}
	switch first := d.peek(); {
	case first == '0':
		d.i++
	case !d.digits():
		return v, d.fail("want a digit")
	}
	if d.peek() == '.' {
		v.whole = false
		if d.i++; !d.digits() {
			return v, d.fail("want a digit after the point")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		v.whole = false
		if d.i++; d.peek() == '+' || d.peek() == '-' {
			d.i++
		}
		if !d.digits() {
			return v, d.fail("want a digit in the exponent")
		}
	}
	v.text = string(d.src[v.at:d.i])
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil && errors.Is(err, strconv.ErrRange) && math.IsInf(n, 0) {
		d.i = v.at
		return v, d.fail("a number too big to be one")
	}
	v.number = n
	if v.whole {
		_, signed := strconv.ParseInt(v.text, 10, 64)
		_, unsigned := strconv.ParseUint(v.text, 10, 64)
		v.whole = signed == nil || unsigned == nil
	}
	return v, nil
}

func (d *dialect) digits() bool {
	begin := d.i
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.i++
	}
	return d.i > begin
}

// get returns the first member of a name: the library looks no further.
func (v value) get(name string) (value, bool) {
	for _, m := range v.members {
		if m.name == name {
			return m.value, true
		}
	}
	return value{}, false
}

// int32 returns a number that the library takes as an int: written whole, and
// of 32 bits.
func (v value) int32() (int, bool) {
	n, err := strconv.ParseInt(v.text, 10, 32)
	return int(n), v.form == formNumber && v.whole && err == nil
}

// float returns a number that the library takes as hours: any but a whole one
// of more than 32 bits.
func (v value) float() (float64, bool) {
	_, small := v.int32()
	return v.number, v.form == formNumber && (small || !v.whole)
}

// cString returns a string as C has it, which ends at a zero.
func (v value) cString() (string, bool) {
	text, _, _ := strings.Cut(v.text, "\x00")
	return text, v.form == formString
}

// Position is a place in a file. Lines and columns count from one, columns in
// bytes. The zero Position is no place.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// positionOf returns where a byte of the text stands.
func positionOf(src []byte, at int) Position {
	before := src[:min(at, len(src))]
	return Position{bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')}
}

// String is "line:column".
func (p Position) String() string { return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) }

func malformed(p Position, what string) *rats.Error {
	return rats.Errorf(rats.Malformed, "line %d, column %d: %s", p.Line, p.Column, what)
}
