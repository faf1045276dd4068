// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// The lab's TDX module: version 3 at SVN 5, under a platform whose other TDX
// components are 7.
var tdxSVN = [16]byte{5, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}

// trustDomain has the lab quote a trust domain in a body of version 5, or of
// version 4 where the body is zero.
func trustDomain(body quote.BodyType, edits ...func(*quote.TDReport)) func(*lab) {
	return func(l *lab) {
		td := &quote.TDReport{TEETCBSVN: tdxSVN, MRTD: [48]byte{0x7d}, MRSignerSEAM: [48]byte{0x5e, 0xa3}}
		if body >= quote.BodyTD15 {
			td.TD15 = &quote.TD15{TEETCBSVN2: tdxSVN}
		}
		if body == quote.BodyTD15Ext {
			td.TD15.Migration = &quote.TDMigration{VMID: 1}
		}
		for _, edit := range edits {
			edit(td)
		}
		l.quote.TEE, l.quote.SGX, l.quote.TD, l.quote.BodyType = rats.TDX, nil, td, body
		l.quote.Header.Version, l.quote.Header.TEEType = 4, quote.TEETypeTDX
		if body != 0 {
			l.quote.Header.Version = 5
		}
	}
}

func tdxComponents(svn [16]byte) []any {
	var out []any
	for _, n := range svn {
		out = append(out, object{"svn": n})
	}
	return out
}

func seamModule(id string, levels ...any) object {
	m := object{
		"mrsigner": "5ea3" + strings.Repeat("0", 92), "attributes": "0000000000000000", "attributesMask": "ffffffffffffffff",
	}
	if id != "" {
		m["id"], m["tcbLevels"] = id, levels
	}
	return m
}

func seamLevel(svn int, status, date string) object {
	return object{"tcb": object{"isvsvn": svn}, "tcbDate": date, "tcbStatus": status}
}

// tdxInfo returns TCB info with one level that the platform reaches, which the
// status names, and a module that is up to date from SVN 5 on.
func trustDomainInfo(status string) object {
	info := tcbInfo()
	info["id"] = "TDX"
	level := tcbLevel(2, 10, status, "2025-02-12T00:00:00Z")
	level["tcb"].(object)["tdxtcbcomponents"] = tdxComponents(tdxSVN)
	info["tcbLevels"] = []any{level}
	info["tdxModule"] = seamModule("")
	info["tdxModuleIdentities"] = []any{seamModule("TDX_03",
		seamLevel(5, "UpToDate", "2024-03-13T00:00:00Z"), seamLevel(3, "OutOfDate", "2023-08-09T00:00:00Z"),
		seamLevel(1, "Revoked", "2022-01-01T00:00:00Z"))}
	return info
}

// judged appraises the lab's trust domain by TCB info and a TD_QE identity.
func judged(t *testing.T, l *lab, info object, edits ...func(object)) *dcap.Appraisal {
	t.Helper()
	id := identity()
	id["id"] = "TD_QE"
	for _, edit := range edits {
		edit(id)
	}
	items := append(l.endorsements(), l.sign(rats.TCBInfo, info, &l.signing), l.sign(rats.QEIdentity, id, &l.signing))
	return dcap.Appraise(l.evidence(), set(t, items...), dcap.Options{Roots: l.trust()}, noon)
}

