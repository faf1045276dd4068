// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// forTDX turns TCB info for SGX into TCB info for TDX.
func forTDX(o object) {
	o["id"] = "TDX"
	for _, l := range o["tcbLevels"].([]any) {
		l.(object)["tcb"].(object)["tdxtcbcomponents"] = components(1)
	}
	o["tdxModule"] = tdxModule()
	identity := tdxModule()
	identity["id"] = "TDX_01"
	identity["tcbLevels"] = []any{
		object{"tcb": object{"isvsvn": 2}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "UpToDate"},
		object{"tcb": object{"isvsvn": 4}, "tcbDate": "2024-11-13T00:00:00Z", "tcbStatus": "OutOfDate"},
	}
	o["tdxModuleIdentities"] = []any{identity}
}

func tdxModule() object {
	return object{"mrsigner": strings.Repeat("0", 96), "attributes": strings.Repeat("0", 16), "attributesMask": strings.Repeat("F", 16)}
}

// level returns the nth TCB level.
func level(o object, n int) object { return o["tcbLevels"].([]any)[n].(object) }

func tcbOf(o object, n int) object { return level(o, n)["tcb"].(object) }

// module returns the first TDX module identity.
func module(o object) object { return o["tdxModuleIdentities"].([]any)[0].(object) }

// deep nests an array n deep.
func deep(n int) any {
	var v any = 1
	for range n {
		v = []any{v}
	}
	return v
}

type shape struct {
	name string
	from func() object
	edit func(object)
	kind rats.Kind
}

func tdxInfo() object { return edited(tcbInfo(), forTDX) }

