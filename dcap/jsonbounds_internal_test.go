// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// hostileJSON returns statements of a mebibyte each that make much of every
// byte: values, lists, objects, names and what has to be compared or unescaped.
func hostileJSON() map[string][]byte {
	var names, escaped strings.Builder
	for i := range 80_000 {
		fmt.Fprintf(&names, `"%x":0,`, i)
		fmt.Fprintf(&escaped, `"\t%x":0,`, i)
	}
	few := strings.Builder{}
	for i := range pairwise + 1 {
		fmt.Fprintf(&few, `"%c":0,`, 'a'+rune(i))
	}
	return map[string][]byte{
		"values":        filled(`[`, `0,`, `0]`),
		"lists":         filled(`[`, `[],`, `0]`),
		"objects":       filled(`[`, `{"":0},`, `0]`),
		"commas":        filled(`["`, `,`, `"]`),
		"names":         filled(`{`, names.String(), `"z":0}`),
		"escaped names": filled(`{`, escaped.String(), `"z":0}`),
		"large objects": filled(`[`, `{`+few.String()[:few.Len()-1]+`},`, `0]`),
		"escapes":       filled(`["`, `\n`, `"]`),
		"depth":         filled(`[`, strings.Repeat(`[`, maxDepth-4)+strings.Repeat(`]`, maxDepth-4)+`,`, `0]`),
	}
}

