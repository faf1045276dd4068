// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// tdxStatuses are those that Intel gives to trust domains, and NotSupported.
var tdxStatuses = append([]rats.TCBStatus{rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded}, sgxStatuses...)

// parsed returns a quote as its reader sees it, after making sure that it is
// written as it is read.
func parsed(t testing.TB, raw []byte, err error) *quote.Quote {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(q.Marshal(), raw) {
		t.Error("the quote is not the one that its parts make")
	}
	return q
}

// judge appraises a quote by all that pki endorses at noon, and more.
func judge(t testing.TB, pki *simtee.PKI, q *quote.Quote, more ...rats.Endorsement) *dcap.Appraisal {
	t.Helper()
	var out []*dcap.Statement
	for _, e := range more {
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	set := dcap.NewSet(append(statements(t, pki).Statements(), out...)...)
	return dcap.Appraise(q, set, dcap.Options{Roots: simulated()}, noon)
}

func TestTheVerifierFindsTheStatusOfATrustDomainThatWasChosen(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	for _, status := range tdxStatuses {
		for _, body := range []quote.BodyType{0, quote.BodyTD15, quote.BodyTD15Ext} {
			td := simtee.TD{TCB: status, Body: body, Platform: 9, MRTD: [48]byte{1}, ReportData: [64]byte{2}}
			raw, err := td.Quote()
			q := parsed(t, raw, err)
			a := judge(t, pki, q)
			if a.Err != nil || a.TCB == nil {
				t.Fatalf("%s: TCB %v, %v", status, a.TCB, a.Err)
			}
			if a.TCB.Status != status || a.TCB.Module != rats.UpToDate || a.TCB.ModuleID != "TDX_03" || a.TCB.QE != rats.UpToDate {
				t.Errorf("%s in body %d: %+v", status, body, a.TCB)
			}
			if q.TD.MRTD != td.MRTD || q.TD.ReportData != td.ReportData || q.TD.Debug() {
				t.Errorf("report %+v", q.TD)
			}
		}
	}
}

func TestATrustDomainSaysUnderWhichModuleItWasLaunched(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	for _, tt := range []struct {
		name   string
		module [2]byte
		body   quote.BodyType
		status rats.TCBStatus
		part   rats.TCBStatus
	}{
		{"an older one", [2]byte{4, 3}, quote.BodyTD10, rats.OutOfDate, rats.OutOfDate},
		{"an older one, updated since", [2]byte{4, 3}, quote.BodyTD15, rats.TDRelaunchAdvised, rats.OutOfDate},
		{"a revoked one", [2]byte{2, 3}, quote.BodyTD10, rats.TCBRevoked, rats.TCBRevoked},
		{"that of version 1", [2]byte{4, 1}, quote.BodyTD10, rats.UpToDate, rats.UpToDate},
		{"that of TDX 1.0", [2]byte{5, 0}, quote.BodyTD10, rats.UpToDate, ""},
		{"one without an identity", [2]byte{5, 9}, quote.BodyTD10, rats.NotSupported, rats.NotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := simtee.TD{Module: tt.module, Body: tt.body}.Quote()
			a := judge(t, pki, parsed(t, raw, err))
			if a.Err != nil || a.TCB.Status != tt.status || a.TCB.Module != tt.part {
				t.Errorf("%+v, %v", a.TCB, a.Err)
			}
		})
	}
}

func TestEveryVersionAndBodyIsWritten(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	m := mustPlatform(t, pki, 3, "")
	for version := uint16(3); version <= 5; version++ {
		raw, err := m.Quote(simtee.Enclave{Form: simtee.Form{Version: version}})
		q := parsed(t, raw, err)
		if q.Header.Version != version || q.TEE != rats.SGX || version == 5 && q.BodyType != quote.BodySGX {
			t.Errorf("version %d came out as %+v, body %d", version, q.Header, q.BodyType)
		}
		if a := judge(t, pki, q); a.Err != nil {
			t.Errorf("version %d: %v", version, a.Err)
		}
	}
	for _, tt := range []struct {
		body    quote.BodyType
		version uint16
		want    uint16
		kind    rats.Kind
	}{
		{0, 0, 4, rats.None},
		{0, 5, 5, rats.None},
		{quote.BodyTD10, 4, 4, rats.None},
		{quote.BodyTD15, 0, 5, rats.None},
		{quote.BodyTD15Ext, 5, 5, rats.None},
		{quote.BodyTD15, 4, 0, rats.Unsupported},
		{quote.BodyTD10, 3, 0, rats.Unsupported},
		{quote.BodySGX, 5, 0, rats.Unsupported},
		{quote.BodyTD10, 6, 0, rats.Unsupported},
	} {
		raw, err := m.QuoteTD(simtee.TD{Body: tt.body, Form: simtee.Form{Version: tt.version}})
		if rats.KindOf(err) != tt.kind {
			t.Errorf("body %d in version %d: %v", tt.body, tt.version, err)
		}
		if err == nil {
			if q := parsed(t, raw, err); q.Header.Version != tt.want {
				t.Errorf("body %d in version %d came out in %d", tt.body, tt.version, q.Header.Version)
			}
		}
	}
}

