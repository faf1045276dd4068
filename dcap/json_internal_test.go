// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// plain turns a value into what encoding/json would make of it.
func plain(t *testing.T, v value) any {
	t.Helper()
	switch {
	case len(v.raw) == 0:
		t.Fatal("a value without bytes")
	case v.raw[0] == '{':
		out := map[string]any{}
		for n, end := v.parts(); n < end; n = v.doc.after(n + 1) {
			out[string(v.doc.string(n))] = plain(t, v.doc.value(n+1))
		}
		return out
	case v.raw[0] == '[':
		out := []any{}
		for _, item := range v.items {
			out = append(out, plain(t, item))
		}
		return out
	case v.raw[0] == '"':
		s, _ := v.content()
		return string(s)
	}
	out, err := decoded(v.raw)
	if err != nil {
		t.Fatalf("%q: %v", v.raw, err)
	}
	return out
}

// decoded is what encoding/json makes of data. Numbers stay text: one beyond
// any type of ours is JSON all the same.
func decoded(data []byte) (out any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&out); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	return out, err
}

// FuzzJSON holds the reader against encoding/json: what it takes it reads
// alike, and what it refuses is not JSON, too large, too deep or ambiguous.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"tcbInfo":{"a":[1,2.5e3,{"b":null}],"c":"d\"e\\","ä":"\u00e4"},"signature":"00"}`,
		` [ true , false,null , "" , { } , [ ] ] `, `"\ud800"`, `{"a":1,"\u0061":2}`, `-0.1E+2`, ``, `{`, `1 2`,
		strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 33) + strings.Repeat("]", 33),
		`{"a":{"b":[[[[]]]],"b":1}}`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := readJSON(data)
		want, fault := decoded(data)
		valid := fault == nil
		if err != nil {
			detail := err.Error()
			if rats.KindOf(err) != rats.Malformed {
				t.Fatal(err)
			}
			if valid && !strings.Contains(detail, "twice") && !strings.Contains(detail, "deep") &&
				!strings.Contains(detail, "UTF-8") && !strings.Contains(detail, "is over") {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if !valid {
			t.Fatal("taken, and not JSON")
		}
		if got := plain(t, v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%#v, want %#v", got, want)
		}
		if !bytes.Equal(v.raw, bytes.Trim(data, " \t\r\n")) {
			t.Fatalf("%q, want %q", v.raw, data)
		}
	})
}
