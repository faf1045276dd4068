// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"cmp"
	"slices"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// WithBinding returns the set with a rule for the choice among TCB evaluations
// that needs no word of the source: number N binds once delay has passed since
// the TCB recovery that led to it, by the newest list of numbers in the set, and
// at once where that does not list it. The highest binding number that TCB info
// and identity share is used, and while none binds the lowest shared. An explicit
// [EvaluationNumber] goes before.
func (s *Set) WithBinding(delay time.Duration) *Set {
	out := *NewSet()
	if s != nil {
		out = *s
	}
	out.binding = &delay
	return &out
}

// Forecast is a fall of status that published data make certain: what a higher
// evaluation says, and when it binds.
type Forecast struct {
	At     time.Time
	Status rats.TCBStatus
	Number uint32
}

// evaluation is one TCB evaluation that TCB info and identity share.
type evaluation struct {
	number         uint32
	binds          time.Time
	info, identity *Statement
}

// evaluations returns the shared evaluations, by number.
func (a *appraisal) evaluations(infos, identities []*Statement) []evaluation {
	list := a.numberList()
	var out []evaluation
	for _, info := range infos {
		n := info.key.EvaluationDataNumber
		identity := numbered(identities, n)
		if identity == nil || slices.ContainsFunc(out, func(e evaluation) bool { return e.number == n }) {
			continue
		}
		e := evaluation{number: n, info: info, identity: identity}
		if list != nil {
			e.binds = list.binds(n, *a.set.binding)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(x, y evaluation) int { return cmp.Compare(x.number, y.number) })
	return out
}

// numberList returns the newest list of numbers for the TEE that the quote's
// root vouches for, or nil. That its time is over is no reason to forget when a
// recovery was.
func (a *appraisal) numberList() *NumberList {
	var f fit
	for _, s := range a.set.numbers {
		if s.numbers.TEE == a.in.TEE && !a.at.Before(s.issued) && a.genuine(s, &f) {
			return s.numbers
		}
	}
	return nil
}

// binds returns when a number binds; the zero time for one that is not listed.
func (l *NumberList) binds(n uint32, delay time.Duration) time.Time {
	for _, e := range l.Numbers {
		if e.Number == n {
			return e.RecoveryEvent.Add(delay)
		}
	}
	return time.Time{}
}

// Binds returns when each number of the list binds if it does so after a delay.
func (l *NumberList) Binds(delay time.Duration) []time.Time {
	out := make([]time.Time, len(l.Numbers))
	for i, e := range l.Numbers {
		out[i] = e.RecoveryEvent.Add(delay)
	}
	return out
}

// bound chooses among shared evaluations by the rule of [Set.WithBinding], and
// keeps those that are still to bind.
func (a *appraisal) bound(infos, identities []*Statement) (info, identity *Statement, note string) {
	all := a.evaluations(infos, identities)
	if len(all) == 0 {
		return pair("highest", 0, infos, identities)
	}
	chosen := 0
	for i := range all {
		if !a.at.Before(all[i].binds) {
			chosen = i
		}
	}
	for _, e := range all[chosen+1:] {
		if a.at.Before(e.binds) {
			a.toCome = append(a.toCome, e)
		}
	}
	slices.SortStableFunc(a.toCome, func(x, y evaluation) int { return x.binds.Compare(y.binds) })
	return all[chosen].info, all[chosen].identity, "evaluation number " + numberText(all[chosen].number)
}

// forecast returns the first fall of status among the evaluations to come, or nil.
func (a *appraisal) forecast() *Forecast {
	for _, e := range a.toCome {
		status := rats.NotSupported // another enclave or module than the one that signed
		if matchIdentity(&a.in.QE, e.identity.identity) == nil && (a.in.TD == nil || matchModule(a.in.TD, e.info.tcbInfo) == nil) {
			status = evaluate(a.in, e.info.tcbInfo, e.identity.identity).Status
		}
		if worse(status, a.out.TCB.Status) {
			return &Forecast{At: e.binds, Status: status, Number: e.number}
		}
	}
	return nil
}

// worse reports whether a status is further from up to date than another.
func worse(a, b rats.TCBStatus) bool {
	order := rats.TCBStatuses()
	return slices.Index(order, a) > slices.Index(order, b)
}
