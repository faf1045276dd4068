// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// bodyOf is a body as callers post it.
func bodyOf(evidence []byte) []byte {
	return []byte(`{"evidence":"` + base64.StdEncoding.EncodeToString(evidence) + `","url":"https://a.example/x","valid_for":"24h"}`)
}

// odd are texts at which readers of JSON part: as they are, and in other JSON.
func odd() []string {
	all := []string{
		``, ` `, `null`, ` true `, `false `, "\tfalse\r\n", `truex`, `nul`, `tru`, `0`, `-0`, `01`, `-`, `+1`, `.5`, `1.`, `1.e1`, `1e5`, `1E+5`, `1e`, `1e999`, `-1e-999`,
		`9007199254740993`, `0x1p3`, `1_0`, `Inf`, `NaN`, `infinity`, `1 2`, `1,`, `,`, `:`, `}`, `]`, `[`, `{`, `"`, `"a`, `"\"`, `"a"b`, `'a'`,
		`""`, `"a"`, `"\u0061"`, `"\/"`, `"\x"`, `"é"`, `"` + "\xff" + `"`, `"` + "\x00" + `"`, `"` + "\x1f" + `"`, `"` + "\x7f" + `"`, `"` + "\u2028" + `"`, "\ufeff{}", "\u00a01", "\x0b1",
		`[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[[],{}]`, `{}`, `{ }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{a:1}`, `{1:2}`, `{"a" : 1 , "b" : [ 1 , { } ] }`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1},"b":{"a":1}}`, `{"A":1}`, `{"runtimeData":{"data":"x","dataType":"JSON"}}`, `{"Quote":"x"}`, `{"":1}`, `{"é":1}`, `{"ſ":1}`, `{"a":1}}`, `{} {}`, `/**/{}`,
		strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), strings.Repeat("[", 20000),
	}
	for _, one := range all[:len(all):len(all)] {
		all = append(all, `{"a":`+one+`}`, `[`+one+`]`, one+"\n")
	}
	return all
}

// FuzzPlainJSON holds the short way of reading JSON against the long one.
func FuzzPlainJSON(f *testing.F) {
	for _, text := range odd() {
		f.Add([]byte(text))
	}
	f.Add(bodyOf([]byte("evidence")))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, ok := readPlain(data)
		if !ok {
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q is taken, and json says %v", data, err)
		}
		if !reflect.DeepEqual(read, want) {
			t.Fatalf("%q is read as %#v, want %#v", data, read, want)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := checkNames(dec); err != nil {
			t.Fatalf("%q is taken, and its names are wrong: %v", data, err)
		}
	})
}

func TestWhatCallersPostIsReadTheShortWay(t *testing.T) {
	for _, text := range []string{
		string(bodyOf(make([]byte, 5000))), ` { "evidence" : "AA==", "early" : true, "n" : -1.5e3, "none" : null, "list" : [ "a", {"b" : false} ], "empty" : {}, "also" : [] } `,
	} {
		if _, ok := readPlain([]byte(text)); !ok {
			t.Errorf("%.80s", text)
		}
	}
}

// BenchmarkReadBody reads a body of evidence as huma does: into an any, which is
// held against the schema, and then into its type.
func BenchmarkReadBody(b *testing.B) {
	data := bodyOf(bytes.Repeat([]byte{0x5a, 0x17, 0xe0}, 1500))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var first any
		if err := readJSON(data, &first); err != nil {
			b.Fatal(err)
		}
		var body evidenceBody
		if err := readJSON(data, &body); err != nil {
			b.Fatal(err)
		}
	}
}
