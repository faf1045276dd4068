// SPDX-License-Identifier: Apache-2.0

package rats

// TEE names a kind of trusted execution environment.
type TEE string

// The TEEs that evidence can come from.
const (
	SGX      TEE = "sgx"
	TDX      TEE = "tdx"
	EPID     TEE = "epid"
	SNP      TEE = "snp"
	Nitro    TEE = "nitro"
	Keystone TEE = "keystone"
	Sanctum  TEE = "sanctum"
	CCA      TEE = "cca"
)

// Format names the form in which evidence arrived, its outermost envelope.
type Format string

// The formats that can be recognised.
const (
	SGXQuoteV3 Format = "sgx-quote-v3"
	SGXQuoteV4 Format = "sgx-quote-v4"
	SGXQuoteV5 Format = "sgx-quote-v5"
	TDXQuoteV4 Format = "tdx-quote-v4"
	TDXQuoteV5 Format = "tdx-quote-v5"
	OEReport   Format = "oe-report"
	OEEvidence Format = "oe-evidence"
	QuoteJSON  Format = "quote-json"
	IASReport  Format = "ias-report"
	// Certificate is an X.509 certificate of attested TLS.
	Certificate Format = "x509-certificate"
)

// IsQuote reports whether f is a quote of Intel's in no envelope.
func (f Format) IsQuote() bool {
	switch f {
	case SGXQuoteV3, SGXQuoteV4, SGXQuoteV5, TDXQuoteV4, TDXQuoteV5:
		return true
	default:
		return false
	}
}

// BuildMode tells a debug enclave, whose memory its host can read, from a
// production one.
type BuildMode string

// The build modes.
const (
	Production BuildMode = "production"
	Debug      BuildMode = "debug"
)

// TCBStatus is what a vendor says of a platform's trusted computing base. The
// words are Intel's (PCS API v4, TCB info); other TEEs map into them only where
// the meaning is the same.
type TCBStatus string

// The statuses. NotSupported is ours: no TCB level matches the platform.
const (
	UpToDate                             TCBStatus = "UpToDate"
	SWHardeningNeeded                    TCBStatus = "SWHardeningNeeded"
	ConfigurationNeeded                  TCBStatus = "ConfigurationNeeded"
	ConfigurationAndSWHardeningNeeded    TCBStatus = "ConfigurationAndSWHardeningNeeded"
	OutOfDate                            TCBStatus = "OutOfDate"
	OutOfDateConfigurationNeeded         TCBStatus = "OutOfDateConfigurationNeeded"
	TDRelaunchAdvised                    TCBStatus = "TDRelaunchAdvised"
	TDRelaunchAdvisedConfigurationNeeded TCBStatus = "TDRelaunchAdvisedConfigurationNeeded"
	TCBRevoked                           TCBStatus = "Revoked"
	NotSupported                         TCBStatus = "NotSupported"
)

// TCBStatuses returns every status, best first.
func TCBStatuses() []TCBStatus {
	return []TCBStatus{
		UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded,
		TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded,
		OutOfDate, OutOfDateConfigurationNeeded, TCBRevoked, NotSupported,
	}
}

// Valid reports whether s is one of [TCBStatuses].
func (s TCBStatus) Valid() bool {
	for _, known := range TCBStatuses() {
		if s == known {
			return true
		}
	}
	return false
}

// Tier is the trust tier of an attestation result, in the words of AR4SI
// (draft-ietf-rats-ar4si). It follows the facts, not the policy.
type Tier string

// The tiers.
const (
	// TierNone: undecided; nothing could be established.
	TierNone Tier = "none"
	// Affirming: genuine and up to date.
	Affirming Tier = "affirming"
	// Warning: genuine, with a status that a relying party should look at.
	Warning Tier = "warning"
	// Contraindicated: revoked, not supported, a debug build, or not genuine.
	Contraindicated Tier = "contraindicated"
)

// TierOf returns the tier of a decided status under a build mode.
func TierOf(status TCBStatus, mode BuildMode) Tier {
	switch {
	case status == "":
		return TierNone
	case status == TCBRevoked || status == NotSupported || mode == Debug:
		return Contraindicated
	case status == UpToDate:
		return Affirming
	default:
		return Warning
	}
}

// TrustRoot is a key on whose word verdicts rest. It is pinned by public key
// and name, never by certificate: vendors reissue root certificates.
type TrustRoot struct {
	// Name is shown in every result: "intel", "simulated".
	Name string `cbor:"1,keyasint" json:"name"`
	// Subject is the raw DER of the root's distinguished name.
	Subject []byte `cbor:"2,keyasint" json:"subject"`
	// PublicKey is the root's SubjectPublicKeyInfo in DER.
	PublicKey []byte `cbor:"3,keyasint" json:"public_key"`
}

// Names of trust roots.
const (
	IntelRoot     = "intel"
	SimulatedRoot = "simulated"
)

// Outcome is how one check ended.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	// Undecided: an endorsement that the check needs is missing or stale.
	Undecided Outcome = "undecided"
	// Skipped: an earlier failure leaves nothing to check, or the input has no such part.
	Skipped Outcome = "skipped"
)

// Check is one entry of the list that every result carries, in the fixed order
// in which checks run.
type Check struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	// Spec cites the clause that demands the check.
	Spec string `json:"spec"`
}
