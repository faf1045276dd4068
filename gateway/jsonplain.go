// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"strconv"
)

// maxPlainDepth bounds how deep plain JSON is nested.
const maxPlainDepth = 32

// plain reads JSON in one pass that is as callers write it who mean no harm. It is
// a strict subset: what it takes, encoding/json takes for the same, and
// [checkNames] has nothing against; what is not plain enough it leaves to them.
type plain struct {
	rest []byte
	ok   bool
}

// readPlain returns what encoding/json reads into an any, or that it must decide.
func readPlain(data []byte) (v any, ok bool) {
	p := plain{rest: data, ok: true}
	v = p.value(0)
	p.space()
	return v, p.ok && len(p.rest) == 0
}

// fail has encoding/json decide. Nothing is left to read then.
func (p *plain) fail() { p.rest, p.ok = nil, false }

// space passes over white space (RFC 8259 section 2).
func (p *plain) space() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\t' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}

// next passes over white space and reports whether c comes then, which it passes.
func (p *plain) next(c byte) bool {
	p.space()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// word passes over a literal.
func (p *plain) word(w string) {
	if len(p.rest) < len(w) || string(p.rest[:len(w)]) != w {
		p.fail()
		return
	}
	p.rest = p.rest[len(w):]
}

func (p *plain) value(depth int) any {
	p.space()
	if len(p.rest) == 0 || depth > maxPlainDepth {
		p.fail()
		return nil
	}
	switch p.rest[0] {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return p.text()
	case 't':
		p.word("true")
		return true
	case 'f':
		p.word("false")
		return false
	case 'n':
		p.word("null")
		return nil
	default:
		return p.number()
	}
}

func (p *plain) object(depth int) any {
	p.next('{')
	out := map[string]any{}
	if p.next('}') {
		return out
	}
	for p.ok {
		p.space()
		name := p.text()
		if _, twice := out[name]; twice || isFolded(name) || !p.next(':') {
			p.fail()
			break
		}
		out[name] = p.value(depth + 1)
		if p.next('}') {
			break
		}
		if !p.next(',') {
			p.fail()
		}
	}
	return out
}

func (p *plain) array(depth int) any {
	p.next('[')
	out := []any{}
	if p.next(']') {
		return out
	}
	for p.ok {
		out = append(out, p.value(depth+1))
		if p.next(']') {
			break
		}
		if !p.next(',') {
			p.fail()
		}
	}
	return out
}

// text reads a string of printable ASCII without escapes.
func (p *plain) text() string {
	if len(p.rest) == 0 || p.rest[0] != '"' {
		p.fail()
		return ""
	}
	for i, c := range p.rest[1:] {
		switch {
		case c == '"':
			s := string(p.rest[1 : i+1])
			p.rest = p.rest[i+2:]
			return s
		case c < ' ' || c > '~' || c == '\\':
			p.fail()
			return ""
		}
	}
	p.fail()
	return ""
}

func (p *plain) number() any {
	n := 0
	for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || p.rest[n] == '-' || p.rest[n] == '+' || p.rest[n] == '.' || p.rest[n]|0x20 == 'e') {
		n++
	}
	f, err := strconv.ParseFloat(string(p.rest[:n]), 64)
	if err != nil || !json.Valid(p.rest[:n]) {
		p.fail()
		return nil
	}
	p.rest = p.rest[n:]
	return f
}
