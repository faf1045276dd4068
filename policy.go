// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Policy is what a relying party demands of evidence. It is plain data. The
// zero Policy is the strictest of those that name no code: a vendor's root,
// production build, TCB up to date, revocation checked, nothing expired. Each
// field loosens or narrows one named thing, and all of them hold together.
//
// A demand that [Policy.Validate] would refuse, such as a mask of the wrong
// length, is never met.
type Policy struct {
	// AllowDebug accepts debug builds, whose memory their host can read.
	AllowDebug bool
	// AcceptTCB lists statuses that are accepted beside UpToDate. Revoked and
	// NotSupported are accepted only when they are listed.
	AcceptTCB []rats.TCBStatus
	// GracePeriod, in whole seconds, is for how long after an update should have
	// been installed (tcb.behind_since of the result) a platform, quoting enclave or module without it
	// is still accepted: OutOfDate, TDRelaunchAdvised and the two with
	// ConfigurationNeeded. Whatever else the status stands for has to be listed
	// in AcceptTCB; see docs/policy.md. The result's status stays what it is.
	GracePeriod time.Duration
	// AcceptAdvisories, when not nil, lists the security advisories that may
	// apply to the platform; any other is refused. It accepts no status by itself.
	AcceptAdvisories []string
	// MinTCBDate, when not zero, is the least date that the TCB levels of
	// platform, quoting enclave and module must have (tcb.earliest_date).
	MinTCBDate time.Time
	// MinEvaluationNumber is the least TCB evaluation data number by which
	// evidence may be judged.
	MinEvaluationNumber uint32
	// MaxReportAge, in whole seconds, is how old an IAS report may be, by Intel's
	// own time in it; zero demands nothing. No other evidence says how old it is.
	MaxReportAge time.Duration
	// EvaluationNumber decides which of several fitting endorsements are used;
	// the zero value takes the highest number that TCB info and identity share.
	EvaluationNumber dcap.EvaluationNumber
	// Roots replaces the pinned vendor roots when it is not nil. A simulated
	// root belongs here on development networks alone.
	Roots []rats.TrustRoot
	// RuntimeData, when not nil, must hash to the evidence's report data:
	// SHA-256 in the first 32 bytes, zeros after.
	RuntimeData []byte
	// ReportData, when not nil, are what the report data must be: at most 64
	// bytes, zeros after.
	ReportData Hex
	// ReferenceValues, when not nil, list the code that is expected: the evidence
	// must match one of them.
	ReferenceValues []ReferenceValue
	// Attributes (16 bytes: FLAGS and XFRM) and MiscSelect (4 bytes) are demanded
	// of SGX enclaves, TDAttributes and XFAM (8 bytes each) of trust domains.
	// Where any of the four is set, evidence of a TEE for which none is set is refused.
	Attributes, MiscSelect, TDAttributes, XFAM *Bits
	// Platform is demanded of what the vendor certifies of the machine.
	Platform PlatformDemands
}

// Bits demands bits of a field: (field AND Mask) == Value. Both are as long as
// the field and in the order in which its bytes stand in the report, which is
// little-endian: bit 28 is bit 4 of the fourth byte.
type Bits struct {
	Value Hex `json:"value"`
	Mask  Hex `json:"mask"`
}

// PlatformDemands are demands of the PCK certificate (Intel SGX PCK Certificate
// and CRL Profile, 1.3.5). A nil field demands nothing; an empty list accepts none.
type PlatformDemands struct {
	// The flags demand true or false. The Processor CA certifies none of them,
	// and then neither demand is met.
	DynamicPlatform *bool `json:"dynamic_platform,omitzero"`
	CachedKeys      *bool `json:"cached_keys,omitzero"`
	SMTEnabled      *bool `json:"smt_enabled,omitzero"`
	// AcceptSGXTypes lists the memory protections that are accepted: 0 standard,
	// 1 scalable, 2 scalable with integrity.
	AcceptSGXTypes []int `json:"accept_sgx_types,omitzero"`
	// AcceptIssuers lists the PCK CAs that are accepted: "platform", "processor".
	AcceptIssuers []string `json:"accept_issuers,omitzero"`
	// AcceptFMSPC lists the families of platforms that are accepted, RejectFMSPC
	// those that are not; 6 bytes each.
	AcceptFMSPC []Hex `json:"accept_fmspc,omitzero"`
	RejectFMSPC []Hex `json:"reject_fmspc,omitzero"`
}

// demanded reports whether anything is.
func (d *PlatformDemands) demanded() bool {
	return d.DynamicPlatform != nil || d.CachedKeys != nil || d.SMTEnabled != nil ||
		d.AcceptSGXTypes != nil || d.AcceptIssuers != nil || d.AcceptFMSPC != nil || d.RejectFMSPC != nil
}
