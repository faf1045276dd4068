// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestRuntimeDataFillTheReportData: their hash stands in the first half, and the
// second is zero, so that nothing else can hide there.
func TestRuntimeDataFillTheReportData(t *testing.T) {
	data := []byte("a key")
	sum := sha256.Sum256(data)
	var whole [64]byte
	copy(whole[:], sum[:])
	p := trusting()
	p.RuntimeData = data
	for name, tt := range map[string]struct {
		edit func(*[64]byte)
		want rats.Kind
	}{
		"the hash and zeros":         {func(*[64]byte) {}, rats.None},
		"a bit of the hash":          {func(r *[64]byte) { r[0] ^= 1 }, rats.BindingMismatch},
		"the last bit of the hash":   {func(r *[64]byte) { r[31] ^= 1 }, rats.BindingMismatch},
		"the first byte after it":    {func(r *[64]byte) { r[32] = 1 }, rats.BindingMismatch},
		"the last byte":              {func(r *[64]byte) { r[63] = 1 }, rats.BindingMismatch},
		"the hash in the other half": {func(r *[64]byte) { *r = [64]byte{}; copy(r[32:], sum[:]) }, rats.BindingMismatch},
		"the hash twice":             {func(r *[64]byte) { copy(r[32:], sum[:]) }, rats.BindingMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			e := simtee.Enclave{ReportData: whole}
			tt.edit(&e.ReportData)
			r, err := simulated(t, simtee.Faults{}, e).verify(t, p, simTime)
			if rats.KindOf(err) != tt.want {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if bound := r.RuntimeData != nil; bound != (tt.want == rats.None) || bound && !bytes.Equal(*r.RuntimeData, data) {
				t.Errorf("runtime data %v", r.RuntimeData)
			}
			// That the caller's binding fails says nothing of the platform.
			if r.Tier != rats.Affirming {
				t.Errorf("tier %s", r.Tier)
			}
		})
	}
}

// TestTheTierFollowsWhatIsKnown: not genuine is contraindicated, undecided is
// none, whatever the policy accepts.
func TestTheTierFollowsWhatIsKnown(t *testing.T) {
	well := simulated(t, simtee.Faults{}, simtee.Enclave{Platform: 4})
	forged := sim{bytes.Clone(well.raw), well.items}
	forged.raw[100] ^= 1
	for name, tt := range map[string]struct {
		s    sim
		want rats.Tier
	}{
		"genuine":                 {well, rats.Affirming},
		"undecided":               {sim{raw: well.raw}, rats.TierNone},
		"forged":                  {forged, rats.Contraindicated},
		"forged, and no others":   {sim{raw: forged.raw}, rats.Contraindicated},
		"revoked":                 {simulated(t, simtee.Faults{RevokedPlatforms: []uint32{4}}, simtee.Enclave{Platform: 4}), rats.Contraindicated},
		"an expired certificate":  {simulated(t, simtee.Faults{PCKNotAfter: simTime.AddDate(0, 0, -1)}, simtee.Enclave{}), rats.Contraindicated},
		"a revoked TCB":           {simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.TCBRevoked}), rats.Contraindicated},
		"a platform of old":       {simulated(t, simtee.Faults{}, simtee.Enclave{TCB: rats.OutOfDate}), rats.Warning},
		"a debug build":           {simulated(t, simtee.Faults{}, simtee.Enclave{Debug: true}), rats.Contraindicated},
		"a debug build undecided": {sim{raw: simulated(t, simtee.Faults{}, simtee.Enclave{Debug: true}).raw}, rats.TierNone},
	} {
		t.Run(name, func(t *testing.T) {
			strict, _ := tt.s.verify(t, trusting(), simTime)
			p := trusting(rats.TCBStatuses()...)
			p.AllowDebug = true
			lax, _ := tt.s.verify(t, p, simTime)
			if strict.Tier != tt.want || lax.Tier != tt.want {
				t.Errorf("tier %s under the strictest policy and %s under the laxest, want %s", strict.Tier, lax.Tier, tt.want)
			}
		})
	}
}
