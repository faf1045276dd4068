// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// attested returns a simulated certificate of attested TLS with all endorsements
// of its vendor, for enclaves and trust domains.
func attested(t testing.TB, a simtee.AttestedTLS) sim {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := pki.NewPlatform(a.Enclave.Platform, a.Enclave.TCB)
	if err != nil {
		t.Fatal(err)
	}
	var s sim
	if s.raw, err = m.AttestedTLS(a); err != nil {
		t.Fatal(err)
	}
	if s.items, err = pki.EndorsementsFor(rats.SGX, simTime); err != nil {
		t.Fatal(err)
	}
	tdx, err := pki.EndorsementsFor(rats.TDX, simTime)
	if err != nil {
		t.Fatal(err)
	}
	s.items = append(s.items, tdx[:2]...) // the lists are the same
	return s
}

// inPEM returns a certificate as TLS servers keep it.
func inPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// spki returns a public key in DER.
func spki(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// tlsChecks returns the outcome of the checks that certificates add.
func tlsChecks(r *attesteer.Result) (out []string) {
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Name, "tls_") {
			out = append(out, c.Name+" "+string(c.Outcome))
		}
	}
	return out
}

// TestCertificatesOfEverySDKAreAcceptedWithTheKeyThatTheyBind: DER or PEM, and
// with the certificates of those who signed it behind it.
func TestCertificatesOfEverySDKAreAcceptedWithTheKeyThatTheyBind(t *testing.T) {
	inside := map[simtee.Profile]string{
		simtee.OEReport: "oe-report sgx-quote-v3", simtee.EGo: "oe-report sgx-quote-v3", simtee.OEEvidence: "oe-evidence sgx-quote-v3",
		simtee.Dstack: "tdx-quote-v4",
	}
	for _, p := range simtee.Profiles() {
		t.Run(string(p), func(t *testing.T) {
			s := attested(t, simtee.AttestedTLS{Profile: p, Enclave: simtee.Enclave{MREnclave: [32]byte{0xe1}}})
			key := spki(t, simtee.AttestedKey(p))
			sum := sha256.Sum256(key)
			checks := []string{"tls_certificate pass", "tls_key pass"}
			if p == simtee.Gramine || p == simtee.IntelSDK {
				checks = append(checks, "tls_agreement pass")
			}
			chain := slices.Concat([]byte("\r\n "), inPEM(s.raw), inPEM(s.items[0].Issuers[0]), []byte("what follows"))
			for _, raw := range [][]byte{s.raw, inPEM(s.raw), chain} {
				r, err := sim{raw, s.items}.verify(t, trusting(), simTime)
				if err != nil || !r.Accepted || r.TCB.Status != rats.UpToDate {
					t.Fatalf("%v: %s", err, marshal(t, r))
				}
				checkAnswer(t, r, err)
				want := strings.TrimSpace("x509-certificate " + cmp.Or(inside[p], "sgx-quote-v3"))
				if got := strings.Trim(marshal(t, r.Envelope), `[]`); strings.ReplaceAll(strings.ReplaceAll(got, `"`, ""), ",", " ") != want || r.Format != rats.Certificate {
					t.Errorf("%s as %s, want %s", got, r.Format, want)
				}
				if got := tlsChecks(r); !slices.Equal(got, checks) {
					t.Errorf("%q, want %q", got, checks)
				}
				if k := r.RuntimeKey; k == nil || k.Type != "ecdsa" || k.Bits != 256 || !bytes.Equal(k.SHA256, sum[:]) {
					t.Errorf("runtime key %+v", k)
				}
			}
		})
	}
}

// TestKeysOfEveryKindAreBound, those that Open Enclave and dstack make and those
// that a ledger does not take for withdrawals alike.
func TestKeysOfEveryKindAreBound(t *testing.T) {
	p384, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), bytes.Repeat([]byte{7}, 48))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"ed25519": ed25519.NewKeyFromSeed(make([]byte, 32)), "ecdsa": p384,
	} {
		for _, p := range []simtee.Profile{simtee.OEReport, simtee.Tagged} {
			s := attested(t, simtee.AttestedTLS{Profile: p, Key: key})
			if r, err := s.verify(t, trusting(), simTime); err != nil || r.RuntimeKey == nil || r.RuntimeKey.Type != name {
				t.Errorf("%s, %s: %v", p, name, err)
			}
		}
	}
}

