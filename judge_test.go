// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// simulatedTD is simulated for a trust domain.
func simulatedTD(t testing.TB, faults simtee.Faults, status rats.TCBStatus, d simtee.TD) sim {
	t.Helper()
	pki, err := simtee.NewPKI(faults)
	if err != nil {
		t.Fatal(err)
	}
	platform, err := pki.NewPlatform(d.Platform, status)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.QuoteTD(d)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.EndorsementsFor(rats.TDX, simTime)
	if err != nil {
		t.Fatal(err)
	}
	return sim{raw, items}
}

// with returns the strictest policy for simulated evidence, edited.
func with(edits ...func(*attesteer.Policy)) attesteer.Policy {
	p := trusting()
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func checkNamed(t testing.TB, r *attesteer.Result, name string) rats.Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c rats.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s in %+v", name, r.Checks)
	}
	return r.Checks[i]
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func ptr[T any](v T) *T { return &v }

// The simulated vendor's dates: of its current levels, and of those that are
// out of date.
var (
	current = date(2024, time.November, 13)
	stale   = date(2023, time.August, 9)
)

// staleQE is a platform whose quoting enclave is out of date.
func staleQE() simtee.Faults {
	return simtee.Faults{QE: func(qe *simtee.QuotingEnclave) { qe.Report.ISVSVN = 6 }}
}

