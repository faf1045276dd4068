// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const tcbInfoClause = "PCS API v4 3.3, TCB info"

// member matches the first member of a name with its value, if that is a string,
// a number or a flat object or list.
func member(name string) *regexp.Regexp {
	return regexp.MustCompile(`"` + regexp.QuoteMeta(name) + `":("[^"]*"|[0-9]+|\{[^{}]*\}|\[[^\[\]]*\])`)
}

// without leaves out the first member of a name; nested ones must be flat.
func without(name string) func(string) string {
	return func(text string) string {
		at := member(name).FindStringIndex(text)
		if at == nil {
			panic("no member " + name + " in " + text)
		}
		from, to := at[0], at[1]
		if to < len(text) && text[to] == ',' {
			to++
		} else if text[from-1] == ',' {
			from--
		}
		return text[:from] + text[to:]
	}
}

// being gives the first member of a name another value, in JSON.
func being(name, value string) func(string) string {
	return func(text string) string {
		at := member(name).FindStringIndex(text)
		if at == nil {
			panic("no member " + name + " in " + text)
		}
		return text[:at[0]] + `"` + name + `":` + value + text[at[1]:]
	}
}

// renamed gives every member of a name another one.
func renamed(name, other string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, `"`+name+`":`) {
			panic("no member " + name + " in " + text)
		}
		return strings.ReplaceAll(text, `"`+name+`":`, `"`+other+`":`)
	}
}

// plus adds a member at the end.
func plus(member string) func(string) string {
	return func(text string) string { return text[:len(text)-1] + "," + member + "}" }
}

// nested is an array in n-1 others.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func v2(i *simtee.TCBInfo) { i.ID, i.Version = "", 2 }

func tcbInfoForms() family {
	f := family{name: "tcb-info-form"}
	add := func(name, text string, edits ...edit) {
		f.cases = append(f.cases, testCase{name, tcbInfoClause, text, accepted(), edits, ""})
	}
	text := func(g func(string) string) edit { return inner(rats.TCBInfo, g) }
	add("version-2", "the TCB info has version 2", info(v2))
	add("version-2-v4-quote", "the TCB info has version 2, the quote version 4", info(v2), version(4))
	add("shuffled", "the levels stand in the reverse order: the order in which they were sent means nothing",
		info(func(i *simtee.TCBInfo) { slices.Reverse(i.Levels) }))
	add("shuffled-tdx", "levels, modules and their levels stand in the reverse order", formNamed("tdx-v4", info(func(i *simtee.TCBInfo) {
		slices.Reverse(i.Levels)
		slices.Reverse(i.Modules)
		for _, m := range i.Modules {
			slices.Reverse(m.Levels)
		}
	}))...)
	add("one-level", "there is one level", info(func(i *simtee.TCBInfo) { i.Levels = i.Levels[:1] }))
	add("unknown-members", "there are members that nobody knows, as the vendor adds some", text(plus(`"new":{"a":[1,2.5,-3,1e9,null,true]},"also":"\u00e9\ud83d\ude00"`)))
	add("unknown-member-of-level", "a level has a member that nobody knows", text(replace(`{"tcb":{`, `{"new":[],"tcb":{"new":{},`)))
	add("nested-32", "an unknown member is nested as deep as is allowed", text(plus(`"new":`+nested(30))))
	add("members-in-another-order", "the members stand in another order", text(func(t string) string { return plus(`"version":3`)(without("version")(t)) }))
	add("escaped-name", "the letters of a member's name are escaped", text(renamed("fmspc", `\u0066mspc`)))
	add("fmspc-in-capitals", "the FMSPC is hex in capitals", text(being("fmspc", `"00A51E000000"`)))
	add("advisories-empty", "the list of advisories is empty", text(replace(`"tcbStatus":"UpToDate"`, `"tcbStatus":"UpToDate","advisoryIDs":[]`)))
	add("advisories-twice", "an advisory stands twice in the list", text(replace(`"tcbStatus":"UpToDate"`, `"tcbStatus":"UpToDate","advisoryIDs":["SIM-SA-00009","SIM-SA-00009"]`)))
	add("equal-components-two-pcesvns", "two levels differ in PCESVN alone", info(func(i *simtee.TCBInfo) {
		level := i.Levels[0]
		level.TCB.PCESVN, level.Status = 5, rats.OutOfDate
		i.Levels = append(i.Levels, level)
	}))
	add("without-module-identities-sgx", "the TCB info speaks of no TDX module, being for SGX")
	add("another-date-of-issue", "the TCB info was issued in the second of the appraisal", text(being("issueDate", `"2025-06-20T12:00:00Z"`)))
	f.cases = append(f.cases, testCase{
		"evaluation-number-0", tcbInfoClause, "the evaluation number is 0 in TCB info and identity", accepted(), []edit{
			text(being("tcbEvaluationDataNumber", "0")), inner(rats.QEIdentity, being("tcbEvaluationDataNumber", "0")),
		}, "",
	})
	return f
}

