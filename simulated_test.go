// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// simTime lies within the day whose endorsements simulated gives out.
var simTime = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)

// sim is a simulated enclave's quote with all endorsements of its vendor.
type sim struct {
	raw   []byte
	items []rats.Endorsement
}

func simulated(t testing.TB, faults simtee.Faults, e simtee.Enclave) sim {
	t.Helper()
	pki, err := simtee.NewPKI(faults)
	if err != nil {
		t.Fatal(err)
	}
	platform, err := pki.NewPlatform(e.Platform, e.TCB)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.Quote(e)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.Endorsements(simTime)
	if err != nil {
		t.Fatal(err)
	}
	return sim{raw, items}
}

// trusting is the strictest policy under the simulated root.
func trusting(accept ...rats.TCBStatus) attesteer.Policy {
	return attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}, AcceptTCB: accept}
}

func (s sim) verify(t testing.TB, p attesteer.Policy, at time.Time) (*attesteer.Result, error) {
	t.Helper()
	en, err := attesteer.ParseEndorsements(s.items...)
	if err != nil {
		t.Fatal(err)
	}
	return attesteer.Verify(attesteer.Evidence{Raw: s.raw}, en, p, at)
}

// TestEachStatusIsAcceptedWhereItIsListedAndNowhereElse, under the tier that
// the facts give it.
func TestEachStatusIsAcceptedWhereItIsListedAndNowhereElse(t *testing.T) {
	statuses := []rats.TCBStatus{
		rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
		rats.OutOfDate, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked, rats.NotSupported,
	}
	for _, status := range statuses {
		s := simulated(t, simtee.Faults{}, simtee.Enclave{TCB: status, MREnclave: [32]byte{1}})
		others := slices.DeleteFunc(slices.Clone(statuses), func(o rats.TCBStatus) bool { return o == status })
		refusal := rats.TCBRejected
		switch status {
		case rats.UpToDate:
			refusal = rats.None
		case rats.TCBRevoked:
			refusal = rats.Revoked
		default:
		}
		for name, p := range map[string]attesteer.Policy{"the strictest": trusting(), "all others listed": trusting(others...)} {
			r, err := s.verify(t, p, simTime)
			if rats.KindOf(err) != refusal || r.TCB == nil || r.TCB.Status != status {
				t.Errorf("%s, %s: %v, %+v", status, name, err, r.TCB)
			}
		}
		r, err := s.verify(t, trusting(status), simTime)
		if err != nil || !r.Accepted || *r.TrustRoot != rats.SimulatedRoot {
			t.Errorf("%s, listed: %v", status, err)
		}
		if want := rats.TierOf(status, rats.Production); r.Tier != want {
			t.Errorf("%s: tier %s, want %s", status, r.Tier, want)
		}
	}
}

func TestADebugBuildIsAcceptedOnlyWhereThePolicySaysSo(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{Debug: true})
	r, err := s.verify(t, trusting(), simTime)
	if rats.KindOf(err) != rats.DebugForbidden || r.BuildMode != rats.Debug || r.Tier != rats.Contraindicated {
		t.Errorf("%v, %s, tier %s", err, r.BuildMode, r.Tier)
	}
	p := trusting()
	p.AllowDebug = true
	if r, err = s.verify(t, p, simTime); err != nil || r.Tier != rats.Contraindicated {
		t.Errorf("allowed: %v, tier %s", err, r.Tier)
	}
}

func TestSimulatedEvidenceCountsNowhereUnlessItsRootIsNamed(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{})
	for name, p := range map[string]attesteer.Policy{"the vendors' roots": {}, "no roots": {Roots: []rats.TrustRoot{}}} {
		if r, err := s.verify(t, p, simTime); rats.KindOf(err) != rats.UntrustedRoot || r.TrustRoot != nil || len(r.Platform) != 0 {
			t.Errorf("%s: %v, platform %x", name, err, r.Platform)
		}
	}
}

