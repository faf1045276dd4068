// SPDX-License-Identifier: Apache-2.0

package qcnl_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/endorse/qcnl"
	"github.com/attesteer/attesteer/rats"
)

// full is a file with every option, in the style in which such files are
// written: a comment above each option, and its comma before it.
const full = `{
  // where certificates come from
  "pccs_url": "https://pccs.example:8081/sgx/certification/v4/"

  /* self-signed
     is fine */
  ,"use_secure_cert": false
  ,"collateral_service": "https://api.trustedservices.intel.com/sgx/certification/v4/"
  ,"pccs_api_version": "3.1"
  ,"tcb_update_type": "Early"
  ,"retry_times": 6
  ,"retry_delay": 10
  ,"local_pck_url": "http://localhost:8081/sgx/certification/v4/"
  ,"pck_cache_expire_hours": 168
  ,"verify_collateral_cache_expire_hours": 1.5e2
  ,"custom_request_options": {"get_cert": {"headers": {"metadata": "true"}, "params": {"api-version": "2021-07-22-preview"}}}
  ,"local_cache_only": false
}
`

// legacy is a file of the library's first years.
const legacy = `# where certificates come from
PCCS_URL = https://pccs.example/sgx/certification/v3/
# self-signed is fine
USE_SECURE_CERT=FALSE
RETRY_TIMES=6x
PCK_CACHE_EXPIRE_HOURS=99999
NONSENSE=1
`

const defaultURL = "https://localhost:8081/sgx/certification/v4/"

