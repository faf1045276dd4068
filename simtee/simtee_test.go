// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// sgxStatuses are those that Intel gives to SGX platforms, and NotSupported.
var sgxStatuses = []rats.TCBStatus{
	rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
	rats.OutOfDate, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked, rats.NotSupported,
}

func mustPKI(t testing.TB, faults simtee.Faults) *simtee.PKI {
	t.Helper()
	pki, err := simtee.NewPKI(faults)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

func mustPlatform(t testing.TB, pki *simtee.PKI, seed uint32, tcb rats.TCBStatus) *simtee.Platform {
	t.Helper()
	platform, err := pki.NewPlatform(seed, tcb)
	if err != nil {
		t.Fatal(err)
	}
	return platform
}

// mustQuote returns the quote of e from a fresh platform, in bytes and parsed.
func mustQuote(t testing.TB, e simtee.Enclave) ([]byte, *quote.Quote) {
	t.Helper()
	raw, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw, q
}

// chain returns the certificates of a quote: PCK, its CA, root.
func chain(t testing.TB, q *quote.Quote) []*x509.Certificate {
	t.Helper()
	if q.CertificationData.Type != quote.CertPCKChain {
		t.Fatalf("certification data type %d", q.CertificationData.Type)
	}
	var certs []*x509.Certificate
	// Real chains often end in a NUL.
	for rest := bytes.TrimRight(q.CertificationData.Data, "\x00"); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("%d bytes that are no PEM", len(rest))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	if len(certs) != 3 {
		t.Fatalf("%d certificates, want 3", len(certs))
	}
	return certs
}

// verifyRaw reports whether rs is r ‖ s over SHA-256 of message.
func verifyRaw(t testing.TB, key any, message []byte, rs []byte) bool {
	t.Helper()
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || len(rs) != 64 {
		t.Fatalf("key %T, signature of %d bytes", key, len(rs))
	}
	digest := sha256.Sum256(message)
	return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(rs[:32]), new(big.Int).SetBytes(rs[32:]))
}

func TestTheQuoteSaysWhatTheEnclaveIs(t *testing.T) {
	e := simtee.Enclave{ISVProdID: 7, ISVSVN: 9, ReportData: [64]byte{1, 63: 2}, MREnclave: [32]byte{3}, MRSigner: [32]byte{4}}
	_, q := mustQuote(t, e)
	r := q.SGX
	if r.MREnclave != e.MREnclave || r.MRSigner != e.MRSigner || r.ReportData != e.ReportData || r.ISVProdID != 7 || r.ISVSVN != 9 {
		t.Errorf("report %+v of enclave %+v", r, e)
	}
	if r.Debug() {
		t.Error("a production enclave has the debug attribute")
	}
	e.Debug = true
	if _, q = mustQuote(t, e); !q.SGX.Debug() {
		t.Error("a debug enclave lacks the debug attribute")
	}
	if len(q.Trailing) != 0 {
		t.Errorf("%d trailing bytes", len(q.Trailing))
	}
}

func TestEverySignatureOfAQuoteIsGenuine(t *testing.T) {
	for _, status := range sgxStatuses {
		t.Run(string(status), func(t *testing.T) {
			raw, q := mustQuote(t, simtee.Enclave{TCB: status, Platform: 5, AttestationKey: 6})
			if !bytes.Equal(q.Signed, raw[:432]) {
				t.Fatal("signed bytes")
			}
			attestation, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, q.AttestationKey[:]...))
			if err != nil {
				t.Fatal(err)
			}
			if !verifyRaw(t, attestation, q.Signed, q.Signature[:]) {
				t.Error("the quote's signature does not verify")
			}
			binding := sha256.Sum256(append(bytes.Clone(q.AttestationKey[:]), q.QEAuthData...))
			if q.QEReport.ReportData != [64]byte(append(binding[:], make([]byte, 32)...)) {
				t.Error("the QE report does not bind the attestation key")
			}
			pck := chain(t, q)[0]
			if !verifyRaw(t, pck.PublicKey, q.QEReportRaw, q.QEReportSignature[:]) {
				t.Error("the QE report's signature does not verify")
			}
		})
	}
}

func TestTheChainLeadsToTheSimulatedRootAtAnyClock(t *testing.T) {
	_, q := mustQuote(t, simtee.Enclave{})
	certs := chain(t, q)
	pck, ca, root := certs[0], certs[1], certs[2]
	want := simtee.Root()
	if want.Name != rats.SimulatedRoot || !bytes.Equal(root.RawSubject, want.Subject) || !bytes.Equal(root.RawSubjectPublicKeyInfo, want.PublicKey) {
		t.Error("the chain's root is not Root()")
	}
	if !bytes.Equal(pck.RawIssuer, ca.RawSubject) || !bytes.Equal(ca.RawIssuer, root.RawSubject) || !bytes.Equal(root.RawIssuer, root.RawSubject) {
		t.Error("names do not chain by their raw bytes")
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	middle.AddCert(ca)
	// crypto/x509 knows nothing of Intel's extension; it is not critical.
	for _, clock := range []string{"2018-01-01T00:00:00Z", "2025-06-20T10:55:00Z", "2049-12-31T23:59:59Z"} {
		at, err := time.Parse(time.RFC3339, clock)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pck.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil || len(found) != 1 || len(found[0]) != 3 {
			t.Errorf("at %s: %d chains, %v", clock, len(found), err)
		}
	}
	if pck.IsCA || !ca.IsCA || !root.IsCA || ca.MaxPathLen != 0 || root.MaxPathLen != 1 {
		t.Error("CA flags or path lengths are wrong")
	}
	if pck.KeyUsage&x509.KeyUsageDigitalSignature == 0 || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Error("key usages are wrong")
	}
}