// TestTheFirstFaultGivesTheKind: with several at once, the kind is that of what
// comes first in the order of checks, and the rest is listed all the same.
func TestTheFirstFaultGivesTheKind(t *testing.T) {
	const platform = 5
	faults := simtee.Faults{RevokedPlatforms: []uint32{platform}, PCKNotAfter: simTime.Add(-time.Hour)}
	debug := simtee.Enclave{Platform: platform, TCB: rats.OutOfDate, Debug: true}
	all := simulated(t, faults, debug)
	forged := sim{bytes.Clone(all.raw), all.items}
	forged.raw[48+64] ^= 1
	bound := trusting()
	bound.RuntimeData = []byte("other data")
	accept := func(p attesteer.Policy) attesteer.Policy {
		p.AcceptTCB, p.RuntimeData = []rats.TCBStatus{rats.OutOfDate}, nil
		return p
	}
	well := simulated(t, simtee.Faults{}, debug)
	ended := simulated(t, simtee.Faults{PCKNotAfter: faults.PCKNotAfter}, debug)
	for _, tt := range []struct {
		name  string
		s     sim
		p     attesteer.Policy
		at    time.Time
		want  rats.Kind
		check string
	}{
		{"a flipped bit, and no endorsements", sim{raw: forged.raw}, bound, simTime, rats.BadSignature, "quote_signature"},
		{"a flipped bit, and stale endorsements", forged, bound, simTime.AddDate(0, 2, 0), rats.BadSignature, "quote_signature"},
		{"a flipped bit, and another root", forged, attesteer.Policy{}, simTime, rats.BadSignature, "quote_signature"},
		{"no endorsements", sim{raw: all.raw}, bound, simTime, rats.EndorsementUnavailable, "endorsements_present"},
		{"one missing and the rest stale", sim{all.raw, all.items[:3]}, bound, simTime.AddDate(0, 2, 0), rats.EndorsementUnavailable, "endorsements_present"},
		{"stale endorsements", all, bound, simTime.AddDate(0, 2, 0), rats.EndorsementExpired, "endorsements_current"},
		{"revoked and expired", all, bound, simTime, rats.Revoked, "revocation"},
		{"expired", ended, bound, simTime, rats.Expired, "certificate_validity"},
		{"other runtime data", well, bound, simTime, rats.BindingMismatch, "runtime_data"},
		{"out of date", well, trusting(), simTime, rats.TCBRejected, "tcb_status"},
		{"a debug build", well, accept(bound), simTime, rats.DebugForbidden, "debug"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.s.verify(t, tt.p, tt.at)
			if typed := rats.AsError(err); typed == nil || typed.Kind != tt.want || typed.Check != tt.check {
				t.Fatalf("%v, want %s by %s", err, tt.want, tt.check)
			}
			if !bytes.Equal(r.Fingerprint, tt.s.raw[48+64:48+96]) {
				t.Errorf("fingerprint %s", r.Fingerprint)
			}
			for _, c := range r.Checks {
				if c.Name == "debug" && c.Outcome != rats.Fail {
					t.Errorf("the last fault is not listed: %+v", c)
				}
			}
			if decided := tt.want.ExitCode() != 12 && tt.want != rats.BadSignature; decided != (r.TCB != nil) {
				t.Errorf("TCB %+v", r.TCB)
			}
		})
	}
}

func TestAnUncertainPlatformIsNotNamed(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{Platform: 7})
	genuine, _ := s.verify(t, trusting(), simTime)
	if len(genuine.Platform) == 0 {
		t.Fatal("a genuine quote names no platform")
	}
	for _, at := range []int{48 + 64, 436, 436 + 64, 436 + 128 + 64, 436 + 512} {
		forged := sim{bytes.Clone(s.raw), s.items}
		forged.raw[at] ^= 1
		if r, err := forged.verify(t, trusting(), simTime); err == nil || len(r.Platform) != 0 {
			t.Errorf("byte %d: %v, and it speaks for platform %x", at, err, r.Platform)
		}
	}
}

func TestEndorsementsAreTheirOwn(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{})
	var mine []rats.Endorsement
	for _, e := range s.items {
		c := rats.Endorsement{Kind: e.Kind, Body: bytes.Clone(e.Body)}
		for _, der := range e.Issuers {
			c.Issuers = append(c.Issuers, bytes.Clone(der))
		}
		mine = append(mine, c)
	}
	en, err := attesteer.ParseEndorsements(mine...)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range mine {
		clear(e.Body)
		for _, der := range e.Issuers {
			clear(der)
		}
	}
	clear(mine)
	for i, e := range en.Items() {
		if e.Kind != s.items[i].Kind || !bytes.Equal(e.Body, s.items[i].Body) || len(e.Issuers) != len(s.items[i].Issuers) {
			t.Errorf("item %d changed with what it was made from", i)
		}
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: s.raw}, en, trusting(), simTime); err != nil {
		t.Error(err)
	}
}

// TestResultsReadAsTheyAlwaysDid holds the JSON of results against golden files:
// a real quote judged by a folder, undecided without it, and a simulated one.
func TestResultsReadAsTheyAlwaysDid(t *testing.T) {
	t.Run("a real quote", func(t *testing.T) {
		r, err := attesteer.Verify(attesteer.Evidence{Raw: seed(t, "quote.bin")}, everything(t), attesteer.Policy{}, midsummer)
		isGolden(t, "seed_result.json", r, err, rats.TCBRejected)
	})
	t.Run("a real quote without endorsements", func(t *testing.T) {
		r, err := attesteer.Verify(attesteer.Evidence{Raw: seed(t, "quote.bin")}, nil, attesteer.Policy{}, midsummer)
		isGolden(t, "undecided_result.json", r, err, rats.EndorsementUnavailable)
	})
	t.Run("a simulated quote", func(t *testing.T) {
		data := []byte("a key")
		var sum [64]byte
		digest := sha256.Sum256(data)
		copy(sum[:], digest[:])
		s := simulated(t, simtee.Faults{}, simtee.Enclave{MREnclave: [32]byte{0xe1}, MRSigner: [32]byte{0x51}, ISVProdID: 3, ISVSVN: 4, ReportData: sum})
		p := trusting()
		p.RuntimeData = data
		r, err := s.verify(t, p, simTime)
		isGolden(t, "simulated_result.json", r, err, rats.None)
	})
}

func isGolden(t *testing.T, name string, r *attesteer.Result, err error, kind rats.Kind) {
	t.Helper()
	if rats.KindOf(err) != kind {
		t.Fatalf("%v, want %q", err, kind)
	}
	got, jsonErr := json.MarshalIndent(r, "", "  ")
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "golden", name)
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the result is not what %s says (go test . -update, and look at the difference):\n%s", file, got)
	}
}