func TestEveryOptionOfAFileInJSONIsTaken(t *testing.T) {
	c, err := qcnl.Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Set) != len(qcnl.Options()) {
		t.Errorf("set %v", c.Set)
	}
	if got := c.Set[qcnl.RetryDelay]; got != (qcnl.Position{Line: 12, Column: 19}) {
		t.Errorf("retry_delay at %v", got)
	}
	c.Findings, c.Set = nil, nil
	want := &qcnl.Config{
		Form: qcnl.JSON, PCCSURL: "https://pccs.example:8081/sgx/certification/v4/",
		CollateralService: "https://api.trustedservices.intel.com/sgx/certification/v4/",
		APIVersion:        "3.1", TCBUpdateType: "early", RetryTimes: 6, RetryDelay: 10,
		LocalPCKURL: "http://localhost:8081/sgx/certification/v4/", PCKCacheHours: 168, CollateralCacheHours: 150,
		Headers: []qcnl.Pair{{Name: "metadata", Value: "true"}}, Params: []qcnl.Pair{{Name: "api-version", Value: "2021-07-22-preview"}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestAFileThatSetsNothingIsSaidToDoSo(t *testing.T) {
	for text, warned := range map[string]bool{"": true, "{}": true, "{ // \"retry_times\": 6\n}": true, `{"retry_times":6}`: false, "RETRY_TIMES=6": false} {
		said := slices.ContainsFunc(qcnl.Read([]byte(text)).Findings, func(f qcnl.Finding) bool {
			return f.Level == qcnl.Warning && strings.Contains(f.Detail, "nothing is set in it")
		})
		if said != warned {
			t.Errorf("%q: %v", text, said)
		}
	}
}

func TestAnEmptyObjectHasAllDefaults(t *testing.T) {
	c, err := qcnl.Parse([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	c.Findings, c.Set = nil, nil
	want := &qcnl.Config{
		Form: qcnl.JSON, PCCSURL: defaultURL, CollateralService: defaultURL, UseSecureCert: true, APIVersion: "3.0", TCBUpdateType: "standard",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestLinesOfALegacyFileAreTakenAsTheLibraryTakesThem(t *testing.T) {
	c := qcnl.Read([]byte(legacy))
	if c.Form != qcnl.Legacy || c.Fault != nil {
		t.Fatalf("form %s, fault %v", c.Form, c.Fault)
	}
	if c.PCCSURL != "https://pccs.example/sgx/certification/v3/" || c.CollateralService != c.PCCSURL ||
		c.UseSecureCert || c.RetryTimes != 6 || c.PCKCacheHours != 2160 {
		t.Errorf("%+v", c)
	}
	demand(t, c, qcnl.Error, 5, `"x" is cut off`)
	demand(t, c, qcnl.Warning, 6, "cut to 2160")
	demand(t, c, qcnl.Warning, 7, "no such option")
	if _, err := qcnl.Parse([]byte(legacy)); rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "line 5") {
		t.Errorf("%v", err)
	}
	odd := qcnl.Read([]byte("PCCS_URL\r\nCOLLATERAL_SERVICE=\nUSE_SECURE_CERT=no\nLOCAL_CACHE_ONLY=true\nRETRY_DELAY=99999999999\nTCB_UPDATE_TYPE=early\n"))
	if odd.PCCSURL != "PCCS_URL" || odd.CollateralService != "" || !odd.UseSecureCert || !odd.LocalCacheOnly || odd.RetryDelay != 0 || odd.TCBUpdateType != "standard" {
		t.Errorf("%+v", odd)
	}
	demand(t, odd, qcnl.Error, 3, "neither FALSE nor TRUE")
	demand(t, odd, qcnl.Error, 5, "too big")
	demand(t, odd, qcnl.Error, 6, "only a file in JSON")
}

// demand wants a finding on a line; 0 is none.
func demand(t *testing.T, c *qcnl.Config, level qcnl.Level, line int, text string) {
	t.Helper()
	for _, f := range c.Findings {
		if f.Level == level && strings.Contains(f.Detail, text) && (f.Position == nil && line == 0 || f.Position != nil && f.Position.Line == line) {
			return
		}
	}
	t.Errorf("no %s on line %d that says %q among %+v", level, line, text, c.Findings)
}

func TestQuirk4ASlipInJSONLeavesTheDefaultsAndSaysWhereItIs(t *testing.T) {
	const url = `"pccs_url": "https://pccs.example/sgx/certification/v4/"`
	for text, want := range map[string]string{
		"{\n " + url + ",\n}":                            "line 3, column 1: a comma before the closing brace",
		"{\n // " + url + "\n ,\"retry_times\": 6}":      "line 3, column 2: a comma before the first option",
		"{" + url + " \"retry_times\": 6}":               "line 1, column 59: want a comma",
		"{" + url:                                        "the file ends within an object",
		"{" + url + "} x":                                "there is more after the end",
		"{" + url + ",\n# six\n\"retry_times\": 6}":      "line 2, column 1: a comment begins with //",
		"{" + url + ", /* six }":                         "this comment has no end",
		"{'pccs_url': 1}":                                "line 1, column 2: want the name of an option in double quotes",
		"{" + url + ", \"retry_times\": 06}":             "want a comma",
		"{" + url + ", \"retry_times\": True}":           "want a value",
		"{" + url + ", \"retry_delay\": 1e999}":          "too big",
		"{\"pccs_url\": \"https://pccs.example\n/\"}":    "line 1, column 35: a line break",
		"{\"pccs_url\": \"\\x\"}":                        "escapes nothing",
		"{\"pccs_url\": \"\\ud800\"}":                    "half of a character",
		"\ufeff{" + url + "}":                            "line 1, column 1: a byte order mark",
		"[" + url[:10] + "]":                             "want an object",
		"{" + url + ", \"tcb_update_type\": \"newest\"}": "which makes the whole file invalid",
		strings.Repeat("[", 100_000):                     "too deep",
	} {
		c := qcnl.Read([]byte(text))
		if c.Fault == nil || !strings.Contains(c.Fault.Error(), want) || c.Form != qcnl.Legacy || c.PCCSURL != defaultURL || !c.UseSecureCert {
			t.Errorf("%.80q: %v %+v", text, c.Fault, c)
			continue
		}
		demand(t, c, qcnl.Error, 0, "every option has its default")
		if _, err := qcnl.Parse([]byte(text)); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%.80q: %v", text, err)
		}
	}
}

func TestValuesThatTheLibraryPassesOverAreErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"use_secure_cert": "FALSE"}`:                                   "true or false without quotes: true stands",
		`{"retry_times": "6"}`:                                           "a whole number",
		`{"retry_times": 6.0}`:                                           "a whole number",
		`{"retry_times": 4294967296}`:                                    "a whole number",
		`{"pck_cache_expire_hours": 4294967296}`:                         "a number",
		`{"pccs_url": null}`:                                             "a string",
		`{"pccs_api_version": 3.1}`:                                      "a string: 3.0 stands",
		`{"pccs_api_version": "4.0"}`:                                    "cannot be asked for",
		`{"PCCS_URL": "x"}`:                                              "the option is written pccs_url",
		`{"retry_times": 1, "retry_times": 2}`:                           "the first one counts",
		`{"retry_times": -2}`:                                            "billions",
		`{"custom_request_options": []}`:                                 "an object",
		`{"custom_request_options": {"get_cert": {"params": {"a": 1}}}}`: "a string under params",
		`{"pccs_url": "https://pccs.example/sgx/certification/v4"}`:      "no slash at its end",
		`{"pccs_url": "pccs.example/sgx/certification/v4/"}`:             "no scheme",
		`{"pccs_url": "ftp://pccs.example/sgx/"}`:                        "scheme ftp",
		`{"pccs_url": ""}`:                                               "is empty",
	} {
		c := qcnl.Read([]byte(text))
		if c.Fault != nil {
			t.Errorf("%s: %v", text, c.Fault)
			continue
		}
		demand(t, c, qcnl.Error, 1, want)
		if _, err := qcnl.Parse([]byte(text)); rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "line 1, column ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWhatIsUnwiseIsAWarningAndNotRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"user_token": "x"}`:                                        "registers no platforms",
		`{"use_secure_cert": false}`:                                 "neither the certificate nor the name",
		`{"pccs_url": "http://pccs.example/sgx/certification/v4/"}`:  "plain http",
		`{"pccs_url": "https://pccs.example/sgx/certification/v3/"}`: "version 3",
		`{"pccs_url": "https://pccs.example/"}`:                      "no /sgx/",
		`{"pck_cache_expire_hours": 2160}`:                           "TCB recovery",
	} {
		c, err := qcnl.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		demand(t, c, qcnl.Warning, 1, want)
	}
}

func TestEdgesOfTheDialectAreThoseOfTheLibrary(t *testing.T) {
	for text, want := range map[string]string{
		`{"pccs_url": "https://a\u002fsgx\/"}`: "https://a/sgx/",
		"{\"pccs_url\": \"https://a/\"}\x00}}": "https://a/",    // a zero ends the file
		`{"pccs_url": "https://a/\u0000b/"}`:   "https://a/",    // and a string
		"{\"pccs_url\": \"https://\xff/\"}":    "https://\xff/", // no one looks for UTF-8
		"/**/{//\n\"pccs_url\"/**/:/**/\"x\"}": "x",
		`{"pccs_url": "\ud83d\ude00"}`:         "\U0001f600",
	} {
		if c := qcnl.Read([]byte(text)); c.Form != qcnl.JSON || c.PCCSURL != want {
			t.Errorf("%q: %s %q %v", text, c.Form, c.PCCSURL, c.Fault)
		}
	}
}

func TestTheAPIVersionDecidesHowRevocationListsAreAskedFor(t *testing.T) {
	const at = `"pccs_url": "https://pccs.example/sgx/certification/v4/"`
	for text, want := range map[string][]string{
		"{" + at + "}":                          {"v4/pckcrl?ca={processor or platform}", "v4/rootcacrl", "/tdx/certification/v4/tcb?fmspc={FMSPC}&update=standard"},
		"{" + at + `,"pccs_api_version":"3.1"}`: {"&encoding=der", "v4/crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"},
		full:                                    {"IntelSGXRootCA.der", "&encoding=der", "http://localhost:8081/sgx/certification/v4/pckcert?qeid=", "&api-version={from the file}", "qe/identity?update=early"},
	} {
		var urls []string
		for _, r := range qcnl.Read([]byte(text)).Requests() {
			urls = append(urls, r.URL)
		}
		for _, w := range want {
			if !slices.ContainsFunc(urls, func(u string) bool {
				return strings.HasSuffix(u, w) || strings.Contains(u, w) && strings.Contains(w, "=") || strings.HasPrefix(u, w)
			}) {
				t.Errorf("%s: nothing asks %s: %q", text, w, urls)
			}
		}
	}
	c := qcnl.Read([]byte(`{"local_cache_only": true}`))
	for _, r := range c.Requests() {
		if strings.Contains(r.URL, "pckcert?") {
			t.Errorf("asks %s", r.URL)
		}
	}
}

func TestEachCodeIsExplainedByNumberAndName(t *testing.T) {
	seen := make(map[uint32]bool)
	for _, c := range qcnl.Codes() {
		if seen[c.Number] || c.Number>>8 != 0xe0 && c.Number>>8 != 0xb0 || c.Means == "" {
			t.Errorf("%#x %s", c.Number, c.Name)
		}
		seen[c.Number] = true
		for _, text := range []string{fmt.Sprintf("%#x", c.Number), fmt.Sprintf("0X%X", c.Number), fmt.Sprintf("%x", c.Number), fmt.Sprint(c.Number), c.Name} {
			if got, ok := qcnl.Explain(text); !ok || got != c {
				t.Errorf("%s: %+v", text, got)
			}
		}
	}
	for _, text := range []string{"", "0x", "0xe0ff", "zebra"} {
		if c, ok := qcnl.Explain(text); ok {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

// sound holds what is true of every file.
func sound(t *testing.T, src []byte) {
	t.Helper()
	c := qcnl.Read(src)
	lines := strings.Count(string(src), "\n") + 1
	for _, f := range c.Findings {
		if f.Detail == "" || f.Position != nil && (f.Position.Line < 1 || f.Position.Line > lines || f.Position.Column < 1) {
			t.Fatalf("%q: %+v", src, f)
		}
	}
	if c.Fault != nil && (c.Form != qcnl.Legacy || rats.KindOf(c.Fault) != rats.Malformed || !strings.Contains(c.Fault.Detail, "line ")) {
		t.Fatalf("%q: %v", src, c.Fault)
	}
	if c.TCBUpdateType != "early" && c.TCBUpdateType != "standard" || c.PCKCacheHours > 2160 || c.CollateralCacheHours > 2160 {
		t.Fatalf("%q: %+v", src, c)
	}
	if len(c.Requests()) == 0 {
		t.Fatalf("%q: asks nothing", src)
	}
	strict, err := qcnl.Parse(src)
	if (err == nil) != (strict != nil) || err != nil && (rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "line ")) {
		t.Fatalf("%q: %v", src, err)
	}
}

func TestEveryTruncationAndFlippedBitIsRead(t *testing.T) {
	for _, sample := range []string{full, legacy} {
		for i := range sample {
			sound(t, []byte(sample[:i]))
			for bit := range 8 {
				b := []byte(sample)
				b[i] ^= 1 << bit
				sound(t, b)
			}
		}
	}
	for i := range strings.TrimSpace(full) {
		if c := qcnl.Read([]byte(full[:i])); i > 0 && c.Fault == nil {
			t.Errorf("%d bytes of a file pass for a whole one", i)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{full, legacy, "{}", "", "{,}", "\x00", "[[", `{"tcb_update_type":"x"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) { sound(t, src) })
}
