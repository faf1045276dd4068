// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Report is what an attestation verification report says (IAS API, Attestation
// Verification Report). Members that are not listed are tolerated: Intel signed
// them, and added some from version to version.
type Report struct {
	// ID is Intel's number for the report, decimal.
	ID string
	// Version is that of the API: 3, 4 or 5, zero before it was named.
	Version uint32
	// Time is when Intel verified the quote, by its clock, to the microsecond.
	Time   time.Time
	Status QuoteStatus
	// Quote is what Intel verified.
	Quote *Quote
	// Advisories is a sorted set, and AdvisoryURL where to read about them
	// (since version 4).
	Advisories  []string
	AdvisoryURL string
	// Nonce is what the one who asked Intel had put into the report.
	Nonce string
	// Pseudonym is B and K of a linkable signature, 64 bytes each, nil for others.
	Pseudonym []byte
	// RevocationReason is that of RFC 5280 section 5.3.1, of revoked groups.
	RevocationReason *uint32
	// PSEStatus and PSEManifestHash are of platform services, which few asked for.
	PSEStatus       string
	PSEManifestHash []byte
	// PlatformInfo is nil where the platform has nothing to mend.
	PlatformInfo *PlatformInfo
	// EvaluationDataNumber is of version 5, nil elsewhere.
	EvaluationDataNumber *uint32
}

// Bounds on what a report says.
const (
	pseudonymSize = 128
	maxNonce      = 32
	maxAdvisories = 256
	maxURL        = 1024
)

// ParseReport reads the body of a report. The error is Malformed, or Unsupported
// for another version of the API.
func ParseReport(body []byte) (*Report, error) {
	if len(body) > maxInput {
		return nil, malformed("a report of %d bytes is over %d", len(body), maxInput)
	}
	m := readMembers("the report", body)
	r := &Report{
		ID: m.text("id", true), Status: QuoteStatus(m.text("isvEnclaveQuoteStatus", true)),
		Advisories: m.texts("advisoryIDs"), AdvisoryURL: m.text("advisoryURL", false), Nonce: m.text("nonce", false),
		Pseudonym:        m.base64("epidPseudonym", pseudonymSize, false),
		RevocationReason: m.number("revocationReason"), PSEStatus: m.text("pseManifestStatus", false),
		PSEManifestHash: m.hex("pseManifestHash"), EvaluationDataNumber: m.number("tcbEvaluationDataNumber"),
	}
	var ok bool
	if r.Time, ok = readTime(m.text("timestamp", true)); !ok {
		m.fail("has a timestamp that is none")
	}
	info, quoted := m.hex("platformInfoBlob"), m.base64("isvEnclaveQuoteBody", QuoteSize, true)
	version := m.number("version")
	r.check(m)
	if m.err != nil {
		return nil, m.err
	}
	if version != nil {
		if r.Version = *version; r.Version < 3 || r.Version > 5 {
			return nil, rats.Errorf(rats.Unsupported, "a report of version %d of the API is not verified here", r.Version)
		}
	}
	var err error
	if info != nil {
		if r.PlatformInfo, err = ParsePlatformInfo(info); err != nil {
			return nil, err
		}
	}
	r.Quote, err = ParseQuote(quoted)
	if err != nil {
		return nil, err
	}
	slices.Sort(r.Advisories)
	r.Advisories = slices.Compact(r.Advisories)
	return r, nil
}

// check holds what a report says against what it can say.
func (r *Report) check(m *members) {
	const digits = "0123456789"
	_, known := meaningOf(r.Status)
	switch {
	case r.ID == "" || len(r.ID) > 40 || strings.Trim(r.ID, digits) != "":
		m.fail("has an id that is not decimal")
	case !known:
		m.fail("has status %.60q, which is none of Intel's words", r.Status)
	case len(r.Nonce) > maxNonce || len(r.AdvisoryURL) > maxURL || len(r.PSEStatus) > maxNonce:
		m.fail("has a nonce, an address or a status that is too long")
	case len(r.Advisories) > maxAdvisories:
		m.fail("has over %d advisories", maxAdvisories)
	case len(r.PSEManifestHash) != 0 && len(r.PSEManifestHash) != 32:
		m.fail("has a pseManifestHash that is no SHA-256")
	}
}

// readTime reads a time as Intel writes it here: without a zone, which is UTC,
// and with a fraction of a second.
func readTime(text string) (time.Time, bool) {
	const layout = "2006-01-02T15:04:05"
	if len(text) < len(layout) || len(text) > len(layout)+10 {
		return time.Time{}, false
	}
	for i := range len(text) {
		want := byte('.')
		if i < len(layout) {
			want = layout[i]
		}
		digit := text[i]-'0' <= 9
		switch {
		case i == len(layout), want == '-', want == 'T', want == ':':
			if text[i] != want {
				return time.Time{}, false
			}
		case !digit:
			return time.Time{}, false
		}
	}
	t, err := time.Parse(layout, text)
	return t, err == nil && len(text) != len(layout)+1
}