func TestPlatformsAndKeysAreDistinct(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	seen := map[string]string{}
	claim := func(what, owner string, value []byte) {
		key := what + " " + hex.EncodeToString(value)
		if other, taken := seen[key]; taken {
			t.Errorf("%s and %s share one %s", owner, other, what)
		}
		seen[key] = owner
	}
	for platform := range uint32(4) {
		for _, status := range []rats.TCBStatus{rats.UpToDate, rats.OutOfDate} {
			m := mustPlatform(t, pki, platform, status)
			owner := string(rune('0'+platform)) + " " + string(status)
			raw, err := m.Quote(simtee.Enclave{})
			if err != nil {
				t.Fatal(err)
			}
			q, err := quote.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			pck := chain(t, q)[0]
			claim("serial number", owner, pck.SerialNumber.Bytes())
			claim("PCK key", owner, pck.RawSubjectPublicKeyInfo)
			claim("quote", owner, raw)
		}
		m := mustPlatform(t, pki, platform, rats.UpToDate)
		for key := range uint32(4) {
			raw, err := m.Quote(simtee.Enclave{AttestationKey: key})
			if err != nil {
				t.Fatal(err)
			}
			q, err := quote.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			claim("attestation key", string(rune('0'+platform))+"/"+string(rune('0'+key)), q.AttestationKey[:])
		}
	}
}

// The digests below change when a label, a template or a level changes: then
// quotes of one version of this module no longer match endorsements of another.
func TestEverythingIsTheSameInEveryProcess(t *testing.T) {
	raw, _ := mustQuote(t, simtee.Enclave{MREnclave: [32]byte{1}, Platform: 2, AttestationKey: 3, TCB: rats.OutOfDate})
	root := simtee.Root()
	h := sha256.New()
	for _, part := range [][]byte{raw, root.Subject, root.PublicKey} {
		h.Write(part)
	}
	items, err := mustPKI(t, simtee.Faults{RevokedPlatforms: []uint32{1}}).Endorsements(time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		h.Write(item.Body)
		for _, issuer := range item.Issuers {
			h.Write(issuer)
		}
	}
	const want = "16a42c0c2d7b4651a517183a6d543d0f805582e218477310538e5e2a2cfd8aa7"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestAPlatformRefusesToQuoteForAnother(t *testing.T) {
	m := mustPlatform(t, mustPKI(t, simtee.Faults{}), 1, rats.OutOfDate)
	tests := []struct {
		name string
		e    simtee.Enclave
		want rats.Kind
	}{
		{"an enclave that names none is at home", simtee.Enclave{}, rats.None},
		{"an enclave that names this one is at home", simtee.Enclave{Platform: 1, TCB: rats.OutOfDate}, rats.None},
		{"another machine's enclave is refused", simtee.Enclave{Platform: 2}, rats.BindingMismatch},
		{"another level's enclave is refused", simtee.Enclave{TCB: rats.UpToDate}, rats.BindingMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := m.Quote(tt.e); rats.KindOf(err) != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestStatusesThatSGXDoesNotHaveAreUnsupported(t *testing.T) {
	for _, status := range []rats.TCBStatus{rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded, "uptodate"} {
		if _, err := simtee.NewPlatform(0, status); !errors.Is(err, rats.Unsupported) {
			t.Errorf("%s: %v, want unsupported", status, err)
		}
	}
}

func TestOnePlatformServesManyAtOnce(t *testing.T) {
	m := mustPlatform(t, mustPKI(t, simtee.Faults{}), 1, rats.UpToDate)
	var want [4][]byte
	for i := range want {
		want[i], _ = m.Quote(simtee.Enclave{AttestationKey: uint32(i)})
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range 40 {
				i := n % len(want)
				got, err := m.Quote(simtee.Enclave{AttestationKey: uint32(i)})
				if err != nil || !bytes.Equal(got, want[i]) {
					t.Errorf("key %d: another quote than alone (%v)", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestThePCKCertificateEndsWhenTheFaultSays(t *testing.T) {
	end := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	m := mustPlatform(t, mustPKI(t, simtee.Faults{PCKNotAfter: end}), 0, "")
	raw, err := m.Quote(simtee.Enclave{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	certs := chain(t, q)
	if !certs[0].NotAfter.Equal(end) || certs[1].NotAfter.Year() != 2049 {
		t.Errorf("PCK until %s, CA until %s", certs[0].NotAfter, certs[1].NotAfter)
	}
}

func BenchmarkQuote(b *testing.B) {
	pki := mustPKI(b, simtee.Faults{})
	m := mustPlatform(b, pki, 1, "")
	run := func(name string, quote func(i uint32) error) {
		b.Run(name, func(b *testing.B) {
			for i := uint32(0); b.Loop(); i++ {
				if err := quote(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("one attestation key", func(i uint32) error {
		_, err := m.Quote(simtee.Enclave{ReportData: [64]byte{byte(i), byte(i >> 8)}})
		return err
	})
	run("distinct attestation keys", func(i uint32) error {
		_, err := m.Quote(simtee.Enclave{AttestationKey: i})
		return err
	})
	run("distinct platforms", func(i uint32) error {
		m, err := pki.NewPlatform(i, "")
		if err != nil {
			return err
		}
		_, err = m.Quote(simtee.Enclave{})
		return err
	})
	run("all anew", func(i uint32) error {
		_, err := simtee.Enclave{Platform: i}.Quote()
		return err
	})
}
