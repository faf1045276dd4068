// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
)

// errFaulty is the reference reader's no.
var errFaulty = errors.New("faulty")

// reference reads JSON as readJSON does, by encoding/json alone, and compares
// on the way: members in their order, their names, and every value's bytes.
func reference(data []byte, got value, depth int) error {
	data = bytes.TrimSpace(data)
	if got.raw != nil && !bytes.Equal(got.raw, data) {
		return fmt.Errorf("%q is read as %q", data, got.raw)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number may be beyond any type of ours: it is JSON all the same
	opening, err := d.Token()
	if err != nil {
		return errFaulty
	}
	delim, ok := opening.(json.Delim)
	names, values := parts(got)
	if !ok {
		if len(values) != 0 {
			return fmt.Errorf("%q has parts", data)
		}
		return nil
	}
	if depth >= maxDepth {
		return errFaulty
	}
	seen := map[string]bool{}
	n := 0
	for ; d.More(); n++ {
		name := ""
		if delim == '{' {
			token, err := d.Token()
			if err != nil {
				return errFaulty
			}
			name, _ = token.(string)
			if seen[name] {
				return errFaulty
			}
			seen[name] = true
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return errFaulty
		}
		var part value
		switch {
		case got.raw == nil:
		case n < len(values):
			part = values[n]
			if delim == '{' && names[n] != name {
				return fmt.Errorf("member %q is read as %q", name, names[n])
			}
		default:
			return fmt.Errorf("part %d of %q is missing", n, data)
		}
		if err := reference(raw, part, depth+1); err != nil {
			return err
		}
	}
	if got.raw != nil && len(values) != n {
		return fmt.Errorf("%q has %d parts, not %d", data, len(values), n)
	}
	return nil
}

// parts returns what a container holds, and the members' names if it is an object.
func parts(v value) (names []string, values []value) {
	switch {
	case v.is('{'):
		for n, end := v.parts(); n < end; n = v.doc.after(n + 1) {
			names, values = append(names, string(v.doc.string(n))), append(values, v.doc.value(n+1))
		}
	case v.is('['):
		for _, item := range v.items {
			values = append(values, item)
		}
	}
	return names, values
}

// compare holds readJSON against the reference.
func compare(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, data []byte) {
	t.Helper()
	before := bytes.Clone(data)
	got, err := readJSON(data)
	if !bytes.Equal(data, before) {
		t.Fatalf("the input was written to: %q", before)
	}
	taken := err == nil
	if !taken {
		if rats.KindOf(err) != rats.Malformed {
			t.Fatalf("%q: %v", data, err)
		}
		got = value{}
	} else if got.raw == nil {
		t.Fatalf("%q is taken as nothing", data)
	}
	want := len(data) <= maxJSON && utf8.Valid(data) && json.Valid(data)
	if want {
		switch refErr := reference(data, got, 0); {
		case errors.Is(refErr, errFaulty):
			want = false
		case refErr != nil:
			t.Fatalf("%v", refErr)
		}
	}
	if taken != want {
		t.Fatalf("%q: %v, and the reference takes it: %v", data, err, want)
	}
}

// awkward are inputs on which readers of JSON have differed.
func awkward() []string {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf(`"m%d":%d`, i, i))
	}
	var out []string
	for n := range 18 {
		for _, c := range []string{"", "\x1f", "\x7f", `\"`, `\x`, `\u12`, `\u00e9`, "\u00e9", "\xc3", "\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
			out = append(out, `["`+strings.Repeat("a", n)+c+`"]`, `["`+strings.Repeat("a", n)+c+`bcdefghi"]`, `["`+strings.Repeat("a", n)+c)
		}
	}
	for _, number := range []string{"-", "-0", "-a", "00", "-01", "1.", ".5", "1.5.5", "1e", "1E+", "1e-7", "1E007", "0e0", "0x1", "1_0", "+1", "--1", "1-", "Infinity", "NaN"} {
		out = append(out, number, "["+number+"]")
	}
	return append(out, []string{
		``, ` `, `{}`, `[]`, `null`, `0`, `"x"`, `{"a":1}x`, `{"a":1}{}`, "\ufeff{}", `{"a":1,}`, `[1,]`, `{,}`, `{"a"}`, `{"a" 1}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":1,"A":2}`, `{"":1,"":2}`, `{"\ud800":1,"\udbff":2}`, `{"a":{"b":1,"b":1}}`,
		`[{"a":1,"a":1}]`, `{"a":"\\"}`, `{"a":"\\\""}`, `{"a":"\"}","b":2}`, `{"a\\":1,"a\"":2}`, `{"a":"[{,:"}`, "{\"a\":\t1 ,\n\"b\" : [ 1 , {} ] }",
		`{"a":-1}`, `{"a":1e5}`, `{"a":01}`, `{"a":1.0}`, `{"a":+1}`, `{"a":tru}`, `{"a":true,"b":false,"c":null}`, "{\"a\":\"\x01\"}", "\"\xff\"",
		`"\u00e9"`, `"é"`, `"\ud83d\ude00"`, "{\"a\":\"\u2028\"}", deep(maxDepth), deep(maxDepth + 1), `{"a":` + deep(maxDepth) + `}`, deep(12000),
		`{` + strings.Join(many, ",") + `}`, `{` + strings.Join(many, ",") + `,"m7":0}`, `[1 2]`, `{"a":1 "b":2}`, `[` + strings.Repeat("1,", 40) + `1]`,
		`{"\u0061\/\b\f\n\r\t\"\\":"\uD83D\uDE00\uD83D\u0041\uDE00"}`, `nul`, `nullx`, `[true,false,null]`, `truefalse`, "[\v1]", "[1,\u00a02]", `"\U0041"`,
	}...)
}

func TestJSONIsSplitAsEncodingJSONReadsIt(t *testing.T) {
	for _, text := range awkward() {
		compare(t, []byte(text))
	}
	whole := []byte(`{"tcbInfo":{"a":[1,{"b":"c\"d"}]},"signature":"00"}`)
	for n := range whole {
		compare(t, whole[:n])
		for b := range 256 {
			changed := bytes.Clone(whole)
			changed[n] = byte(b)
			compare(t, changed)
		}
	}
}

func TestWhateverJSONIsWrittenIsSplitRight(t *testing.T) {
	leaf := rapid.SampledFrom([]string{`0`, `-1.5e3`, `true`, `null`, `""`, `"a"`, `"\\"`, `"\""`, `"}],:"`, `"\u0041"`, `"\ud800"`, `{}`, `[ ]`})
	name := rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"\u0061"`, `"A"`, `"\\"`, `"\\\""`, `"c,"`, `"d:"`})
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r\n"})
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		kind := rapid.IntRange(0, 2).Draw(t, "kind")
		if depth == 0 || kind == 0 {
			return leaf.Draw(t, "leaf")
		}
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			part := space.Draw(t, "space") + draw(t, depth-1) + space.Draw(t, "space")
			if kind == 1 {
				part = space.Draw(t, "space") + name.Draw(t, "name") + space.Draw(t, "space") + ":" + part
			}
			parts = append(parts, part)
		}
		text := strings.Join(parts, ",")
		if kind == 1 {
			return "{" + text + "}"
		}
		return "[" + text + "]"
	}
	rapid.Check(t, func(t *rapid.T) { compare(t, []byte(space.Draw(t, "space")+draw(t, 4)+space.Draw(t, "space"))) })
}

func FuzzJSONParts(f *testing.F) {
	for _, text := range awkward() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}