// TestReportDataThatDoNotNameTheKeyAreRefused, by every profile's own rule: the
// hash of another spelling of the key, of another key, none, and one with more
// behind it.
func TestReportDataThatDoNotNameTheKeyAreRefused(t *testing.T) {
	for _, p := range simtee.Profiles() {
		key := spki(t, simtee.AttestedKey(p))
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})
		for name, edit := range map[string]func(*[64]byte){
			"zeros":            func(d *[64]byte) { *d = [64]byte{} },
			"a bit":            func(d *[64]byte) { d[0] ^= 1 },
			"a second half":    func(d *[64]byte) { d[63] ^= 1 },
			"no final NUL":     func(d *[64]byte) { *d = hashing(text) },
			"no final newline": func(d *[64]byte) { *d = hashing(append(bytes.TrimSpace(text), 0)) },
			"SHA-512":          func(d *[64]byte) { *d = sha512.Sum512(key) },
			"the key twice": func(d *[64]byte) {
				sum := sha256.Sum256(key)
				copy(d[:], slices.Concat(sum[:], sum[:]))
			},
		} {
			s := attested(t, simtee.AttestedTLS{Profile: p, ReportData: edit})
			r, err := s.verify(t, trusting(), simTime)
			if rats.KindOf(err) != rats.BindingMismatch || r.RuntimeData != nil || r.RuntimeKey != nil || len(r.CustomClaims) > 0 {
				t.Errorf("%s, %s: %v, %s", p, name, err, marshal(t, r))
			}
		}
	}
}

// TestEachRuleCountsInItsOwnExtensionAlone: what EGo hashes is nothing to Open
// Enclave's evidence, nor a key in PEM to Gramine.
func TestEachRuleCountsInItsOwnExtensionAlone(t *testing.T) {
	for p, spell := range map[simtee.Profile]func([]byte) []byte{
		simtee.OEEvidence: func(key []byte) []byte { return key },
		simtee.GramineOld: func(key []byte) []byte {
			return append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}), 0)
		},
		simtee.Tagged: func(key []byte) []byte { return key },
	} {
		key := spki(t, simtee.AttestedKey(p))
		s := attested(t, simtee.AttestedTLS{Profile: p, ReportData: func(d *[64]byte) { *d = hashing(spell(key)) }})
		if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.BindingMismatch {
			t.Errorf("%s: %v", p, err)
		}
	}
	// The one extension in which both are at home.
	for _, p := range []simtee.Profile{simtee.OEReport, simtee.Azure} {
		key := spki(t, simtee.AttestedKey(p))
		s := attested(t, simtee.AttestedTLS{Profile: p, ReportData: func(d *[64]byte) { *d = hashing(key) }})
		if _, err := s.verify(t, trusting(), simTime); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestTheSecondExtensionOfIntelsSDKBindsNothingAlone, though the quote in it is
// genuine: its report data are a hash of claims that are not there.
func TestTheSecondExtensionOfIntelsSDKBindsNothingAlone(t *testing.T) {
	only := func(i int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[i : i+1] }
	}
	s := attested(t, simtee.AttestedTLS{Profile: simtee.IntelSDK, Template: only(1)})
	if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.BindingMismatch || !strings.Contains(err.Error(), "names no key") {
		t.Errorf("%v", err)
	}
	// Not even where the report data happen to be the hash of the key.
	key := spki(t, simtee.AttestedKey(simtee.IntelSDK))
	s = attested(t, simtee.AttestedTLS{Profile: simtee.IntelSDK, Template: only(1), ReportData: func(d *[64]byte) { *d = hashing(key) }})
	if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("the hash of the key: %v", err)
	}
	s = attested(t, simtee.AttestedTLS{Profile: simtee.IntelSDK, Template: only(0)})
	if _, err := s.verify(t, trusting(), simTime); err != nil {
		t.Errorf("the tagged one alone: %v", err)
	}
}

// TestExtensionsThatDisagreeAreRefused: a second quote of another enclave, or one
// that names another key, though the first is good.
func TestExtensionsThatDisagreeAreRefused(t *testing.T) {
	extensions := func(a simtee.AttestedTLS) (out []pkix.Extension) {
		a.Template = func(c *x509.Certificate) { out = c.ExtraExtensions }
		attested(t, a)
		return out
	}
	key := simtee.AttestedKey(simtee.Gramine)
	this := simtee.Enclave{MREnclave: [32]byte{1}}
	good := extensions(simtee.AttestedTLS{Profile: simtee.Tagged, Key: key, Enclave: this})
	for _, tt := range []struct {
		name   string
		second simtee.AttestedTLS
		edit   func([]byte) []byte
		kind   rats.Kind
		says   string
	}{
		{"another spelling of the same", simtee.AttestedTLS{Profile: simtee.OEReport, Key: key, Enclave: this}, nil, rats.None, ""},
		{"evidence of the same", simtee.AttestedTLS{Profile: simtee.OEEvidence, Key: key, Enclave: this}, nil, rats.None, ""},
		{"another enclave", simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: simtee.Enclave{MREnclave: [32]byte{2}}}, nil, rats.BindingMismatch, "another enclave"},
		{"a debug build of it", simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: simtee.Enclave{MREnclave: [32]byte{1}, Debug: true}}, nil, rats.BindingMismatch, "another enclave"},
		{"a trust domain", simtee.AttestedTLS{Profile: simtee.Dstack, Key: key}, nil, rats.BindingMismatch, "another enclave"},
		{"another key", simtee.AttestedTLS{Profile: simtee.GramineOld, Enclave: this}, nil, rats.BindingMismatch, "for the certificate's key"},
		{"half a quote", simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: this}, func(b []byte) []byte { return b[:500] }, rats.Malformed, ""},
		{"a certificate", simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: this}, func([]byte) []byte {
			return attested(t, simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: this}).raw
		}, rats.Malformed, "x509-certificate"},
		{"JSON", simtee.AttestedTLS{Profile: simtee.GramineOld, Key: key, Enclave: this}, func(b []byte) []byte {
			return []byte(`{"QuoteHex":"` + hex.EncodeToString(b) + `"}`)
		}, rats.Malformed, "quote-json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			more := extensions(tt.second)
			if tt.edit != nil {
				more[0].Value = tt.edit(more[0].Value)
			}
			for _, both := range [][]pkix.Extension{slices.Concat(good, more), slices.Concat(more, good)} {
				s := attested(t, simtee.AttestedTLS{Profile: simtee.Tagged, Key: key, Template: func(c *x509.Certificate) { c.ExtraExtensions = both }})
				r, err := s.verify(t, trusting(), simTime)
				if rats.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.says) || (err == nil) != r.Accepted {
					t.Errorf("%v, want %q and %q", err, tt.kind, tt.says)
				}
			}
		})
	}
}

