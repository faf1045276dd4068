// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestAPlatformIsMatchedByItsCertificateAlone(t *testing.T) {
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.November, 21, 0, 0, 0, 0, time.UTC)
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		e, err := pki.TCBInfo(tee, at)
		if err != nil {
			t.Fatal(err)
		}
		info, err := dcap.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []rats.TCBStatus{
			rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.OutOfDate, rats.TCBRevoked, rats.NotSupported,
		} {
			got, err := info.PlatformTCB(certifiedOf(t, pki, want))
			if err != nil || got.Status != want || got.EvaluationDataNumber != 20 {
				t.Errorf("%s: got %+v, %v, want %s", tee, got, err, want)
			}
			if got.Date.IsZero() != (want == rats.NotSupported) {
				t.Errorf("%s, %s: date %s", tee, want, got.Date)
			}
		}
		ext := certifiedOf(t, pki, rats.UpToDate)
		ext.PCEID[0]++
		if _, err := info.PlatformTCB(ext); rats.KindOf(err) != rats.BindingMismatch {
			t.Errorf("another PCE: %v", err)
		}
		ext.FMSPC[0]++
		if _, err := info.PlatformTCB(ext); rats.KindOf(err) != rats.BindingMismatch {
			t.Errorf("another FMSPC: %v", err)
		}
	}
	e, err := pki.QEIdentity(rats.SGX, at)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := dcap.Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.PlatformTCB(certifiedOf(t, pki, rats.UpToDate)); rats.KindOf(err) != rats.Malformed {
		t.Errorf("an identity: %v", err)
	}
}

func certifiedOf(t *testing.T, pki *simtee.PKI, status rats.TCBStatus) *dcap.PCKExtension {
	t.Helper()
	platform, err := pki.NewPlatform(1, status)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(platform.PCKCertificate().Body)
	if err != nil {
		t.Fatal(err)
	}
	ext, err := dcap.ReadPCKExtension(cert)
	if err != nil {
		t.Fatal(err)
	}
	return ext
}
