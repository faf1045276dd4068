// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"bytes"
	"slices"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// explanation names a class of disagreements with one peer. README.md prints
// the table with how often each was met.
type explanation struct {
	peer, class string
	// unread: the peer does not read this form of quote or statement. Only there
	// may ours be the one that accepts.
	unread bool
	// why says what the peer does, right who is right and by which clause, and
	// source where in the peer's code it stands.
	why, right, source string
	fits               func(disagreement) bool
}

func explanations() []explanation {
	return slices.Concat(tdxGuestExplanations(), oasisFormExplanations(), oasisExplanations())
}

func tdxGuestExplanations() []explanation {
	return []explanation{
		{
			peer: "go-tdx-guest", class: "does not read SGX quotes", unread: true,
			why:    "It is a verifier of TDX quotes; version 3 is refused when it is parsed.",
			right:  "Out of its scope.",
			source: "abi/abi.go, QuoteToProto",
			fits:   func(d disagreement) bool { return refusedWith(d, "quote format not supported") && version(d) == 3 },
		},
		{
			peer: "go-tdx-guest", class: "takes the TDX module's status for the platform's",
			why: "Where TEE_TCB_SVN[1] > 0 the matched platform level is dropped and the module's level returned alone: " +
				"a platform that is OutOfDate under a module that is UpToDate is accepted.",
			right: "Ours, with Intel's library: the statuses of platform, module and QE are converged " +
				"(QVL, Verifiers/Checks/EvaluateTcb.cpp; PCS API v4, TDX TCB info, tdxModuleIdentities).",
			source: "verify/verify.go, readTcbInfoTcbStatus",
			fits: func(d disagreement) bool {
				r := d.ours.result
				return d.theirs.accepted && r != nil && r.TCB != nil && r.TCB.ModuleStatus != nil &&
					*r.TCB.ModuleStatus == rats.UpToDate && r.TCB.QEStatus == rats.UpToDate &&
					r.TCB.PlatformStatus != rats.UpToDate && d.ours.status != ""
			},
		},
		{
			peer: "go-tdx-guest", class: "takes TCB info and QE identity from the future",
			why:    "Of signed statements it looks at nextUpdate, never at issueDate.",
			right:  "Ours is stricter than both: Intel's library does not look at issueDate either.",
			source: "verify/verify.go, checkCollateralExpiration",
			fits: func(d disagreement) bool {
				return wentOn(d, rats.EndorsementExpired) && allOutOfTime(d, early, rats.TCBInfo, rats.QEIdentity)
			},
		},
		{
			peer: "go-tdx-guest", class: "takes CRLs from the future",
			why:    "Of revocation lists it looks at nextUpdate, never at thisUpdate.",
			right:  "Ours, with Intel's library, which checks both ends (QVL, CrlStore.cpp; RFC 5280, 5.1.2.4).",
			source: "verify/verify.go, checkCollateralExpiration",
			fits:   func(d disagreement) bool { return wentOn(d, rats.EndorsementExpired) && allOutOfTime(d, early) },
		},
	}
}

// oasisFormExplanations are about forms of data.
func oasisFormExplanations() []explanation {
	return []explanation{
		{
			peer: "oasis-core", class: "does not read version 5", unread: true,
			why:    "Versions 3 and 4 are read.",
			right:  "Out of its scope.",
			source: "quote.go, Quote.UnmarshalBinaryWithTrailing",
			fits:   func(d disagreement) bool { return refusedWith(d, "unsupported quote version 5") && version(d) == 5 },
		},
		{
			peer: "oasis-core", class: "does not take TCB info of version 2", unread: true,
			why:    "Only version 3, which names its TEE, is taken.",
			right:  "Ours, with Intel's library: version 2 is a form that Intel signed for SGX (PCS API v3).",
			source: "tcb.go, TCBInfo.validate",
			fits: func(d disagreement) bool {
				return refusedWith(d, "unexpected TCB info identifier: ") && bytes.Contains(d.sample.tcbInfo, []byte(`"version":2`))
			},
		},
		{
			peer: "oasis-core", class: "pins the root as a certificate",
			why: "The last certificate of the quote must be, byte for byte, the root certificate that it carries. " +
				"Intel issued the root anew under the same key and name, and older platforms send the former one.",
			right:  "Ours: what is trusted is the key (RFC 5280, 6.1.1(d)). Intel's library too compares the certificate's signature.",
			source: "quote.go, CertificationData_QEReport.verifyCertificateChain",
			fits:   func(d disagreement) bool { return refusedWith(d, "unexpected root in certificate chain") },
		},
		{
			peer: "oasis-core", class: "cannot tell certificates apart on one line",
			why:    "Some platforms leave out the line break between two certificates of the chain, and encoding/pem finds one of three.",
			right:  "Ours, with Intel's library, which splits at the markers.",
			source: "certificates.go, CertFromPEM",
			fits: func(d disagreement) bool {
				return refusedWith(d, "unexpected certificate chain length") &&
					bytes.Contains(d.sample.quote, []byte("-----END CERTIFICATE----------BEGIN"))
			},
		},
	}
}