func TestTCBInfoIsReadStrictly(t *testing.T) {
	set := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	drop := func(name string) func(object) { return func(o object) { delete(o, name) } }
	tests := []shape{
		{"version 3", tcbInfo, func(object) {}, rats.None},
		{"version 2", tcbInfoV2, func(object) {}, rats.None},
		{"version 3 for TDX", tdxInfo, func(object) {}, rats.None},
		{"members that Intel may add", tcbInfo, func(o object) { o["future"] = object{"a": 1}; level(o, 0)["more"] = 2; tcbOf(o, 0)["more"] = 3 }, rats.None},
		{"upper-case hex", tcbInfo, set("fmspc", strings.ToUpper(labFMSPC)), rats.None},
		{"no advisories", tcbInfo, func(o object) { delete(level(o, 1), "advisoryIDs") }, rats.None},
		{"an empty list of advisories", tcbInfo, func(o object) { level(o, 1)["advisoryIDs"] = []string{} }, rats.None},
		{"the depth that is allowed", tcbInfo, set("future", deep(30)), rats.None},

		{"version 1", tcbInfo, set("version", 1), rats.Unsupported},
		{"version 4", tcbInfo, set("version", 4), rats.Unsupported},
		{"version as text", tcbInfo, set("version", "3"), rats.Malformed},
		{"version with a fraction", tcbInfo, set("version", 3.5), rats.Malformed},
		{"id of another TEE", tcbInfo, set("id", "SEV"), rats.Malformed},
		{"id in lower case", tcbInfo, set("id", "sgx"), rats.Malformed},
		{"an id in version 2", tcbInfoV2, set("id", "SGX"), rats.Malformed},
		{"levels of version 2 in version 3", tcbInfoV2, func(o object) { o["version"], o["id"] = 3, "SGX" }, rats.Malformed},
		{"levels of version 3 in version 2", tcbInfo, func(o object) { o["version"] = 2; delete(o, "id") }, rats.Malformed},
		{"a short FMSPC", tcbInfo, set("fmspc", "10a0b0c0d0"), rats.Malformed},
		{"a long FMSPC", tcbInfo, set("fmspc", labFMSPC+"00"), rats.Malformed},
		{"an FMSPC that is not hex", tcbInfo, set("fmspc", "10a0b0c0d0zz"), rats.Malformed},
		{"an FMSPC that is a number", tcbInfo, set("fmspc", 1234), rats.Malformed},
		{"a short PCE id", tcbInfo, set("pceId", "00"), rats.Malformed},
		{"another TCB type", tcbInfo, set("tcbType", 1), rats.Malformed},
		{"a negative evaluation number", tcbInfo, set("tcbEvaluationDataNumber", -1), rats.Malformed},
		{"an issue date without time", tcbInfo, set("issueDate", "2025-06-01"), rats.Malformed},
		{"an issue date with an offset", tcbInfo, set("issueDate", "2025-06-01T00:00:00+00:00"), rats.Malformed},
		{"an issue date with a fraction", tcbInfo, set("issueDate", "2025-06-01T00:00:00.5Z"), rats.Malformed},
		{"an issue date that does not exist", tcbInfo, set("issueDate", "2025-02-30T00:00:00Z"), rats.Malformed},
		{"an end before the beginning", tcbInfo, set("nextUpdate", "2025-05-01T00:00:00Z"), rats.Malformed},
		{"nesting over 32", tcbInfo, set("future", deep(32)), rats.Malformed},
		{"no levels", tcbInfo, set("tcbLevels", []any{}), rats.Malformed},
		{"levels that are none", tcbInfo, set("tcbLevels", object{}), rats.Malformed},
		{"a level that is null", tcbInfo, set("tcbLevels", []any{nil}), rats.Malformed},
		{"an unknown status", tcbInfo, func(o object) { level(o, 0)["tcbStatus"] = "Fine" }, rats.Malformed},
		{"a status in lower case", tcbInfo, func(o object) { level(o, 0)["tcbStatus"] = "uptodate" }, rats.Malformed},
		{"our own status", tcbInfo, func(o object) { level(o, 0)["tcbStatus"] = "NotSupported" }, rats.Malformed},
		{"a status of relaunch", tcbInfo, func(o object) { level(o, 0)["tcbStatus"] = "TDRelaunchAdvised" }, rats.Malformed},
		{"the same level twice", tcbInfo, func(o object) { o["tcbLevels"] = append(o["tcbLevels"].([]any), level(o, 0)) }, rats.Malformed},
		{"the same level twice in version 2", tcbInfoV2, func(o object) { o["tcbLevels"] = append(o["tcbLevels"].([]any), level(o, 1)) }, rats.Malformed},
		{"fifteen components", tcbInfo, func(o object) { tcbOf(o, 0)["sgxtcbcomponents"] = components(1)[1:] }, rats.Malformed},
		{"seventeen components", tcbInfo, func(o object) { tcbOf(o, 0)["sgxtcbcomponents"] = append(components(1), object{"svn": 1}) }, rats.Malformed},
		{"a component without svn", tcbInfo, func(o object) { tcbOf(o, 0)["sgxtcbcomponents"].([]any)[3] = object{} }, rats.Malformed},
		{"an svn of 256", tcbInfo, func(o object) { tcbOf(o, 0)["sgxtcbcomponents"].([]any)[3] = object{"svn": 256} }, rats.Malformed},
		{"a pcesvn of 65536", tcbInfo, func(o object) { tcbOf(o, 0)["pcesvn"] = 65536 }, rats.Malformed},
		{"advisories that are null", tcbInfo, func(o object) { level(o, 0)["advisoryIDs"] = nil }, rats.Malformed},
		{"advisories that are numbers", tcbInfo, func(o object) { level(o, 0)["advisoryIDs"] = []any{1} }, rats.Malformed},
		{"a component missing in version 2", tcbInfoV2, func(o object) { delete(tcbOf(o, 0), "sgxtcbcomp16svn") }, rats.Malformed},
		{"a TDX module for SGX", tcbInfo, set("tdxModule", tdxModule()), rats.Malformed},
		{"TDX module identities for SGX", tcbInfo, set("tdxModuleIdentities", []any{}), rats.Malformed},

		{"a status of another component", tdxInfo, func(o object) { level(module(o), 0)["tcbStatus"] = "SWHardeningNeeded" }, rats.Malformed},
		{"the same module level twice, by isvsvn", tdxInfo, func(o object) { tcbOf(module(o), 0)["isvsvn"] = 4 }, rats.Malformed},
		{"the same module twice, in another case", tdxInfo, func(o object) {
			other := object{}
			for k, v := range module(o) {
				other[k] = v
			}
			other["id"] = "tdx_01"
			o["tdxModuleIdentities"] = []any{module(o), other}
		}, rats.Malformed},
		{"a module without levels", tdxInfo, func(o object) { delete(module(o), "tcbLevels") }, rats.Malformed},
		{"a short MRSIGNERSEAM", tdxInfo, func(o object) { module(o)["mrsigner"] = "00" }, rats.Malformed},
		{"no TDX components", tdxInfo, func(o object) { delete(tcbOf(o, 0), "tdxtcbcomponents") }, rats.Malformed},
		{"no TDX module", tdxInfo, drop("tdxModule"), rats.Malformed},
		{"no module identities, which are of later TDX", tdxInfo, drop("tdxModuleIdentities"), rats.None},
		{"TDX in version 2", tcbInfoV2, func(o object) { o["tdxModule"] = tdxModule() }, rats.Malformed},
	}
	for _, name := range []string{"id", "version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType", "tcbEvaluationDataNumber", "tcbLevels"} {
		tests = append(tests, shape{"without " + name, tcbInfo, drop(name), rats.Malformed})
	}
	for _, name := range []string{"tcb", "tcbDate", "tcbStatus"} {
		tests = append(tests, shape{"a level without " + name, tcbInfo, func(o object) { delete(level(o, 1), name) }, rats.Malformed})
	}
	for _, name := range []string{"sgxtcbcomponents", "pcesvn"} {
		tests = append(tests, shape{"a tcb without " + name, tcbInfo, func(o object) { delete(tcbOf(o, 1), name) }, rats.Malformed})
	}
	runShapes(t, rats.TCBInfo, tests)
}

