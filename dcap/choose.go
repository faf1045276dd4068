// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// choose finds the endorsements to judge by, and reports whether all are there.
func (a *appraisal) choose() bool {
	infos := a.sift(a.tcbInfos())
	ids := a.sift(a.identities())
	rootCRL := a.sift(a.set.rootCRLs)
	pckCRL := a.sift(a.set.pckCRLs[keyScope(a.chain.ca.RawSubjectPublicKeyInfo)])
	info, identity, note := pair(a.opt.EvaluationNumber, infos.good, ids.good)
	missing := func(s *Statement, f fit, name string) error {
		if s == nil && len(f.good) > 0 {
			return rats.Errorf(rats.EndorsementUnavailable, "%s with evaluation number %q is missing", name, a.opt.EvaluationNumber)
		}
		return f.err(name, a.at)
	}
	errs := []error{
		missing(info, infos, fmt.Sprintf("TCB info of FMSPC %x", a.chain.ext.FMSPC)),
		missing(identity, ids, strings.ToUpper(string(a.q.TEE))+" QE identity"),
		rootCRL.err("root CA CRL", a.at),
		pckCRL.err("CRL of "+a.chain.ca.Subject.CommonName, a.at),
	}
	broken, absent, stale := rank(errs)
	if !a.judge(checkGenuine, broken) || !a.judge(checkPresent, absent) || !a.judge(checkCurrent, stale) {
		return false
	}
	a.pass(checkPresent, note)
	a.info, a.identity, a.rootCRL, a.pckCRL = info, identity, rootCRL.good[0], pckCRL.good[0]
	return true
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

// tcbInfos returns those of this platform; the rest does not fit.
func (a *appraisal) tcbInfos() []*Statement {
	var out []*Statement
	for _, s := range a.set.tcb[a.chain.ext.FMSPC] {
		if s.tcbInfo.TEE == a.q.TEE && s.tcbInfo.PCEID == a.chain.ext.PCEID {
			out = append(out, s)
		}
	}
	return out
}

// identities returns those of the enclave that signs such quotes.
func (a *appraisal) identities() []*Statement {
	id := "QE"
	if a.q.TEE == rats.TDX {
		id = "TD_QE"
	}
	var out []*Statement
	for _, s := range a.set.identities {
		if s.identity.ID == id {
			out = append(out, s)
		}
	}
	return out
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
// stand in order of preference. What does not hold at the time is looked at
// only when nothing does.
func (a *appraisal) sift(candidates []*Statement) fit {
	var f fit
	var ended, early []*Statement
	for _, s := range candidates {
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
	r, err := s.vouched(a.roots, a.opt.Facts)
	if err != nil {
		if f.broken == nil {
			f.broken = err
		}
		return false
	}
	return bytes.Equal(r.PublicKey, a.root.PublicKey)
}
