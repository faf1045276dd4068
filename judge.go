// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"crypto/sha256"
	"slices"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// The checks that policy adds to those of the evidence, in their order.
const (
	checkRuntimeData = "runtime_data"
	checkTCBStatus   = "tcb_status"
	checkDebug       = "debug"
)

// demand is one check of the policy and how it ended.
type demand struct {
	rats.Check
	err *rats.Error
}

// judge holds the facts against the policy. What could not be established is
// not judged.
func (p Policy) judge(r *Result, a *dcap.Appraisal) []demand {
	runtime := demand{Check: rats.Check{Name: checkRuntimeData, Outcome: rats.Skipped, Spec: "RFC 9334 10"}}
	if p.RuntimeData != nil {
		runtime.end(p.bind(r))
	}
	tcb := demand{Check: rats.Check{Name: checkTCBStatus, Outcome: rats.Skipped, Spec: "PCS API v4, tcbStatus"}}
	if a.TCB != nil {
		tcb.end(p.acceptStatus(a.TCB.Status))
	}
	debug := demand{Check: rats.Check{Name: checkDebug, Spec: "Intel SDM vol. 3D, ATTRIBUTES.DEBUG"}}
	if r.TEE == rats.TDX {
		debug.Spec = "Intel TDX Module Architecture Specification, ATTRIBUTES.TUD"
	}
	var err *rats.Error
	if r.BuildMode == rats.Debug && !p.AllowDebug {
		err = rats.Errorf(rats.DebugForbidden, "the enclave is a debug build: its host can read its memory")
	}
	debug.end(err)
	return []demand{runtime, tcb, debug}
}

func (d *demand) end(err *rats.Error) {
	d.Outcome = rats.Pass
	if d.err = err; err != nil {
		d.Outcome, d.Detail = rats.Fail, err.Detail
	}
}

// bind checks that the report data are the hash of the runtime data.
func (p Policy) bind(r *Result) *rats.Error {
	var want [64]byte
	sum := sha256.Sum256(p.RuntimeData)
	copy(want[:], sum[:])
	if [64]byte(r.ReportData) != want {
		return rats.Errorf(rats.BindingMismatch, "the report data are not the SHA-256 of the runtime data followed by zeros")
	}
	data := Hex(slices.Clone(p.RuntimeData))
	r.RuntimeData = &data
	return nil
}

// acceptStatus: a revoked platform is not merely behind; its keys may be out,
// so that what it signs proves nothing.
func (p Policy) acceptStatus(s rats.TCBStatus) *rats.Error {
	switch {
	case s == rats.UpToDate || slices.Contains(p.AcceptTCB, s):
		return nil
	case s == rats.TCBRevoked:
		return rats.Errorf(rats.Revoked, "the TCB status is %s: the vendor revoked platforms at this level", s)
	default:
		return rats.Errorf(rats.TCBRejected, "the TCB status is %s", s)
	}
}
