// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var _ endorse.Source = simtee.Source{}

// statements returns what pki endorses at noon, as a verifier holds it.
func statements(t testing.TB, pki *simtee.PKI) *dcap.Set {
	t.Helper()
	items, err := pki.Endorsements(noon)
	if err != nil {
		t.Fatal(err)
	}
	forTDX, err := pki.EndorsementsFor(rats.TDX, noon)
	if err != nil {
		t.Fatal(err)
	}
	items = append(items, forTDX[:2]...)
	var out []*dcap.Statement
	for _, item := range items {
		s, err := dcap.Parse(item)
		if err != nil {
			t.Fatalf("%s: %v", item.Kind, err)
		}
		if err := s.Verify([]rats.TrustRoot{simtee.Root()}, nil); err != nil {
			t.Fatalf("%s: %v", item.Kind, err)
		}
		out = append(out, s)
	}
	return dcap.NewSet(out...)
}

// appraise judges e's quote from pki by pki's endorsements at a time.
func appraise(t testing.TB, pki *simtee.PKI, e simtee.Enclave, roots []rats.TrustRoot, at time.Time) *dcap.Appraisal {
	t.Helper()
	raw, err := mustPlatform(t, pki, e.Platform, e.TCB).Quote(e)
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return dcap.Appraise(q, statements(t, pki), dcap.Options{Roots: roots}, at)
}

func simulated() []rats.TrustRoot { return []rats.TrustRoot{simtee.Root()} }

func TestTheVerifierFindsTheStatusThatWasChosen(t *testing.T) {
	for _, status := range sgxStatuses {
		t.Run(string(status), func(t *testing.T) {
			a := appraise(t, mustPKI(t, simtee.Faults{}), simtee.Enclave{TCB: status, Platform: 9}, simulated(), noon)
			if a.Err != nil || a.TCB == nil {
				t.Fatalf("TCB %v, %v", a.TCB, a.Err)
			}
			if a.TCB.Status != status || a.TCB.Platform != status || a.TCB.QE != rats.UpToDate {
				t.Errorf("status %s of platform %s and QE %s", a.TCB.Status, a.TCB.Platform, a.TCB.QE)
			}
			if a.TCB.EvaluationDataNumber != 20 || a.Root != rats.SimulatedRoot || len(a.Used) != 4 {
				t.Errorf("evaluation %d, root %q, %d endorsements", a.TCB.EvaluationDataNumber, a.Root, len(a.Used))
			}
			day := time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC)
			if !a.ValidFrom.Equal(day) || !a.ValidUntil.Equal(day.AddDate(0, 0, 30)) {
				t.Errorf("valid from %s until %s", a.ValidFrom, a.ValidUntil)
			}
		})
	}
}

func TestIntelDoesNotVouchForSimulatedPlatforms(t *testing.T) {
	a := appraise(t, mustPKI(t, simtee.Faults{}), simtee.Enclave{}, nil, noon)
	if rats.KindOf(a.Err) != rats.UntrustedRoot || a.Root != "" {
		t.Errorf("%v under root %q, want untrusted_root under none", a.Err, a.Root)
	}
}

func TestTheVerifierSeesTheFaults(t *testing.T) {
	revoked := simtee.Faults{RevokedPlatforms: []uint32{3, 5}}
	ended := simtee.Faults{PCKNotAfter: noon.Add(-time.Second)}
	tests := []struct {
		name   string
		faults simtee.Faults
		e      simtee.Enclave
		want   rats.Kind
	}{
		{"a platform on the CRL is revoked", revoked, simtee.Enclave{Platform: 5}, rats.Revoked},
		{"it is revoked at every level", revoked, simtee.Enclave{Platform: 3, TCB: rats.OutOfDate}, rats.Revoked},
		{"its neighbour is not", revoked, simtee.Enclave{Platform: 4}, rats.None},
		{"a PCK certificate past its time is expired", ended, simtee.Enclave{}, rats.Expired},
		{"at the last second it is not", simtee.Faults{PCKNotAfter: noon}, simtee.Enclave{}, rats.None},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := appraise(t, mustPKI(t, tt.faults), tt.e, simulated(), noon)
			// a.Err is a typed nil when all is well.
			got := rats.None
			if a.Err != nil {
				got = a.Err.Kind
			}
			if got != tt.want {
				t.Errorf("%v, want %q", a.Err, tt.want)
			}
		})
	}
}

func TestEndorsementsLapseAfterThirtyDays(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	last := time.Date(2025, 7, 20, 0, 0, 0, 0, time.UTC)
	if a := appraise(t, pki, simtee.Enclave{}, simulated(), last); a.Err != nil {
		t.Errorf("at the last second: %v", a.Err)
	}
	if a := appraise(t, pki, simtee.Enclave{}, simulated(), last.Add(time.Second)); a.Err == nil || a.Err.Kind != rats.EndorsementExpired {
		t.Errorf("a second later: %v, want endorsement_expired", a.Err)
	}
}

func TestTheSourceAnswersForItsPlatformsAlone(t *testing.T) {
	_, q := mustQuote(t, simtee.Enclave{Platform: 77, TCB: rats.OutOfDate})
	need, err := dcap.Needs(q)
	if err != nil {
		t.Fatal(err)
	}
	other, tdx := need, need
	other.FMSPC = [6]byte{0x00, 0x60, 0x6a}
	tdx.TEE = rats.TDX
	forSGX, err := simtee.Endorsements(noon)
	if err != nil {
		t.Fatal(err)
	}
	forTDX, err := simtee.EndorsementsFor(rats.TDX, noon)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		needs []dcap.Need
		want  []rats.Endorsement
	}{
		{"a simulated platform gets what is said of SGX", []dcap.Need{need}, forSGX},
		{"it gets it among others", []dcap.Need{other, need}, forSGX},
		{"another FMSPC gets nothing", []dcap.Need{other}, nil},
		{"a trust domain gets what is said of TDX", []dcap.Need{tdx}, forTDX},
		{"both get both, each thing once", []dcap.Need{tdx, need}, append(slices.Clone(forTDX), forSGX[:2]...)},
		{"no need gets nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := simtee.Source{}.Endorsements(t.Context(), tt.needs, noon)
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b rats.Endorsement) bool { return a.Kind == b.Kind && bytes.Equal(a.Body, b.Body) }
			if !slices.EqualFunc(got, tt.want, same) {
				t.Errorf("%d endorsements, want %d", len(got), len(tt.want))
			}
		})
	}
}