func TestAnIdentityIsReadStrictly(t *testing.T) {
	set := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	tests := []shape{
		{"the QE", identity, func(object) {}, rats.None},
		{"the TD QE", identity, set("id", "TD_QE"), rats.None},
		{"the QVE", identity, set("id", "QVE"), rats.None},
		{"members that Intel may add", identity, set("future", 1), rats.None},
		{"one isvsvn on two dates", identity, func(o object) { tcbOf(o, 1)["isvsvn"] = 8 }, rats.None},
		{"one isvsvn on one date", identity, func(o object) { tcbOf(o, 1)["isvsvn"], level(o, 1)["tcbDate"] = 8, level(o, 0)["tcbDate"] }, rats.Malformed},
		{"version 1", identity, set("version", 1), rats.Unsupported},
		{"version 3", identity, set("version", 3), rats.Unsupported},
		{"an unknown enclave", identity, set("id", "PCE"), rats.Malformed},
		{"a status of a platform", identity, func(o object) { level(o, 0)["tcbStatus"] = "ConfigurationNeeded" }, rats.Malformed},
		{"a short MRSIGNER", identity, set("mrsigner", "5e"), rats.Malformed},
		{"an empty MRSIGNER", identity, set("mrsigner", ""), rats.Malformed},
		{"a long mask", identity, set("miscselectMask", "FFFFFFFFFF"), rats.Malformed},
		{"an isvprodid of 65536", identity, set("isvprodid", 65536), rats.Malformed},
		{"no levels", identity, set("tcbLevels", []any{}), rats.Malformed},
		{"an end before the beginning", identity, set("nextUpdate", "2025-05-01T00:00:00Z"), rats.Malformed},
	}
	for name := range identity() {
		tests = append(tests, shape{"without " + name, identity, func(o object) { delete(o, name) }, rats.Malformed})
	}
	runShapes(t, rats.QEIdentity, tests)
}

