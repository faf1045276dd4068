// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// object is a JSON object of a policy.
type object = map[string]any

// hexOf is a value that begins with some bytes and goes on with zeros, in hex.
func hexOf(size int, first ...byte) string {
	return hex.EncodeToString(append(first, make([]byte, size-len(first))...))
}

func policies() family {
	f := family{name: "policy"}
	add := func(name, form, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, "RFC 9334 8.5; docs/policy.md", text, w, formNamed(form, edits...), ""})
	}
	debug := func(s *scene) { s.enclave.Debug, s.td.Debug = true, true }
	allow := demanding("allow_debug", true)
	for _, form := range []string{"sgx-v3", "tdx-v4", "tdx-v5-td15"} {
		add("debug-"+form, form, "a debug build, whose memory its host can read", want{rats.DebugForbidden, up}, debug)
		add("debug-allowed-"+form, form, "a debug build, which the policy allows", accepted(), debug, allow)
		add("runtime-data-"+form, form, "the report data are SHA-256 of the runtime data, and zeros", accepted(), bound("data"), demanding("runtime_data", []byte("data")))
		add("runtime-data-other-"+form, form, "the report data are SHA-256 of other runtime data", refused(rats.BindingMismatch), bound("other"), demanding("runtime_data", []byte("data")))
		add("report-data-"+form, form, "the report data are those that the policy demands, and zeros", accepted(), demanding("report_data", "da7a"))
		add("report-data-other-"+form, form, "the report data are not those that the policy demands", want{rats.BindingMismatch, up}, demanding("report_data", "da7b"))
	}
	add("runtime-data-second-half", "sgx-v3", "the second half of the report data is not zero", refused(rats.BindingMismatch), bound("data"),
		func(s *scene) { s.enclave.ReportData[63] = 1 }, demanding("runtime_data", []byte("data")))
	for bit := 1; bit < 8; bit += 3 {
		add(fmt.Sprintf("tud-bit-%d", bit), "tdx-v4", fmt.Sprintf("bit %d of TDATTRIBUTES.TUD is set: the TD is under debug or profiling", bit), want{rats.DebugForbidden, up},
			tdReport(func(r *quote.TDReport) { r.TDAttributes[0] = 1 << bit }))
	}
	for _, s := range []rats.TCBStatus{sw, cf, cs, od, oc, rv, ns} {
		add("accepts-"+short(s), "sgx-v3", "the platform is "+string(s)+", which the policy accepts", want{rats.None, s}, platformAt(s), accepting(s))
	}
	add("accepts-another", "sgx-v3", "the platform is OutOfDate, and the policy accepts SWHardeningNeeded", at(od), platformAt(od), accepting(sw))
	add("accepts-relaunch", "tdx-v5-td15", "a relaunch is advised, which the policy accepts", want{rats.None, ra}, ladder(),
		svns(func(l, n *[16]byte) { l[2], n[2] = rung(4), rung(0) }), accepting(ra))
	add("binding-before-status", "sgx-v3", "the report data are of other runtime data, and the platform is out of date: the binding counts", want{rats.BindingMismatch, od},
		platformAt(od), demanding("runtime_data", []byte("data")))
	add("status-before-debug", "sgx-v3", "the platform is out of date, and the build a debug one: the status counts", at(od), platformAt(od), debug)
	add("debug-before-measurement", "sgx-v3", "the build is a debug one, and the code unknown: debug counts", want{rats.DebugForbidden, up}, debug, knowing(object{"mr_enclave": hexOf(32, 0xe2)}))
	f.cases = append(f.cases, tcbPolicies()...)
	f.cases = append(f.cases, codePolicies()...)
	return f
}

func accepting(s ...rats.TCBStatus) edit { return demanding("accept_tcb", s) }

func knowing(values ...object) edit { return demanding("reference_values", values) }

