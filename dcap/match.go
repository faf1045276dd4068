// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"slices"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// TCB is what the endorsements say of the platform of a quote.
type TCB struct {
	// Status is the converged status; see converge and advise.
	Status   rats.TCBStatus
	Platform rats.TCBStatus
	QE       rats.TCBStatus
	// Module is the TDX module's, empty where there is none to judge.
	Module rats.TCBStatus
	// ModuleID names the identity that Module is judged by, such as "TDX_03".
	ModuleID string
	// Date is the platform level's, zero where none matches; EarliestDate the
	// earliest of all matched levels'.
	Date, EarliestDate time.Time
	// BehindSince is when the first of the parts that are out of date should
	// have been updated: the date of the next better level. It is zero where
	// none is, or where the vendor lists nothing better.
	BehindSince          time.Time
	EvaluationDataNumber uint32
	// Advisories is a sorted set.
	Advisories []string
}

// subject is what levels are matched with: what Intel certified of the
// platform, the quoting enclave's SVN and, for TDX, a TEE_TCB_SVN.
type subject struct {
	*Inputs
	// tdx is nil for SGX.
	tdx *[16]byte
}

// evaluate matches platform, TDX module and quoting enclave of a quote with
// their levels (QVL 4.1.2.5.14 to 16).
func evaluate(in *Inputs, info *TCBInfo, id *Identity) *TCB {
	who := subject{Inputs: in}
	if in.TD == nil {
		return evaluateOnce(who, info, id)
	}
	who.tdx = &in.TD.TEETCBSVN
	launch := evaluateOnce(who, info, id)
	// A TD keeps the TCB under which it was launched while the platform moves
	// on; only version 5 says where it is now.
	if in.TD.TEETCBSVN2 != nil {
		who.tdx = in.TD.TEETCBSVN2
		launch.Status = advise(launch.Status, evaluateOnce(who, info, id).Status)
	}
	return launch
}

func evaluateOnce(who subject, info *TCBInfo, id *Identity) *TCB {
	t := &TCB{
		Platform:             rats.NotSupported,
		EvaluationDataNumber: min(info.EvaluationDataNumber, id.EvaluationDataNumber),
	}
	if i := matchPlatform(who, info.Levels); i >= 0 {
		l := &info.Levels[i]
		t.Platform, t.Date = l.Status, l.Date
		t.take(l.Date, l.Advisories)
		t.behind(i, func(i int) (rats.TCBStatus, time.Time) { return info.Levels[i].Status, info.Levels[i].Date })
	}
	components := make([]rats.TCBStatus, 0, 2)
	if who.tdx != nil && who.tdx[1] > 0 {
		t.Module, t.ModuleID = rats.NotSupported, moduleID(who.tdx[1])
		if m := info.module(who.tdx[1]); m != nil {
			t.Module = t.takeSVN(uint16(who.tdx[0]), m.Levels)
		}
		components = append(components, t.Module)
	}
	t.QE = t.takeSVN(who.QE.ISVSVN, id.Levels)
	slices.Sort(t.Advisories)
	t.Advisories = slices.Compact(t.Advisories)
	t.Status = converge(t.Platform, append(components, t.QE)...)
	return t
}

func (t *TCB) take(date time.Time, advisories []string) {
	if t.EarliestDate.IsZero() || date.Before(t.EarliestDate) {
		t.EarliestDate = date
	}
	t.Advisories = append(t.Advisories, advisories...)
}

// matchPlatform returns the index of the first level, highest first, each part
// of which the platform reaches, or -1. The certified component SVNs count, not the raw CPUSVN. Of
// TEE_TCB_SVN the first two bytes are the module's own where its second byte
// names a module, and then judged by the module's levels (QVL 4.1.2.5.14).
func matchPlatform(who subject, levels []TCBLevel) int {
	for i := range levels {
		l := &levels[i]
		if who.PCESVN >= l.PCESVN && reaches(&who.Components, &l.Components, 0) &&
			(who.tdx == nil || reaches(who.tdx, &l.TDXComponents, ownSVNs(who.tdx))) {
			return i
		}
	}
	return -1
}

func ownSVNs(tdx *[16]byte) int {
	if tdx[1] > 0 {
		return 2
	}
	return 0
}

// reaches reports whether each SVN from a first one on is at least the level's.
func reaches(have, level *[16]uint8, first int) bool {
	for c := first; c < len(have); c++ {
		if have[c] < level[c] {
			return false
		}
	}
	return true
}

// takeSVN matches an enclave or module with its levels and returns the status
// of the first that it reaches.
func (t *TCB) takeSVN(svn uint16, levels []SVNLevel) rats.TCBStatus {
	for i := range levels {
		if l := &levels[i]; svn >= l.ISVSVN {
			t.take(l.Date, l.Advisories)
			t.behind(i, func(i int) (rats.TCBStatus, time.Time) { return levels[i].Status, levels[i].Date })
			return l.Status
		}
	}
	return rats.NotSupported
}

// behind notes since when a part at level i of a list is out of date.
func (t *TCB) behind(i int, level func(int) (rats.TCBStatus, time.Time)) {
	outOfDate := func(s rats.TCBStatus) bool {
		return s == rats.OutOfDate || s == rats.OutOfDateConfigurationNeeded || s == rats.TCBRevoked
	}
	if s, _ := level(i); !outOfDate(s) {
		return
	}
	for i--; i >= 0; i-- {
		if s, date := level(i); !outOfDate(s) {
			if t.BehindSince.IsZero() || date.Before(t.BehindSince) {
				t.BehindSince = date
			}
			return
		}
	}
}

// matchIdentity checks that a report is of the enclave that an identity
// describes (QVL 4.1.2.9).
func matchIdentity(r *QEInputs, id *Identity) error {
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

// module returns the identity of a major version of the TDX module, or nil.
func (t *TCBInfo) module(version uint8) *ModuleIdentity {
	id := moduleID(version)
	for i := range t.Modules {
		if t.Modules[i].ID == id {
			return &t.Modules[i]
		}
	}
	return nil
}

func moduleID(version uint8) string {
	const digits = "0123456789ABCDEF"
	return "TDX_" + string([]byte{digits[version>>4], digits[version&15]})
}

// matchModule checks that the module that a TD runs under is the one that TCB
// info describes (QVL 4.1.2.5.12). Without an identity for its version there is
// nothing to compare with: the platform is then not supported, which
// evaluate finds.
func matchModule(r *TDInputs, info *TCBInfo) error {
	m := info.Module
	if version := r.TEETCBSVN[1]; version > 0 {
		m = info.module(version)
	}
	switch {
	case m == nil:
		return nil
	case r.MRSignerSEAM != m.MRSigner:
		return rats.Errorf(rats.BindingMismatch, "the TDX module's MRSIGNERSEAM is not what its identity demands")
	case r.SEAMAttributes != [8]byte{} || m.Attributes != [8]byte{}:
		// The mask of the identity is not applied: no attribute is defined.
		return rats.Errorf(rats.BindingMismatch, "the TDX module's SEAMATTRIBUTES are not zero, as its identity must demand")
	default:
		return nil
	}
}
