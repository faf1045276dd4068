// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// formsVersion is the first version of the state machine that takes evidence in
// every form that is recognised. The ones before know quotes and Open Enclave
// reports, and go on refusing all else as they did: a program that took more
// would reach another state than those that cannot.
const formsVersion = 5

// reportsVersion is the first version in which a report of Open Enclave's is of an
// enclave, as its header says. The ones before took one of a trust domain too.
const reportsVersion = 6

// read returns evidence as the version in force reads it, and the envelopes that it
// took off before.
func (st *state) read(raw []byte) (attesteer.Evidence, []rats.Format, error) {
	form, err := st.form(raw)
	if err == nil && st.gov.Version < reportsVersion && openenclave.IsReport(raw) && !openenclave.IsEndorsements(raw) {
		inner, err := openenclave.ParseReport(raw)
		if err != nil {
			return attesteer.Evidence{}, nil, err
		}
		format, err := attesteer.Recognise(inner)
		if err == nil && (format == rats.TDXQuoteV4 || format == rats.TDXQuoteV5) {
			return attesteer.Evidence{Raw: inner, Format: format}, []rats.Format{rats.OEReport}, nil
		}
	}
	return attesteer.Evidence{Raw: raw, Format: form}, nil, err
}

// form checks that evidence is of a form that the version in force takes, and
// states it where it has to be read in the old way.
func (st *state) form(raw []byte) (rats.Format, error) {
	if st.gov.Version >= formsVersion {
		return "", nil
	}
	format, err := attesteer.Recognise(raw)
	if err != nil {
		return "", err
	}
	if format == rats.OEEvidence && !openenclave.IsEvidence(raw) {
		// A quote with claims behind it, which were padding then.
		return rats.SGXQuoteV3, nil
	}
	return "", st.knows(format)
}

// knows checks that an old version takes evidence of a form.
func (st *state) knows(format rats.Format) error {
	switch format {
	case rats.SGXQuoteV3, rats.SGXQuoteV4, rats.SGXQuoteV5, rats.TDXQuoteV4, rats.TDXQuoteV5, rats.OEReport:
		return nil
	case rats.OEEvidence:
		return rats.Errorf(rats.Unsupported, "evidence of form %s, which version %d of the state machine does not take", format, st.gov.Version)
	default:
		return rats.Errorf(rats.Malformed, "evidence of form %s, which version %d of the state machine does not know", format, st.gov.Version)
	}
}

// reportAge is how old an IAS report may be to be recorded. What it says it says
// of its own time, so that age counts when it is recorded and never again: a
// record of it ends as every other does, when nobody lists it any more.
func (st *state) reportAge() time.Duration {
	return time.Duration(cmp.Or(st.gov.Parameters.MaxReportAge, record.UsualReportAge)) * time.Millisecond
}

// padded reports whether data are PEM with zero bytes behind it, which versions
// before [formsVersion] took for no key.
func padded(data []byte) bool {
	return bytes.Contains(data, []byte("-----BEGIN ")) && bytes.IndexByte(data, 0) >= 0
}

// sized bounds the claims that a record holds.
func sized(claims []attesteer.CustomClaim) error {
	size := 0
	for _, c := range claims {
		size += len(c.Name) + len(c.Value)
	}
	if len(claims) > record.MaxClaims || size > record.MaxClaimBytes {
		return rats.Errorf(rats.TooLarge, "%d custom claims of %d bytes, and a record holds %d of %d", len(claims), size, record.MaxClaims, record.MaxClaimBytes)
	}
	return nil
}

// claimsOf returns the claims of evidence as a record holds them.
func claimsOf(r *attesteer.Result) []record.Claim {
	var out []record.Claim
	for _, c := range r.CustomClaims {
		out = append(out, record.Claim{Name: c.Name, Value: c.Value})
	}
	return out
}
