// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// vendorsPart are the checks that follow from endorsements alone, in their order.
var vendorsPart = []string{
	"endorsement_signatures", "endorsements_present", "endorsements_current", "revocation", "certificate_validity", "qe_identity", "tdx_module",
}

// reappraises holds a case's evidence against the inputs that it leaves: judged
// again they must come to the same, at the case's time and at others.
func (s *scene) reappraises(t *testing.T, evidence []byte, items []rats.Endorsement) {
	t.Helper()
	policy, err := policyOf(s.policy)
	if err != nil {
		return
	}
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return
	}
	for _, at := range []time.Time{s.now, s.now.AddDate(0, 0, 20), s.now.AddDate(0, 2, 0), s.now.AddDate(-1, 0, 0), s.now.AddDate(40, 0, 0)} {
		r, _ := attesteer.Verify(attesteer.Evidence{Raw: evidence}, en, policy, at)
		if r == nil || r.Inputs == nil {
			return // no endorsement is asked about what the evidence does not prove itself
		}
		again := attesteer.Reappraise(r.Inputs, en, policy, at)
		kind := rats.None
		for _, c := range r.Checks {
			if slices.Contains(vendorsPart, c.Name) && (c.Outcome == rats.Fail || c.Outcome == rats.Undecided) {
				if again.Err == nil || again.Err.Check != c.Name {
					t.Errorf("at %s: check %s fails, judged again %v", at, c.Name, again.Err)
				}
				kind = r.Kind
				break
			}
		}
		if (kind == rats.None) != (again.Err == nil) {
			t.Errorf("at %s: %v, judged again %v", at, kind, again.Err)
		}
		if (r.TCB == nil) != (again.TCB == nil) || r.Tier != again.Tier || !slices.EqualFunc(r.Endorsements, again.Endorsements, func(a, b attesteer.UsedEndorsement) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("at %s: tier %s, judged again %s", at, r.Tier, again.Tier)
		}
		if r.TCB != nil && again.TCB != nil && (r.TCB.Status != again.TCB.Status || !slices.Equal(r.TCB.Advisories, append([]string{}, again.TCB.Advisories...))) {
			t.Errorf("at %s: %s, judged again %s", at, r.TCB.Status, again.TCB.Status)
		}
		if r.ValidUntil != nil && !r.ValidUntil.Equal(again.ValidUntil) {
			t.Errorf("at %s: until %s, judged again %s", at, r.ValidUntil, again.ValidUntil)
		}
	}
}
