// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const identityClause = "PCS API v4 3.6, enclave identity"

func identityForms() family {
	f := family{name: "identity-fault"}
	add := func(name, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, identityClause, text, w, edits, ""})
	}
	bad := refused(rats.Malformed)
	for _, name := range []string{
		"id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber", "miscselect", "miscselectMask",
		"attributes", "attributesMask", "mrsigner", "isvprodid", "isvsvn", "tcbDate", "tcbStatus",
	} {
		add("lacks-"+strings.ToLower(name), "the identity lacks "+name, bad, inner(rats.QEIdentity, without(name)))
	}
	for _, name := range []string{"tcbLevels", "tcb"} {
		add("lacks-"+strings.ToLower(name), "the identity lacks "+name, bad, inner(rats.QEIdentity, renamed(name, "other")))
	}
	for _, c := range identityTextFaults() {
		add(c.name, c.text, bad, inner(rats.QEIdentity, c.edit))
	}
	for _, c := range wholeFaults("enclaveIdentity", "identity") {
		add(c.name, c.text, bad, sent(rats.QEIdentity, func(b []byte) []byte { return []byte(c.edit(string(b))) }))
	}
	for _, v := range []int{0, 1, 3} {
		add(fmt.Sprintf("version-%d", v), fmt.Sprintf("the version is %d", v), refused(rats.Unsupported), inner(rats.QEIdentity, being("version", fmt.Sprint(v))))
	}
	add("form-unknown-members", "there are members that nobody knows", accepted(), inner(rats.QEIdentity, plus(`"new":{"a":[]}`)))
	add("form-shuffled", "the levels stand in the reverse order", accepted(), identity(func(i *simtee.Identity) { slices.Reverse(i.Levels) }))
	add("form-in-small-letters", "hex stands in small letters", accepted(), identity(func(i *simtee.Identity) {
		i.MRSigner, i.AttributesMask = strings.ToLower(i.MRSigner), strings.ToLower(i.AttributesMask)
	}))
	add("form-advisories", "a level has advisories", accepted(), identity(func(i *simtee.Identity) { i.Levels[0].Advisories = []string{"SIM-SA-00010"} }))
	add("form-one-svn-two-dates", "two levels have one isvsvn and different dates: the later one counts", accepted(), identity(func(i *simtee.Identity) {
		i.Levels = append(i.Levels, simtee.Level(8, day(2020, 1, 1), rats.OutOfDate))
	}))
	return f
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