func TestQuotesThatDoNotCarryTheirChainNameTheirPlatform(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	m := mustPlatform(t, pki, 3, "")
	for kind, want := range map[uint16]rats.Kind{
		quote.CertPPID: rats.None, quote.CertPPIDRSA2048: rats.None, quote.CertPPIDRSA3072: rats.None,
		quote.CertPCKLeaf: rats.None, quote.CertPCKChain: rats.None, quote.CertPlatformManifest: rats.Unsupported,
	} {
		for _, version := range []uint16{3, 4} {
			raw, err := m.Quote(simtee.Enclave{Form: simtee.Form{Version: version, Certification: kind}})
			q := parsed(t, raw, err)
			a := judge(t, pki, q, m.PCKCertificate())
			if got := kindOf(a); q.CertificationData.Type != kind || got != want {
				t.Errorf("type %d in version %d: %v", q.CertificationData.Type, version, a.Err)
			}
		}
	}
	if _, err := m.Quote(simtee.Enclave{Form: simtee.Form{Certification: quote.CertQEReport}}); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("type 6 within type 6: %v", err)
	}
}

// kindOf is the kind of an appraisal's error, which is a typed nil when all is well.
func kindOf(a *dcap.Appraisal) rats.Kind {
	if a.Err == nil {
		return rats.None
	}
	return a.Err.Kind
}

func TestAuthenticationDataAndPaddingHaveAnyLength(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	m := mustPlatform(t, pki, 3, "")
	for _, n := range []int{0, 1, 31, 33, 65535} {
		raw, err := m.Quote(simtee.Enclave{Form: simtee.Form{QEAuthData: make([]byte, n), Padding: n}})
		q := parsed(t, raw, err)
		if len(q.QEAuthData) != n || len(q.Trailing) != n {
			t.Errorf("%d and %d bytes, want %d", len(q.QEAuthData), len(q.Trailing), n)
		}
		if a := judge(t, pki, q); a.Err != nil {
			t.Errorf("%d bytes: %v", n, a.Err)
		}
	}
	// What was of another length is not remembered.
	raw, err := m.Quote(simtee.Enclave{})
	if q := parsed(t, raw, err); len(q.QEAuthData) != 32 {
		t.Errorf("%d bytes afterwards", len(q.QEAuthData))
	}
}

func TestAPlatformRefusesATrustDomainOfAnother(t *testing.T) {
	pki := mustPKI(t, simtee.Faults{})
	for _, tt := range []struct {
		level rats.TCBStatus
		td    simtee.TD
		want  rats.Kind
	}{
		{rats.UpToDate, simtee.TD{Platform: 1}, rats.None},
		{rats.UpToDate, simtee.TD{Platform: 2}, rats.BindingMismatch},
		{rats.OutOfDate, simtee.TD{TCB: rats.UpToDate}, rats.BindingMismatch},
		{rats.UpToDate, simtee.TD{TCB: rats.TDRelaunchAdvised}, rats.None},
		{rats.OutOfDate, simtee.TD{TCB: rats.TDRelaunchAdvised}, rats.BindingMismatch},
		{rats.ConfigurationNeeded, simtee.TD{TCB: rats.TDRelaunchAdvisedConfigurationNeeded}, rats.None},
		{rats.UpToDate, simtee.TD{TCB: "relaunch"}, rats.Unsupported},
	} {
		if _, err := mustPlatform(t, pki, 1, tt.level).QuoteTD(tt.td); rats.KindOf(err) != tt.want {
			t.Errorf("%+v at %s: %v, want %q", tt.td, tt.level, err, tt.want)
		}
	}
}

func TestADebuggedTrustDomainSaysSo(t *testing.T) {
	raw, err := simtee.TD{Debug: true, Attributes: [8]byte{7: 0x80}}.Quote()
	if q := parsed(t, raw, err); !q.TD.Debug() || q.TD.TDAttributes != [8]byte{0: 1, 7: 0x80} {
		t.Errorf("attributes %x", q.TD.TDAttributes)
	}
}

// As with TestEverythingIsTheSameInEveryProcess: a change here makes quotes and
// endorsements of two versions strangers to each other.
func TestWhatIsSaidOfTDXIsTheSameInEveryProcess(t *testing.T) {
	h := sha256.New()
	raw, err := simtee.TD{TCB: rats.TDRelaunchAdvised, Platform: 2, AttestationKey: 3}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	h.Write(raw)
	items, err := simtee.EndorsementsFor(rats.TDX, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items[:2] {
		h.Write(item.Body)
	}
	const want = "a41ea3982af80dfd506796b4bfcef7b77f7c4b08cc15994d5631b184ad4322e2"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