// fault is something wrong in the text of a statement.
type fault struct {
	name, text string
	edit       func(string) string
}

func tcbInfoFaults() family {
	f := family{name: "tcb-info-fault"}
	add := func(name, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, tcbInfoClause, text, w, edits, ""})
	}
	bad := refused(rats.Malformed)
	for _, name := range []string{"id", "version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType", "tcbEvaluationDataNumber", "pcesvn", "tcbDate", "tcbStatus", "svn"} {
		add("lacks-"+strings.ToLower(name), "the TCB info lacks "+name, bad, inner(rats.TCBInfo, without(name)))
	}
	for _, name := range []string{"tcbLevels", "sgxtcbcomponents", "tcb"} {
		add("lacks-"+strings.ToLower(name), "the TCB info lacks "+name, bad, inner(rats.TCBInfo, renamed(name, "other")))
	}
	for _, c := range tcbInfoTextFaults() {
		add(c.name, c.text, bad, inner(rats.TCBInfo, c.edit))
	}
	for _, c := range tdxInfoTextFaults() {
		add(c.name, c.text, bad, formNamed("tdx-v4", inner(rats.TCBInfo, c.edit))...)
	}
	for _, c := range wholeFaults("tcbInfo", "TCB info") {
		add(c.name, c.text, bad, sent(rats.TCBInfo, func(b []byte) []byte { return []byte(c.edit(string(b))) }))
	}
	for _, v := range []int{0, 1, 4} {
		add(fmt.Sprintf("version-%d", v), fmt.Sprintf("the version is %d", v), refused(rats.Unsupported), inner(rats.TCBInfo, being("version", fmt.Sprint(v))))
	}
	add("v2-with-id", "TCB info of version 2 has an id", bad, inner(rats.TCBInfo, being("version", "2")))
	add("v2-lacks-component", "TCB info of version 2 lacks a component", bad, info(v2), inner(rats.TCBInfo, without("sgxtcbcomp16svn")))
	add("v2-lacks-pcesvn", "TCB info of version 2 lacks PCESVN", bad, info(v2), inner(rats.TCBInfo, without("pcesvn")))
	add("v2-component-256", "a component of TCB info of version 2 is 256", bad, info(v2), inner(rats.TCBInfo, being("sgxtcbcomp01svn", "256")))
	add("v2-with-module", "TCB info of version 2 speaks of a TDX module", bad, info(v2), inner(rats.TCBInfo, plus(`"tdxModule":{}`)))
	add("same-level-twice", "two levels have the same TCB", bad, info(func(i *simtee.TCBInfo) { i.Levels = append(i.Levels, i.Levels[0]) }))
	add("same-level-two-statuses", "two levels with the same TCB say different things", bad, info(func(i *simtee.TCBInfo) {
		again := i.Levels[0]
		again.Status, again.Date = rats.OutOfDate, stamp(noon)
		i.Levels = append(i.Levels, again)
	}))
	add("15-components", "a level has 15 components", bad, info(func(i *simtee.TCBInfo) { i.Levels[2].TCB.Components = i.Levels[2].TCB.Components[:15] }))
	add("17-components", "a level has 17 components", bad, info(func(i *simtee.TCBInfo) {
		i.Levels[2].TCB.Components = append(i.Levels[2].TCB.Components, simtee.Component{})
	}))
	return f
}

func tcbInfoTextFaults() []fault { return append(tcbInfoMemberFaults(), jsonFaults()...) }

