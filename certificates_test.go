// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// TestCertificatesAreEvidenceAndTheirKeysAreBound: the quote inside is judged as
// any other; without endorsements all of them are undecided at most.
func TestCertificatesAreEvidenceAndTheirKeysAreBound(t *testing.T) {
	bound := 0
	for name, want := range map[string]rats.Kind{
		"ratls/ccc_gramine-cert.pem":                    rats.EndorsementUnavailable,
		"ratls/ccc_intel-sgxsdk-cert.pem":               rats.EndorsementUnavailable,
		"oe/maa/sample.signing.cert.der":                rats.EndorsementUnavailable,
		"oe/maa/sample.signing.cert.cer":                rats.EndorsementUnavailable,
		"oe/host_verify__sgx_cert_ec_bad_tcb_2019.der":  rats.EndorsementUnavailable,
		"oe/host_verify__sgx_cert_rsa_bad_tcb_2019.der": rats.EndorsementUnavailable,
		"oe/host_verify__sgx_cert_ec_bad.der":           rats.BadSignature,
		"oe/host_verify__sgx_cert_rsa_bad.der":          rats.BadSignature,
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := attesteer.Decode(read(t, vectors(t), "..", name))
			if err != nil {
				t.Fatal(err)
			}
			r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, attesteer.Policy{}, time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC))
			if want == rats.BadSignature {
				if code := rats.KindOf(err).ExitCode(); code != 10 && code != 14 {
					t.Errorf("%v: exit code %d", err, code)
				}
				return
			}
			if !errors.Is(err, want) {
				t.Fatalf("%v, want %s", err, want)
			}
			if r.Format != rats.Certificate || r.RuntimeData == nil || len(*r.RuntimeData) == 0 {
				t.Errorf("format %s, runtime data %v", r.Format, r.RuntimeData)
			}
			for _, c := range r.Checks {
				if !strings.HasPrefix(c.Name, "tls_") {
					continue
				}
				if bound++; c.Outcome != rats.Pass {
					t.Errorf("%s: %s %s", c.Name, c.Outcome, c.Detail)
				}
			}
		})
	}
	if bound != 6*2+2 {
		t.Errorf("%d checks of certificates, not two of each of six and one of each of two that carry evidence twice", bound)
	}
}