// filled returns a statement of at most maxJSON bytes in which part stands
// between opening and closing as often as there is room for.
func filled(opening, part, closing string) []byte {
	head, tail := `{"tcbInfo":{"x":`+opening, closing+`},"signature":"`+strings.Repeat("0", 128)+`"}`
	n := (maxJSON - len(head) - len(tail)) / len(part)
	return []byte(head + strings.Repeat(part, n) + tail)
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAMebibyteTakesSixteen(t *testing.T) {
	const bound = 16 << 20
	for name, data := range hostileJSON() {
		used := allocated(func() {
			if _, _, err := signed(data, "tcbInfo"); err != nil && !strings.Contains(err.Error(), "twice") {
				t.Errorf("%s: %v", name, err)
			}
		})
		if used > bound {
			t.Errorf("%s: %d bytes are allocated for %d", name, used, len(data))
		}
	}
	const level = `{"tcb":{"isvsvn":1},"tcbDate":"2024-01-01T00:00:00Z","tcbStatus":"UpToDate","advisoryIDs":[`
	for name, text := range map[string][]byte{
		"advisories":         filled(`0,"tcbLevels":[`+level, `"",`, `""]}]`),
		"escaped advisories": filled(`0,"tcbLevels":[`+level, `"\n",`, `""]}]`),
		"a long status":      filled(`0,"tcbLevels":[{"tcb":{"isvsvn":1},"tcbDate":"2024-01-01T00:00:00Z","tcbStatus":"`, "\u00ad", `"}]`),
		"items":              filled(`0,"tcbLevels":[`, `0,`, `0]`),
	} {
		used := allocated(func() {
			inner, _, err := signed(text, "tcbInfo")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			o := readObject("enclaveIdentity", inner, &err)
			readSVNLevels(&o, true)
			o.list("tcbLevels")
			if err != nil && len(err.Error()) > 1024 {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		})
		if used > bound {
			t.Errorf("%s: %d bytes are allocated for %d", name, used, len(text))
		}
	}
}

// TestNamesOfOneKeyAreToldApart: keys are a shortcut, and no more.
func TestNamesOfOneKeyAreToldApart(t *testing.T) {
	a := strings.Repeat("a", 8) + strings.Repeat("x", 48) + strings.Repeat("b", 8)
	b := strings.Repeat("b", 8) + strings.Repeat("x", 48) + strings.Repeat("a", 8)
	if keyOf([]byte(a)) != keyOf([]byte(b)) || keyOf([]byte("\x00a")) != keyOf([]byte("a")) {
		t.Fatal("the names have keys of their own")
	}
	many := make([]string, 0, 2*pairwise)
	for i := range 2 * pairwise {
		many = append(many, fmt.Sprintf(`"%d":{"a":1}`, i))
	}
	for text, twice := range map[string]bool{
		`{"` + a + `":1,"` + b + `":2}`:                     false,
		`{"` + a + `":1,"` + b + `":2,"` + a + `":3}`:       true,
		`{"\u0000a":1,"a":2}`:                               false,
		`{"\u0000a":1,"a":2,"\u0061":3}`:                    true,
		`{"a":{"a":{"a":1},"b":1},"b":{"a":1}}`:             false,
		`{` + strings.Join(many, ",") + `}`:                 false,
		`{` + strings.Join(many, ",") + `,"\u0030":1}`:      true,
		`{` + strings.Join(many, ",") + `,"47":1}`:          true,
		`{"47":1,` + strings.Join(many, ",") + `}`:          true,
		`[{` + strings.Join(many, ",") + `},{"a":1,"a":1}]`: true,
	} {
		_, err := readJSON([]byte(text))
		if twice != (err != nil && strings.Contains(err.Error(), "twice")) || !twice && err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestMembersAreFoundInAnyOrder: the search begins where the last one ended.
func TestMembersAreFoundInAnyOrder(t *testing.T) {
	v, err := readJSON([]byte(`{"a":1,"\u0062":{"a":9},"c":3,"d":[4]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range []string{"abcd", "dcba", "cadb", "bbaa", "dadada", "xaxd"} {
		o := readObject("o", v, &err)
		for _, name := range order {
			want := map[rune]string{'a': "1", 'b': `{"a":9}`, 'c': "3", 'd': "[4]"}[name]
			if o.has(string(name)) != (want != "") {
				t.Fatalf("%s: whether %c is there", order, name)
			}
			if want != "" && string(o.get(string(name)).raw) != want {
				t.Errorf("%s: %c is %s", order, name, o.get(string(name)).raw)
			}
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestErrorsSayWhereTheFaultIs(t *testing.T) {
	level := `{"tcb":{"sgxtcbcomponents":[` + strings.Repeat(`{"svn":1},`, 15) + `{"svn":%s}],"pcesvn":1},"tcbDate":"2024-01-01T00:00:00Z","tcbStatus":"%s"}`
	info := `{"version":3,"id":"SGX","issueDate":"2024-01-01T00:00:00Z","nextUpdate":"2024-02-01T00:00:00Z","fmspc":"000000000000",` +
		`"pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":1,"tcbLevels":[` + fmt.Sprintf(level, "2", "UpToDate") + `,%s]}`
	for want, text := range map[string]string{
		"tcbInfo.tcbLevels[1].tcb.sgxtcbcomponents[15] svn is not a number up to 255": fmt.Sprintf(info, fmt.Sprintf(level, "256", "UpToDate")),
		`tcbInfo.tcbLevels[1] tcbStatus "Fine" is no status of its kind`:              fmt.Sprintf(info, fmt.Sprintf(level, "1", "Fine")),
		"tcbInfo.tcbLevels[1] is not an object":                                       fmt.Sprintf(info, "7"),
		"tcbInfo.tcbLevels[1].tcb is not an object":                                   fmt.Sprintf(info, `{"tcb":[]}`),
		"tcbInfo.tcbLevels[1] lacks tcb":                                              fmt.Sprintf(info, `{}`),
		"JSON is broken at byte 4":                                                    `{"a":}`[:4] + `"`,
		"JSON is not UTF-8 at byte 1":                                                 "\"\xff\"",
	} {
		inner, err := readJSON([]byte(text))
		if err == nil {
			_, err = parseTCBInfo(inner)
		}
		if rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestTimesAreThoseThatTimeParseReads of the one form.
func TestTimesAreThoseThatTimeParseReads(t *testing.T) {
	const form = "2006-01-02T15:04:05Z"
	check := func(text []byte) {
		t.Helper()
		quoted := append(append([]byte{'"'}, text...), '"')
		v, err := readJSON(append(append([]byte(`{"t":`), quoted...), '}'))
		if err != nil || bytes.IndexByte(text, '\\') >= 0 {
			return
		}
		o := readObject("o", v, &err)
		got := o.time("t")
		want, wantErr := time.Parse(form, string(text))
		if len(text) != len(form) {
			wantErr = errFaulty
		}
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%q is %v, %v; want %v, %v", text, got, err, want, wantErr)
		}
	}
	for _, year := range []int{0, 1, 1900, 2000, 2023, 2024, 2100, 9999} {
		for month := range 14 {
			for day := range 33 {
				check(fmt.Appendf(nil, "%04d-%02d-%02dT23:59:59Z", year, month, day))
			}
		}
	}
	whole := []byte("2024-02-29T19:05:59Z")
	for n := range whole {
		check(whole[:n])
		for b := range 256 {
			changed := bytes.Clone(whole)
			changed[n] = byte(b)
			check(changed)
		}
	}
	for _, text := range []string{"2024-02-29T9:05:59.0Z", "2024-02-29T19:05:59.5Z", "2024-02-29t19:05:59z", "2024-02-29T19:05:59+00:00", "+024-02-29T19:05:59Z"} {
		check([]byte(text))
	}
}
