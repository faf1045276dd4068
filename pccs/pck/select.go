// SPDX-License-Identifier: Apache-2.0

package pck

import (
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// Select returns the place in certs of the certificate that serves raw on a
// platform with a PCE id. The certificates must be of one platform, the levels
// of its FMSPC: Malformed otherwise. NotFound is returned where raw reaches none
// of them.
func Select(certs []*Certificate, levels *Levels, pceid [2]byte, raw TCB) (int, error) {
	if err := agree(certs, levels, pceid); err != nil {
		return 0, err
	}
	tcbs := make([]TCB, len(certs))
	for i, c := range certs {
		tcbs[i] = c.TCB()
	}
	if i := best(tcbs, levels.TCBs, raw); i >= 0 {
		return i, nil
	}
	return 0, rats.Errorf(rats.NotFound, "no PCK certificate is for a TCB that the platform reaches")
}

// agree checks that certificates and levels are of one platform.
func agree(certs []*Certificate, levels *Levels, pceid [2]byte) error {
	if levels.PCEID != pceid {
		return malformed("TCB info is for PCE id %x, not %x", levels.PCEID, pceid)
	}
	for _, c := range certs {
		switch {
		case c.PCEID != pceid:
			return malformed("a PCK certificate is for PCE id %x, not %x", c.PCEID, pceid)
		case c.FMSPC != levels.FMSPC:
			return malformed("a PCK certificate is for FMSPC %x, TCB info for %x", c.FMSPC, levels.FMSPC)
		case c.PPID != certs[0].PPID:
			return malformed("PCK certificates of two platforms")
		}
	}
	return nil
}

// best returns the place of the TCB that serves raw, or -1.
//
// Each TCB goes to the first level, from the highest down, that it reaches;
// those that reach none go last. Of what raw reaches the first serves. So one
// that serves is never below another that raw reaches: what is above it reaches
// its level too, and stands in the same bucket before it or in an earlier one.
func best(tcbs, levels []TCB, raw TCB) int {
	levels = descending(levels)
	buckets := make([][]int, len(levels)+1)
	for i, t := range tcbs {
		b := slices.IndexFunc(levels, t.Reaches)
		if b < 0 {
			b = len(levels)
		}
		at := slices.IndexFunc(buckets[b], func(j int) bool { return t.Reaches(tcbs[j]) })
		if at < 0 {
			at = len(buckets[b])
		}
		buckets[b] = slices.Insert(buckets[b], at, i)
	}
	for _, bucket := range buckets {
		for _, i := range bucket {
			if raw.Reaches(tcbs[i]) {
				return i
			}
		}
	}
	return -1
}

// descending returns levels so that none stands after one below it. Those that
// cannot be compared keep their order where that allows it.
func descending(levels []TCB) []TCB {
	out := make([]TCB, 0, len(levels))
	for _, l := range levels {
		at := slices.IndexFunc(out, l.above)
		if at < 0 {
			at = len(out)
		}
		out = slices.Insert(out, at, l)
	}
	return out
}