// TestEachDemandIsOneCheckOfItsKind: met, it passes; not met, it fails with its
// kind and nothing else of the policy fails; not made, it is skipped.
func TestEachDemandIsOneCheckOfItsKind(t *testing.T) {
	var reported [64]byte
	copy(reported[:], "nonce")
	enclave := simulated(t, simtee.Faults{}, simtee.Enclave{MREnclave: [32]byte{0xe1}, ReportData: reported})
	hardening := simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.SWHardeningNeeded})
	processor := simulated(t, simtee.Faults{ProcessorCA: true}, simtee.Enclave{})
	domain := simulatedTD(t, simtee.Faults{}, "", simtee.TD{MRTD: [48]byte{0x7d}})
	type edit = func(*attesteer.Policy)
	accept := func(p *attesteer.Policy) { p.AcceptTCB = []rats.TCBStatus{rats.SWHardeningNeeded} }
	platform := func(d attesteer.PlatformDemands) edit { return func(p *attesteer.Policy) { p.Platform = d } }
	tests := []struct {
		check  string
		s      sim
		pass   edit
		fail   edit
		kind   rats.Kind
		always edit // on top of both
		detail string
	}{
		{"report_data", enclave, func(p *attesteer.Policy) { p.ReportData = []byte("nonce") }, func(p *attesteer.Policy) { p.ReportData = []byte("nonce2") }, rats.BindingMismatch, nil, "policy expects"},
		{"report_data", enclave, func(p *attesteer.Policy) { p.ReportData = reported[:] }, func(p *attesteer.Policy) { p.ReportData = []byte{} }, rats.BindingMismatch, nil, "policy expects"},
		{"report_data", enclave, func(p *attesteer.Policy) { p.ReportData = reported[:] }, func(p *attesteer.Policy) { p.ReportData = make([]byte, 65) }, rats.BindingMismatch, nil, "65 bytes"},
		{"report_data", domain, func(p *attesteer.Policy) { p.ReportData = []byte{} }, func(p *attesteer.Policy) { p.ReportData = []byte("nonce") }, rats.BindingMismatch, nil, "policy expects"},
		{"tcb_advisories", hardening, func(p *attesteer.Policy) { p.AcceptAdvisories = []string{"SIM-SA-00009", "SIM-SA-00001"} }, func(p *attesteer.Policy) { p.AcceptAdvisories = []string{"SIM-SA-00009"} }, rats.TCBRejected, accept, "SIM-SA-00001"},
		{"tcb_advisories", hardening, func(p *attesteer.Policy) { p.AcceptAdvisories = []string{"SIM-SA-00001"} }, func(p *attesteer.Policy) { p.AcceptAdvisories = []string{} }, rats.TCBRejected, accept, "SIM-SA-00001"},
		{"tcb_advisories", enclave, func(p *attesteer.Policy) { p.AcceptAdvisories = []string{} }, nil, rats.None, nil, ""},
		{"tcb_date", enclave, func(p *attesteer.Policy) { p.MinTCBDate = current }, func(p *attesteer.Policy) { p.MinTCBDate = current.Add(time.Nanosecond) }, rats.TCBRejected, nil, "2024-11-13"},
		{"tcb_date", domain, func(p *attesteer.Policy) { p.MinTCBDate = current }, func(p *attesteer.Policy) { p.MinTCBDate = current.Add(time.Second) }, rats.TCBRejected, nil, "2024-11-13"},
		{"evaluation_number", enclave, func(p *attesteer.Policy) { p.MinEvaluationNumber = 20 }, func(p *attesteer.Policy) { p.MinEvaluationNumber = 21 }, rats.TCBRejected, nil, "at least 21"},
		{"measurement", enclave,
			func(p *attesteer.Policy) {
				p.ReferenceValues = []attesteer.ReferenceValue{{MRTD: make([]byte, 48)}, {MREnclave: append([]byte{0xe1}, make([]byte, 31)...)}}
			},
			func(p *attesteer.Policy) {
				p.ReferenceValues = []attesteer.ReferenceValue{{MRTD: make([]byte, 48)}, {MREnclave: make([]byte, 32)}}
			}, rats.MeasurementUnknown, nil, "none of the 2 reference values"},
		{"measurement", domain,
			func(p *attesteer.Policy) {
				p.ReferenceValues = []attesteer.ReferenceValue{{MRTD: append([]byte{0x7d}, make([]byte, 47)...)}}
			},
			func(p *attesteer.Policy) { p.ReferenceValues = []attesteer.ReferenceValue{} }, rats.MeasurementUnknown, nil, "none of the 0 reference values"},
		{"attributes", enclave, func(p *attesteer.Policy) { p.Attributes = flags(16, 4, 4) }, func(p *attesteer.Policy) { p.Attributes = flags(16, 16, 20) }, rats.PolicyRejected, nil, "attributes 0500000000000000"},
		{"attributes", enclave, func(p *attesteer.Policy) { p.MiscSelect = flags(4, 0, 0xff) }, func(p *attesteer.Policy) { p.MiscSelect = flags(4, 1, 1) }, rats.PolicyRejected, nil, "misc_select 00000000"},
		{"attributes", enclave, nil, func(p *attesteer.Policy) { p.XFAM = flags(8, 0, 0) }, rats.PolicyRejected, nil, "another TEE than sgx"},
		{"attributes", domain, func(p *attesteer.Policy) { p.TDAttributes = septVEDisable() }, func(p *attesteer.Policy) { p.TDAttributes = flags(8, 0, 0); p.TDAttributes.Mask[3] = 0x10 }, rats.PolicyRejected, nil, "td_attributes 0000001000000000"},
		{"attributes", domain, func(p *attesteer.Policy) { p.XFAM, p.Attributes = flags(8, 0xe7, 0xff), flags(16, 0xff, 0xff) }, func(p *attesteer.Policy) { p.XFAM = flags(8, 0xe6, 0xff) }, rats.PolicyRejected, nil, "xfam e702060000000000"},
		{"attributes", domain, nil, func(p *attesteer.Policy) { p.MiscSelect = flags(4, 0, 0) }, rats.PolicyRejected, nil, "another TEE than tdx"},
		{"platform", enclave, platform(attesteer.PlatformDemands{DynamicPlatform: ptr(true)}), platform(attesteer.PlatformDemands{DynamicPlatform: ptr(false)}), rats.PolicyRejected, nil, "dynamic_platform is true"},
		{"platform", enclave, platform(attesteer.PlatformDemands{CachedKeys: ptr(false)}), platform(attesteer.PlatformDemands{CachedKeys: ptr(true)}), rats.PolicyRejected, nil, "cached_keys is false"},
		{"platform", enclave, platform(attesteer.PlatformDemands{SMTEnabled: ptr(true)}), platform(attesteer.PlatformDemands{SMTEnabled: ptr(false)}), rats.PolicyRejected, nil, "smt_enabled is true"},
		{"platform", processor, nil, platform(attesteer.PlatformDemands{SMTEnabled: ptr(false)}), rats.PolicyRejected, nil, "smt_enabled is not certified"},
		{"platform", processor, nil, platform(attesteer.PlatformDemands{SMTEnabled: ptr(true)}), rats.PolicyRejected, nil, "smt_enabled is not certified"},
		{"platform", enclave, platform(attesteer.PlatformDemands{AcceptSGXTypes: []int{2, 1}}), platform(attesteer.PlatformDemands{AcceptSGXTypes: []int{0, 2}}), rats.PolicyRejected, nil, "SGX type 1"},
		{"platform", processor, platform(attesteer.PlatformDemands{AcceptSGXTypes: []int{0}}), platform(attesteer.PlatformDemands{AcceptSGXTypes: []int{}}), rats.PolicyRejected, nil, "SGX type 0"},
		{"platform", processor, platform(attesteer.PlatformDemands{AcceptIssuers: []string{"processor"}}), platform(attesteer.PlatformDemands{AcceptIssuers: []string{"platform"}}), rats.PolicyRejected, nil, "issuer processor"},
		{"platform", enclave, platform(attesteer.PlatformDemands{AcceptFMSPC: []attesteer.Hex{{1}, simFMSPC()}}), platform(attesteer.PlatformDemands{AcceptFMSPC: []attesteer.Hex{make([]byte, 6)}}), rats.PolicyRejected, nil, "FMSPC 00a51e000000"},
		{"platform", domain, platform(attesteer.PlatformDemands{RejectFMSPC: []attesteer.Hex{make([]byte, 6)}}), platform(attesteer.PlatformDemands{RejectFMSPC: []attesteer.Hex{make([]byte, 6), simFMSPC()}}), rats.PolicyRejected, nil, "FMSPC 00a51e000000"},
		{"platform", enclave, nil, platform(attesteer.PlatformDemands{RejectFMSPC: []attesteer.Hex{simFMSPC()[:5]}}), rats.PolicyRejected, nil, "that is none"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.check, i), func(t *testing.T) {
			base := with()
			if tt.always != nil {
				tt.always(&base)
			}
			r, err := tt.s.verify(t, base, simTime)
			checkAnswer(t, r, err)
			if c := checkNamed(t, r, tt.check); err != nil || c.Outcome != rats.Skipped || c.Spec == "" {
				t.Errorf("not demanded: %v, %+v", err, c)
			}
			if tt.pass != nil {
				p := base
				tt.pass(&p)
				r, err := tt.s.verify(t, p, simTime)
				checkAnswer(t, r, err)
				if c := checkNamed(t, r, tt.check); err != nil || c.Outcome != rats.Pass {
					t.Errorf("met: %v, %+v", err, c)
				}
			}
			if tt.fail == nil {
				return
			}
			p := base
			tt.fail(&p)
			r, err = tt.s.verify(t, p, simTime)
			checkAnswer(t, r, err)
			c := checkNamed(t, r, tt.check)
			if rats.KindOf(err) != tt.kind || c.Outcome != rats.Fail || !strings.Contains(c.Detail, tt.detail) {
				t.Errorf("not met: %v, %+v", err, c)
			}
			for _, other := range r.Checks {
				if other.Outcome == rats.Fail && other.Name != tt.check {
					t.Errorf("%+v fails as well", other)
				}
			}
		})
	}
}