func identityTextFaults() []fault {
	return []fault{
		{"id-unknown", "the id is of no enclave of Intel's", being("id", `"PCE"`)},
		{"id-in-small-letters", "the id is qe", being("id", `"qe"`)},
		{"id-empty", "the id is empty", being("id", `""`)},
		{"id-number", "the id is a number", being("id", "1")},
		{"version-string", "the version is a string", being("version", `"2"`)},
		{"issue-date-text", "the issue date is none", being("issueDate", `"today"`)},
		{"issue-date-with-offset", "the issue date is not in UTC", being("issueDate", `"2025-06-20T02:00:00+02:00"`)},
		{"next-update-text", "the next update is no date", being("nextUpdate", `"tomorrow"`)},
		{"next-update-before-issue", "the next update comes before the issue", being("nextUpdate", `"2025-06-19T23:59:59Z"`)},
		{"evaluation-number-negative", "the evaluation number is negative", replace(`DataNumber":20`, `DataNumber":-20`)},
		{"evaluation-number-string", "the evaluation number is a string", being("tcbEvaluationDataNumber", `"20"`)},
		{"miscselect-3-bytes", "MISCSELECT has 3 bytes", being("miscselect", `"000000"`)},
		{"miscselect-5-bytes", "MISCSELECT has 5 bytes", being("miscselect", `"0000000000"`)},
		{"miscselect-not-hex", "MISCSELECT is not hex", being("miscselect", `"0000000x"`)},
		{"miscselect-number", "MISCSELECT is a number", being("miscselect", "0")},
		{"miscselect-mask-3-bytes", "the mask of MISCSELECT has 3 bytes", being("miscselectMask", `"FFFFFF"`)},
		{"miscselect-mask-not-hex", "the mask of MISCSELECT is not hex", being("miscselectMask", `"FFFFFFFG"`)},
		{"attributes-15-bytes", "ATTRIBUTES have 15 bytes", being("attributes", `"`+strings.Repeat("11", 15)+`"`)},
		{"attributes-17-bytes", "ATTRIBUTES have 17 bytes", being("attributes", `"`+strings.Repeat("11", 17)+`"`)},
		{"attributes-not-hex", "ATTRIBUTES are not hex", being("attributes", `"`+strings.Repeat("1g", 16)+`"`)},
		{"attributes-mask-15-bytes", "the mask of ATTRIBUTES has 15 bytes", being("attributesMask", `"`+strings.Repeat("FF", 15)+`"`)},
		{"attributes-mask-not-hex", "the mask of ATTRIBUTES is not hex", being("attributesMask", `"`+strings.Repeat("FG", 16)+`"`)},
		{"mrsigner-31-bytes", "MRSIGNER has 31 bytes", being("mrsigner", `"`+strings.Repeat("00", 31)+`"`)},
		{"mrsigner-33-bytes", "MRSIGNER has 33 bytes", being("mrsigner", `"`+strings.Repeat("00", 33)+`"`)},
		{"mrsigner-empty", "MRSIGNER is empty", being("mrsigner", `""`)},
		{"mrsigner-not-hex", "MRSIGNER is not hex", being("mrsigner", `"`+strings.Repeat("0g", 32)+`"`)},
		{"isvprodid-65536", "ISVPRODID is 65536", being("isvprodid", "65536")},
		{"isvprodid-negative", "ISVPRODID is negative", being("isvprodid", "-1")},
		{"isvprodid-string", "ISVPRODID is a string", being("isvprodid", `"1"`)},
		{"levels-empty", "there is no level", func(t string) string { return t[:strings.Index(t, `"tcbLevels":`)] + `"tcbLevels":[]}` }},
		{"levels-object", "the levels are an object", func(t string) string { return t[:strings.Index(t, `"tcbLevels":`)] + `"tcbLevels":{}}` }},
		{"level-string", "a level is a string", replace(`"tcbLevels":[`, `"tcbLevels":["level",`)},
		{"tcb-array", "the TCB of a level is an array", being("tcb", "[]")},
		{"isvsvn-65536", "an isvsvn is 65536", being("isvsvn", "65536")},
		{"isvsvn-negative", "an isvsvn is negative", being("isvsvn", "-1")},
		{"isvsvn-string", "an isvsvn is a string", being("isvsvn", `"8"`)},
		{"tcb-date-text", "a level's date is none", being("tcbDate", `"recently"`)},
		{"status-unknown", "a status is none that Intel knows", being("tcbStatus", `"Fine"`)},
		{"status-of-platforms", "a status is one that only platforms have", being("tcbStatus", `"ConfigurationNeeded"`)},
		{"status-number", "a status is a number", being("tcbStatus", "1")},
		{"advisories-string", "the advisories are a string", replace(`"tcbStatus":"UpToDate"`, `"tcbStatus":"UpToDate","advisoryIDs":"SIM-SA-00001"`)},
		{"same-level-twice", "a level stands twice", func(t string) string {
			at := strings.Index(t, `"tcbLevels":[`) + len(`"tcbLevels":[`)
			end := strings.Index(t[at:], `},{"tcb"`) + at + 1
			return t[:at] + t[at:end] + "," + t[at:]
		}},
		{"member-twice", "a member stands twice", plus(`"isvprodid":1`)},
		{"nested-33", "an unknown member is nested over 32 deep", plus(`"new":` + nested(32))},
		{"null", "the identity is null", func(string) string { return "null" }},
		{"array", "the identity is an array", func(t string) string { return "[" + t + "]" }},
		{"empty-object", "the identity is an empty object", func(string) string { return "{}" }},
	}
}

