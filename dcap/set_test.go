// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

func numbered(n int) func(object) {
	return func(o object) { o["tcbEvaluationDataNumber"] = n }
}

func TestTheSourceSaysWhichNumberIsStandard(t *testing.T) {
	l := newLab(t)
	items := l.endorsements()[2:]
	for _, n := range []int{17, 18, 19} {
		items = append(items, l.sign(rats.TCBInfo, edited(tcbInfo(), numbered(n)), &l.signing),
			l.sign(rats.QEIdentity, edited(identity(), numbered(n)), &l.signing))
	}
	for _, tt := range []struct {
		standard uint32
		number   dcap.EvaluationNumber
		used     uint32 // 0 is none
	}{
		{18, "", 18}, {18, "standard", 18}, {18, "early", 19}, {18, "highest", 19}, {18, "17", 17},
		{20, "", 19}, {20, "standard", 0},
	} {
		s := set(t, items...).WithStandard(rats.SGX, tt.standard).WithStandard(rats.TDX, 17)
		a := dcap.Appraise(l.evidence(), s, dcap.Options{Roots: l.trust(), EvaluationNumber: tt.number}, noon)
		if tt.used == 0 {
			want(t, a, rats.EndorsementUnavailable, "endorsements_present")
			continue
		}
		if a.Err != nil || a.TCB.EvaluationDataNumber != tt.used {
			t.Errorf("standard %d, asked for %q: %v, %+v", tt.standard, tt.number, a.Err, a.TCB)
		}
	}
}

func TestTheEvaluationNumberDecides(t *testing.T) {
	l := newLab(t)
	crls := l.endorsements()[2:]
	tests := []struct {
		infos, ids []int
		number     dcap.EvaluationNumber
		// info and id that are used; 0 and 0 is none.
		info, id int
		note     string
	}{
		{[]int{17, 18, 19}, []int{17, 19}, "", 19, 19, "evaluation number 19"},
		{[]int{17, 18, 19}, []int{17, 18}, "", 18, 18, "evaluation number 18"},
		{[]int{9, 10}, []int{10, 9}, "", 10, 10, "evaluation number 10"},
		{[]int{18, 20}, []int{17, 19}, "", 20, 19, "share no evaluation number: the highest of each"},
		{[]int{17, 18}, []int{17, 19}, "highest", 18, 19, ""},
		{[]int{17, 18}, []int{17, 18}, "17", 17, 17, ""},
		{[]int{17, 18}, []int{17, 19}, "18", 0, 0, ""},
		{[]int{17, 18}, []int{17, 18}, "21", 0, 0, ""},
		{[]int{17}, []int{17}, "rubbish", 0, 0, ""},
		{[]int{17, 18}, []int{17, 18, 19}, "standard", 18, 18, "no source says which number is standard"},
		{[]int{17, 18}, []int{17, 18, 19}, "early", 18, 18, "evaluation number 18"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v %v %q", tt.infos, tt.ids, tt.number), func(t *testing.T) {
			items := slices.Clone(crls)
			for _, n := range tt.infos {
				items = append(items, l.sign(rats.TCBInfo, edited(tcbInfo(), numbered(n)), &l.signing))
			}
			for _, n := range tt.ids {
				items = append(items, l.sign(rats.QEIdentity, edited(identity(), numbered(n)), &l.signing))
			}
			a := dcap.Appraise(l.evidence(), set(t, items...), dcap.Options{Roots: l.trust(), EvaluationNumber: tt.number}, noon)
			if tt.info == 0 {
				want(t, a, rats.EndorsementUnavailable, "endorsements_present")
				return
			}
			if a.Err != nil {
				t.Fatal(a.Err)
			}
			info, id := a.Used[0].Key().EvaluationDataNumber, a.Used[1].Key().EvaluationDataNumber
			if int(info) != tt.info || int(id) != tt.id || int(a.TCB.EvaluationDataNumber) != min(tt.info, tt.id) {
				t.Errorf("TCB info %d, identity %d, result %d", info, id, a.TCB.EvaluationDataNumber)
			}
			if note := outcome(a, "endorsements_present").Detail; !strings.Contains(note, tt.note) {
				t.Errorf("note %q, want %q", note, tt.note)
			}
		})
	}
}