// flags demands bits of the first byte of a field of so many bytes.
func flags(size int, value, mask byte) *attesteer.Bits {
	b := &attesteer.Bits{Value: make([]byte, size), Mask: make([]byte, size)}
	b.Value[0], b.Mask[0] = value, mask
	return b
}

// septVEDisable demands bit 28 of TDATTRIBUTES.
func septVEDisable() *attesteer.Bits {
	b := flags(8, 0, 0)
	b.Value[3], b.Mask[3] = 0x10, 0x10
	return b
}

func simFMSPC() attesteer.Hex { return attesteer.Hex{0x00, 0xa5, 0x1e, 0, 0, 0} }

// TestWhatIsNotEstablishedIsNotJudged: without endorsements nothing is known of
// the TCB, and without a chain nothing of the platform; what the evidence says
// itself is.
func TestWhatIsNotEstablishedIsNotJudged(t *testing.T) {
	demanding := with(func(p *attesteer.Policy) {
		p.AcceptAdvisories, p.MinTCBDate, p.MinEvaluationNumber = []string{}, current, 99
		p.Platform.SMTEnabled = ptr(false)
		p.Attributes, p.ReferenceValues = flags(16, 0xff, 0xff), []attesteer.ReferenceValue{}
	})
	raw := simulated(t, simtee.Faults{}, simtee.Enclave{}).raw
	elsewhere := demanding
	elsewhere.Roots = nil
	for name, tt := range map[string]struct {
		p        attesteer.Policy
		kind     rats.Kind
		platform rats.Outcome
	}{
		"no endorsements": {demanding, rats.EndorsementUnavailable, rats.Fail},
		"another root":    {elsewhere, rats.UntrustedRoot, rats.Skipped},
	} {
		r, err := sim{raw: raw}.verify(t, tt.p, simTime)
		checkAnswer(t, r, err)
		if rats.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
		for check, want := range map[string]rats.Outcome{
			"tcb_status": rats.Skipped, "tcb_advisories": rats.Skipped, "tcb_date": rats.Skipped, "evaluation_number": rats.Skipped,
			"debug": rats.Pass, "measurement": rats.Fail, "attributes": rats.Fail, "platform": tt.platform,
		} {
			if c := checkNamed(t, r, check); c.Outcome != want {
				t.Errorf("%s: %+v, want %s", name, c, want)
			}
		}
	}
}

