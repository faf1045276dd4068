// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestTheSimulatedServiceSaysWhatItIsAsked(t *testing.T) {
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	policy := attesteer.Policy{Roots: append(attesteer.Roots(), simtee.Root()), AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}
	for _, tt := range []struct {
		name string
		ias  simtee.IAS
		want rats.Kind
	}{
		{"nothing in particular", simtee.IAS{}, rats.None},
		{"of the version before versions", simtee.IAS{Version: -1, Unlinkable: true}, rats.None},
		{"of version 5, with a nonce", simtee.IAS{Version: 5, Nonce: "0123456789abcdef"}, rats.None},
		{"behind", simtee.IAS{Status: epid.GroupOutOfDate, Advisories: []string{"SIM-SA-00002"}, PlatformInfo: []byte{4, 0, 1}}, rats.None},
		{"of a debug build", simtee.IAS{Enclave: simtee.Enclave{Debug: true}}, rats.DebugForbidden},
		{"signed by nobody", simtee.IAS{Status: epid.SignatureInvalid}, rats.BadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.ias.Time = made
			tt.ias.Enclave.ReportData[5] = 7
			r, err := pki.IASReport(tt.ias)
			if err != nil {
				t.Fatal(err)
			}
			again, err := pki.IASReport(tt.ias)
			if err != nil || !bytes.Equal(r.Body, again.Body) || !bytes.Equal(r.Signature, again.Signature) {
				t.Error("another report when asked again")
			}
			carried, err := r.Carried("an enclave")
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range [][]byte{r.JSON(), carried} {
				result, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, policy, made.Add(time.Hour))
				if rats.KindOf(err) != tt.want {
					t.Fatal(err)
				}
				if result.TEE != rats.EPID || result.Subject[5] != 7 || *result.TrustRoot != rats.SimulatedRoot {
					t.Errorf("%+v", result)
				}
			}
			// Without its certificate the pair is held against Intel's key.
			if _, err := attesteer.Verify(attesteer.Evidence{Raw: r.Pair()}, nil, policy, made.Add(time.Hour)); rats.KindOf(err) != rats.BadSignature {
				t.Errorf("as a pair: %v", err)
			}
		})
	}
}

func TestASimulatedReportCountsForNothingUnderTheVendorsRoots(t *testing.T) {
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	r, err := pki.IASReport(simtee.IAS{Time: made})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: r.JSON()}, nil, attesteer.Policy{}, made); rats.KindOf(err) != rats.UntrustedRoot {
		t.Errorf("under the vendors' roots alone: %v", err)
	}
}
