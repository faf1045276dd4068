// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Standing is an endorsement on the ledger that counts for those who appraise
// now: of all evaluation numbers and versions of one statement, the one that
// holds longest. A vendor lets older ones end.
type Standing struct {
	Key    rats.EndorsementKey
	Issued time.Time
	// Ends is when it holds no more, or its issuer's certificate does not.
	Ends time.Time
}

// statement is what endorsements of one statement share.
type statement struct {
	kind  rats.EndorsementKind
	tee   rats.TEE
	scope string
}

// Standings returns the endorsements that count, the first to end before others,
// and the ledger's clock by which they do.
func (g *Gateway) Standings() ([]Standing, time.Time) {
	longest := make(map[statement]Standing)
	for _, e := range g.cfg.Registry.Endorsements() {
		if e.Key.Kind == rats.QEIdentity && e.Key.Scope != "QE" && e.Key.Scope != "TD_QE" {
			continue // no quote is appraised by it, such as that of Intel's own verifier
		}
		at := statement{e.Key.Kind, e.Key.TEE, e.Key.Scope}
		s := Standing{Key: e.Key, Issued: e.Issued.Time(), Ends: endOf(e).Time()}
		if old, ok := longest[at]; !ok || s.Ends.After(old.Ends) ||
			s.Ends.Equal(old.Ends) && s.Key.EvaluationDataNumber > old.Key.EvaluationDataNumber {
			longest[at] = s
		}
	}
	out := make([]Standing, 0, len(longest))
	for _, s := range longest {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Standing) int {
		return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.Key.Kind, b.Key.Kind),
			cmp.Compare(a.Key.TEE, b.Key.TEE), cmp.Compare(a.Key.Scope, b.Key.Scope))
	})
	return out, g.now()
}

func endOf(e record.EndorsementEntry) record.Millis {
	switch {
	case e.NextUpdate == 0:
		return e.ValidUntil
	case e.ValidUntil == 0:
		return e.NextUpdate
	}
	return min(e.NextUpdate, e.ValidUntil)
}

// endorsementCondition names the first endorsement that ended. PCK certificates
// are left out: each is one platform's, and its end hinders that one alone. So
// are lists of evaluation numbers, whose end leaves nothing undecided.
func (g *Gateway) endorsementCondition() Condition {
	all, now := g.Standings()
	var first *Standing
	stale := 0
	for i := range all {
		s := &all[i]
		if s.Key.Kind == rats.PCKCertificate || s.Key.Kind == rats.EvaluationNumbers {
			continue
		}
		if !now.Before(s.Ends) {
			if stale++; first == nil {
				first = s
			}
		}
	}
	if first == nil {
		return Condition{}
	}
	name := string(first.Key.Kind)
	if first.Key.TEE != "" {
		name += " of " + string(first.Key.TEE)
	}
	detail := fmt.Sprintf("%s ended at %s", name, first.Ends.UTC().Format(time.RFC3339))
	if stale > 1 {
		detail += fmt.Sprintf(", and %d more", stale-1)
	}
	return Condition{"endorsements_stale", detail, g.cfg.ReadyNeedsEndorsements}
}
