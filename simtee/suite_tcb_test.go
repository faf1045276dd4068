// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const matchClause = "SGX DCAP QVL 4.1.2.5.14 to 16; PCS API v4 3.3"

// svns sets TEE_TCB_SVN and, where the report has it, TEE_TCB_SVN2.
func svns(f func(launch, now *[16]byte)) edit {
	return reported(func(q *quote.Quote) {
		now := &[16]byte{}
		if q.TD.TD15 != nil {
			now = &q.TD.TD15.TEETCBSVN2
		}
		f(&q.TD.TEETCBSVN, now)
	})
}

func module(minor, major byte) edit {
	return svns(func(launch, _ *[16]byte) { launch[0], launch[1] = minor, major })
}

func modules(f func([]simtee.Module) []simtee.Module) edit {
	return info(func(i *simtee.TCBInfo) { i.Modules = f(i.Modules) })
}

func tdReport(f func(*quote.TDReport)) edit { return reported(func(q *quote.Quote) { f(q.TD) }) }

func tdxModule() family {
	const clause = "SGX DCAP QVL 4.1.2.5.12"
	f := family{name: "tdx-module"}
	add := func(name, form, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, clause, text, w, formNamed(form, edits...), ""})
		return &f.cases[len(f.cases)-1]
	}
	mismatch, none := refused(rats.BindingMismatch), at(rats.NotSupported)
	const terminal = "Intel's library ends with TDX_MODULE_MISMATCH; here the status is NotSupported, with all else that is known."
	third := func(g func(*simtee.Module)) edit {
		return modules(func(m []simtee.Module) []simtee.Module { g(&m[0]); return m })
	}
	for _, form := range []string{"tdx-v4", "tdx-v5-td15"} {
		both := func(g func(*[16]byte)) edit { return svns(func(launch, now *[16]byte) { g(launch); g(now) }) }
		add("no-identity-"+form, form, "TCB info has no identity for the module's version", none, both(func(s *[16]byte) { s[1] = 4 })).note = terminal
		add("no-identities-"+form, form, "TCB info has no module identities", none, modules(func([]simtee.Module) []simtee.Module { return nil })).note = terminal
		add("mrsigner-"+form, form, "MRSIGNERSEAM is not the identity's", mismatch, tdReport(func(r *quote.TDReport) { r.MRSignerSEAM[47] = 1 }))
		add("mrsigner-of-identity-"+form, form, "the identity's MRSIGNER is not the module's", mismatch, third(func(m *simtee.Module) { m.MRSigner = "01" + m.MRSigner[2:] }))
		add("mrsigner-of-top-level-"+form, form, "the top-level tdxModule has another MRSIGNER: the identity counts", accepted(),
			info(func(i *simtee.TCBInfo) { i.Module.MRSigner = "01" + i.Module.MRSigner[2:] }))
		add("attributes-"+form, form, "SEAMATTRIBUTES are not zero", mismatch, tdReport(func(r *quote.TDReport) { r.SEAMAttributes[0] = 1 }))
		add("attributes-of-identity-"+form, form, "the identity's attributes are not zero", mismatch, third(func(m *simtee.Module) { m.Attributes = "0100000000000000" }))
		add("attributes-equal-"+form, form, "SEAMATTRIBUTES are the identity's, and not zero", mismatch, third(func(m *simtee.Module) { m.Attributes = "0100000000000000" }),
			tdReport(func(r *quote.TDReport) { r.SEAMAttributes[0] = 1 }))
		add("attributes-outside-mask-"+form, form, "SEAMATTRIBUTES are not zero outside the identity's mask, which does not count", mismatch,
			third(func(m *simtee.Module) { m.AttributesMask = strings.Repeat("00", 8) }), tdReport(func(r *quote.TDReport) { r.SEAMAttributes[0] = 1 }))
		add("mrseam-"+form, form, "MRSEAM is another: no identity speaks of it", accepted(), tdReport(func(r *quote.TDReport) { r.MRSEAM[0] ^= 1 }))
	}
	add("id-in-small-letters", "tdx-v4", "the identity's id is tdx_03: case does not count", accepted(), third(func(m *simtee.Module) { m.ID = "tdx_03" }))
	add("id-in-hex", "tdx-v4", "the version is 16, and its identity TDX_10: ids are hex", accepted(), module(5, 16), third(func(m *simtee.Module) { m.ID = "TDX_10" })).
		note = "A verifier that prints the version in decimal looks for TDX_16."
	add("id-in-decimal", "tdx-v4", "the version is 16, and there is an identity TDX_16, which is of version 22", none, module(5, 16), third(func(m *simtee.Module) { m.ID = "TDX_16" }))
	add("id-in-hex-letter", "tdx-v4", "the version is 10, and its identity TDX_0A", accepted(), module(5, 10), third(func(m *simtee.Module) { m.ID = "TDX_0A" }))
	add("version-1", "tdx-v4", "the version is 1, which has an identity of its own", accepted(), module(4, 1))
	add("svn-higher", "tdx-v4", "the module is newer than all levels", accepted(), module(200, 3))
	add("svn-stale", "tdx-v4", "the module is at a level that is out of date", at(rats.OutOfDate), module(4, 3))
	add("svn-between", "tdx-v4", "the module is between two levels, the lower of which is revoked", at(rats.TCBRevoked), module(3, 3))
	add("svn-below", "tdx-v4", "the module is below all levels", none, module(1, 3))
	add("tdx10-module", "tdx-v4", "the module's version is 0: the top-level tdxModule counts, which has no levels", accepted(), module(5, 0))
	add("tdx10-module-mrsigner", "tdx-v4", "the module's version is 0, and MRSIGNERSEAM not that of the top-level tdxModule", mismatch, module(5, 0),
		info(func(i *simtee.TCBInfo) { i.Module.MRSigner = "01" + i.Module.MRSigner[2:] }))
	add("tdx10-module-attributes", "tdx-v4", "the module's version is 0, and SEAMATTRIBUTES are not zero", mismatch, module(5, 0), tdReport(func(r *quote.TDReport) { r.SEAMAttributes[7] = 1 }))
	add("tdx10-module-identities-do-not-count", "tdx-v4", "the module's version is 0, and the MRSIGNER of all identities another", accepted(), module(5, 0),
		modules(func(m []simtee.Module) []simtee.Module {
			for i := range m {
				m[i].MRSigner = "01" + m[i].MRSigner[2:]
			}
			return m
		}))
	return f
}