// tcbPolicies are demands on what the vendor says of the TCB.
func tcbPolicies() (out []testCase) {
	add := func(name, form, text string, w want, edits ...edit) {
		out = append(out, testCase{name, "docs/policy.md", text, w, formNamed(form, edits...), ""})
	}
	rejected := func(s rats.TCBStatus) want { return want{rats.TCBRejected, s} }
	// What is out of date is so since the vendor's date of the next better level,
	// 13 November 2024.
	add("grace-last-second", "sgx-v3", "the platform is out of date, and the grace period ends at the time of the appraisal", want{rats.None, od}, platformAt(od), demanding("grace_period", "219d12h"))
	add("grace-over", "sgx-v3", "the platform is out of date, and the grace period ended a second ago", rejected(od), platformAt(od), demanding("grace_period", "5267h59m59s"))
	add("grace-not-for-configuration", "sgx-v3", "the platform is out of date and needs configuration, for which there is no grace", rejected(oc), platformAt(oc), demanding("grace_period", "365d"))
	add("grace-and-configuration", "sgx-v3", "the platform is out of date, within the grace period, and needs configuration, which is accepted", want{rats.None, oc}, platformAt(oc),
		demanding("grace_period", "365d"), accepting(cf))
	add("grace-not-for-revoked", "sgx-v3", "the platform is revoked, for which there is no grace", at(rv), platformAt(rv), demanding("grace_period", "3650d"))
	add("grace-for-module", "tdx-v4", "the TDX module is out of date, within the grace period", want{rats.None, od}, module(4, 3), demanding("grace_period", "365d"))
	add("grace-for-relaunch", "tdx-v5-td15", "a relaunch is advised, within the grace period", want{rats.None, ra}, svns(func(l, _ *[16]byte) { l[0] = 4 }), demanding("grace_period", "365d"))
	add("advisories-known", "sgx-v3", "hardening is needed for an advisory that the policy accepts", want{rats.None, sw}, platformAt(sw), accepting(sw), demanding("accept_advisories", []string{"SIM-SA-00001"}))
	add("advisories-unknown", "sgx-v3", "hardening is needed for an advisory that the policy does not accept", rejected(sw), platformAt(sw), accepting(sw), demanding("accept_advisories", []string{"SIM-SA-00002"}))
	add("advisories-accept-no-status", "sgx-v3", "all advisories are accepted, and the status is not", rejected(sw), platformAt(sw), demanding("accept_advisories", []string{"SIM-SA-00001"}))
	add("advisories-of-module", "tdx-v4", "the module's level has an advisory that the policy does not accept", rejected(od), module(4, 3), accepting(od), demanding("accept_advisories", []string{}))
	add("date-least", "sgx-v3", "the TCB date is the least that the policy accepts", accepted(), demanding("min_tcb_date", "2024-11-13T00:00:00Z"))
	add("date-before-least", "sgx-v3", "the TCB date is a second before the least that the policy accepts", rejected(up), demanding("min_tcb_date", "2024-11-13T00:00:01Z"))
	add("date-of-qe", "sgx-v3", "the quoting enclave's TCB date is before the least that the policy accepts", rejected(up), demanding("min_tcb_date", "2024-11-13"),
		identity(func(i *simtee.Identity) { i.Levels[0].Date = stamp(day(2024, 11, 12)) }))
	add("date-of-module", "tdx-v4", "the module's TCB date is before the least that the policy accepts", rejected(up), demanding("min_tcb_date", "2024-11-13"),
		info(func(i *simtee.TCBInfo) { i.Modules[0].Levels[0].Date = stamp(day(2024, 11, 12)) }))
	add("number-least", "sgx-v3", "the evaluation number is the least that the policy accepts", accepted(), demanding("min_evaluation_number", 20))
	add("number-below-least", "sgx-v3", "the evaluation number is below the least that the policy accepts", rejected(up), demanding("min_evaluation_number", 21))
	add("number-of-identity-below-least", "sgx-v3", "the identity's evaluation number is below the least that the policy accepts", rejected(up), demanding("min_evaluation_number", 20),
		identity(func(i *simtee.Identity) { i.EvaluationDataNumber = 19 }))
	return out
}

