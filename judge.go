// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// The checks that policy adds to those of the evidence, in their order: what
// the caller binds, what the vendor says of the TCB, debug, and the rest.
const (
	checkRuntimeData      = "runtime_data"
	checkReportData       = "report_data"
	checkTCBStatus        = "tcb_status"
	checkTCBAdvisories    = "tcb_advisories"
	checkTCBDate          = "tcb_date"
	checkEvaluationNumber = "evaluation_number"
	checkDebug            = "debug"
	checkMeasurement      = "measurement"
	checkAttributes       = "attributes"
	checkPlatform         = "platform"
)

// reportDataSize is the length of report data in bytes.
const reportDataSize = 64

// demand is one check of the policy and how it ended.
type demand struct {
	rats.Check
	err *rats.Error
}

// hold makes the check of a demand: skipped where nobody makes it or the facts
// for it could not be established, which another check has failed for.
func hold(name, spec string, judged bool, judge func() (note string, err *rats.Error)) demand {
	d := demand{Check: rats.Check{Name: name, Outcome: rats.Skipped, Spec: spec}}
	if !judged {
		return d
	}
	d.Outcome = rats.Pass
	if d.Detail, d.err = judge(); d.err != nil {
		d.Outcome, d.Detail = rats.Fail, d.err.Detail
	}
	return d
}

// judge holds the facts against the policy.
func (p Policy) judge(r *Result, j verdict) []demand {
	const (
		pcs = "PCS API v4, "
		sdm = "Intel SDM vol. 3D, "
		pck = "Intel SGX PCK Certificate and CRL Profile, 1.3.5"
	)
	debug, attributes := sdm+"ATTRIBUTES.DEBUG", sdm+"ATTRIBUTES, MISCSELECT"
	if r.TEE == rats.TDX {
		const module = "Intel TDX Module Architecture Specification, "
		debug, attributes = module+"ATTRIBUTES.TUD", module+"ATTRIBUTES, XFAM"
	}
	t := j.tcb
	return append(p.judgeAge(r), []demand{
		hold(checkRuntimeData, "RFC 9334 10", p.RuntimeData != nil, func() (string, *rats.Error) { return "", p.bind(r) }),
		hold(checkReportData, "RFC 9334 10", p.ReportData != nil, func() (string, *rats.Error) { return "", p.reported(r) }),
		hold(checkTCBStatus, pcs+"tcbStatus", t != nil, func() (string, *rats.Error) { return p.acceptStatus(t, r.VerifiedAt) }),
		hold(checkTCBAdvisories, pcs+"advisoryIDs", t != nil && p.AcceptAdvisories != nil,
			func() (string, *rats.Error) { return "", p.acceptAdvisories(t) }),
		hold(checkTCBDate, pcs+"tcbDate", t != nil && !p.MinTCBDate.IsZero(), func() (string, *rats.Error) { return "", p.acceptDate(t) }),
		hold(checkEvaluationNumber, pcs+"tcbEvaluationDataNumber", t != nil && p.MinEvaluationNumber > 0,
			func() (string, *rats.Error) { return "", p.acceptEvaluation(t) }),
		hold(checkDebug, debug, true, func() (string, *rats.Error) { return "", p.acceptBuild(r) }),
		hold(checkMeasurement, "RFC 9334 8.3", p.ReferenceValues != nil, func() (string, *rats.Error) { return p.recognise(r) }),
		hold(checkAttributes, attributes, p.demandsBits(), func() (string, *rats.Error) { return "", p.acceptBits(r) }),
		hold(checkPlatform, pck, j.extension != nil && p.Platform.demanded(),
			func() (string, *rats.Error) { return "", p.Platform.accept(j.extension, j.issuer) }),
	}...)
}

// bind checks that the report data are the hash of the runtime data.
func (p *Policy) bind(r *Result) *rats.Error {
	var want [reportDataSize]byte
	sum := sha256.Sum256(p.RuntimeData)
	copy(want[:], sum[:])
	if !bytes.Equal(r.ReportData, want[:]) {
		return rats.Errorf(rats.BindingMismatch, "the report data are not the SHA-256 of the runtime data followed by zeros")
	}
	data := Hex(slices.Clone(p.RuntimeData))
	r.RuntimeData = &data
	return nil
}

// reported checks that the report data are the expected ones.
func (p *Policy) reported(r *Result) *rats.Error {
	if len(p.ReportData) > reportDataSize {
		return rats.Errorf(rats.BindingMismatch, "the policy expects %d bytes of report data, and there are %d", len(p.ReportData), reportDataSize)
	}
	var want [reportDataSize]byte
	copy(want[:], p.ReportData)
	if !bytes.Equal(r.ReportData, want[:]) {
		return rats.Errorf(rats.BindingMismatch, "the report data are not those that the policy expects")
	}
	return nil
}

