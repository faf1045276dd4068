// SPDX-License-Identifier: Apache-2.0

package ear_test

import (
	"maps"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// simTime lies within the day whose endorsements scenes use.
var simTime = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)

// scene is an enclave, and how it is appraised.
type scene struct {
	faults  simtee.Faults
	enclave simtee.Enclave
	policy  attesteer.Policy
	// bare leaves the endorsements out.
	bare bool
	// mistrust leaves the simulated root out.
	mistrust bool
	// spoil edits the quote.
	spoil func([]byte)
}

// result appraises a scene. It stands as if Intel had vouched for the platform,
// since of hardware that is simulated nothing good is claimed.
func (s scene) result(t testing.TB) *attesteer.Result {
	t.Helper()
	pki, err := simtee.NewPKI(s.faults)
	if err != nil {
		t.Fatal(err)
	}
	platform, err := pki.NewPlatform(s.enclave.Platform, s.enclave.TCB)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.Quote(s.enclave)
	if err != nil {
		t.Fatal(err)
	}
	if s.spoil != nil {
		s.spoil(raw)
	}
	var items []rats.Endorsement
	if !s.bare {
		if items, err = pki.Endorsements(simTime); err != nil {
			t.Fatal(err)
		}
	}
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		t.Fatal(err)
	}
	if !s.mistrust {
		s.policy.Roots = []rats.TrustRoot{simtee.Root()}
	}
	r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, en, s.policy, simTime)
	if r == nil {
		t.Fatal(err)
	}
	if r.TrustRoot != nil {
		intel := rats.IntelRoot
		r.TrustRoot = &intel
	}
	return r
}

// expects is a policy that names the code of an enclave.
func expects(code byte) attesteer.Policy {
	return attesteer.Policy{ReferenceValues: []attesteer.ReferenceValue{{MREnclave: append([]byte{code}, make([]byte, 31)...)}}}
}