func TestATrustDomainIsJudgedByWhatIsSaidOfTDX(t *testing.T) {
	for _, body := range []quote.BodyType{0, quote.BodyTD10, quote.BodyTD15, quote.BodyTD15Ext} {
		l := newLab(t, trustDomain(body))
		a := judged(t, l, trustDomainInfo("UpToDate"))
		if a.Err != nil {
			t.Fatalf("body %d: %v", body, a.Err)
		}
		if a.TCB.Status != rats.UpToDate || a.TCB.Module != rats.UpToDate || a.TCB.ModuleID != "TDX_03" ||
			!a.TCB.EarliestDate.Equal(time.Date(2024, 3, 13, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("body %d: %+v", body, a.TCB)
		}
		if used := a.Used[0].Key().TEE; used != rats.TDX || a.Used[1].Key().Scope != "TD_QE" {
			t.Errorf("body %d: %s, %s", body, used, a.Used[1].Key().Scope)
		}
		// What is said of SGX does not serve.
		want(t, dcap.Appraise(l.evidence(), set(t, l.endorsements()...), dcap.Options{Roots: l.trust()}, noon),
			rats.EndorsementUnavailable, "endorsements_present")
	}
}

// Only the module's own level was looked at in go-tdx-guest, which so took
// platforms that are out of date for up to date; Phala's JavaScript and WASM did
// not look at the module at all. Every part counts here.
func TestPlatformModuleAndQEAllCount(t *testing.T) {
	modules := map[byte]rats.TCBStatus{9: rats.UpToDate, 5: rats.UpToDate, 4: rats.OutOfDate, 2: rats.TCBRevoked, 0: rats.NotSupported}
	qes := map[uint16]rats.TCBStatus{8: rats.UpToDate, 6: rats.OutOfDate, 4: rats.TCBRevoked, 1: rats.NotSupported}
	for svn, moduleStatus := range modules {
		for qe, qeStatus := range qes {
			l := newLab(t, trustDomain(0, func(r *quote.TDReport) { r.TEETCBSVN[0] = svn }), func(l *lab) {
				l.quote.QEReport.ISVSVN = qe
			})
			for _, platform := range []rats.TCBStatus{rats.UpToDate, rats.ConfigurationAndSWHardeningNeeded, rats.OutOfDate, rats.TCBRevoked} {
				worst := []rats.TCBStatus{moduleStatus, qeStatus}
				status := platform
				switch {
				case slices.Contains(worst, rats.NotSupported):
					status = rats.NotSupported
				case slices.Contains(worst, rats.TCBRevoked), platform == rats.TCBRevoked:
					status = rats.TCBRevoked
				case slices.Contains(worst, rats.OutOfDate) && platform == rats.UpToDate:
					status = rats.OutOfDate
				case slices.Contains(worst, rats.OutOfDate) && platform == rats.ConfigurationAndSWHardeningNeeded:
					status = rats.OutOfDateConfigurationNeeded
				}
				a := judged(t, l, trustDomainInfo(string(platform)))
				if a.Err != nil {
					t.Fatal(a.Err)
				}
				if got := a.TCB; got.Platform != platform || got.Module != moduleStatus || got.QE != qeStatus || got.Status != status {
					t.Errorf("platform %s, module %s, QE %s: %+v, want %s", platform, moduleStatus, qeStatus, got, status)
				}
			}
		}
	}
}

func TestTheModuleMustBeTheOneThatIsDescribed(t *testing.T) {
	other := func(m object, name string, v any) object { m[name] = v; return m }
	in := func(o object) object { return o["tdxModuleIdentities"].([]any)[0].(object) }
	tests := []struct {
		name string
		td   func(*quote.TDReport)
		info func(object)
		// kind is what the check says, status where it says nothing.
		kind   rats.Kind
		status rats.TCBStatus
	}{
		{"its id in lower case", nil, func(o object) { in(o)["id"] = "tdx_03" }, rats.None, rats.UpToDate},
		{"another signer", func(r *quote.TDReport) { r.MRSignerSEAM[0]++ }, nil, rats.BindingMismatch, ""},
		{"an attribute", func(r *quote.TDReport) { r.SEAMAttributes[7] = 1 }, nil, rats.BindingMismatch, ""},
		{"an attribute that the identity has too", func(r *quote.TDReport) { r.SEAMAttributes[0] = 1 },
			func(o object) { in(o)["attributes"] = "0100000000000000" }, rats.BindingMismatch, ""},
		{"an attribute that the mask leaves out", func(r *quote.TDReport) { r.SEAMAttributes[0] = 1 },
			func(o object) { in(o)["attributesMask"] = "0000000000000000" }, rats.BindingMismatch, ""},
		{"the identity demands an attribute", nil, func(o object) { in(o)["attributes"] = "0100000000000000" }, rats.BindingMismatch, ""},
		{"no identity of its version", func(r *quote.TDReport) { r.TEETCBSVN[1] = 4 }, nil, rats.None, rats.NotSupported},
		{"no identities", nil, func(o object) { delete(o, "tdxModuleIdentities") }, rats.None, rats.NotSupported},
		{"ids are hexadecimal", func(r *quote.TDReport) { r.TEETCBSVN[1] = 0x1a },
			func(o object) { in(o)["id"] = "TDX_1A" }, rats.None, rats.UpToDate},
		{"and not decimal", func(r *quote.TDReport) { r.TEETCBSVN[1] = 10 },
			func(o object) { in(o)["id"] = "TDX_10" }, rats.None, rats.NotSupported},
		{"the first module has no levels", func(r *quote.TDReport) { r.TEETCBSVN[1] = 0 },
			func(o object) {
				tcb := o["tcbLevels"].([]any)[0].(object)["tcb"].(object)
				tcb["tdxtcbcomponents"] = tdxComponents([16]byte{5, 0})
				o["tdxModuleIdentities"] = []any{other(in(o), "mrsigner", strings.Repeat("0", 96))}
			}, rats.None, rats.UpToDate},
		{"the first module's SVN is a component", func(r *quote.TDReport) { r.TEETCBSVN[1] = 0 },
			func(o object) {
				tcb := o["tcbLevels"].([]any)[0].(object)["tcb"].(object)
				tcb["tdxtcbcomponents"] = tdxComponents([16]byte{6, 0})
			}, rats.None, rats.NotSupported},
		{"the first module's signer", func(r *quote.TDReport) { r.TEETCBSVN[1] = 0 },
			func(o object) { o["tdxModule"].(object)["mrsigner"] = strings.Repeat("0", 96) }, rats.BindingMismatch, ""},
		{"a later module's own SVNs are not the platform's", nil, func(o object) {
			tcb := o["tcbLevels"].([]any)[0].(object)["tcb"].(object)
			tcb["tdxtcbcomponents"] = tdxComponents([16]byte{255, 255, 7})
		}, rats.None, rats.UpToDate},
		{"the third component is", nil, func(o object) {
			tcb := o["tcbLevels"].([]any)[0].(object)["tcb"].(object)
			tcb["tdxtcbcomponents"] = tdxComponents([16]byte{0, 0, 8})
		}, rats.None, rats.NotSupported},
		{"and so is the last", nil, func(o object) {
			tcb := o["tcbLevels"].([]any)[0].(object)["tcb"].(object)
			tcb["tdxtcbcomponents"] = tdxComponents([16]byte{15: 8})
		}, rats.None, rats.NotSupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info := trustDomainInfo("UpToDate")
			if tt.info != nil {
				tt.info(info)
			}
			edits := []func(*quote.TDReport){func(*quote.TDReport) {}}
			if tt.td != nil {
				edits = append(edits, tt.td)
			}
			a := judged(t, newLab(t, trustDomain(0, edits...)), info)
			want(t, a, tt.kind, "tdx_module")
			if tt.kind == rats.None && (a.TCB == nil || a.TCB.Status != tt.status) {
				t.Errorf("%+v, want %s", a.TCB, tt.status)
			}
			if tt.kind != rats.None && a.TCB != nil {
				t.Errorf("a status of another module: %+v", a.TCB)
			}
		})
	}
}

