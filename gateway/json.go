// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unescaped undoes in JSON what encoding/json does to <, > and & for HTML, and
// jrpc2 has no way to turn off: a result is what REST answers to the byte.
func unescaped(msg []byte) []byte {
	if !bytes.Contains(msg, []byte(`\u00`)) {
		return msg
	}
	out := make([]byte, 0, len(msg))
	for rest := msg; len(rest) > 0; {
		n := 1
		if rest[0] == '\\' && len(rest) > 1 {
			n = 2
		}
		c := rest[:n]
		for _, e := range []struct{ long, short string }{{`\u003c`, "<"}, {`\u003e`, ">"}, {`\u0026`, "&"}} {
			if bytes.HasPrefix(rest, []byte(e.long)) {
				n, c = len(e.long), []byte(e.short)
			}
		}
		out = append(out, c...)
		rest = rest[n:]
	}
	return out
}

// readJSON is [json.Unmarshal] for what callers send: it takes no object in
// which a name stands twice, of which readers differ in what they take (RFC
// 8259 section 4), and no name in another case than ours: huma and
// encoding/json would take it for ours, also beside ours.
func readJSON(data []byte, v any) error {
	into, first := v.(*any) // huma reads a body into an any before it reads it into its type
	if first {
		if read, ok := readPlain(data); ok {
			*into = read
			return nil
		}
	}
	if first && !utf8.Valid(data) {
		return errors.New("not UTF-8") // RFC 8259 section 8.1; encoding/json would take something else for it
	}
	if err := json.Unmarshal(data, v); err != nil {
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) { // it names types of Go's
			return fmt.Errorf("%s: a %s is not taken here", cmp.Or(other.Field, "the value"), other.Value)
		}
		return err
	}
	if !first {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return checkNames(dec)
}

// checkNames checks the next value of valid JSON. Its depth is bounded by
// [json.Unmarshal].
func checkNames(dec *json.Decoder) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[json.Token]bool)
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if isFolded(name) {
				return fmt.Errorf("%.40q: unexpected property: all names are lower case", name)
			}
			if seen[name] {
				return fmt.Errorf("%.40q is given twice", name)
			}
			seen[name] = true
		}
		if err := checkNames(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// isFolded reports whether a name could be ours in another case, in which
// encoding/json also takes letters that are not ASCII for those that are.
func isFolded(name json.Token) bool {
	s, _ := name.(string) // it is: what is valid has no other names
	if isAzure(s) {
		return false
	}
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' || r > unicode.MaxASCII })
}