// acceptStatus: a revoked platform is not merely behind; its keys may be out,
// so that what it signs proves nothing.
func (p *Policy) acceptStatus(t *dcap.TCB, at time.Time) (string, *rats.Error) {
	switch {
	case p.accepts(t.Status):
		return "", nil
	case t.Status == rats.TCBRevoked:
		return "", rats.Errorf(rats.Revoked, "the TCB status is %s: the vendor revoked platforms at this level", t.Status)
	case p.GracePeriod > 0 && isBehind(t.Status):
		return p.acceptLate(t, at)
	default:
		return "", rats.Errorf(rats.TCBRejected, "the TCB status is %s", t.Status)
	}
}

func (p *Policy) accepts(s rats.TCBStatus) bool {
	return s == rats.UpToDate || slices.Contains(p.AcceptTCB, s)
}

// isBehind reports whether an update, or a relaunch after one, would mend a status.
func isBehind(s rats.TCBStatus) bool {
	switch s {
	case rats.OutOfDate, rats.OutOfDateConfigurationNeeded, rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded:
		return true
	default:
		return false
	}
}

// acceptLate accepts what is behind for as long as the grace period lasts,
// provided that the policy accepts what an update would leave as it is.
func (p *Policy) acceptLate(t *dcap.TCB, at time.Time) (string, *rats.Error) {
	refuse := func(why string) (string, *rats.Error) {
		return "", rats.Errorf(rats.TCBRejected, "the TCB status is %s, and %s", t.Status, why)
	}
	for _, s := range besideBehind(t) {
		if !p.accepts(s) {
			return refuse("the grace period is not for " + string(s) + ", which is part of it")
		}
	}
	if t.BehindSince.IsZero() {
		return refuse("without a better level there is no date from which to count the grace period")
	}
	until := t.BehindSince.Add(p.GracePeriod)
	if at.After(until) {
		return refuse("the grace period ended at " + until.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s since %s, accepted until %s",
		t.Status, t.BehindSince.Format(time.RFC3339), until.Format(time.RFC3339)), nil
}

// besideBehind returns what a status that is behind stands for besides. Where
// quoting enclave or module are behind, the convergence of statuses hides the
// platform's own need for hardening.
func besideBehind(t *dcap.TCB) []rats.TCBStatus {
	var out []rats.TCBStatus
	configured := false
	switch t.Platform {
	case rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded:
		configured = true
		out = append(out, t.Platform)
	case rats.SWHardeningNeeded:
		out = append(out, t.Platform)
	default:
	}
	if !configured && (t.Status == rats.OutOfDateConfigurationNeeded || t.Status == rats.TDRelaunchAdvisedConfigurationNeeded) {
		out = append(out, rats.ConfigurationNeeded)
	}
	return out
}

func (p *Policy) acceptAdvisories(t *dcap.TCB) *rats.Error {
	var other []string
	for _, id := range t.Advisories {
		if !slices.Contains(p.AcceptAdvisories, id) {
			other = append(other, id)
		}
	}
	if len(other) > 0 {
		return rats.Errorf(rats.TCBRejected, "advisories that the policy does not accept: %s", strings.Join(other, ", "))
	}
	return nil
}

// acceptDate: a part that no level matches has no date, and may be of any age.
func (p *Policy) acceptDate(t *dcap.TCB) *rats.Error {
	least := p.MinTCBDate.UTC().Format(time.RFC3339)
	switch {
	case t.Status == rats.NotSupported || t.EarliestDate.IsZero():
		return rats.Errorf(rats.TCBRejected, "a part of the TCB has no date, and the policy demands %s", least)
	case t.EarliestDate.Before(p.MinTCBDate):
		return rats.Errorf(rats.TCBRejected, "the TCB is of %s, and the policy demands %s", t.EarliestDate.Format(time.RFC3339), least)
	default:
		return nil
	}
}

func (p *Policy) acceptEvaluation(t *dcap.TCB) *rats.Error {
	if t.EvaluationDataNumber < p.MinEvaluationNumber {
		return rats.Errorf(rats.TCBRejected, "judged by TCB evaluation %d, and the policy demands at least %d", t.EvaluationDataNumber, p.MinEvaluationNumber)
	}
	return nil
}

func (p *Policy) acceptBuild(r *Result) *rats.Error {
	if r.BuildMode == rats.Debug && !p.AllowDebug {
		return rats.Errorf(rats.DebugForbidden, "the enclave is a debug build: its host can read its memory")
	}
	return nil
}

// recognise finds the reference value of which the evidence is.
func (p *Policy) recognise(r *Result) (string, *rats.Error) {
	for i := range p.ReferenceValues {
		if p.ReferenceValues[i].matches(r) {
			return item("reference_values", i), nil
		}
	}
	return "", rats.Errorf(rats.MeasurementUnknown, "none of the %d reference values describes the code %s", len(p.ReferenceValues), r.Fingerprint)
}