// TestARelaunchIsAdvisedWhereOnlyTheLaunchIsBehind goes through every pair of
// launch and current status that one list of levels can give.
func TestARelaunchIsAdvisedWhereOnlyTheLaunchIsBehind(t *testing.T) {
	const (
		up, sw, conf, both = rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded
		out, outConf       = rats.OutOfDate, rats.OutOfDateConfigurationNeeded
		revoked, none      = rats.TCBRevoked, rats.NotSupported
		advised, withConf  = rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded
	)
	current := []rats.TCBStatus{up, sw, conf, both, out, outConf, revoked, none}
	table := map[rats.TCBStatus][]rats.TCBStatus{
		up:      {up, up, up, up, up, up, up, none},
		sw:      {sw, sw, sw, sw, sw, sw, sw, none},
		conf:    {conf, conf, conf, conf, conf, conf, conf, none},
		both:    {both, both, both, both, both, both, both, none},
		out:     {advised, advised, withConf, withConf, out, out, out, none},
		outConf: {withConf, withConf, withConf, withConf, outConf, outConf, outConf, none},
		revoked: {revoked, revoked, revoked, revoked, revoked, revoked, revoked, none},
		none:    {none, none, none, none, none, none, none, none},
	}
	// Each status is a level of its own, told by the third TDX component.
	info := trustDomainInfo("UpToDate")
	var levels []any
	svn := map[rats.TCBStatus]byte{none: 0}
	for i, s := range current[:7] {
		svn[s] = byte(20 - i)
		level := tcbLevel(2, 10, string(s), "2025-02-12T00:00:00Z")
		level["tcb"].(object)["tdxtcbcomponents"] = tdxComponents([16]byte{2: svn[s]})
		levels = append(levels, level)
	}
	info["tcbLevels"] = levels
	for launch, row := range table {
		for i, now := range current {
			for _, body := range []quote.BodyType{quote.BodyTD10, quote.BodyTD15, quote.BodyTD15Ext} {
				l := newLab(t, trustDomain(body, func(r *quote.TDReport) {
					r.TEETCBSVN[2] = svn[launch]
					if r.TD15 != nil {
						r.TD15.TEETCBSVN2[2] = svn[now]
					}
				}))
				expected := row[i]
				if body == quote.BodyTD10 {
					expected = launch // it does not say what runs now
				}
				if a := judged(t, l, info); a.Err != nil || a.TCB.Status != expected || a.TCB.Platform != launch {
					t.Errorf("body %d, launch %s, current %s: %v %+v, want %s", body, launch, now, a.Err, a.TCB, expected)
				}
			}
		}
	}
}