func TestTiesGoToTheLaterDateThenVersion3ThenTheLowestDigest(t *testing.T) {
	l := newLab(t)
	rest := l.endorsements()[1:]
	later := l.sign(rats.TCBInfo, edited(tcbInfoV2(), func(o object) { o["issueDate"] = stamp(noon) }), &l.signing)
	v2 := l.sign(rats.TCBInfo, tcbInfoV2(), &l.signing)
	v3 := l.sign(rats.TCBInfo, tcbInfo(), &l.signing)
	again := l.sign(rats.TCBInfo, tcbInfo(), &l.signing) // same content, another signature
	lowest, highest := v3, again
	if a, b := v3.Digest(), again.Digest(); bytes.Compare(a[:], b[:]) > 0 {
		lowest, highest = again, v3
	}
	for _, tt := range []struct {
		name  string
		items []rats.Endorsement
		want  rats.Endorsement
	}{
		{"later date", []rats.Endorsement{v3, later, v2}, later},
		{"version 3", []rats.Endorsement{v2, v3}, v3},
		{"lowest digest", []rats.Endorsement{highest, v2, lowest}, lowest},
	} {
		for range 2 {
			a := judge(t, l, l.evidence(), set(t, append(slices.Clone(rest), tt.items...)...), noon)
			if a.Err != nil {
				t.Fatalf("%s: %v", tt.name, a.Err)
			}
			if a.Used[0].Digest() != tt.want.Digest() {
				t.Errorf("%s: another was used", tt.name)
			}
			slices.Reverse(tt.items)
		}
	}
}

// TestTheOrderOfArrivalDoesNotMatter: any subset of a mixed bag in any order
// gives one answer.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	l := newLab(t)
	bag := l.endorsements()
	for n := 15; n < 20; n++ {
		bag = append(bag,
			l.sign(rats.TCBInfo, edited(tcbInfo(), numbered(n)), &l.signing),
			l.sign(rats.TCBInfo, edited(tcbInfoV2(), numbered(n)), &l.ca), // broken
			l.sign(rats.QEIdentity, edited(identity(), numbered(n-1)), &l.signing))
	}
	q, roots := l.evidence(), l.trust()
	facts := dcap.NewFacts(256)
	answer := func(items []rats.Endorsement) string {
		a := dcap.Appraise(q, set(t, items...), dcap.Options{Roots: roots, Facts: facts}, noon)
		var used [][32]byte
		for _, s := range a.Used {
			used = append(used, s.Digest())
		}
		return fmt.Sprint(a.Checks, a.TCB, used, a.ValidFrom, a.ValidUntil)
	}
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Permutation(bag).Draw(rt, "order")
		order = order[:rapid.IntRange(0, len(order)).Draw(rt, "taken")]
		shuffled := rapid.Permutation(order).Draw(rt, "shuffled")
		if a, b := answer(order), answer(shuffled); a != b {
			rt.Fatalf("%s\n%s", a, b)
		}
	})
}

func TestASetDoesNotChangeWithWhatItWasMadeFrom(t *testing.T) {
	l := newLab(t)
	items := l.endorsements()
	s := set(t, items...)
	for _, e := range items {
		clear(e.Body)
		for _, der := range e.Issuers {
			clear(der[:len(der)/2])
		}
	}
	a := judge(t, l, l.evidence(), s, noon)
	if a.Err != nil {
		t.Error(a.Err)
	}
	if len(s.Statements()) != 4 || len((*dcap.Set)(nil).Statements()) != 0 {
		t.Error("statements are lost or found")
	}
}