// codePolicies are demands on the code and on the machine.
func codePolicies() (out []testCase) {
	add := func(name, form, text string, w want, edits ...edit) {
		out = append(out, testCase{name, "docs/policy.md", text, w, formNamed(form, edits...), ""})
	}
	unknown, wrong := want{rats.MeasurementUnknown, up}, want{rats.PolicyRejected, up}
	enclave, signer, td := hexOf(32, 0xe1), hexOf(32, 0x51), hexOf(48, 0x7d)
	add("enclave-known", "sgx-v3", "MRENCLAVE is the second of two that are known", accepted(), knowing(object{"mr_enclave": hexOf(32, 0xe0)}, object{"mr_enclave": enclave}))
	add("enclave-unknown", "sgx-v3", "MRENCLAVE is not known", unknown, knowing(object{"mr_enclave": hexOf(32, 0xe0)}))
	add("none-known", "sgx-v3", "no code is known", unknown, knowing([]object{}...))
	add("product-known", "sgx-v3", "signer and product are known, and the SVN is the least", accepted(), knowing(object{"mr_signer": signer, "isv_prod_id": 1, "min_isv_svn": 2}))
	add("product-old", "sgx-v3", "signer and product are known, and the SVN is below the least", unknown, knowing(object{"mr_signer": signer, "isv_prod_id": 1, "min_isv_svn": 3}))
	add("product-unknown", "sgx-v3", "the signer is known, and the product is not", unknown, knowing(object{"mr_signer": signer, "isv_prod_id": 2}))
	add("signer-unknown", "sgx-v3", "the signer is not known", unknown, knowing(object{"mr_signer": hexOf(32, 0x52), "isv_prod_id": 1}))
	add("td-for-an-enclave", "sgx-v3", "a trust domain is known, and the evidence an enclave's", unknown, knowing(object{"mr_td": td}))
	for _, form := range []string{"tdx-v4", "tdx-v5-td15"} {
		add("td-known-"+form, form, "MRTD and RTMRs are known", accepted(), knowing(object{"mr_td": td, "rtmr0": hexOf(48, 1), "rtmr1": hexOf(48, 2), "rtmr2": hexOf(48), "rtmr3": hexOf(48)}))
		add("td-unknown-"+form, form, "MRTD is not known", unknown, knowing(object{"mr_td": hexOf(48, 0x7e)}))
		add("td-another-rtmr-"+form, form, "MRTD is known, and RTMR1 is another", unknown, knowing(object{"mr_td": td, "rtmr1": hexOf(48, 3)}))
	}
	bits := func(value, mask string) object { return object{"value": value, "mask": mask} }
	add("attributes", "sgx-v3", "ATTRIBUTES are as the policy demands under its mask", accepted(), demanding("attributes", bits(hexOf(16, 5), hexOf(16, 0xff))))
	add("attributes-other", "sgx-v3", "ATTRIBUTES are not as the policy demands under its mask", wrong, demanding("attributes", bits(hexOf(16, 1), hexOf(16, 0xff))))
	add("misc-select", "sgx-v3", "MISCSELECT is not as the policy demands", wrong, demanding("misc_select", bits(hexOf(4, 1), hexOf(4, 1))))
	sept := demanding("td_attributes", bits(hexOf(8, 0, 0, 0, 0x10), hexOf(8, 0, 0, 0, 0x10)))
	add("sept-ve-disable", "tdx-v4", "SEPT_VE_DISABLE is set, as the policy demands", accepted(), sept)
	add("sept-ve-disable-missing", "tdx-v4", "SEPT_VE_DISABLE is not set, and the policy demands it", wrong, sept, tdReport(func(r *quote.TDReport) { r.TDAttributes = [8]byte{} }))
	add("sept-ve-disable-of-an-enclave", "sgx-v3", "the policy demands attributes of trust domains, and the evidence is an enclave's", wrong, sept)
	add("xfam", "tdx-v4", "XFAM has a bit that the policy forbids", wrong, demanding("xfam", bits(hexOf(8), hexOf(8, 0xff))))
	machine := func(name, text string, w want, demands object, edits ...edit) {
		add("platform-"+name, "sgx-v3", text, w, append(edits, demanding("platform", demands))...)
	}
	machine("without-smt", "SMT is on, and the policy demands that it is not", wrong, object{"smt_enabled": false})
	machine("with-smt", "SMT is on, as the policy demands", accepted(), object{"smt_enabled": true})
	machine("static", "the platform is dynamic, and the policy demands that it is not", wrong, object{"dynamic_platform": false})
	machine("cached-keys", "the platform caches keys, and the policy demands that it does not", wrong, object{"cached_keys": false},
		extension(func(e *dcap.PCKExtension) { e.Platform.CachedKeys = true }))
	machine("flag-not-certified", "a Processor CA certifies no flags, and the policy demands one", wrong, object{"cached_keys": false}, processor())
	machine("issuer", "a Processor CA certified the platform, and the policy accepts the Platform CA's", wrong, object{"accept_issuers": []string{"platform"}}, processor())
	machine("sgx-type", "the platform is scalable, and the policy accepts standard ones", wrong, object{"accept_sgx_types": []int{0}})
	machine("fmspc-accepted", "the FMSPC is one that the policy accepts", accepted(), object{"accept_fmspc": []string{"00a51e000000"}})
	machine("fmspc-rejected", "the FMSPC is one that the policy rejects", wrong, object{"reject_fmspc": []string{"00a51e000000"}})
	return out
}

// bound has the report data be SHA-256 of some data.
func bound(data string) edit {
	return func(s *scene) {
		sum := sha256.Sum256([]byte(data))
		s.enclave.ReportData = [64]byte{}
		copy(s.enclave.ReportData[:], sum[:])
		s.td.ReportData = s.enclave.ReportData
	}
}