// qeIdentity holds QE reports against identities.
func qeIdentity() family {
	const clause = "SGX DCAP QVL 4.1.2.9"
	f := family{name: "qe-identity"}
	for _, tee := range []string{"sgx-v3", "tdx-v4", "tdx-v5-td15"} {
		add := func(name, text string, w want, edits ...edit) {
			f.cases = append(f.cases, testCase{name + "-" + tee, clause, text, w, formNamed(tee, edits...), ""})
		}
		qe := func(g func(*simtee.QuotingEnclave)) edit { return quotingEnclave(g) }
		mismatch := refused(rats.BindingMismatch)
		add("mrsigner", "the QE report's MRSIGNER is not the identity's", mismatch, qe(func(q *simtee.QuotingEnclave) { q.Report.MRSigner[31] ^= 1 }))
		add("isvprodid", "the QE report's ISVPRODID is not the identity's", mismatch, qe(func(q *simtee.QuotingEnclave) { q.Report.ISVProdID += 5 }))
		add("miscselect", "a bit of the QE report's MISCSELECT is set under the mask", mismatch, qe(func(q *simtee.QuotingEnclave) { q.Report.MiscSelect[0] = 1 }))
		add("miscselect-outside-mask", "a bit of MISCSELECT is set outside the mask", accepted(),
			qe(func(q *simtee.QuotingEnclave) { q.Report.MiscSelect[3] = 1 }), identity(func(i *simtee.Identity) { i.MiscSelectMask = "FFFFFF00" }))
		add("attributes", "a bit of the QE report's ATTRIBUTES is missing under the mask", mismatch, qe(func(q *simtee.QuotingEnclave) { q.Report.Attributes[0] &^= 0x10 }))
		add("attributes-debug", "the quoting enclave is a debug one", mismatch, qe(func(q *simtee.QuotingEnclave) { q.Report.Attributes[0] |= 2 }))
		add("attributes-outside-mask", "bits of ATTRIBUTES are set outside the mask", accepted(), qe(func(q *simtee.QuotingEnclave) { q.Report.Attributes[9] = 0xff }))
		add("identity-demands-more-than-mask", "the identity's ATTRIBUTES have a bit that its mask does not let through", mismatch,
			identity(func(i *simtee.Identity) { i.Attributes = "15000000000000000000000000000000" }))
		add("mrenclave", "the QE report's MRENCLAVE is another: no identity speaks of it", accepted(), qe(func(q *simtee.QuotingEnclave) { q.Report.MREnclave[0] ^= 1 }))
		add("svn-higher", "the quoting enclave is newer than all levels", accepted(), qe(func(q *simtee.QuotingEnclave) { q.Report.ISVSVN = 9 }))
		add("svn-between", "the quoting enclave is between two levels", at(rats.OutOfDate), qe(func(q *simtee.QuotingEnclave) { q.Report.ISVSVN = 7 }))
		add("svn-below", "the quoting enclave is older than all levels", at(rats.NotSupported), qe(func(q *simtee.QuotingEnclave) { q.Report.ISVSVN = 5 }))
		add("mismatch-and-old", "MRSIGNER does not match, and the quoting enclave is out of date: not being the one counts", mismatch,
			qe(func(q *simtee.QuotingEnclave) { q.Report.MRSigner[31] ^= 1; q.Report.ISVSVN = 6 }))
	}
	add := func(name, form, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, formNamed(form, edits...), ""})
	}
	as := func(id string) edit { return identity(func(i *simtee.Identity) { i.ID = id }) }
	missing := refused(rats.EndorsementUnavailable)
	add("of-tdx-for-sgx", "sgx-v3", "the only identity is that of the quoting enclave of TDX", missing, as("TD_QE"))
	add("of-sgx-for-tdx", "tdx-v4", "the only identity is that of the quoting enclave of SGX", missing, as("QE"))
	add("of-qve", "sgx-v3", "the only identity is that of the quote verification enclave", missing, as("QVE"))
	return f
}
