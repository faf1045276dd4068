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
	// TrustRoot says whose word the result rests on; null until a chain is verified.
	TrustRoot  *string   `json:"trust_root"`
	VerifiedAt time.Time `json:"verified_at"`
	// Fingerprint is the one measurement that names the code (SGX: MRENCLAVE).
	Fingerprint Hex            `json:"fingerprint"`
	ReportData  Hex            `json:"report_data"`
	BuildMode   rats.BuildMode `json:"build_mode"`
	Measurement Measurement    `json:"measurement"`
	// TCB is null until endorsements decide it.
	TCB *TCB `json:"tcb"`
	// ValidFrom and ValidUntil are the latest start and the earliest end over
	// all certificates, CRLs and signed statements used; null while undecided.
	ValidFrom    *time.Time        `json:"valid_from"`
	ValidUntil   *time.Time        `json:"valid_until"`
	Endorsements []UsedEndorsement `json:"endorsements"`
	// Checks lists every check in the fixed order in which they run.
	Checks []rats.Check `json:"checks"`
	// RuntimeData is what was found to hash to the report data, null if none was given.
	RuntimeData *Hex `json:"runtime_data"`

	// Subject is the raw report data, 64 bytes; a ledger derives a record's id from it.
	Subject []byte `json:"-"`
	// ReplayKey is SHA-256 over the attestation key, the signed bytes and r of
	// the innermost signature: it names this piece of evidence whatever
	// envelope, padding or equivalent signature it arrives in.
	ReplayKey [32]byte `json:"-"`
	// Platform identifies the machine for quotas (SGX: the PCK certificate's
	// serial number); empty until the chain is verified.
	Platform []byte `json:"-"`
}

// TCB is what the vendor's endorsements say of the platform.
type TCB struct {
	// Status is the converged status of platform, QE and module.
	Status         rats.TCBStatus  `json:"status"`
	PlatformStatus rats.TCBStatus  `json:"platform_status"`
	QEStatus       rats.TCBStatus  `json:"qe_status"`
	ModuleStatus   *rats.TCBStatus `json:"module_status"`
	// Date is the matched platform level's, EarliestDate the earliest of
	// platform, QE and module; null where no level matches.
	Date         *time.Time `json:"date"`
	EarliestDate *time.Time `json:"earliest_date"`
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
}

// Measurement holds what the evidence measures; exactly one part is set.
type Measurement struct {
	*SGXMeasurement
}

// SGXMeasurement is the SGX report body's content (Intel SDM vol. 3D, REPORT).
type SGXMeasurement struct {
	MREnclave Hex    `json:"mr_enclave"`
	MRSigner  Hex    `json:"mr_signer"`
	ISVProdID uint16 `json:"isv_prod_id"`
	ISVSVN    uint16 `json:"isv_svn"`
	// Attributes is FLAGS and XFRM, 16 bytes as they stand in the report.
	Attributes Hex `json:"attributes"`
	// MiscSelect is 4 bytes as they stand in the report.
	MiscSelect   Hex    `json:"misc_select"`
	CPUSVN       Hex    `json:"cpu_svn"`
	ISVExtProdID Hex    `json:"isv_ext_prod_id"`
	ISVFamilyID  Hex    `json:"isv_family_id"`
	ConfigID     Hex    `json:"config_id"`
	ConfigSVN    uint16 `json:"config_svn"`
}
