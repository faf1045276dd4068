// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Vector is a trustworthiness vector (draft-ietf-rats-ar4si section 2.3.4): a
// value of -128 to 127 for each category about which a claim is made.
type Vector map[string]int8

// The categories that Attesteer appraises. It stands in every vector with each
// of them; 0 says that no claim is made.
const (
	Configuration = "configuration"
	Executables   = "executables"
	Hardware      = "hardware"
	RuntimeOpaque = "runtime-opaque"
)

// Values of claims (draft-ietf-rats-ar4si section 2.3.4).
const (
	noClaim = 0
	// unproven: the evidence's cryptography does not hold. Any category.
	unproven = 99

	configurationUnsafe      = 32
	configurationUnsupported = 96

	executablesApprovedAtBoot = 3
	executablesUnrecognised   = 33

	hardwareGenuine         = 2
	hardwareUnsafe          = 32
	hardwareContraindicated = 96
	hardwareUnrecognised    = 97

	memoryEncrypted = 2
	memoryVisible   = 96
)

// VectorOf says of a result what its facts allow to be claimed, and no more.
func VectorOf(r *attesteer.Result) Vector {
	v := Vector{Configuration: noClaim, Executables: noClaim, Hardware: noClaim, RuntimeOpaque: noClaim}
	switch {
	case r.Tier == rats.TierNone:
		// Undecided: whatever the evidence says, nobody vouches for it yet.
	case !genuine(r):
		v[Hardware] = fault(r.Kind)
	default:
		v.platform(r.TCB.Status)
		v.memory(r)
		v[Executables] = executables(r)
	}
	return v
}

// genuine reports whether the vendor vouches for the evidence and what is left
// to judge is its status. Where it does not, the kind is that of a forgery; a
// mismatch of what the caller wants bound is not, and leaves the TCB decided.
func genuine(r *attesteer.Result) bool {
	switch {
	case r.TCB == nil:
		return false
	case r.Kind == rats.Revoked:
		return r.TCB.Status == rats.TCBRevoked
	default:
		return r.Kind == rats.BindingMismatch || r.Kind.ExitCode() != rats.BadSignature.ExitCode()
	}
}

// fault is what a forgery's kind says of the hardware.
func fault(kind rats.Kind) int8 {
	switch kind {
	case rats.BadSignature:
		return unproven
	case rats.UntrustedRoot:
		return hardwareUnrecognised
	default: // revoked, expired, or another quoting enclave than the vendor's
		return hardwareContraindicated
	}
}

// platform claims what the vendor says of the TCB (PCS API v4, tcbStatus).
func (v Vector) platform(status rats.TCBStatus) {
	v[Hardware] = hardwareUnsafe
	switch status {
	case rats.UpToDate, rats.ConfigurationNeeded:
		v[Hardware] = hardwareGenuine
	case rats.TCBRevoked:
		v[Hardware] = hardwareContraindicated
	case rats.NotSupported:
		v[Hardware] = hardwareUnrecognised
	default: // behind, or in need of hardening: genuine, with known vulnerabilities
	}
	switch status {
	case rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
		rats.OutOfDateConfigurationNeeded, rats.TDRelaunchAdvisedConfigurationNeeded:
		v[Configuration] = configurationUnsafe
	default: // of other configuration than the platform's nothing is known
	}
}

// memory claims who can read the enclave's. That of a simulated one anybody
// who runs it can, and its hardware does not exist.
func (v Vector) memory(r *attesteer.Result) {
	simulated := r.TrustRoot == nil || *r.TrustRoot == rats.SimulatedRoot
	switch {
	case r.BuildMode == rats.Debug:
		v[RuntimeOpaque], v[Configuration] = memoryVisible, configurationUnsupported
	case !simulated && tierOfClaim(v[Hardware]) != rats.Contraindicated:
		v[RuntimeOpaque] = memoryEncrypted
	}
	if simulated && v[Hardware] == hardwareGenuine {
		v[Hardware] = noClaim
	}
}

// checkMeasurement is the check by which a policy's reference values are held
// against the evidence.
const checkMeasurement = "measurement"

// executables claims something of the code only where the caller said which it
// expects. What is measured is what was loaded at the start.
func executables(r *attesteer.Result) int8 {
	for i := range r.Checks {
		if r.Checks[i].Name != checkMeasurement {
			continue
		}
		switch r.Checks[i].Outcome {
		case rats.Pass:
			return executablesApprovedAtBoot
		case rats.Fail:
			return executablesUnrecognised
		default:
		}
	}
	return noClaim
}

// StatusOf returns a token's status: the tier of the result, or a worse one
// where the vector has it (draft-ietf-rats-ear-03 section 3.1). What the caller's policy
// rejects is never affirming: whoever reads nothing but the status must not
// take a rejected enclave for an accepted one.
func StatusOf(r *attesteer.Result, v Vector) rats.Tier {
	status := worse(r.Tier, v.tier())
	switch {
	case r.Accepted || r.Tier == rats.TierNone:
		return status
	case r.Kind == rats.BindingMismatch: // genuine evidence of something else
		return rats.Contraindicated
	default:
		return worse(status, rats.Warning)
	}
}

// tier returns the worst tier of any claim.
func (v Vector) tier() rats.Tier {
	worst := rats.TierNone
	for _, value := range v {
		worst = worse(worst, tierOfClaim(value))
	}
	return worst
}

// tierOfClaim returns the tier in which a value lies (draft-ietf-rats-ar4si section 2.3.2).
func tierOfClaim(value int8) rats.Tier {
	n := int(value)
	switch n = max(n, -n); {
	case n <= 1:
		return rats.TierNone
	case n < 32:
		return rats.Affirming
	case n < 96:
		return rats.Warning
	default:
		return rats.Contraindicated
	}
}

// tiers are in order of falling trust. That none stands first, says only that a
// category without a claim makes nothing worse.
func tiers() []rats.Tier {
	return []rats.Tier{rats.TierNone, rats.Affirming, rats.Warning, rats.Contraindicated}
}

func worse(a, b rats.Tier) rats.Tier {
	if slices.Index(tiers(), a) > slices.Index(tiers(), b) {
		return a
	}
	return b
}