// oasisExplanations are about what is checked.
func oasisExplanations() []explanation {
	return []explanation{
		{
			peer: "oasis-core", class: "does not look at CRLs",
			why:    "It takes no revocation lists, so it sees neither that one is broken nor that it is another CA's.",
			right:  "Ours, with Intel's library (PCS API v4, revocation lists of root and PCK CA).",
			source: "tcb.go, TCBBundle has none",
			fits: func(d disagreement) bool {
				return d.theirs.accepted && strings.Contains(d.part, " CRL, ") ||
					wentOn(d, rats.EndorsementUnavailable) && strings.HasPrefix(d.part, "pck_crl of ")
			},
		},
		{
			peer: "oasis-core", class: "judges the QE before it looks at TCB info",
			why: "A QE that is OutOfDate is the answer even where the TCB info is another platform's. Both refuse: " +
				"ours says that TCB info is missing, and gives no status without it.",
			right:  "Either; Intel's library matches TCB info first (QVL, QuoteVerifier.cpp, 4.1.2.5).",
			source: "tcb.go, TCBBundle.Verify",
			fits: func(d disagreement) bool {
				return wentOn(d, rats.EndorsementUnavailable) && !d.theirs.accepted &&
					strings.HasPrefix(d.part, "tcb_info of ") && strings.Contains(d.theirs.err.Error(), "failed to verify QE identity")
			},
		},
		{
			peer: "oasis-core", class: "does not look at the dates of CRLs",
			why:    "The same: the data are judged at a time at which a revocation list is stale or not yet valid.",
			right:  "Ours, with Intel's library (RFC 5280, 6.3.3).",
			source: "tcb.go, TCBBundle has none",
			fits: func(d disagreement) bool {
				return wentOn(d, rats.EndorsementExpired) && allOutOfTime(d, early|late, rats.RootCACRL, rats.PCKCRL)
			},
		},
	}
}

// explains reports that e fits d, and that it may.
func (e explanation) explains(d disagreement) bool {
	return e.peer == d.peer && (e.unread || !d.ours.accepted) && e.fits(d)
}

func version(d disagreement) byte { return d.sample.quote[0] }

// refusedWith reports that the peer refused, without a status, with an error
// that says text.
func refusedWith(d disagreement, text string) bool {
	return !d.theirs.accepted && d.theirs.status == "" && strings.Contains(d.theirs.err.Error(), text)
}

// wentOn reports that ours stopped undecided where the peer came to a status.
func wentOn(d disagreement, kind rats.Kind) bool {
	return rats.KindOf(d.ours.err) == kind && (d.theirs.accepted || d.theirs.status != "")
}

// The sides on which a statement can be out of its time.
const (
	early = 1 << iota
	late
)

// allOutOfTime reports that endorsements are out of their time, and that all
// of these are so on one of the sides and of one of the kinds; no kinds stand
// for all.
func allOutOfTime(d disagreement, sides int, kinds ...rats.EndorsementKind) bool {
	found := false
	for _, e := range d.sample.endorsements() {
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			return false
		}
		side := 0
		switch {
		case d.at.Before(info.Issued):
			side = early
		case d.at.After(info.NextUpdate):
			side = late
		default:
			continue
		}
		found = true
		if side&sides == 0 || len(kinds) > 0 && !slices.Contains(kinds, e.Kind) {
			return false
		}
	}
	return found
}