// oneLevel leaves the platform's own level alone in TCB info, after an edit.
func oneLevel(f func(*simtee.LevelTCB)) edit {
	return info(func(i *simtee.TCBInfo) {
		i.Levels = i.Levels[:1]
		f(&i.Levels[0].TCB)
	})
}

func tcbMatching() family {
	f := family{name: "tcb-match"}
	add := func(name, form, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, matchClause, text, w, formNamed(form, edits...), ""})
		return &f.cases[len(f.cases)-1]
	}
	none := at(rats.NotSupported)
	for _, n := range []int{0, 1, 2, 6, 7, 15} {
		add(fmt.Sprintf("component-%d-below", n+1), "sgx-v3", fmt.Sprintf("component %d is one below the only level", n+1), none,
			oneLevel(func(t *simtee.LevelTCB) { t.Components[n].SVN++ }))
	}
	add("pcesvn-below", "sgx-v3", "PCESVN is one below the only level", none, oneLevel(func(t *simtee.LevelTCB) { t.PCESVN++ }))
	add("all-equal", "sgx-v3", "the platform is exactly at the only level", accepted(), oneLevel(func(*simtee.LevelTCB) {}))
	add("all-above", "sgx-v3", "the platform is above the only level in everything", accepted(), oneLevel(func(t *simtee.LevelTCB) { *t = simtee.LevelTCB{Components: simtee.Components([16]uint8{})} }))
	add("svn-255", "sgx-v3", "component SVNs are numbers from 0 to 255, without sign", none, oneLevel(func(t *simtee.LevelTCB) { t.Components[0].SVN = 255 }))
	add("platform-255", "sgx-v3", "the platform's component is 255, the level's 14", accepted(), extension(func(e *dcap.PCKExtension) { e.Components[0] = 255 }))
	add("pcesvn-65535", "sgx-v3", "the platform's PCESVN is 65535", accepted(), extension(func(e *dcap.PCKExtension) { e.PCESVN = 65535 }))
	add("not-lexicographic", "sgx-v3", "a level's first component is below the platform's and its second above: it is not reached", at(rats.OutOfDate), info(func(i *simtee.TCBInfo) {
		i.Levels = []simtee.TCBLevel{i.Levels[0], i.Levels[4]}
		i.Levels[0].TCB.Components[0].SVN, i.Levels[0].TCB.Components[1].SVN = 13, 15
	}))
	add("revoked-first", "sgx-v3", "the highest level that the platform reaches is revoked, and a lower one up to date: the first counts", at(rats.TCBRevoked), info(func(i *simtee.TCBInfo) {
		i.Levels[0].Status, i.Levels[1].Status = rats.TCBRevoked, rats.UpToDate
	}))
	add("between-levels", "sgx-v3", "the platform is between two levels: the lower one counts", at(rats.SWHardeningNeeded), extension(func(e *dcap.PCKExtension) { e.Components[0] = 13 }))
	add("pcesvn-decides", "sgx-v3", "levels differ in PCESVN alone, and the platform is at the lower one", at(rats.OutOfDate), info(func(i *simtee.TCBInfo) {
		lower := i.Levels[0]
		lower.TCB.PCESVN, lower.Status = 12, rats.OutOfDate
		i.Levels = []simtee.TCBLevel{i.Levels[0], lower}
	}), extension(func(e *dcap.PCKExtension) { e.PCESVN = 12 }))
	add("worst-first-in-the-list", "sgx-v3", "the lowest level stands first in the list", accepted(), info(func(i *simtee.TCBInfo) { slices.Reverse(i.Levels) })).
		note = "A verifier that takes the first level of the list which the platform reaches finds Revoked."
	add("cpusvn-does-not-count", "sgx-v3", "the certificate's CPUSVN is zero: the components count", accepted(), extension(func(e *dcap.PCKExtension) { e.CPUSVN = [16]byte{} })).
		note = "CPUSVN is opaque; its bytes are not the components."
	add("cpusvn-does-not-help", "sgx-v3", "the certificate's CPUSVN is high and the components low", at(rats.OutOfDate), platformAt(rats.OutOfDate),
		extension(func(e *dcap.PCKExtension) { e.CPUSVN = [16]byte{255, 255, 255, 255, 255, 255, 255} }))
	add("reported-cpusvn-does-not-count", "sgx-v3", "the report's CPUSVN is zero", accepted(), reported(func(q *quote.Quote) { q.SGX.CPUSVN = [16]byte{} }))
	add("header-svns-do-not-count", "sgx-v3", "the header's QE SVN and PCE SVN are zero", accepted(), header(func(h *quote.Header) { h.QESVN, h.PCESVN = 0, 0 }))
	f.cases = append(f.cases, tcbFitting()...)
	f.cases = append(f.cases, tdxMatching()...)
	return f
}