// TestACertificateHoldsNoEnvelopeButOpenEnclaves: neither a certificate nor JSON.
func TestACertificateHoldsNoEnvelopeButOpenEnclaves(t *testing.T) {
	inner := attested(t, simtee.AttestedTLS{Profile: simtee.GramineOld})
	for name, value := range map[string][]byte{
		"a certificate": inner.raw, "a certificate in PEM": inPEM(inner.raw),
		"JSON": []byte(`{"QuoteHex":"` + strings.Repeat("00", 5000) + `"}`), "nothing": nil, "a byte": {3},
	} {
		s := attested(t, simtee.AttestedTLS{Profile: simtee.GramineOld, Template: func(c *x509.Certificate) { c.ExtraExtensions[0].Value = value }})
		if r, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.Malformed || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	document := []byte(`{"QuoteHex":"` + hex.EncodeToString(inner.raw) + `"}`)
	if _, err := (sim{document, inner.items}).verify(t, trusting(), simTime); rats.KindOf(err) != rats.Malformed {
		t.Errorf("a certificate in JSON: %v", err)
	}
}

// TestACertificateIsWrittenAsQuoteJSONWithWhatItsQuoteHashes: the key as the
// profile spells it, or the claims.
func TestACertificateIsWrittenAsQuoteJSONWithWhatItsQuoteHashes(t *testing.T) {
	for _, p := range simtee.Profiles() {
		s := attested(t, simtee.AttestedTLS{Profile: p})
		document, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: s.raw}, nil)
		if p == simtee.Dstack {
			if rats.KindOf(err) != rats.Unsupported {
				t.Errorf("%s: %v", p, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		r, err := sim{document, s.items}.verify(t, trusting(), simTime)
		if err != nil || r.Format != rats.QuoteJSON || checkNamed(t, r, "held_data").Outcome != rats.Pass || r.RuntimeData == nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		tagged := p == simtee.Gramine || p == simtee.IntelSDK || p == simtee.Tagged
		if tagged != (r.RuntimeKey == nil) || tagged && (*r.RuntimeData)[0] != 0xa1 {
			t.Errorf("%s: runtime data %x, key %+v", p, *r.RuntimeData, r.RuntimeKey)
		}
	}
}

// TestQuotesOfEveryVersionAreFoundInCertificates: one of version 4 begins as a
// string of bytes does in DER, of which Azure and dstack put another around it.
func TestQuotesOfEveryVersionAreFoundInCertificates(t *testing.T) {
	for _, version := range []uint16{3, 4, 5} {
		for _, p := range []simtee.Profile{simtee.GramineOld, simtee.IntelSDKOld, simtee.IntelSDK, simtee.Tagged, simtee.Azure, simtee.OEReport} {
			s := attested(t, simtee.AttestedTLS{Profile: p, Enclave: simtee.Enclave{Form: simtee.Form{Version: version}}})
			if r, err := s.verify(t, trusting(), simTime); err != nil || !strings.HasSuffix(string(r.Envelope[len(r.Envelope)-1]), strconv.Itoa(int(version))) {
				t.Errorf("%s, version %d: %v", p, version, err)
			}
		}
	}
	twice := func(c *x509.Certificate) {
		for range 2 {
			inner := c.ExtraExtensions[0].Value
			c.ExtraExtensions[0].Value = append([]byte{4, 0x82, byte(len(inner) >> 8), byte(len(inner))}, inner...)
		}
	}
	s := attested(t, simtee.AttestedTLS{Profile: simtee.GramineOld, Template: twice})
	if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.Malformed {
		t.Errorf("in two strings of bytes: %v", err)
	}
}