// Each side takes module and first component from its own SVN, and the QE
// counts on both: a QE that is out of date lets no relaunch help.
func TestEachSideOfARelaunchHasItsOwnModule(t *testing.T) {
	for _, tt := range []struct {
		name          string
		launch, now   [2]byte
		qe            uint16
		module, final rats.TCBStatus
	}{
		{"an old module, updated since", [2]byte{4, 3}, [2]byte{5, 3}, 8, rats.OutOfDate, rats.TDRelaunchAdvised},
		{"still the old one", [2]byte{4, 3}, [2]byte{4, 3}, 8, rats.OutOfDate, rats.OutOfDate},
		{"updated to one that nobody knows", [2]byte{4, 3}, [2]byte{1, 4}, 8, rats.OutOfDate, rats.NotSupported},
		{"up to date, then set back", [2]byte{5, 3}, [2]byte{4, 3}, 8, rats.UpToDate, rats.UpToDate},
		{"a revoked module, updated since", [2]byte{1, 3}, [2]byte{5, 3}, 8, rats.TCBRevoked, rats.TCBRevoked},
		{"the QE is behind too", [2]byte{4, 3}, [2]byte{5, 3}, 6, rats.OutOfDate, rats.OutOfDate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, trustDomain(quote.BodyTD15, func(r *quote.TDReport) {
				copy(r.TEETCBSVN[:], tt.launch[:])
				copy(r.TD15.TEETCBSVN2[:], tt.now[:])
			}), func(l *lab) { l.quote.QEReport.ISVSVN = tt.qe })
			a := judged(t, l, trustDomainInfo("UpToDate"))
			if a.Err != nil || a.TCB.Status != tt.final || a.TCB.Module != tt.module {
				t.Errorf("%v, %+v", a.Err, a.TCB)
			}
		})
	}
}

func TestWhatIsBehindIsSaidToBeSince(t *testing.T) {
	behind := func(edit func(*quote.TDReport), info object) time.Time {
		a := judged(t, newLab(t, trustDomain(0, edit)), info)
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		return a.TCB.BehindSince
	}
	if since := behind(func(*quote.TDReport) {}, trustDomainInfo("UpToDate")); !since.IsZero() {
		t.Errorf("up to date, and behind since %s", since)
	}
	old := func(r *quote.TDReport) { r.TEETCBSVN[0] = 4 }
	if since := behind(old, trustDomainInfo("UpToDate")); stamp(since) != "2024-03-13T00:00:00Z" {
		t.Errorf("the module is behind since %s", since)
	}
	info := trustDomainInfo("OutOfDate")
	better := tcbLevel(9, 10, "SWHardeningNeeded", "2023-11-11T00:00:00Z")
	better["tcb"].(object)["tdxtcbcomponents"] = tdxComponents(tdxSVN)
	info["tcbLevels"] = append(info["tcbLevels"].([]any), better)
	if since := behind(old, info); stamp(since) != "2023-11-11T00:00:00Z" {
		t.Errorf("platform and module are behind since %s", since)
	}
	if since := behind(func(*quote.TDReport) {}, trustDomainInfo("OutOfDate")); !since.IsZero() {
		t.Errorf("nothing better is listed, and behind since %s", since)
	}
}

func TestADebuggedTrustDomainIsADebugBuild(t *testing.T) {
	for bit := range 64 {
		td := quote.TDReport{}
		td.TDAttributes[bit/8] = 1 << (bit % 8)
		if got, want := td.Debug(), bit < 8; got != want {
			t.Errorf("%s: debug %t, want %t", fmt.Sprintf("bit %d of TDATTRIBUTES", bit), got, want)
		}
	}
}
