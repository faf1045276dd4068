// SPDX-License-Identifier: Apache-2.0

package pck

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The order of TCBs once more, by the words of the rule: below, above, the
// same, or none of these.
type order string

const (
	below        order = "below"
	above        order = "above"
	same         order = "same"
	incomparable order = "incomparable"
)

func compare(a, b TCB) order {
	var lower, higher int
	for i := range a {
		if a[i] < b[i] {
			lower++
		}
		if a[i] > b[i] {
			higher++
		}
	}
	switch {
	case lower > 0 && higher > 0:
		return incomparable
	case lower > 0:
		return below
	case higher > 0:
		return above
	}
	return same
}

// oracle selects by the rule's words, with lists that are searched from end to
// end, for levels that stand highest first.
func oracle(certs, levels []TCB, raw TCB) int {
	bucketOf := make(map[int]int)
	for c := range certs {
		bucketOf[c] = len(levels)
		for l := len(levels) - 1; l >= 0; l-- {
			if o := compare(certs[c], levels[l]); o == above || o == same {
				bucketOf[c] = l
			}
		}
	}
	for bucket := 0; bucket <= len(levels); bucket++ {
		var sorted []int
		for c := range certs {
			if bucketOf[c] != bucket {
				continue
			}
			var head, tail []int
			for i, other := range sorted {
				if o := compare(certs[c], certs[other]); o == above || o == same {
					head, tail = sorted[:i:i], sorted[i:]
					break
				}
				head = sorted[: i+1 : i+1]
			}
			sorted = append(append(head, c), tail...)
		}
		for _, c := range sorted {
			if o := compare(raw, certs[c]); o == above || o == same {
				return c
			}
		}
	}
	return -1
}

// drawTCB draws TCBs of few parts and low numbers, so that every outcome of a
// comparison is frequent.
func drawTCB(t *rapid.T, label string) TCB {
	var tcb TCB
	for _, i := range []int{0, 1, 7, 15, 16} {
		tcb[i] = uint16(rapid.IntRange(0, 3).Draw(t, label))
	}
	return tcb
}

func drawTCBs(t *rapid.T, label string, least int) []TCB {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TCB { return drawTCB(t, label) }), least, 12).Draw(t, label+"s")
}

// drawChain draws levels of which each is below the one before it, as Intel's are.
func drawChain(t *rapid.T) []TCB {
	all := []TCB{drawTCB(t, "top")}
	for range rapid.IntRange(0, 8).Draw(t, "levels") {
		next := all[len(all)-1]
		i := rapid.SampledFrom([]int{0, 1, 7, 15, 16}).Draw(t, "part")
		if next[i] == 0 {
			continue
		}
		next[i]--
		all = append(all, next)
	}
	return all
}

func TestTheChoiceIsThatOfTheRulesWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels, certs, raw := drawChain(t), drawTCBs(t, "certificate", 0), drawTCB(t, "raw")
		if got, want := best(certs, levels, raw), oracle(certs, levels, raw); got != want {
			t.Fatalf("certificate %d serves, not %d", got, want)
		}
	})
}

func TestTheOrderInWhichLevelsAreSentDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels, certs, raw := drawChain(t), drawTCBs(t, "certificate", 0), drawTCB(t, "raw")
		shuffled := rapid.Permutation(levels).Draw(t, "sent")
		if got, want := best(certs, shuffled, raw), best(certs, levels, raw); got != want {
			t.Fatalf("certificate %d serves where levels come in another order, not %d", got, want)
		}
	})
}

func TestWhatServesIsReachedAndNothingAboveItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels, certs, raw := drawTCBs(t, "level", 1), drawTCBs(t, "certificate", 0), drawTCB(t, "raw")
		got := best(certs, levels, raw)
		reached := slices.ContainsFunc(certs, raw.Reaches)
		switch {
		case got < 0 && reached:
			t.Fatal("none serves, though the platform reaches one")
		case got < 0:
			return
		case !raw.Reaches(certs[got]):
			t.Fatal("what serves is not reached")
		}
		for _, c := range certs {
			if raw.Reaches(c) && c.above(certs[got]) {
				t.Fatalf("%v serves, and %v above it is reached", certs[got], c)
			}
		}
	})
}

func TestLevelsAreSortedWithNoneAfterOneBelowIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawTCBs(t, "level", 1)
		got := descending(sent)
		for i := range got {
			for j := range i {
				if got[i].above(got[j]) {
					t.Fatalf("%v stands after %v, which is below it", got[i], got[j])
				}
			}
		}
		for _, l := range sent {
			i := slices.Index(got, l)
			if i < 0 {
				t.Fatalf("%v is lost", l)
			}
			got = slices.Delete(got, i, i+1)
		}
	})
}

func TestACertificateStandsBehindABetterOneThoughAnIncomparableOneIsFirst(t *testing.T) {
	// Inserted by how many better ones there are, and not by where they stand,
	// the last one would land before the second.
	tcb := func(a, b, c uint16) TCB { return TCB{0: a, 1: b, 2: c} }
	certs := []TCB{tcb(3, 0, 0), tcb(2, 2, 2), tcb(1, 1, 1), tcb(2, 1, 1)}
	if got := best(certs, []TCB{{}}, tcb(2, 2, 2)); got != 1 {
		t.Fatalf("certificate %d serves, not the one that is for just this TCB", got)
	}
}
