// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// edited is a PKI with one edit, and what an appraisal must then come to.
type edited struct {
	name   string
	faults simtee.Faults
	want   rats.Kind
}

func edits() []edited {
	return []edited{
		{"a CA that may not sign certificates", simtee.Faults{Certificate: func(c *simtee.Certificate) {
			if c.Role == simtee.PCKCA {
				c.Template.IsCA, c.Template.MaxPathLen, c.Template.MaxPathLenZero = false, -1, false
				c.Template.KeyUsage = x509.KeyUsageDigitalSignature
			}
		}}, rats.UntrustedRoot},
		{"a CA that another key than the root's signed", simtee.Faults{Certificate: func(c *simtee.Certificate) {
			if c.Role == simtee.PCKCA {
				c.SigningKey = simtee.Key("intruder")
			}
		}}, rats.BadSignature},
		{"a PCK certificate changed after signing", simtee.Faults{Certificate: func(c *simtee.Certificate) {
			if c.Role == simtee.PCK {
				c.Signed = func(der []byte) []byte {
					der = bytes.Clone(der)
					der[len(der)-1] ^= 1
					return der
				}
			}
		}}, rats.BadSignature},
		{"a PCK certificate changed before signing", simtee.Faults{Certificate: func(c *simtee.Certificate) {
			if c.Role == simtee.PCK {
				c.TBS = func(tbs []byte) []byte {
					return bytes.Replace(tbs, []byte("PCK Certificate"), []byte("PCK certificate"), 1)
				}
			}
		}}, rats.UntrustedRoot},
		{"a platform of another family", simtee.Faults{Extension: func(e *dcap.PCKExtension) { e.FMSPC[5] = 1 }}, rats.EndorsementUnavailable},
		{"TCB info of another family", simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.FMSPC = "00a51e000001" }}, rats.EndorsementUnavailable},
		{"an identity of another enclave", simtee.Faults{Identity: func(i *simtee.Identity) { i.ISVProdID++ }}, rats.BindingMismatch},
		{"a statement by another key", simtee.Faults{Statement: func(s *simtee.Statement) { s.Key = simtee.Key("intruder") }}, rats.BadSignature},
		{"a list by another key", simtee.Faults{CRL: func(l *simtee.RevocationList) { l.Key = simtee.Key("intruder") }}, rats.BadSignature},
		{"a QE report by another key", simtee.Faults{QE: func(q *simtee.QuotingEnclave) { q.Key = simtee.Key("intruder") }}, rats.BadSignature},
		{"a QE of another signer", simtee.Faults{QE: func(q *simtee.QuotingEnclave) { q.Report.MRSigner[0] ^= 1 }}, rats.BindingMismatch},
		{"a certificate of a Processor CA", simtee.Faults{ProcessorCA: true}, rats.None},
		{"a report with other attributes", simtee.Faults{Quote: func(q *quote.Quote) { q.SGX.Attributes[9] = 0xff }}, rats.None},
	}
}