// tcbInfoMemberFaults are members that are not what they should be.
func tcbInfoMemberFaults() []fault {
	return []fault{
		{"id-of-neither", "the id is neither SGX nor TDX", being("id", `"QE"`)},
		{"id-in-small-letters", "the id is sgx", being("id", `"sgx"`)},
		{"id-number", "the id is a number", being("id", "3")},
		{"version-string", "the version is a string", being("version", `"3"`)},
		{"version-fraction", "the version is 3.0", replace(`"version":3`, `"version":3.0`)},
		{"issue-date-without-zone", "the issue date has no zone", being("issueDate", `"2025-06-20T00:00:00"`)},
		{"issue-date-with-offset", "the issue date is not in UTC", being("issueDate", `"2025-06-20T00:00:00+00:00"`)},
		{"issue-date-with-fraction", "the issue date has fractions of a second", being("issueDate", `"2025-06-20T00:00:00.000Z"`)},
		{"issue-date-month-13", "the issue date is in month 13", being("issueDate", `"2025-13-20T00:00:00Z"`)},
		{"issue-date-30-february", "the issue date is on 30 February", being("issueDate", `"2025-02-30T00:00:00Z"`)},
		{"issue-date-number", "the issue date is a number", being("issueDate", "1750377600")},
		{"issue-date-empty", "the issue date is empty", being("issueDate", `""`)},
		{"next-update-text", "the next update is no date", being("nextUpdate", `"tomorrow"`)},
		{"next-update-before-issue", "the next update comes before the issue", being("nextUpdate", `"2025-06-19T23:59:59Z"`)},
		{"fmspc-5-bytes", "the FMSPC has 5 bytes", being("fmspc", `"00a51e0000"`)},
		{"fmspc-7-bytes", "the FMSPC has 7 bytes", being("fmspc", `"00a51e00000000"`)},
		{"fmspc-odd", "the FMSPC has 11 digits", being("fmspc", `"00a51e00000"`)},
		{"fmspc-not-hex", "the FMSPC is not hex", being("fmspc", `"00a51e00000g"`)},
		{"fmspc-number", "the FMSPC is a number", being("fmspc", "5")},
		{"pce-id-1-byte", "the PCE id has one byte", being("pceId", `"00"`)},
		{"pce-id-3-bytes", "the PCE id has three bytes", being("pceId", `"000000"`)},
		{"pce-id-not-hex", "the PCE id is not hex", being("pceId", `"00zz"`)},
		{"tcb-type-1", "the TCB type is 1, of which nothing is known", being("tcbType", "1")},
		{"tcb-type-string", "the TCB type is a string", being("tcbType", `"0"`)},
		{"evaluation-number-negative", "the evaluation number is negative", replace(`DataNumber":20`, `DataNumber":-20`)},
		{"evaluation-number-string", "the evaluation number is a string", being("tcbEvaluationDataNumber", `"20"`)},
		{"evaluation-number-too-large", "the evaluation number is 2 to the power of 64", being("tcbEvaluationDataNumber", "18446744073709551616")},
		{"levels-empty", "there is no level", func(t string) string { return t[:strings.Index(t, `"tcbLevels":`)] + `"tcbLevels":[]}` }},
		{"levels-object", "the levels are an object", func(t string) string { return t[:strings.Index(t, `"tcbLevels":`)] + `"tcbLevels":{}}` }},
		{"level-number", "a level is a number", replace(`"tcbLevels":[`, `"tcbLevels":[7,`)},
		{"level-null", "a level is null", replace(`"tcbLevels":[`, `"tcbLevels":[null,`)},
		{"tcb-array", "the TCB of a level is an array", replace(`{"tcb":{`, `{"tcb":[],"other":{`)},
		{"components-object", "the components are an object", being("sgxtcbcomponents", "{}")},
		{"component-256", "a component SVN is 256", being("svn", "256")},
		{"component-negative", "a component SVN is negative", being("svn", "-1")},
		{"component-string", "a component SVN is a string", being("svn", `"14"`)},
		{"component-fraction", "a component SVN is 14.5", replace(`"svn":14`, `"svn":14.5`)},
		{"pcesvn-65536", "PCESVN is 65536", being("pcesvn", "65536")},
		{"pcesvn-negative", "PCESVN is negative", being("pcesvn", "-1")},
		{"pcesvn-string", "PCESVN is a string", being("pcesvn", `"13"`)},
		{"tcb-date-text", "a level's date is none", being("tcbDate", `"recently"`)},
		{"status-unknown", "a status is none that Intel knows", being("tcbStatus", `"Fine"`)},
		{"status-in-small-letters", "a status is uptodate", being("tcbStatus", `"uptodate"`)},
		{"status-relaunch", "a level has a status that only evaluation gives", being("tcbStatus", `"TDRelaunchAdvised"`)},
		{"status-not-supported", "a level has the status NotSupported", being("tcbStatus", `"NotSupported"`)},
		{"status-empty", "a status is empty", being("tcbStatus", `""`)},
		{"status-number", "a status is a number", being("tcbStatus", "0")},
		{"advisories-string", "the advisories are a string", being("advisoryIDs", `"SIM-SA-00001"`)},
		{"advisories-numbers", "the advisories are numbers", being("advisoryIDs", "[1,2]")},
		{"sgx-with-module", "TCB info for SGX speaks of the TDX module", plus(`"tdxModule":{}`)},
		{"sgx-with-module-identities", "TCB info for SGX speaks of TDX module identities", plus(`"tdxModuleIdentities":[]`)},
	}
}

