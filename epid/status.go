// SPDX-License-Identifier: Apache-2.0

package epid

import "github.com/attesteer/attesteer/rats"

// QuoteStatus is Intel's word on a quote (IAS API, isvEnclaveQuoteStatus).
type QuoteStatus string

// The words. The first five say that the quote is genuine, and of what platform;
// the rest that it is not, or that nobody can tell.
const (
	OK                                QuoteStatus = "OK"
	GroupOutOfDate                    QuoteStatus = "GROUP_OUT_OF_DATE"
	ConfigurationNeeded               QuoteStatus = "CONFIGURATION_NEEDED"
	SWHardeningNeeded                 QuoteStatus = "SW_HARDENING_NEEDED"
	ConfigurationAndSWHardeningNeeded QuoteStatus = "CONFIGURATION_AND_SW_HARDENING_NEEDED"

	SignatureInvalid     QuoteStatus = "SIGNATURE_INVALID"
	GroupRevoked         QuoteStatus = "GROUP_REVOKED"
	SignatureRevoked     QuoteStatus = "SIGNATURE_REVOKED"
	KeyRevoked           QuoteStatus = "KEY_REVOKED"
	SigRLVersionMismatch QuoteStatus = "SIGRL_VERSION_MISMATCH"
)

// meaning is what a word comes to here: a TCB status, or the kind of a refusal
// and why.
type meaning struct {
	tcb  rats.TCBStatus
	kind rats.Kind
	why  string
}

// meaningOf returns what a word means; known is false for a word that no version
// of the service has.
func meaningOf(s QuoteStatus) (m meaning, known bool) {
	switch s {
	case OK:
		return meaning{tcb: rats.UpToDate}, true
	case GroupOutOfDate:
		return meaning{tcb: rats.OutOfDate}, true
	case ConfigurationNeeded:
		return meaning{tcb: rats.ConfigurationNeeded}, true
	case SWHardeningNeeded:
		return meaning{tcb: rats.SWHardeningNeeded}, true
	case ConfigurationAndSWHardeningNeeded:
		return meaning{tcb: rats.ConfigurationAndSWHardeningNeeded}, true
	case SignatureInvalid:
		return meaning{kind: rats.BadSignature, why: "the quote's own signature does not verify"}, true
	case GroupRevoked:
		return meaning{kind: rats.Revoked, why: "the EPID group of the platform is revoked"}, true
	case SignatureRevoked:
		return meaning{kind: rats.Revoked, why: "the key that signed the quote is revoked by one of its signatures"}, true
	case KeyRevoked:
		return meaning{kind: rats.Revoked, why: "the key that signed the quote is revoked"}, true
	case SigRLVersionMismatch:
		// Not a bad quote, but none that Intel could hold against what it knows.
		return meaning{kind: rats.EndorsementExpired, why: "the quote was signed by a stale list of revoked signatures"}, true
	default:
		return meaning{}, false
	}
}