// TestTheDemandsStandInTheirOrder: with all of them unmet at once, the kind is
// the first one's, and each next one's as the one before is dropped.
func TestTheDemandsStandInTheirOrder(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.OutOfDate, Debug: true})
	p := with(func(p *attesteer.Policy) {
		p.RuntimeData, p.ReportData = []byte("x"), []byte("y")
		p.AcceptAdvisories, p.MinTCBDate, p.MinEvaluationNumber = []string{}, current, 99
		p.ReferenceValues = []attesteer.ReferenceValue{}
		p.Attributes = flags(16, 0xff, 0xff)
		p.Platform.SMTEnabled = ptr(false)
	})
	for _, step := range []struct {
		check string
		kind  rats.Kind
		drop  func()
	}{
		{"runtime_data", rats.BindingMismatch, func() { p.RuntimeData = nil }},
		{"report_data", rats.BindingMismatch, func() { p.ReportData = nil }},
		{"tcb_status", rats.TCBRejected, func() { p.AcceptTCB = []rats.TCBStatus{rats.OutOfDate} }},
		{"tcb_advisories", rats.TCBRejected, func() { p.AcceptAdvisories = nil }},
		{"tcb_date", rats.TCBRejected, func() { p.MinTCBDate = time.Time{} }},
		{"evaluation_number", rats.TCBRejected, func() { p.MinEvaluationNumber = 0 }},
		{"debug", rats.DebugForbidden, func() { p.AllowDebug = true }},
		{"measurement", rats.MeasurementUnknown, func() { p.ReferenceValues = nil }},
		{"attributes", rats.PolicyRejected, func() { p.Attributes = nil }},
		{"platform", rats.PolicyRejected, func() { p.Platform = attesteer.PlatformDemands{} }},
	} {
		r, err := s.verify(t, p, simTime)
		checkAnswer(t, r, err)
		if e := rats.AsError(err); e == nil || e.Check != step.check || e.Kind != step.kind {
			t.Errorf("%v, want %s by %s", err, step.kind, step.check)
		}
		step.drop()
	}
	if _, err := s.verify(t, p, simTime); err != nil {
		t.Errorf("nothing is demanded any more, and %v", err)
	}
}

