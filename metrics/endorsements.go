// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// soonest bounds how many endorsements are shown each by itself.
const soonest = 20

// group is what endorsements are counted by.
type group struct {
	kind rats.EndorsementKind
	tee  rats.TEE
}

// standing is what is shown of a group.
type standing struct {
	current, stale int
	oldest, first  time.Duration
}

// endorsements shows how old those are that count, and how soon they end: for
// each kind and TEE, and for the first to end by themselves.
func (s sink) endorsements(all []Endorsement) {
	groups := make(map[group]*standing)
	for i := range all {
		e := &all[i]
		g := group{e.Key.Kind, e.Key.TEE}
		st := groups[g]
		if st == nil {
			st = &standing{oldest: e.Age, first: e.Left}
			groups[g] = st
		}
		st.oldest, st.first = max(st.oldest, e.Age), min(st.first, e.Left)
		if e.Left > 0 {
			st.current++
		} else {
			st.stale++
		}
	}
	for g, st := range groups {
		kind, tee := string(g.kind), string(g.tee)
		s.put(endorsements, float64(st.current), kind, tee, "current")
		s.put(endorsements, float64(st.stale), kind, tee, "stale")
		s.put(endorsementAge, st.oldest.Seconds(), kind, tee)
		s.put(endorsementExpires, st.first.Seconds(), kind, tee)
	}
	s.soonest(all)
}

// soonest shows those that end first. Of PCK certificates, which belong to one
// platform each, only the first is shown, and not which platform's it is.
func (s sink) soonest(all []Endorsement) {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Endorsement) int { return cmp.Compare(a.Left, b.Left) })
	seen := make(map[[4]string]bool)
	for i := range sorted {
		e := &sorted[i]
		scope := e.Key.Scope
		if e.Key.Kind == rats.PCKCertificate {
			scope = ""
		}
		labels := [4]string{string(e.Key.Kind), string(e.Key.TEE), scope, strconv.FormatUint(uint64(e.Key.EvaluationDataNumber), 10)}
		if seen[labels] {
			continue
		}
		if len(seen) == soonest {
			return
		}
		seen[labels] = true
		s.put(endorsementSoonest, e.Left.Seconds(), labels[:]...)
	}
}