// jsonFaults are those of the text around the members.
func jsonFaults() []fault {
	return []fault{
		{"member-twice", "a member stands twice", plus(`"fmspc":"00a51e000001"`)},
		{"member-twice-escaped", "a member stands twice, once with escapes", plus(`"\u0066mspc":"00a51e000001"`)},
		{"unknown-member-twice", "a member that nobody knows stands twice", plus(`"new":1,"new":1`)},
		{"nested-33", "an unknown member is nested over 32 deep", plus(`"new":` + nested(32))},
		{"nested-2000", "an unknown member is nested 2000 deep", plus(`"new":` + nested(2000))},
		{"not-utf-8", "a string is not UTF-8", plus("\"new\":\"\xff\"")},
		{"control-character", "a string holds a line feed", plus("\"new\":\"\n\"")},
		{"leading-zero", "a number begins with zero", being("version", "03")},
		{"comma-at-end", "a comma follows the last member", func(t string) string { return t[:len(t)-1] + ",}" }},
		{"comment", "there is a comment", func(t string) string { return t[:len(t)-1] + "/* */}" }},
		{"null", "the TCB info is null", func(string) string { return "null" }},
		{"array", "the TCB info is an array", func(t string) string { return "[" + t + "]" }},
		{"string", "the TCB info is a string", func(string) string { return `"{}"` }},
		{"empty-object", "the TCB info is an empty object", func(string) string { return "{}" }},
	}
}

