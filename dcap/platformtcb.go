// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"slices"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// PlatformTCB is what TCB info says of a platform by what Intel certified of it
// alone, without a quote: nothing of its quoting enclave, nor of a TDX module.
type PlatformTCB struct {
	// Status is NotSupported where no level matches.
	Status rats.TCBStatus
	// Date is the level's, zero where none matches.
	Date time.Time
	// Advisories is a sorted set.
	Advisories []string
	// EvaluationDataNumber is that of the TCB info.
	EvaluationDataNumber uint32
}

// PlatformTCB matches the TCB of a PCK certificate with the levels of TCB info
// (QVL 4.1.2.5.14). Of TDX's own components a certificate says nothing: they are
// taken to be as high as any level wants, so the status for TDX is the best that
// the platform can have. The error is Malformed for a statement of another kind,
// and BindingMismatch where it is about another FMSPC or PCE.
func (s *Statement) PlatformTCB(ext *PCKExtension) (PlatformTCB, error) {
	info := s.tcbInfo
	switch {
	case info == nil:
		return PlatformTCB{}, rats.Errorf(rats.Malformed, "%s is no TCB info", s.key.Kind)
	case info.FMSPC != ext.FMSPC:
		return PlatformTCB{}, rats.Errorf(rats.BindingMismatch, "TCB info is for FMSPC %x, the platform is %x", info.FMSPC, ext.FMSPC)
	case info.PCEID != ext.PCEID:
		return PlatformTCB{}, rats.Errorf(rats.BindingMismatch, "TCB info is for PCE id %x, the platform's is %x", info.PCEID, ext.PCEID)
	}
	who := subject{Inputs: &Inputs{Components: ext.Components, PCESVN: ext.PCESVN}}
	if info.TEE == rats.TDX {
		var most [16]byte
		for i := range most {
			most[i] = 0xff
		}
		who.tdx = &most
	}
	out := PlatformTCB{Status: rats.NotSupported, EvaluationDataNumber: info.EvaluationDataNumber}
	if i := matchPlatform(who, info.Levels); i >= 0 {
		l := &info.Levels[i]
		out.Status, out.Date, out.Advisories = l.Status, l.Date, slices.Clone(l.Advisories)
		slices.Sort(out.Advisories)
		out.Advisories = slices.Compact(out.Advisories)
	}
	return out, nil
}
