// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"fmt"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// The statuses by short names, for tables.
const (
	up = rats.UpToDate
	sw = rats.SWHardeningNeeded
	cf = rats.ConfigurationNeeded
	cs = rats.ConfigurationAndSWHardeningNeeded
	od = rats.OutOfDate
	oc = rats.OutOfDateConfigurationNeeded
	rv = rats.TCBRevoked
	ns = rats.NotSupported
	ra = rats.TDRelaunchAdvised
	rc = rats.TDRelaunchAdvisedConfigurationNeeded
)

// merged says what comes of a platform's status and that of a component, the
// quoting enclave or the TDX module, in the order of componentStatuses. It is
// Intel's table (convergeTcbStatuses): not the worst of the two.
func merged() []struct {
	platform rats.TCBStatus
	with     [4]rats.TCBStatus
} {
	return []struct {
		platform rats.TCBStatus
		with     [4]rats.TCBStatus
	}{
		{up, [4]rats.TCBStatus{up, od, rv, ns}},
		{sw, [4]rats.TCBStatus{sw, od, rv, ns}},
		{cf, [4]rats.TCBStatus{cf, oc, rv, ns}},
		{cs, [4]rats.TCBStatus{cs, oc, rv, ns}},
		{od, [4]rats.TCBStatus{od, od, rv, ns}},
		{oc, [4]rats.TCBStatus{oc, oc, rv, ns}},
		{rv, [4]rats.TCBStatus{rv, rv, rv, ns}},
		{ns, [4]rats.TCBStatus{ns, ns, ns, ns}},
	}
}

func componentStatuses() [4]rats.TCBStatus { return [4]rats.TCBStatus{up, od, rv, ns} }

// svnLevels returns levels at which an SVN of 5 or more has a status.
func svnLevels(status rats.TCBStatus) []simtee.SVNLevel {
	if status == ns {
		return []simtee.SVNLevel{simtee.Level(250, noon, up)}
	}
	return []simtee.SVNLevel{simtee.Level(5, day(2024, 3, 13), status)}
}

func qeAt(status rats.TCBStatus) edit {
	return identity(func(i *simtee.Identity) { i.Levels = svnLevels(status) })
}

func moduleAt(status rats.TCBStatus) edit {
	return info(func(i *simtee.TCBInfo) { i.Modules[0].Levels = svnLevels(status) })
}

// short names a status in the name of a case.
func short(s rats.TCBStatus) string {
	return map[rats.TCBStatus]string{
		up: "up", sw: "sw", cf: "config", cs: "config-sw", od: "old", oc: "old-config", rv: "revoked", ns: "none",
	}[s]
}

func tcbStatus() family {
	const clause = "SGX DCAP QVL 4.1.2.5.14 to 16, convergeTcbStatuses"
	f := family{name: "tcb-status"}
	add := func(name, form, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, formNamed(form, edits...), ""})
	}
	for _, row := range merged() {
		for i, component := range componentStatuses() {
			p := row.platform
			text := fmt.Sprintf("the platform is %s, the quoting enclave %s", p, component)
			add(fmt.Sprintf("sgx-%s-qe-%s", short(p), short(component)), "sgx-v3", text, at(row.with[i]), platformAt(p), qeAt(component))
			text = fmt.Sprintf("the platform is %s, the TDX module %s", p, component)
			add(fmt.Sprintf("tdx-%s-module-%s", short(p), short(component)), "tdx-v4", text, at(row.with[i]), platformAt(p), moduleAt(component))
			if component == od {
				text = fmt.Sprintf("the platform is %s, the quoting enclave of TDX %s", p, component)
				add(fmt.Sprintf("tdx-%s-qe-%s", short(p), short(component)), "tdx-v4", text, at(row.with[i]), platformAt(p), qeAt(component))
			}
		}
	}
	for _, c := range []struct{ platform, module, qe, want rats.TCBStatus }{
		{up, od, od, od}, {cf, od, od, oc}, {up, rv, od, rv}, {up, od, rv, rv}, {oc, rv, od, rv}, {cs, up, rv, rv},
		{up, ns, od, ns}, {up, od, ns, ns}, {rv, ns, rv, ns},
	} {
		add(fmt.Sprintf("tdx-%s-module-%s-qe-%s", short(c.platform), short(c.module), short(c.qe)), "tdx-v4",
			fmt.Sprintf("the platform is %s, the TDX module %s, the quoting enclave %s", c.platform, c.module, c.qe),
			at(c.want), platformAt(c.platform), moduleAt(c.module), qeAt(c.qe))
	}
	return f
}

// relaunchStatuses are the statuses of levels in the cases of relaunch, best
// first; the last is that of no level.
func relaunchStatuses() [8]rats.TCBStatus { return [8]rats.TCBStatus{up, sw, cf, cs, od, oc, rv, ns} }