// tcbFitting are the cases of TCB info that is of another platform or TEE.
func tcbFitting() (out []testCase) {
	add := func(name, form, text string, w want, edits ...edit) {
		out = append(out, testCase{name, matchClause, text, w, formNamed(form, edits...), ""})
	}
	missing := refused(rats.EndorsementUnavailable)
	for _, form := range []string{"sgx-v3", "tdx-v4", "tdx-v5-td15"} {
		add("fmspc-"+form, form, "the TCB info is of another FMSPC than the PCK certificate", missing, info(func(i *simtee.TCBInfo) { i.FMSPC = "00a51e000001" }))
		add("pce-id-"+form, form, "the TCB info is of another PCE id than the PCK certificate", missing, info(func(i *simtee.TCBInfo) { i.PCEID = "0001" }))
	}
	add("fmspc-of-platform", "sgx-v3", "the PCK certificate is of another FMSPC than the TCB info", missing, extension(func(e *dcap.PCKExtension) { e.FMSPC[0] = 1 }))
	add("pce-id-of-platform", "sgx-v3", "the PCK certificate is of another PCE id than the TCB info", missing, extension(func(e *dcap.PCKExtension) { e.PCEID[1] = 1 }))
	add("tdx-info-for-sgx", "sgx-v3", "the only TCB info is for TDX", missing, lacking(rats.TCBInfo), elsewhere(rats.TCBInfo, formNamed("tdx-v4")...))
	for _, form := range []string{"tdx-v4", "tdx-v5-td15"} {
		add("sgx-info-for-"+form, form, "the only TCB info is for SGX", missing, lacking(rats.TCBInfo), elsewhere(rats.TCBInfo))
		add("v2-info-for-"+form, form, "the only TCB info has version 2, which is for SGX alone", missing, lacking(rats.TCBInfo), elsewhere(rats.TCBInfo, info(v2)))
	}
	return out
}

