// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// EPID is what an IAS report says beside the enclave and the status: Intel's
// words as they stand in it (IAS API, Attestation Verification Report).
type EPID struct {
	// ReportID is Intel's number for the report, and Version the API's, zero
	// before it was named.
	ReportID string `json:"report_id"`
	Version  uint32 `json:"version"`
	// Time is when Intel verified the quote. All that the report says it says of
	// that time.
	Time time.Time `json:"time"`
	// QuoteStatus is Intel's word, such as "SW_HARDENING_NEEDED".
	QuoteStatus epid.QuoteStatus `json:"quote_status"`
	// RevocationReason is that of RFC 5280, of revoked groups.
	RevocationReason *uint32 `json:"revocation_reason,omitempty"`
	AdvisoryURL      string  `json:"advisory_url,omitempty"`
	Nonce            string  `json:"nonce,omitempty"`
	// SignatureType is "linkable" or "unlinkable". Pseudonym, 128 bytes, is the
	// same in linkable quotes of one platform with one basename.
	SignatureType string `json:"signature_type"`
	Pseudonym     Hex    `json:"pseudonym,omitempty"`
	// GroupID is 4 bytes, the highest first.
	GroupID         Hex           `json:"group_id"`
	ExtendedGroupID uint32        `json:"extended_group_id"`
	QESVN           uint16        `json:"qe_svn"`
	PCESVN          uint16        `json:"pce_svn"`
	Basename        Hex           `json:"basename"`
	PSEStatus       string        `json:"pse_manifest_status,omitempty"`
	PSEManifestHash Hex           `json:"pse_manifest_hash,omitempty"`
	PlatformInfo    *PlatformInfo `json:"platform_info,omitempty"`
}

// PlatformInfo is what Intel tells a platform that has something to mend.
type PlatformInfo struct {
	// Flags name what is revoked or behind; the numbers are as they came.
	Flags      []string `json:"flags"`
	GroupFlags uint8    `json:"group_flags"`
	TCBFlags   uint16   `json:"tcb_flags"`
	PSEFlags   uint16   `json:"pse_flags"`
	// CPUSVN (16 bytes) to PSDASVN (4 bytes) are the latest there are.
	CPUSVN  Hex    `json:"cpu_svn"`
	PCESVN  uint16 `json:"pce_svn"`
	PSESVN  uint16 `json:"pse_svn"`
	PSDASVN Hex    `json:"psda_svn"`
	// GroupID is 4 bytes, the highest first.
	GroupID         Hex    `json:"group_id"`
	ExtendedGroupID uint32 `json:"extended_group_id"`
}

// epidOf lists what a report says.
func epidOf(r *epid.Report) *EPID {
	q := r.Quote
	out := &EPID{
		ReportID: r.ID, Version: r.Version, Time: r.Time, QuoteStatus: r.Status, RevocationReason: r.RevocationReason,
		AdvisoryURL: r.AdvisoryURL, Nonce: r.Nonce, SignatureType: "unlinkable", Pseudonym: r.Pseudonym,
		GroupID: Hex{q.GroupID[3], q.GroupID[2], q.GroupID[1], q.GroupID[0]}, ExtendedGroupID: q.XEID,
		QESVN: q.QESVN, PCESVN: q.PCESVN, Basename: q.Basename[:], PSEStatus: r.PSEStatus, PSEManifestHash: r.PSEManifestHash,
	}
	if q.Linkable {
		out.SignatureType = "linkable"
	}
	if p := r.PlatformInfo; p != nil {
		out.PlatformInfo = &PlatformInfo{
			Flags: append([]string{}, p.Flags()...), GroupFlags: p.GroupFlags, TCBFlags: p.TCBFlags, PSEFlags: p.PSEFlags,
			CPUSVN: p.CPUSVN[:], PCESVN: p.PCESVN, PSESVN: p.PSESVN, PSDASVN: p.PSDASVN[:],
			GroupID: p.GroupID[:], ExtendedGroupID: p.XEID,
		}
	}
	return out
}

// epidBody is an IAS report. What it says of the enclave stands where a quote's
// report does; it takes no endorsements, since Intel's word on the platform is in
// it.
type epidBody struct {
	*epid.Evidence
}

// readEPID takes an IAS report apart.
func readEPID(raw []byte) (body, error) {
	ev, err := epid.Parse(raw)
	if err != nil {
		return nil, err
	}
	return epidBody{ev}, nil
}