// relaunched says what comes of a status at launch and now, in the order of
// relaunchStatuses (QVL, checkForRelaunch).
func relaunched() [7][8]rats.TCBStatus {
	return [7][8]rats.TCBStatus{
		{up, up, up, up, up, up, up, ns},
		{sw, sw, sw, sw, sw, sw, sw, ns},
		{cf, cf, cf, cf, cf, cf, cf, ns},
		{cs, cs, cs, cs, cs, cs, cs, ns},
		{ra, ra, rc, rc, od, od, od, ns},
		{rc, rc, rc, rc, oc, oc, oc, ns},
		{rv, rv, rv, rv, rv, rv, rv, ns},
	}
}

// ladder has TCB info list a level for each status, told apart by the third TDX
// component alone: 14 for the first, two less for each that follows.
func ladder() edit {
	return info(func(i *simtee.TCBInfo) {
		base := i.Levels[0]
		i.Levels = nil
		statuses := relaunchStatuses()
		for n, status := range statuses[:7] {
			l := base
			l.TCB.TDXComponents = simtee.Components([16]uint8{5, 0, uint8(14 - 2*n)})
			l.Status = status
			i.Levels = append(i.Levels, l)
		}
	})
}

func rung(n int) byte { return byte(14 - 2*n) }

func relaunch() family {
	const clause = "SGX DCAP QVL, checkForRelaunch"
	f := family{name: "relaunch"}
	statuses := relaunchStatuses()
	add := func(name, form, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, formNamed(form, edits...), ""})
	}
	climb := func(launch, now int) edit {
		return svns(func(l, n *[16]byte) { l[2], n[2] = rung(launch), rung(now) })
	}
	for l, row := range relaunched() {
		for n, result := range row {
			text := fmt.Sprintf("the TD was launched at %s and its platform is at %s now", statuses[l], statuses[n])
			name := short(statuses[l]) + "-now-" + short(statuses[n])
			add(name, "tdx-v5-td15", text, at(result), ladder(), climb(l, n))
			if n == l && l < 6 || l >= 4 && n == 0 {
				add(name+"-ext", "tdx-v5-td15ext", text, at(result), ladder(), climb(l, n))
			}
		}
	}
	add("td10-old", "tdx-v5-td10", "the TD was launched at OutOfDate; a TDX 1.0 report does not say what runs now", at(od), ladder(), svns(func(l, _ *[16]byte) { l[2] = rung(4) }))
	add("v4-old", "tdx-v4", "the TD was launched at OutOfDate; a version 4 quote does not say what runs now", at(od), ladder(), svns(func(l, _ *[16]byte) { l[2] = rung(4) }))
	pair := func(name, text string, result rats.TCBStatus, launch, now [2]byte, edits ...edit) {
		add(name, "tdx-v5-td15", text, at(result), append(edits, svns(func(l, n *[16]byte) {
			copy(l[:], launch[:])
			copy(n[:], now[:])
		}))...)
	}
	pair("module-updated", "the TD was launched under an old module, updated since", ra, [2]byte{4, 3}, [2]byte{5, 3})
	pair("module-still-old", "the TD was launched under an old module, which is still there", od, [2]byte{4, 3}, [2]byte{4, 3})
	pair("module-set-back", "the TD was launched under a current module, which was set back since", up, [2]byte{5, 3}, [2]byte{4, 3})
	pair("module-revoked-and-updated", "the TD was launched under a revoked module, updated since", rv, [2]byte{2, 3}, [2]byte{5, 3})
	pair("module-of-another-version", "the TD was launched under an old module, and now there is one of another version, with its own identity", ra, [2]byte{4, 3}, [2]byte{4, 1})
	pair("module-now-unknown", "the TD was launched under an old module, and the one that is there now has no identity", ns, [2]byte{4, 3}, [2]byte{1, 9})
	pair("module-now-below-all", "the TD was launched under an old module, and the one that is there now is below all levels", ns, [2]byte{4, 3}, [2]byte{1, 3})
	pair("module-now-tdx10", "the TD was launched under an old module, and the one that is there now is that of TDX 1.0", ra, [2]byte{4, 3}, [2]byte{5, 0})
	pair("launch-below-all", "the TD was launched under a module below all levels", ns, [2]byte{1, 3}, [2]byte{5, 3})
	pair("qe-old", "the TD was launched under an old module, updated since, but the quoting enclave is out of date too: no relaunch helps", od, [2]byte{4, 3}, [2]byte{5, 3}, qeAt(od))
	pair("qe-revoked", "the TD was launched under an old module, updated since, but the quoting enclave is revoked", rv, [2]byte{4, 3}, [2]byte{5, 3}, qeAt(rv))
	pair("qe-unknown", "the TD was launched under an old module, updated since, but the quoting enclave is below all levels", ns, [2]byte{4, 3}, [2]byte{5, 3}, qeAt(ns))
	pair("module-of-now-is-not-compared", "the module that is there now has an identity with another MRSIGNER: MRSIGNERSEAM is of the launch", ra, [2]byte{4, 3}, [2]byte{4, 1},
		modules(func(m []simtee.Module) []simtee.Module { m[1].MRSigner = "01" + m[1].MRSigner[2:]; return m }))
	return f
}