func tdxInfoTextFaults() []fault {
	module := func(g func(string) string) func(string) string {
		return func(t string) string {
			at := strings.Index(t, `"tdxModuleIdentities"`)
			return t[:at] + g(t[at:])
		}
	}
	return []fault{
		{"tdx-lacks-module", "TCB info for TDX lacks tdxModule", without("tdxModule")},
		{"tdx-module-lacks-mrsigner", "tdxModule lacks mrsigner", without("mrsigner")},
		{"tdx-module-lacks-attributes", "tdxModule lacks attributes", without("attributes")},
		{"tdx-module-lacks-mask", "tdxModule lacks attributesMask", without("attributesMask")},
		{"tdx-module-mrsigner-47-bytes", "the mrsigner of tdxModule has 47 bytes", being("mrsigner", `"`+strings.Repeat("00", 47)+`"`)},
		{"tdx-module-mrsigner-not-hex", "the mrsigner of tdxModule is not hex", being("mrsigner", `"`+strings.Repeat("zz", 48)+`"`)},
		{"tdx-module-attributes-7-bytes", "the attributes of tdxModule have 7 bytes", being("attributes", `"`+strings.Repeat("00", 7)+`"`)},
		{"tdx-module-mask-9-bytes", "the mask of tdxModule has 9 bytes", being("attributesMask", `"`+strings.Repeat("FF", 9)+`"`)},
		{"tdx-module-null", "tdxModule is null", func(t string) string { return plus(`"tdxModule":null`)(without("tdxModule")(t)) }},
		{"tdx-identities-object", "tdxModuleIdentities are an object", func(t string) string {
			from, to := strings.Index(t, `"tdxModuleIdentities"`), strings.Index(t, `"tcbLevels":[{"tcb":{"sgx`)
			return t[:from] + `"tdxModuleIdentities":{},` + t[to:]
		}},
		{"tdx-identity-lacks-id", "a module identity lacks its id", module(without("id"))},
		{"tdx-identity-lacks-mrsigner", "a module identity lacks mrsigner", module(without("mrsigner"))},
		{"tdx-identity-lacks-attributes", "a module identity lacks attributes", module(without("attributes"))},
		{"tdx-identity-lacks-mask", "a module identity lacks attributesMask", module(without("attributesMask"))},
		{"tdx-identity-lacks-levels", "a module identity lacks its levels", module(replace(`"tcbLevels"`, `"other"`))},
		{"tdx-identity-id-number", "a module identity's id is a number", module(being("id", "3"))},
		{"tdx-identity-lacks-isvsvn", "a module's level lacks isvsvn", module(without("isvsvn"))},
		{"tdx-identity-isvsvn-65536", "a module's level has an isvsvn of 65536", module(being("isvsvn", "65536"))},
		{"tdx-identity-isvsvn-negative", "a module's level has a negative isvsvn", module(being("isvsvn", "-1"))},
		{"tdx-identity-level-twice", "a module's levels have one isvsvn", module(replace(`"isvsvn":4`, `"isvsvn":5`))},
		{"tdx-identity-twice", "two module identities have one id", replace(`"id":"TDX_01"`, `"id":"TDX_03"`)},
		{"tdx-identity-twice-in-small-letters", "two module identities have one id but for its case", replace(`"id":"TDX_01"`, `"id":"tdx_03"`)},
		{"tdx-identity-status-unknown", "a module's level has a status that modules do not have", module(being("tcbStatus", `"SWHardeningNeeded"`))},
		{"tdx-identity-date-text", "a module's level has a date that is none", module(being("tcbDate", `"then"`))},
		{"tdx-lacks-components", "a level lacks its TDX components", renamed("tdxtcbcomponents", "other")},
		{"tdx-15-components", "a level has 15 TDX components", func(t string) string {
			at := strings.Index(t, `"tdxtcbcomponents"`)
			return t[:at] + replace(`{"svn":0},`, "")(t[at:])
		}},
		{"tdx-component-256", "a TDX component is 256", func(t string) string {
			at := strings.Index(t, `"tdxtcbcomponents"`)
			return t[:at] + being("svn", "256")(t[at:])
		}},
	}
}

// wholeFaults are those of the object that holds a statement and its signature.
func wholeFaults(member, what string) []fault {
	edit := func(f func(string) string) func(string) string { return f }
	return []fault{
		{"whole-empty", "there are no bytes", edit(func(string) string { return "" })},
		{"whole-cut", "the last byte is missing", edit(func(t string) string { return t[:len(t)-1] })},
		{"whole-trailing", "something follows the object", edit(func(t string) string { return t + "{}" })},
		{"whole-byte-order-mark", "a byte order mark stands before the object", edit(func(t string) string { return "\ufeff" + t })},
		{"whole-array", "the object is in an array", edit(func(t string) string { return "[" + t + "]" })},
		{"whole-unsigned-member", "there is a member that is not signed", edit(func(t string) string { return t[:len(t)-1] + `,"also":1}` })},
		{"whole-lacks-signature", "the signature is missing", edit(func(t string) string { return t[:strings.LastIndex(t, `,"signature"`)] + "}" })},
		{"whole-of-another-name", "the " + what + " stands under another name", edit(replace(`{"`+member+`"`, `{"`+strings.ToLower(member)+`2"`))},
		{"signature-63-bytes", "the signature has 63 bytes", edit(func(t string) string { return t[:len(t)-4] + `"}` })},
		{"signature-65-bytes", "the signature has 65 bytes", edit(func(t string) string { return t[:len(t)-2] + `00"}` })},
		{"signature-not-hex", "the signature is not hex", edit(func(t string) string { return t[:len(t)-3] + `g"}` })},
		{"signature-number", "the signature is a number", edit(func(t string) string { return t[:strings.LastIndex(t, `,"signature"`)] + `,"signature":7}` })},
	}
}
