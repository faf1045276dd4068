// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

// Inputs are all that the vendor's part of a verdict goes by once the evidence's
// own signatures are verified. Whoever keeps them can have them judged again,
// by newer endorsements and at other times, without the evidence.
type Inputs struct {
	// DCAP is set for SGX and TDX.
	DCAP      *dcap.Inputs   `cbor:"1,keyasint,omitempty"`
	BuildMode rats.BuildMode `cbor:"2,keyasint"`
	// EPID is set for IAS reports.
	EPID *epid.Inputs `cbor:"3,keyasint,omitempty"`
}

// DeviceWindow returns when the certificates of the device hold, ends included.
// What an IAS report says of a platform has no end of its own: the certificate of
// the key that signed it counts at the report's time alone. Its end is zero.
func (in *Inputs) DeviceWindow() (from, until time.Time) {
	if in.EPID != nil {
		from, _ = in.EPID.Window()
		return from, time.Time{}
	}
	return in.DCAP.DeviceWindow()
}

// Forecast is a fall of status that published data make certain.
type Forecast = dcap.Forecast

// Standing is what the vendor's endorsements say of inputs at a time.
type Standing struct {
	// Err is the first check of the evidence that fails, as in a [Result], nil
	// where none does. What a policy says is not part of it.
	Err *rats.Error
	// Tier follows the facts.
	Tier rats.Tier
	// TCB is nil until endorsements decide it, and where the quoting enclave or
	// the module is not the one that its identity describes.
	TCB *dcap.TCB
	// ValidFrom and ValidUntil are those of a [Result]; zero while undecided.
	ValidFrom, ValidUntil time.Time
	Endorsements          []UsedEndorsement
	Forecast              *Forecast
}

// Reappraise judges inputs by endorsements at a time, as [Verify] would the
// evidence that they are of. It is a pure function.
func Reappraise(in *Inputs, en *Endorsements, p Policy, at time.Time) *Standing {
	return new(Verifier).Reappraise(in, en, p, at)
}

// Reappraise is the function of the same name with this verifier's memory.
func (v *Verifier) Reappraise(in *Inputs, en *Endorsements, p Policy, at time.Time) *Standing {
	if in.EPID != nil {
		return v.standing(in, p)
	}
	if in.DCAP == nil {
		return &Standing{Err: rats.Errorf(rats.Unsupported, "inputs of no kind of evidence that is judged here"), Tier: rats.TierNone}
	}
	a := dcap.Reappraise(in.DCAP, en.set(), dcap.Options{
		Roots: p.Roots, EvaluationNumber: p.EvaluationNumber, Facts: v.facts,
	}, at.UTC())
	out := &Standing{
		Err: a.Err, Tier: tier(a.TCB, in.BuildMode, a.Err), TCB: a.TCB, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil,
		Endorsements: make([]UsedEndorsement, len(a.Used)), Forecast: a.Forecast,
	}
	used(out.Endorsements, a)
	return out
}