func runShapes(t *testing.T, kind rats.EndorsementKind, tests []shape) {
	l := newLab(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := dcap.Parse(l.sign(kind, edited(tt.from(), tt.edit), &l.signing))
			if got := rats.KindOf(err); got != tt.kind {
				t.Fatalf("%v, want %q", err, tt.kind)
			}
			if err != nil {
				return
			}
			if err := s.Verify(l.trust(), nil); err != nil {
				t.Error(err)
			}
			if !s.Issued().Equal(issued) || !s.NextUpdate().Equal(nextUpdate) {
				t.Errorf("from %s until %s", s.Issued(), s.NextUpdate())
			}
		})
	}
}

func TestTheJSONAroundAStatementIsReadStrictly(t *testing.T) {
	l := newLab(t)
	inner := string(encode(t, tcbInfo()))
	whole := string(l.signRaw(rats.TCBInfo, []byte(inner), &l.signing).Body)
	signature := whole[strings.LastIndex(whole, `,"signature"`):]
	tests := map[string]string{
		"empty":                    "",
		"not JSON":                 "tcbInfo",
		"a list":                   "[" + whole + "]",
		"null":                     "null",
		"cut short":                whole[:len(whole)-1],
		"something after it":       whole + "{}",
		"a byte after it":          whole + "x",
		"no signature":             `{"tcbInfo":` + inner + "}",
		"a short signature":        `{"tcbInfo":` + inner + `,"signature":"00"}`,
		"a signature in base64":    `{"tcbInfo":` + inner + `,"signature":"` + strings.Repeat("z", 128) + `"}`,
		"unsigned members":         `{"more":1,` + whole[1:],
		"another name":             `{"tcbinfo":` + inner + signature,
		"a member twice":           `{"tcbInfo":` + inner + `,"tcbInfo":` + inner + signature,
		"a member twice inside":    strings.Replace(whole, `"fmspc":`, `"fmspc":"000000000000","fmspc":`, 1),
		"a member twice, escaped":  strings.Replace(whole, `"fmspc":`, `"\u0066mspc":"000000000000","fmspc":`, 1),
		"a status twice in a list": strings.Replace(whole, `"tcbStatus":`, `"tcbStatus":"UpToDate","tcbStatus":`, 1),
		"not UTF-8":                strings.Replace(whole, "INTEL-SA", "INTEL\xff\xfe", 1),
		"over a mebibyte":          whole + strings.Repeat(" ", 1<<20),
		"the identity's member":    strings.Replace(whole, "tcbInfo", "enclaveIdentity", 1),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := dcap.Parse(rats.Endorsement{Kind: rats.TCBInfo, Body: []byte(body), Issuers: [][]byte{l.signing.der}})
			if rats.KindOf(err) != rats.Malformed {
				t.Errorf("%v, want malformed", err)
			}
		})
	}
	if _, err := dcap.Parse(rats.Endorsement{Kind: rats.TCBInfo, Body: []byte(whole), Issuers: [][]byte{l.signing.der}}); err != nil {
		t.Error(err)
	}
}

func TestAStatementComesWithTheIssuersOfItsKind(t *testing.T) {
	l := newLab(t)
	for _, e := range l.endorsements() {
		for n := range 3 {
			if n == len(e.Issuers) {
				continue
			}
			e := e
			e.Issuers = nil
			for range n {
				e.Issuers = append(e.Issuers, l.signing.der)
			}
			if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Malformed {
				t.Errorf("%s with %d issuers: %v", e.Kind, n, err)
			}
		}
	}
	if _, err := dcap.Parse(rats.Endorsement{Kind: "tcb_eval", Body: []byte("{}")}); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("an unknown kind: %v", err)
	}
	e := l.sign(rats.TCBInfo, tcbInfo(), &l.signing)
	e.Issuers[0] = append(append([]byte{}, e.Issuers[0]...), 0)
	if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Malformed {
		t.Errorf("a certificate with a byte after it: %v", err)
	}
}

