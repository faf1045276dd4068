// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// document is a JSON text that is known to be well-formed. It keeps the first
// error; once there is one, what is read of it means nothing.
type document struct {
	text []byte
	err  error
	// ignored are members that nobody asked for.
	ignored []string
}

// value is a value in a document.
type value struct {
	*document
	// from and to are where it begins and ends in the text.
	from, to int
	// path names it for people, such as collaterals.tcbinfos[0].fmspc.
	path string
}

// open checks that data is one JSON value in UTF-8 and returns it.
func open(data []byte) (value, error) {
	if len(data) > MaxSize {
		return value{}, tooLarge("the file has more than %d bytes", MaxSize)
	}
	d := &document{text: withoutMark(data)}
	if !utf8.Valid(d.text) {
		at := 0
		for at < len(d.text) {
			r, size := utf8.DecodeRune(d.text[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return value{}, rats.Errorf(rats.Malformed, "%s: not UTF-8", d.place(at))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(d.text, &whole); err != nil {
		at := len(d.text)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset > 0 && int(syntax.Offset) <= len(d.text) {
			at = int(syntax.Offset) - 1
		}
		if strings.HasPrefix(err.Error(), "unexpected end") {
			at = len(d.text)
		}
		return value{}, rats.Errorf(rats.Malformed, "%s: not JSON: %s", d.place(at), err)
	}
	from := d.blank(0)
	return value{d, from, d.skip(from), ""}, nil
}

// place returns where a byte is for people: lines and columns count from 1,
// columns in characters.
func (d *document) place(at int) string {
	before := d.text[:at]
	line := 1 + bytes.Count(before, []byte{'\n'})
	start := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", line, 1+utf8.RuneCount(before[start:]))
}

// blank returns where the white space ends that begins at a place.
func (d *document) blank(at int) int {
	for at < len(d.text) && strings.IndexByte(" \t\r\n", d.text[at]) >= 0 {
		at++
	}
	return at
}

// skip returns where the value ends that begins at a place.
func (d *document) skip(at int) int {
	for depth := 0; ; {
		switch d.text[at] {
		case '"':
			at = d.quoted(at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ', '\t', '\r', '\n':
			at++
		default:
			for at < len(d.text) && strings.IndexByte(",]} \t\r\n", d.text[at]) < 0 {
				at++
			}
		}
		if depth == 0 {
			return at
		}
	}
}

// quoted returns where the string ends that begins at a place.
func (d *document) quoted(at int) int {
	for at++; d.text[at] != '"'; at++ {
		if d.text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func (v value) raw() []byte { return v.text[v.from:v.to] }

// fail notes an error about the value.
func (v value) fail(format string, args ...any) {
	if v.err != nil {
		return
	}
	what := fmt.Sprintf(format, args...)
	if v.path != "" {
		what = v.path + ": " + what
	}
	v.err = rats.Errorf(rats.Malformed, "%s: %s", v.place(v.from), what)
}

// object is an object whose members are taken one by one.
type object struct {
	value
	members map[string]value
	names   []string
}

// object reads the members of an object. One that stands twice is an error: two
// readers could take it for two things.
func (v value) object() object {
	o := object{value: v, members: make(map[string]value)}
	if v.text[v.from] != '{' {
		v.fail("want an object")
		return o
	}
	for at := v.blank(v.from + 1); v.text[at] != '}'; {
		end := v.quoted(at)
		name := unquote(v.text[at:end])
		from := v.blank(v.blank(end) + 1) // over the colon
		m := value{v.document, from, v.skip(from), join(v.path, name)}
		if _, twice := o.members[name]; twice {
			value{v.document, at, end, m.path}.fail("stands twice")
		}
		o.members[name] = m
		o.names = append(o.names, name)
		if at = v.blank(m.to); v.text[at] == ',' {
			at = v.blank(at + 1)
		}
	}
	return o
}

func join(path, name string) string {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// take returns a member once; ok is false where there is none, or null.
func (o object) take(name string) (value, bool) {
	m, ok := o.members[name]
	if !ok {
		return value{}, false
	}
	delete(o.members, name)
	return m, string(m.raw()) != "null"
}

// need returns a member that must be there.
func (o object) need(name string) (value, bool) {
	m, ok := o.take(name)
	if !ok {
		o.fail("has no %s", name)
	}
	return m, ok
}

// rest lists what was not taken.
func (o object) rest() {
	for _, name := range o.names {
		if m, ok := o.members[name]; ok {
			o.ignored = append(o.ignored, fmt.Sprintf("%s: %s", o.place(m.from), m.path))
		}
	}
}

// list reads an array of at most so many values.
func (v value) list(most int) []value {
	if v.text[v.from] != '[' {
		v.fail("want a list")
		return nil
	}
	var out []value
	for at := v.blank(v.from + 1); v.text[at] != ']'; {
		item := value{v.document, at, v.skip(at), fmt.Sprintf("%s[%d]", v.path, len(out))}
		if len(out) == most {
			if v.err == nil {
				v.err = tooLarge("%s: %s: has more than %d entries", v.place(at), v.path, most)
			}
			return nil
		}
		out = append(out, item)
		if at = v.blank(item.to); v.text[at] == ',' {
			at = v.blank(at + 1)
		}
	}
	return out
}

// str reads a string.
func (v value) str() string {
	if v.text[v.from] != '"' {
		v.fail("want a string")
		return ""
	}
	return unquote(v.raw())
}

// unquote reads a string that is known to be well-formed.
func unquote(quoted []byte) string {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return ""
	}
	return s
}