func TestEditsShowInWhatIsSignedAfterThem(t *testing.T) {
	for _, tt := range edits() {
		t.Run(tt.name, func(t *testing.T) {
			pki := mustPKI(t, tt.faults)
			raw, err := mustPlatform(t, pki, 1, "").Quote(simtee.Enclave{})
			q := parsed(t, raw, err)
			items, err := pki.Endorsements(noon)
			if err != nil {
				t.Fatal(err)
			}
			var out []*dcap.Statement
			for _, e := range items {
				s, err := dcap.Parse(e)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
			a := dcap.Appraise(q, dcap.NewSet(out...), dcap.Options{Roots: simulated()}, noon)
			if got := kindOf(a); got != tt.want {
				t.Errorf("%v, want %q", a.Err, tt.want)
			}
		})
	}
}

func TestWhateverIsRevokedIsFound(t *testing.T) {
	sound := mustPKI(t, simtee.Faults{})
	serials := map[string]*big.Int{
		"the CA":                      sound.Serial(simtee.PCKCA),
		"the TCB signing certificate": sound.Serial(simtee.TCBSigning),
		"the platform":                mustPlatform(t, sound, 1, "").Serial(),
	}
	for name, serial := range serials {
		pki := mustPKI(t, simtee.Faults{CRL: func(l *simtee.RevocationList) {
			l.Template.RevokedCertificateEntries = append(l.Template.RevokedCertificateEntries, simtee.Revoke(serial))
		}})
		raw, err := mustPlatform(t, pki, 1, "").Quote(simtee.Enclave{})
		if a := judge(t, pki, parsed(t, raw, err)); kindOf(a) != rats.Revoked {
			t.Errorf("%s: %v", name, a.Err)
		}
	}
}

func TestAListMayLackWhatTemplatesDemand(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{CRL: func(l *simtee.RevocationList) {
		l.TBS = func(tbs []byte) []byte {
			// The CRL number's identifier becomes one that nobody knows.
			return bytes.Replace(tbs, []byte{0x55, 0x1d, 0x14}, []byte{0x55, 0x1d, 0x7f}, 1)
		}
	}})
	e, err := pki.RootCRL(noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Malformed {
		t.Errorf("%v, want malformed", err)
	}
}

func TestTheExtensionOfAProcessorCAHasFiveElements(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{ProcessorCA: true})
	raw, err := mustPlatform(t, pki, 1, "").Quote(simtee.Enclave{})
	certs := chain(t, parsed(t, raw, err))
	if n := len(sgxExtension(t, certs[0])); n != 5 || !strings.Contains(certs[0].Issuer.CommonName, "SGX PCK Processor CA") {
		t.Errorf("%d elements, issued by %s", n, certs[0].Issuer)
	}
}

func TestTCBInfoOfVersion2SaysTheSameOfSGX(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) {
		if i.ID == "SGX" {
			i.ID, i.Version = "", 2
		}
	}})
	for _, status := range sgxStatuses {
		raw, err := mustPlatform(t, pki, 1, status).Quote(simtee.Enclave{})
		e, terr := pki.TCBInfo(rats.SGX, noon)
		if terr != nil {
			t.Fatal(terr)
		}
		if strings.Contains(string(e.Body), "sgxtcbcomponents") || !strings.Contains(string(e.Body), `"sgxtcbcomp16svn":0,"pcesvn":13}`) {
			t.Fatalf("%.400s", e.Body)
		}
		if a := judge(t, pki, parsed(t, raw, err)); a.Err != nil || a.TCB.Status != status {
			t.Errorf("%+v, %v, want %s", a.TCB, a.Err, status)
		}
	}
}

func TestEvaluationNumbersAreThoseOfTheEndorsements(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		e, err := pki.EvaluationNumbers(tee, noon)
		if err != nil {
			t.Fatal(err)
		}
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(simulated(), nil); err != nil {
			t.Fatal(err)
		}
		list := s.NumberList()
		if list.TEE != tee || len(list.Numbers) != 4 || list.Numbers[0].Number != 20 || list.Numbers[3].Number != 17 {
			t.Errorf("%+v", list)
		}
	}
}

func TestStatementsStandInTheOrderOfIntels(t *testing.T) {
	e, err := mustPKI(t, simtee.Faults{}).TCBInfo(rats.TDX, noon)
	if err != nil {
		t.Fatal(err)
	}
	var s statement
	if err := json.Unmarshal(e.Body, &s); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, member := range []string{
		"id", "version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType", "tcbEvaluationDataNumber", "tdxModule",
		"tdxModuleIdentities", "tcbLevels", "sgxtcbcomponents", "pcesvn", "tdxtcbcomponents", "tcbDate", "tcbStatus", "advisoryIDs",
	} {
		next := strings.Index(string(s.TCBInfo[at:]), `"`+member+`":`)
		if next < 0 {
			t.Fatalf("%s does not follow what it should", member)
		}
		at += next
	}
}