// quote returns the report body as that of a quote, for those who measure one.
func (b epidBody) quote() *quote.Quote {
	return &quote.Quote{TEE: rats.EPID, SGX: &b.Report.Quote.Report}
}

func (b epidBody) format() rats.Format { return rats.IASReport }

func (b epidBody) describe(r *Result) {
	q := b.quote()
	r.TEE, r.Fingerprint, r.ReportData, r.BuildMode = q.TEE, fingerprint(q), q.ReportData(), buildMode(q)
	r.Measurement, r.Subject, r.ReplayKey = measure(q), q.ReportData(), epid.ReplayKey(b.Evidence)
	r.EPID = epidOf(b.Report)
}

func (b epidBody) inspect(in *Inspection) {
	in.Version, in.EPID = uint16(b.Report.Version), epidOf(b.Report) //nolint:gosec // at most 5
}

func (b epidBody) needs(*Verifier, *Endorsements) ([]Need, error) { return nil, nil }

func (b epidBody) platform() (dcap.PlatformName, bool, error) { return dcap.PlatformName{}, false, nil }

func (b epidBody) appraise(r *Result, _ *Verifier, _ *Endorsements, p Policy) verdict {
	a := epid.Appraise(b.Evidence, p.Roots, r.VerifiedAt)
	r.Endorsements, r.Checks = []UsedEndorsement{}, a.Checks
	out := verdict{err: a.Err, own: len(a.Checks)}
	if a.Root != "" {
		root := a.Root
		r.TrustRoot = &root
		// Nobody can tell machines apart by EPID, unless they sign linkably.
		r.Platform = b.Report.Pseudonym
		r.ValidFrom, r.ValidUntil = window(a.ValidFrom, a.ValidUntil)
	}
	if a.Inputs != nil {
		r.Inputs = &Inputs{EPID: a.Inputs, BuildMode: r.BuildMode}
	}
	if a.Status != "" {
		out.tcb = toldOf(a.Status, b.Report.Advisories)
		if n := b.Report.EvaluationDataNumber; n != nil {
			out.tcb.EvaluationDataNumber = *n
		}
		r.TCB = tcbOf(&dcap.Appraisal{TCB: out.tcb})
	}
	return out
}

// toldOf is a status that Intel told, without the levels that led to it.
func toldOf(status rats.TCBStatus, advisories []string) *dcap.TCB {
	return &dcap.TCB{Status: status, Platform: status, Advisories: advisories}
}

// standing is what stays true of a genuine report. Intel says nothing more of it,
// so that it never changes, unless its root is trusted no longer.
func (v *Verifier) standing(in *Inputs, p Policy) *Standing {
	e := in.EPID
	out := &Standing{Tier: rats.TierNone, Endorsements: []UsedEndorsement{}}
	trusted := p.Roots == nil && e.Root == rats.IntelRoot
	for i := range p.Roots {
		trusted = trusted || p.Roots[i].Name == e.Root
	}
	if !trusted {
		out.Err = rats.Errorf(rats.UntrustedRoot, "the root %q, which vouched for the report, is not trusted", e.Root)
		return out
	}
	out.TCB = toldOf(e.Status, e.Advisories)
	out.Tier = tier(out.TCB, in.BuildMode, nil)
	out.ValidFrom, out.ValidUntil = e.Window()
	return out
}

// measuredAs returns the TEE by whose fields evidence is measured: an enclave is
// one whoever vouches for its quote.
func measuredAs(tee rats.TEE) rats.TEE {
	if tee == rats.EPID {
		return rats.SGX
	}
	return tee
}

// checkReportAge is the check that IAS reports have beside those of all evidence.
const checkReportAge = "report_age"

// judgeAge holds the age of an IAS report against the policy; of other evidence
// there is none.
func (p *Policy) judgeAge(r *Result) []demand {
	if r.EPID == nil {
		return nil
	}
	return []demand{hold(checkReportAge, "IAS API, timestamp", p.MaxReportAge > 0, func() (string, *rats.Error) {
		if r.VerifiedAt.Sub(r.EPID.Time) > p.MaxReportAge {
			return "", rats.Errorf(rats.Expired, "the report is of %s, and the policy takes none older than %s",
				r.EPID.Time.Format(time.RFC3339), periodText(p.MaxReportAge))
		}
		return "", nil
	})}
}