// tdxMatching are the cases of TEE_TCB_SVN.
func tdxMatching() (out []testCase) {
	add := func(name, form, text string, w want, edits ...edit) {
		out = append(out, testCase{name, matchClause, text, w, formNamed(form, edits...), ""})
	}
	none := at(rats.NotSupported)
	tdx := func(n int, svn uint8) edit {
		return oneLevel(func(t *simtee.LevelTCB) { t.TDXComponents[n].SVN = svn })
	}
	add("tdx-first-two-do-not-count", "tdx-v4", "the level's first two TDX components are above the module's, which has levels of its own", accepted(), oneLevel(func(t *simtee.LevelTCB) {
		t.TDXComponents[0].SVN, t.TDXComponents[1].SVN = 200, 200
	}))
	add("tdx-third-below", "tdx-v4", "the third part of TEE_TCB_SVN is below the only level", none, tdx(2, 15))
	add("tdx-last-below", "tdx-v4", "the last part of TEE_TCB_SVN is below the only level", none, tdx(15, 1))
	add("tdx10-first-below", "tdx-v4", "the module has no levels of its own, and the first part of TEE_TCB_SVN is below the only level", none, module(5, 0), tdx(0, 6))
	add("tdx10-second-below", "tdx-v4", "the module has no levels of its own, and the second part of TEE_TCB_SVN is below the only level", none, module(5, 0), tdx(1, 1))
	add("tdx-sgx-component-below", "tdx-v4", "an SGX component is below the only level", none, oneLevel(func(t *simtee.LevelTCB) { t.Components[0].SVN++ }))
	add("tdx-pcesvn-below", "tdx-v4", "PCESVN is below the only level", none, oneLevel(func(t *simtee.LevelTCB) { t.PCESVN++ }))
	add("tdx-components-decide", "tdx-v4", "levels differ in TDX components alone, the lower one stands first, and the TD reaches both", accepted(), info(func(i *simtee.TCBInfo) {
		lower := i.Levels[0]
		lower.TCB.TDXComponents = slices.Clone(lower.TCB.TDXComponents)
		lower.TCB.TDXComponents[2].SVN, lower.Status = 1, rats.OutOfDate
		i.Levels = []simtee.TCBLevel{lower, i.Levels[0]}
	}))
	return out
}
