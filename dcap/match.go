// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"slices"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// TCB is what the endorsements say of the platform of a quote.
type TCB struct {
	// Status is the converged status; see converge.
	Status   rats.TCBStatus
	Platform rats.TCBStatus
	QE       rats.TCBStatus
	// Date is the platform level's, zero where none matches; EarliestDate the
	// earliest of all matched levels'.
	Date, EarliestDate   time.Time
	EvaluationDataNumber uint32
	Advisories           []string
}

// evaluate matches platform and quoting enclave with their levels (QVL
// 4.1.2.5.14 to 16).
func evaluate(ext *PCKExtension, qe *quote.SGXReport, info *TCBInfo, id *Identity) *TCB {
	t := &TCB{
		Platform: rats.NotSupported, QE: rats.NotSupported,
		EvaluationDataNumber: min(info.EvaluationDataNumber, id.EvaluationDataNumber),
	}
	if l := matchPlatform(ext, info.Levels); l != nil {
		t.Platform, t.Date = l.Status, l.Date
		t.take(l.Date, l.Advisories)
	}
	if l := matchSVN(qe.ISVSVN, id.Levels); l != nil {
		t.QE = l.Status
		t.take(l.Date, l.Advisories)
	}
	slices.Sort(t.Advisories)
	t.Advisories = slices.Compact(t.Advisories)
	t.Status = converge(t.Platform, t.QE)
	return t
}

func (t *TCB) take(date time.Time, advisories []string) {
	if t.EarliestDate.IsZero() || date.Before(t.EarliestDate) {
		t.EarliestDate = date
	}
	t.Advisories = append(t.Advisories, advisories...)
}

// matchPlatform returns the first level, highest first, each part of which the
// platform reaches. The certified component SVNs count, not the raw CPUSVN.
func matchPlatform(ext *PCKExtension, levels []TCBLevel) *TCBLevel {
	for i := range levels {
		l := &levels[i]
		reached := ext.PCESVN >= l.PCESVN
		for c := range l.Components {
			reached = reached && ext.Components[c] >= l.Components[c]
		}
		if reached {
			return l
		}
	}
	return nil
}

func matchSVN(svn uint16, levels []SVNLevel) *SVNLevel {
	for i := range levels {
		if svn >= levels[i].ISVSVN {
			return &levels[i]
		}
	}
	return nil
}

// matchIdentity checks that a report is of the enclave that an identity
// describes (QVL 4.1.2.9).
func matchIdentity(r *quote.SGXReport, id *Identity) error {
	mismatch := func(what string) error {
		return rats.Errorf(rats.BindingMismatch, "the quoting enclave's %s is not what its identity demands", what)
	}
	for i := range r.MiscSelect {
		if r.MiscSelect[i]&id.MiscSelectMask[i] != id.MiscSelect[i] {
			return mismatch("MISCSELECT")
		}
	}
	for i := range r.Attributes {
		if r.Attributes[i]&id.AttributesMask[i] != id.Attributes[i] {
			return mismatch("ATTRIBUTES")
		}
	}
	if r.MRSigner != id.MRSigner {
		return mismatch("MRSIGNER")
	}
	if r.ISVProdID != id.ISVProdID {
		return mismatch("ISVPRODID")
	}
	return nil
}
