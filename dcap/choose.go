// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// choose finds the endorsements to judge by, and reports whether all are there.
func (a *appraisal) choose() bool {
	infos := a.sift(a.set.tcb[a.in.FMSPC], func(s *Statement) bool {
		// Those of another TEE or provisioning enclave do not fit.
		return s.tcbInfo.TEE == a.in.TEE && s.tcbInfo.PCEID == a.in.PCEID
	})
	id := quotingEnclave(a.in.TEE)
	ids := a.sift(a.set.identities, func(s *Statement) bool { return s.identity.ID == id })
	rootCRL := a.sift(a.set.rootCRLs, nil)
	pckCRL := a.sift(a.set.pckCRLs[a.in.scope()], nil)
	info, identity, note := a.evaluation(infos.good, ids.good)
	if info == nil || identity == nil || len(rootCRL.good) == 0 || len(pckCRL.good) == 0 {
		a.lack(info, identity, infos, ids, rootCRL, pckCRL)
		return false
	}
	a.pass(checkGenuine, "")
	a.pass(checkPresent, note)
	a.pass(checkCurrent, "")
	a.info, a.identity, a.rootCRL, a.pckCRL = info, identity, rootCRL.good[0], pckCRL.good[0]
	return true
}

// evaluation chooses TCB info and identity among those that fit.
func (a *appraisal) evaluation(infos, identities []*Statement) (info, identity *Statement, note string) {
	if a.opt.EvaluationNumber == "" && a.set.binding != nil {
		return a.bound(infos, identities)
	}
	return pair(a.opt.EvaluationNumber, a.set.standard[a.in.TEE], infos, identities)
}

// lack records which endorsements are broken, missing or stale, the worst first.
func (a *appraisal) lack(info, identity *Statement, infos, ids, rootCRL, pckCRL fit) {
	missing := func(s *Statement, f fit, name string) error {
		if s == nil && len(f.good) > 0 {
			return rats.Errorf(rats.EndorsementUnavailable, "%s with evaluation number %s is missing", name, a.wanted())
		}
		return f.err(name, a.at)
	}
	broken, absent, stale := rank([]error{
		missing(info, infos, a.tcbInfoName()),
		missing(identity, ids, quotingEnclave(a.in.TEE)+" identity"),
		rootCRL.err("root CA CRL", a.at),
		pckCRL.err("CRL of "+a.device[1].name, a.at),
	})
	if a.judge(checkGenuine, broken) && a.judge(checkPresent, absent) {
		a.judge(checkCurrent, stale)
	}
}

func (a *appraisal) tcbInfoName() string {
	name := fmt.Sprintf("TCB info of FMSPC %x", a.in.FMSPC)
	if a.in.TEE == rats.TDX {
		name += " for TDX"
	}
	return name
}

// quotingEnclave names the enclave that signs quotes of a TEE, as its identity does.
func quotingEnclave(tee rats.TEE) string {
	if tee == rats.TDX {
		return "TD_QE"
	}
	return "QE"
}

// wanted names the evaluation number that was looked for.
func (a *appraisal) wanted() string {
	if n := a.set.standard[a.in.TEE]; n != 0 && (a.opt.EvaluationNumber == "" || a.opt.EvaluationNumber == "standard") {
		return numberText(n) + " (standard)"
	}
	return strconv.Quote(string(a.opt.EvaluationNumber))
}

// rank puts the first error of each sort in its place: broken comes before
// missing, and missing before stale.
func rank(errs []error) (broken, absent, stale error) {
	for _, err := range errs {
		slot := &broken
		switch rats.KindOf(err) {
		case rats.None:
			continue
		case rats.EndorsementUnavailable:
			slot = &absent
		case rats.EndorsementExpired:
			slot = &stale
		default:
		}
		if *slot == nil {
			*slot = err
		}
	}
	return broken, absent, stale
}

// fit is what the candidates for one need came to.
type fit struct {
	// good are those that hold at the time and verify, best first.
	good []*Statement
	// stale verifies but does not hold at the time.
	stale *Statement
	// broken is why the best of those that do not verify do not.
	broken error
}

// err says why there is nothing good; name is what was looked for. That
// something else is broken matters only if there is nothing genuine at all:
// else anyone could turn "stale" into "forged" by adding rubbish.
func (f fit) err(name string, at time.Time) error {
	switch {
	case len(f.good) > 0:
		return nil
	case f.stale != nil:
		from, until := f.stale.Window()
		if at.Before(from) {
			return rats.Errorf(rats.EndorsementExpired, "%s is not yet valid: from %s", name, from.Format(time.RFC3339))
		}
		return rats.Errorf(rats.EndorsementExpired, "%s is stale: until %s", name, until.Format(time.RFC3339))
	case f.broken != nil:
		return f.broken
	default:
		return rats.Errorf(rats.EndorsementUnavailable, "%s is missing", name)
	}
}

// sift tells the good from the stale and the broken among candidates that
// stand in order of preference, leaving out what fits refuses. What does not
// hold at the time is looked at only when nothing does.
func (a *appraisal) sift(candidates []*Statement, fits func(*Statement) bool) fit {
	var f fit
	var ended, early []*Statement
	for _, s := range candidates {
		if fits != nil && !fits(s) {
			continue
		}
		from, until := s.Window()
		switch {
		case within(a.at, from, until):
			if a.genuine(s, &f) {
				f.good = append(f.good, s)
			}
		case a.at.Before(from):
			// The one that begins first is nearest to the time.
			early = append([]*Statement{s}, early...)
		default:
			ended = append(ended, s)
		}
	}
	if len(f.good) > 0 {
		return f
	}
	for _, s := range append(ended, early...) {
		if a.genuine(s, &f) {
			f.stale = s
			break
		}
	}
	return f
}

// genuine reports whether the quote's own root vouches for s. One that rests
// on another pinned root does not fit and is passed over; one that rests on
// none is broken.
func (a *appraisal) genuine(s *Statement, f *fit) bool {
	r, err := s.vouched(a.roots, a.memo)
	if err != nil {
		if f.broken == nil {
			f.broken = err
		}
		return false
	}
	return bytes.Equal(r.PublicKey, a.root.PublicKey)
}
