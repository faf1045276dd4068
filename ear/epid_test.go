// SPDX-License-Identifier: Apache-2.0

package ear_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestOfAnIASReportAsMuchIsClaimedAsIntelSaid: no more of the platform, and
// nothing of an enclave whose quote it refused.
func TestOfAnIASReportAsMuchIsClaimedAsIntelSaid(t *testing.T) {
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	for word, want := range map[epid.QuoteStatus]struct {
		hardware, configuration int8
		tier                    rats.Tier
	}{
		epid.OK:                                {0, 0, rats.Affirming}, // nothing good of what is simulated
		epid.GroupOutOfDate:                    {32, 0, rats.Warning},
		epid.ConfigurationAndSWHardeningNeeded: {32, 32, rats.Warning},
		epid.SignatureInvalid:                  {99, 0, rats.Contraindicated},
		epid.GroupRevoked:                      {96, 0, rats.Contraindicated},
		epid.SigRLVersionMismatch:              {0, 0, rats.TierNone},
	} {
		report, err := pki.IASReport(simtee.IAS{Time: made, Status: word})
		if err != nil {
			t.Fatal(err)
		}
		p := attesteer.Policy{Roots: append(attesteer.Roots(), simtee.Root()), AcceptTCB: rats.TCBStatuses()}
		r, _ := attesteer.Verify(attesteer.Evidence{Raw: report.JSON()}, nil, p, made)
		v := ear.VectorOf(r)
		if v[ear.Hardware] != want.hardware || v[ear.Configuration] != want.configuration || r.Tier != want.tier {
			t.Errorf("%s: %v, tier %s", word, v, r.Tier)
		}
	}
}