func TestAVectorClaimsWhatTheFactsAllowAndAStatusIsNeverBetter(t *testing.T) {
	type vector = ear.Vector
	none := vector{"configuration": 0, "executables": 0, "hardware": 0, "runtime-opaque": 0}
	with := func(pairs vector) vector {
		v := maps.Clone(none)
		maps.Copy(v, pairs)
		return v
	}
	tcb := func(s rats.TCBStatus) scene { return scene{enclave: simtee.Enclave{TCB: s}} }
	for name, c := range map[string]struct {
		scene  scene
		vector vector
		status rats.Tier
	}{
		"up to date":              {tcb(rats.UpToDate), with(vector{"hardware": 2, "runtime-opaque": 2}), rats.Affirming},
		"software hardening":      {tcb(rats.SWHardeningNeeded), with(vector{"hardware": 32, "runtime-opaque": 2}), rats.Warning},
		"configuration":           {tcb(rats.ConfigurationNeeded), with(vector{"hardware": 2, "configuration": 32, "runtime-opaque": 2}), rats.Warning},
		"both":                    {tcb(rats.ConfigurationAndSWHardeningNeeded), with(vector{"hardware": 32, "configuration": 32, "runtime-opaque": 2}), rats.Warning},
		"out of date":             {tcb(rats.OutOfDate), with(vector{"hardware": 32, "runtime-opaque": 2}), rats.Warning},
		"out of date, configured": {tcb(rats.OutOfDateConfigurationNeeded), with(vector{"hardware": 32, "configuration": 32, "runtime-opaque": 2}), rats.Warning},
		"revoked level":           {tcb(rats.TCBRevoked), with(vector{"hardware": 96}), rats.Contraindicated},
		"not supported":           {tcb(rats.NotSupported), with(vector{"hardware": 97}), rats.Contraindicated},
		"debug": {
			scene{enclave: simtee.Enclave{Debug: true}, policy: attesteer.Policy{AllowDebug: true}},
			with(vector{"hardware": 2, "configuration": 96, "runtime-opaque": 96}), rats.Contraindicated,
		},
		"the expected code": {
			scene{enclave: simtee.Enclave{MREnclave: [32]byte{7}}, policy: expects(7)},
			with(vector{"hardware": 2, "executables": 3, "runtime-opaque": 2}), rats.Affirming,
		},
		"other code": {
			scene{enclave: simtee.Enclave{MREnclave: [32]byte{8}}, policy: expects(7)},
			with(vector{"hardware": 2, "executables": 33, "runtime-opaque": 2}), rats.Warning,
		},
		"a demand that is not met": {
			scene{policy: attesteer.Policy{MinEvaluationNumber: 1 << 30}},
			with(vector{"hardware": 2, "runtime-opaque": 2}), rats.Warning,
		},
		"other data are bound": {
			scene{policy: attesteer.Policy{RuntimeData: []byte("a key")}},
			with(vector{"hardware": 2, "runtime-opaque": 2}), rats.Contraindicated,
		},
		"no endorsements":         {scene{bare: true}, none, rats.TierNone},
		"no endorsements, debug":  {scene{bare: true, enclave: simtee.Enclave{Debug: true}}, none, rats.TierNone},
		"revoked certificate":     {scene{faults: simtee.Faults{RevokedPlatforms: []uint32{0}}}, with(vector{"hardware": 96}), rats.Contraindicated},
		"lapsed certificate":      {scene{faults: simtee.Faults{PCKNotAfter: simTime.Add(-time.Hour)}}, with(vector{"hardware": 96}), rats.Contraindicated},
		"a root that is not ours": {scene{mistrust: true}, with(vector{"hardware": 97}), rats.Contraindicated},
		"a flipped bit":           {scene{spoil: func(q []byte) { q[100] ^= 1 }}, with(vector{"hardware": 99}), rats.Contraindicated},
		"a flipped bit, debug, other data": {
			scene{
				enclave: simtee.Enclave{Debug: true}, policy: attesteer.Policy{RuntimeData: []byte("a key")},
				spoil: func(q []byte) { q[100] ^= 1 },
			}, with(vector{"hardware": 99}), rats.Contraindicated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.scene.result(t)
			v := ear.VectorOf(r)
			if !maps.Equal(v, c.vector) {
				t.Errorf("vector %v, want %v (kind %v, tier %s)", v, c.vector, r.Kind, r.Tier)
			}
			if got := ear.StatusOf(r, v); got != c.status {
				t.Errorf("status %s, want %s", got, c.status)
			}
		})
	}
}

func TestOfSimulatedHardwareNothingGoodIsClaimed(t *testing.T) {
	r := scene{}.result(t)
	simulated := rats.SimulatedRoot
	r.TrustRoot = &simulated
	if v := ear.VectorOf(r); v[ear.Hardware] != 0 || v[ear.RuntimeOpaque] != 0 {
		t.Errorf("%v", v)
	}
	r = scene{enclave: simtee.Enclave{TCB: rats.OutOfDate, Debug: true}}.result(t)
	r.TrustRoot = &simulated
	if v := ear.VectorOf(r); v[ear.Hardware] != 32 || v[ear.RuntimeOpaque] != 96 {
		t.Errorf("%v", v)
	}
}

// TestWhatIsRejectedIsNeverAffirming, whatever the reason and the facts.
func TestWhatIsRejectedIsNeverAffirming(t *testing.T) {
	for _, tier := range []rats.Tier{rats.TierNone, rats.Affirming, rats.Warning, rats.Contraindicated} {
		for _, kind := range rats.Kinds() {
			r := scene{}.result(t)
			r.Accepted, r.Kind, r.Tier = false, kind, tier
			if got := ear.StatusOf(r, ear.VectorOf(r)); got == rats.Affirming {
				t.Errorf("tier %s, kind %v: %s", tier, kind, got)
			}
		}
	}
}