// TestTheGracePeriodIsForWhatIsBehindAndNothingElse.
func TestTheGracePeriodIsForWhatIsBehindAndNothingElse(t *testing.T) {
	const ever = 36500 * 24 * time.Hour
	enough := simTime.Sub(current)
	behind := func(status rats.TCBStatus) sim { return simulated(t, simtee.Faults{}, simtee.Enclave{TCB: status}) }
	nothingBetter := simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) {
		i.Levels = slices.DeleteFunc(i.Levels, func(l simtee.TCBLevel) bool { return l.Status != rats.OutOfDate })
	}}
	relaunch := func(status, platform rats.TCBStatus) sim {
		return simulatedTD(t, simtee.Faults{}, platform, simtee.TD{TCB: status, Body: quote.BodyTD15})
	}
	hidden := func(platform rats.TCBStatus) sim { return simulated(t, staleQE(), simtee.Enclave{TCB: platform}) }
	for _, tt := range []struct {
		name   string
		s      sim
		status rats.TCBStatus
		grace  time.Duration
		accept []rats.TCBStatus
		want   rats.Kind
		detail string
	}{
		{"within it", behind(rats.OutOfDate), rats.OutOfDate, enough + time.Hour, nil, rats.None, "OutOfDate since 2024-11-13T00:00:00Z, accepted until 2025-06-20T13:00:00Z"},
		{"in its last second", behind(rats.OutOfDate), rats.OutOfDate, enough, nil, rats.None, "accepted until 2025-06-20T12:00:00Z"},
		{"a second after", behind(rats.OutOfDate), rats.OutOfDate, enough - time.Second, nil, rats.TCBRejected, "ended at 2025-06-20T11:59:59Z"},
		{"a negative one", behind(rats.OutOfDate), rats.OutOfDate, -ever, nil, rats.TCBRejected, "the TCB status is OutOfDate"},
		{"listed as well", behind(rats.OutOfDate), rats.OutOfDate, time.Second, []rats.TCBStatus{rats.OutOfDate}, rats.None, ""},
		{"configuration needed besides", behind(rats.OutOfDateConfigurationNeeded), rats.OutOfDateConfigurationNeeded, ever, nil, rats.TCBRejected, "not for ConfigurationNeeded"},
		{"configuration accepted", behind(rats.OutOfDateConfigurationNeeded), rats.OutOfDateConfigurationNeeded, ever, []rats.TCBStatus{rats.ConfigurationNeeded}, rats.None, "OutOfDateConfigurationNeeded since"},
		{"another status accepted", behind(rats.OutOfDateConfigurationNeeded), rats.OutOfDateConfigurationNeeded, ever, []rats.TCBStatus{rats.OutOfDate, rats.SWHardeningNeeded}, rats.TCBRejected, "not for ConfigurationNeeded"},
		{"relaunch advised", relaunch(rats.TDRelaunchAdvised, ""), rats.TDRelaunchAdvised, enough, nil, rats.None, "TDRelaunchAdvised since 2024-11-13"},
		{"relaunch advised too long ago", relaunch(rats.TDRelaunchAdvised, ""), rats.TDRelaunchAdvised, enough - time.Second, nil, rats.TCBRejected, "ended"},
		{"relaunch and configuration", relaunch(rats.TDRelaunchAdvisedConfigurationNeeded, rats.ConfigurationNeeded), rats.TDRelaunchAdvisedConfigurationNeeded, ever, nil, rats.TCBRejected, "not for ConfigurationNeeded"},
		{"relaunch, configuration accepted", relaunch(rats.TDRelaunchAdvisedConfigurationNeeded, rats.ConfigurationNeeded), rats.TDRelaunchAdvisedConfigurationNeeded, ever, []rats.TCBStatus{rats.ConfigurationNeeded}, rats.None, "since 2024-11-13"},
		{"only the quoting enclave is behind", hidden(""), rats.OutOfDate, enough, nil, rats.None, "since 2024-11-13"},
		{"and the platform needs hardening", hidden(rats.SWHardeningNeeded), rats.OutOfDate, ever, nil, rats.TCBRejected, "not for SWHardeningNeeded"},
		{"hardening accepted", hidden(rats.SWHardeningNeeded), rats.OutOfDate, ever, []rats.TCBStatus{rats.SWHardeningNeeded}, rats.None, "since"},
		{"and the platform needs both", hidden(rats.ConfigurationAndSWHardeningNeeded), rats.OutOfDateConfigurationNeeded, ever, []rats.TCBStatus{rats.ConfigurationNeeded, rats.SWHardeningNeeded}, rats.TCBRejected, "not for ConfigurationAndSWHardeningNeeded"},
		{"both accepted", hidden(rats.ConfigurationAndSWHardeningNeeded), rats.OutOfDateConfigurationNeeded, ever, []rats.TCBStatus{rats.ConfigurationAndSWHardeningNeeded}, rats.None, "since"},
		{"nothing better is listed", simulated(t, nothingBetter, simtee.Enclave{TCB: rats.OutOfDate}), rats.OutOfDate, ever, nil, rats.TCBRejected, "no date"},
		{"hardening needed", behind(rats.SWHardeningNeeded), rats.SWHardeningNeeded, ever, nil, rats.TCBRejected, "the TCB status is SWHardeningNeeded"},
		{"configuration needed", behind(rats.ConfigurationNeeded), rats.ConfigurationNeeded, ever, nil, rats.TCBRejected, "the TCB status is ConfigurationNeeded"},
		{"revoked", behind(rats.TCBRevoked), rats.TCBRevoked, ever, nil, rats.Revoked, "revoked platforms"},
		{"not supported", behind(rats.NotSupported), rats.NotSupported, ever, nil, rats.TCBRejected, "the TCB status is NotSupported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := trusting(tt.accept...)
			p.GracePeriod = tt.grace
			r, err := tt.s.verify(t, p, simTime)
			checkAnswer(t, r, err)
			c := checkNamed(t, r, "tcb_status")
			if rats.KindOf(err) != tt.want || !strings.Contains(c.Detail, tt.detail) {
				t.Fatalf("%v, %+v", err, c)
			}
			if r.TCB.Status != tt.status || r.Tier != rats.TierOf(tt.status, rats.Production) {
				t.Errorf("status %s, tier %s", r.TCB.Status, r.Tier)
			}
		})
	}
}