func TestKeysNameWhatStatementsSay(t *testing.T) {
	l := newLab(t)
	keys := map[string]rats.EndorsementKey{}
	for name, e := range map[string]rats.Endorsement{
		"v3":    l.sign(rats.TCBInfo, tcbInfo(), &l.signing),
		"v2":    l.sign(rats.TCBInfo, tcbInfoV2(), &l.signing),
		"tdx":   l.sign(rats.TCBInfo, tdxInfo(), &l.signing),
		"qe":    l.sign(rats.QEIdentity, identity(), &l.signing),
		"td_qe": l.sign(rats.QEIdentity, edited(identity(), func(o object) { o["id"] = "TD_QE" }), &l.signing),
		"root":  l.crl(&l.root, nil),
		"pck":   l.crl(&l.ca, nil),
	} {
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = s.Key()
	}
	for name, k := range map[string]rats.EndorsementKey{
		"v3":    {Kind: rats.TCBInfo, TEE: rats.SGX, Scope: labFMSPC, EvaluationDataNumber: 17, Version: 3},
		"v2":    {Kind: rats.TCBInfo, TEE: rats.SGX, Scope: labFMSPC, EvaluationDataNumber: 17, Version: 2},
		"tdx":   {Kind: rats.TCBInfo, TEE: rats.TDX, Scope: labFMSPC, EvaluationDataNumber: 17, Version: 3},
		"qe":    {Kind: rats.QEIdentity, TEE: rats.SGX, Scope: "QE", EvaluationDataNumber: 17, Version: 2},
		"td_qe": {Kind: rats.QEIdentity, TEE: rats.TDX, Scope: "TD_QE", EvaluationDataNumber: 17, Version: 2},
	} {
		if keys[name] != k {
			t.Errorf("%s: %+v", name, keys[name])
		}
	}
	need, err := dcap.Needs(l.evidence())
	if err != nil {
		t.Fatal(err)
	}
	if keys["pck"] != (rats.EndorsementKey{Kind: rats.PCKCRL, Scope: need.CA}) || len(need.CA) != 64 {
		t.Errorf("PCK CRL %+v, need %q", keys["pck"], need.CA)
	}
	if fmt.Sprintf("%x", need.FMSPC) != labFMSPC || need.TEE != rats.SGX || need.PCEID != [2]byte{} {
		t.Errorf("%+v", need)
	}
	if root := keys["root"]; root.Kind != rats.RootCACRL || len(root.Scope) != 64 || root.Scope == need.CA {
		t.Errorf("root CRL %+v", root)
	}
}

// TestEveryRealStatementIsReadAndVerified: what Intel signed passes, whatever
// its TEE, version and year.
func TestEveryRealStatementIsReadAndVerified(t *testing.T) {
	dir := vectors(t)
	signing, cas := certificates(t, dir, "tcb_signing"), certificates(t, dir, "pck_")
	facts := dcap.NewFacts(1 << 12)
	for pattern, kind := range map[string]rats.EndorsementKind{
		"tcbinfo/*.json": rats.TCBInfo, "qeidentity/*.json": rats.QEIdentity,
		"crl/root_*.der": rats.RootCACRL, "crl/p*.der": rats.PCKCRL,
	} {
		files, err := filepath.Glob(filepath.Join(dir, "collateral", pattern))
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			issuers := signing
			switch kind {
			case rats.PCKCRL:
				issuers = cas
			case rats.RootCACRL:
				issuers = nil
			}
			for _, s := range candidates(t, kind, read(t, file), issuers) {
				if err := s.Verify(nil, facts); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}
