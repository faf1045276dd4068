// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// formsVersion is the first version of the state machine that takes evidence in
// every form that is recognised. The ones before know quotes and Open Enclave
// reports, and go on refusing all else as they did: a program that took more
// would reach another state than those that cannot.
const formsVersion = 5

// takes checks that evidence is of a form that the version in force takes.
func (st *state) takes(raw []byte) error {
	if st.gov.Version >= formsVersion {
		return nil
	}
	format, err := attesteer.Recognise(raw)
	if err != nil {
		return err
	}
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
