// SPDX-License-Identifier: Apache-2.0

package evcert_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/evcert"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// vector reads a real certificate, or skips the test where there are none.
func vector(tb testing.TB, name string) []byte {
	tb.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skip("no vectors: set ATTESTEER_VECTORS to their folder")
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// reportData returns those of a quote, or of one in an Open Enclave report.
func reportData(tb testing.TB, inner []byte) [64]byte {
	tb.Helper()
	if openenclave.IsReport(inner) {
		var err error
		if inner, err = openenclave.ParseReport(inner); err != nil {
			tb.Fatal(err)
		}
	}
	q, err := quote.Parse(inner)
	if err != nil {
		tb.Fatal(err)
	}
	return [64]byte(q.ReportData())
}

func TestRealCertificatesNameTheirKeysByTheRuleOfTheirKind(t *testing.T) {
	for name, kinds := range map[string][]evcert.Kind{
		"oe/host_verify__sgx_cert_ec_bad_tcb_2019.der":  {evcert.OEReport},
		"oe/host_verify__sgx_cert_rsa_bad_tcb_2019.der": {evcert.OEReport},
		"oe/maa/sample.signing.cert.der":                {evcert.OEReport},
		"ratls/ccc_gramine-cert.pem":                    {evcert.Tagged, evcert.Gramine},
		"ratls/ccc_intel-sgxsdk-cert.pem":               {evcert.Tagged, evcert.SDKQuote},
	} {
		raw := vector(t, name)
		if !evcert.Is(raw) {
			t.Errorf("%s is not recognised", name)
		}
		c, err := evcert.Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Evidence) != len(kinds) || !c.SelfIssued {
			t.Errorf("%s: %d kinds of evidence, self-issued %v", name, len(c.Evidence), c.SelfIssued)
			continue
		}
		if err := c.CheckSignature(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, e := range c.Evidence {
			bound, err := e.Bind(c.Key, reportData(t, e.Inner))
			switch {
			case e.Kind != kinds[i], (err != nil) != (e.Kind == evcert.SDKQuote):
				t.Errorf("%s: %s: %v", name, e.Kind, err)
			case err == nil && (len(bound.Held) == 0 || bound.Rule == "" || len(bound.Claims) > 0 != (e.Kind == evcert.Tagged)):
				t.Errorf("%s: %s: %+v", name, e.Kind, bound)
			}
		}
	}
}

func TestCertificatesThatTheirOwnKeyDidNotSignAreRefused(t *testing.T) {
	for _, name := range []string{"oe/host_verify__sgx_cert_ec_bad.der", "oe/host_verify__sgx_cert_rsa_bad.der"} {
		c, err := evcert.Parse(vector(t, name))
		if err == nil {
			err = c.CheckSignature()
		}
		if !errors.Is(err, rats.BadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