// TestAPartWithoutADateIsOfNoDate: one that no level matches may be of any age,
// even where other parts have dates.
func TestAPartWithoutADateIsOfNoDate(t *testing.T) {
	p := trusting(rats.TCBStatuses()...)
	p.MinTCBDate = date(1970, time.January, 1)
	for name, s := range map[string]sim{
		"the platform": simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.NotSupported}),
		"the module":   simulatedTD(t, simtee.Faults{}, "", simtee.TD{Module: [2]byte{1, 9}}),
	} {
		r, err := s.verify(t, p, simTime)
		if e := rats.AsError(err); e == nil || e.Check != "tcb_date" || e.Kind != rats.TCBRejected || r.TCB.Status != rats.NotSupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.MinTCBDate = stale
	if _, err := simulated(t, staleQE(), simtee.Enclave{}).verify(t, p, simTime); err != nil {
		t.Errorf("a part of that very date: %v", err)
	}
	p.MinTCBDate = stale.Add(time.Second)
	if _, err := simulated(t, staleQE(), simtee.Enclave{}).verify(t, p, simTime); rats.KindOf(err) != rats.TCBRejected {
		t.Errorf("the platform's date counts where the quoting enclave's is earlier: %v", err)
	}
}

// TestTheZeroPolicyIsTheStrictest: what is not accepted without one field is
// not accepted by whatever all the others say, and every field is either such
// a loosening or only takes away.
func TestTheZeroPolicyIsTheStrictest(t *testing.T) {
	loosen := map[string]any{
		"AllowDebug":  true,
		"AcceptTCB":   rats.TCBStatuses(),
		"GracePeriod": 36500 * 24 * time.Hour,
		"Roots":       []rats.TrustRoot{simtee.Root()},
	}
	// None of these makes up for a loosening: they are set so that they hold.
	narrow := map[string]any{
		"AcceptAdvisories":    []string{"SIM-SA-00001", "SIM-SA-00002", "SIM-SA-00003"},
		"MinTCBDate":          date(2000, time.January, 1),
		"MinEvaluationNumber": uint32(1),
		"MaxReportAge":        time.Second,
		"EvaluationNumber":    reflect.ValueOf(attesteer.Policy{}.EvaluationNumber).Interface(),
		"RuntimeData":         []byte(nil),
		"ReportData":          attesteer.Hex{},
		"ReferenceValues":     []attesteer.ReferenceValue{{MREnclave: make([]byte, 32)}},
		"Attributes":          flags(16, 0, 0),
		"MiscSelect":          flags(4, 0, 0),
		"TDAttributes":        flags(8, 0, 0),
		"XFAM":                flags(8, 0, 0),
		"Platform":            attesteer.PlatformDemands{SMTEnabled: ptr(true), AcceptFMSPC: []attesteer.Hex{simFMSPC()}},
	}
	set := func(p *attesteer.Policy, name string, value any) {
		reflect.ValueOf(p).Elem().FieldByName(name).Set(reflect.ValueOf(value))
	}
	fields := reflect.TypeFor[attesteer.Policy]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if (loosen[name] == nil) == (narrow[name] == nil) {
			t.Errorf("nothing is said of field %s", name)
		}
	}
	for _, tt := range []struct {
		name string
		s    sim
		// needed are the fields each of which is needed besides Roots.
		needed []string
	}{
		{"up to date", simulated(t, simtee.Faults{}, simtee.Enclave{}), nil},
		{"debug", simulated(t, simtee.Faults{}, simtee.Enclave{Debug: true}), []string{"AllowDebug"}},
		{"hardening", simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.SWHardeningNeeded}), []string{"AcceptTCB"}},
		{"revoked", simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.TCBRevoked}), []string{"AcceptTCB"}},
		{"revoked and debug", simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.TCBRevoked, Debug: true}), []string{"AcceptTCB", "AllowDebug"}},
	} {
		needed := append([]string{"Roots"}, tt.needed...)
		// Without each that is needed, and at last, without none, with all.
		for _, missing := range append(needed, "") {
			p := attesteer.Policy{}
			for _, values := range []map[string]any{loosen, narrow} {
				for name, value := range values {
					if name != missing {
						set(&p, name, value)
					}
				}
			}
			if r, err := tt.s.verify(t, p, simTime); r.Accepted != (missing == "") {
				t.Errorf("%s without %q: %v", tt.name, missing, err)
			}
		}
		p := attesteer.Policy{}
		for _, name := range needed {
			set(&p, name, loosen[name])
		}
		if _, err := tt.s.verify(t, p, simTime); err != nil {
			t.Errorf("%s is not accepted with %v: %v", tt.name, needed, err)
		}
	}
	late := simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.OutOfDate})
	for _, name := range []string{"AcceptTCB", "GracePeriod"} {
		p := trusting()
		if _, err := late.verify(t, p, simTime); rats.KindOf(err) != rats.TCBRejected {
			t.Errorf("out of date: %v", err)
		}
		set(&p, name, loosen[name])
		if _, err := late.verify(t, p, simTime); err != nil {
			t.Errorf("out of date with %s: %v", name, err)
		}
	}
}
