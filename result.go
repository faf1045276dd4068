// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"time"

	"github.com/attesteer/attesteer/rats"
)

// ResultSchema names the JSON form of [Result].
const ResultSchema = "attesteer/result/v1"

// Result is an Attestation Result: everything that an appraisal established, in
// a form that is byte-identical wherever the same input is judged at the same
// time. A rejected appraisal has a full Result too.
type Result struct {
	Schema   string `json:"schema"`
	Accepted bool   `json:"accepted"`
	// Tier follows the facts, not the policy.
	Tier rats.Tier `json:"tier"`
	// Kind is that of the first failing check; null when accepted.
	Kind   rats.Kind   `json:"kind"`
	TEE    rats.TEE    `json:"tee"`
	Format rats.Format `json:"format"`
	// Envelope lists the formats of all layers, outermost first: Format is the
	// first of them.
	Envelope []rats.Format `json:"envelope"`
	// TrustRoot says whose word the result rests on; null until a chain is verified.
	TrustRoot  *string   `json:"trust_root"`
	VerifiedAt time.Time `json:"verified_at"`
	// Fingerprint is the one measurement that names the code: MRENCLAVE (SGX, 32
	// bytes), SHA-384 over MRTD and RTMR0 to RTMR3 (TDX, 48 bytes).
	Fingerprint Hex            `json:"fingerprint"`
	ReportData  Hex            `json:"report_data"`
	BuildMode   rats.BuildMode `json:"build_mode"`
	Measurement Measurement    `json:"measurement"`
	// PCK is what the vendor certifies of the platform; null until a chain is verified.
	PCK *PCK `json:"pck"`
	// TCB is null until endorsements decide it.
	TCB *TCB `json:"tcb"`
	// ValidFrom and ValidUntil are the latest start and the earliest end over
	// all certificates, CRLs and signed statements used; null while undecided.
	ValidFrom    *time.Time        `json:"valid_from"`
	ValidUntil   *time.Time        `json:"valid_until"`
	Endorsements []UsedEndorsement `json:"endorsements"`
	// Checks lists every check in the fixed order in which they run.
	Checks []rats.Check `json:"checks"`
	// RuntimeData is what was found to hash to the report data, be it that the
	// caller gave it or that it came in an envelope; null if there is none.
	RuntimeData *Hex `json:"runtime_data"`
	// RuntimeKey describes runtime data that are a public key, null where they are none.
	RuntimeKey *RuntimeKey `json:"runtime_key"`
	// CustomClaims are what the enclave says beside its measurement, in the order
	// in which it says it. The report data are their hash.
	CustomClaims []CustomClaim `json:"custom_claims"`
	// EPID is what an IAS report says beside all this; absent for other evidence.
	EPID *EPID `json:"epid,omitempty"`

	// Subject is the raw report data, 64 bytes; a ledger derives a record's id from it.
	Subject []byte `json:"-"`
	// Block is what the custom claim [BlockClaim] says, nil without one, and
	// SubjectWithoutBlock is what Subject would be if that claim were left out.
	Block               []byte `json:"-"`
	SubjectWithoutBlock []byte `json:"-"`
	// ReplayKey is SHA-256 over the attestation key, the signed bytes and r of
	// the innermost signature: it names this piece of evidence whatever
	// envelope, padding or equivalent signature it arrives in.
	ReplayKey [32]byte `json:"-"`
	// Inputs are what [Reappraise] goes by; nil until every signature of the
	// evidence is verified.
	Inputs *Inputs `json:"-"`
	// Forecast is a fall of status that published data make certain, nil where
	// there is none, or no rule by which evaluations bind.
	Forecast *Forecast `json:"-"`
	// Platform identifies the machine for quotas (SGX, TDX: the PCK certificate's
	// serial number); empty until the chain is verified.
	Platform []byte `json:"-"`
}

// TCB is what the vendor's endorsements say of the platform.
type TCB struct {
	// Status is the converged status of platform, QE and module.
	Status         rats.TCBStatus `json:"status"`
	PlatformStatus rats.TCBStatus `json:"platform_status"`
	QEStatus       rats.TCBStatus `json:"qe_status"`
	// ModuleStatus is null where there is no TDX module to judge; ModuleID names
	// the identity that it was judged by, such as "TDX_03".
	ModuleStatus *rats.TCBStatus `json:"module_status"`
	ModuleID     *string         `json:"module_id"`
	// Date is the matched platform level's, EarliestDate the earliest of
	// platform, QE and module; null where no level matches.
	Date         *time.Time `json:"date"`
	EarliestDate *time.Time `json:"earliest_date"`
	// BehindSince is when the first of the parts that are out of date should
	// have been updated; null where none is, or where nothing better is listed.
	BehindSince *time.Time `json:"behind_since"`
	// EvaluationDataNumber is the smaller of TCB info's and QE identity's.
	EvaluationDataNumber uint32 `json:"evaluation_data_number"`
	FMSPC                Hex    `json:"fmspc"`
	// Advisories is a sorted set.
	Advisories []string `json:"advisories"`
}

// UsedEndorsement names one endorsement that a result rests on.
type UsedEndorsement struct {
	Kind       rats.EndorsementKind `json:"kind"`
	SHA256     Hex                  `json:"sha256"`
	Issued     time.Time            `json:"issued"`
	NextUpdate time.Time            `json:"next_update"`
	// Key is its place among endorsements that say the same kind of thing.
	Key rats.EndorsementKey `json:"-"`
}

// PCK is what the vendor certifies of a platform in its PCK certificate (Intel
// SGX PCK Certificate and CRL Profile, 1.3.5).
type PCK struct {
	// Issuer is "platform" or "processor", after the CA that issued it.
	Issuer string `json:"issuer"`
	FMSPC  Hex    `json:"fmspc"`
	PCEID  Hex    `json:"pce_id"`
	PCESVN uint16 `json:"pce_svn"`
	// Components are the 16 component SVNs against which TCB levels are held.
	Components Hex `json:"tcb_components"`
	// SGXType is 0 standard, 1 scalable, 2 scalable with integrity.
	SGXType int `json:"sgx_type"`
	// The flags are null where the vendor certifies none (processor CA).
	DynamicPlatform *bool `json:"dynamic_platform"`
	CachedKeys      *bool `json:"cached_keys"`
	SMTEnabled      *bool `json:"smt_enabled"`
}
