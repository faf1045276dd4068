// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// checkNames are all checks in the order in which every appraisal lists them.
var checkNames = []string{
	"quote_format", "padding", "quote_signature", "qe_report_data", "pck_chain", "qe_report_signature",
	"endorsement_signatures", "endorsements_present", "endorsements_current", "revocation",
	"certificate_validity", "qe_identity", "tdx_module",
}

// judge appraises and checks what must hold of every appraisal.
func judge(t *testing.T, l *lab, q *quote.Quote, s *dcap.Set, at time.Time) *dcap.Appraisal {
	t.Helper()
	a := dcap.Appraise(q, s, dcap.Options{Roots: l.trust()}, at)
	var names []string
	first := ""
	for _, c := range a.Checks {
		names = append(names, c.Name)
		if c.Spec == "" {
			t.Errorf("check %s cites no clause", c.Name)
		}
		if first == "" && (c.Outcome == rats.Fail || c.Outcome == rats.Undecided) {
			first = c.Name
		}
	}
	if !slices.Equal(names, checkNames) {
		t.Errorf("checks %v", names)
	}
	if a.Err != nil && (a.Err.Check != first || a.Err.Detail == "") || a.Err == nil && first != "" {
		t.Errorf("error %v of check %q, and the first that failed is %q", a.Err, a.Err.Check, first)
	}
	if twice := dcap.Appraise(q, s, dcap.Options{Roots: l.trust(), Facts: dcap.NewFacts(64)}, at); !slices.Equal(twice.Checks, a.Checks) {
		t.Errorf("with a memory: %v", twice.Checks)
	}
	return a
}

func want(t *testing.T, a *dcap.Appraisal, kind rats.Kind, check string) {
	t.Helper()
	switch {
	case kind == rats.None && a.Err != nil:
		t.Errorf("%v, want none", a.Err)
	case kind != rats.None && (a.Err == nil || a.Err.Kind != kind || a.Err.Check != check):
		t.Errorf("%v, want %s by %s", a.Err, kind, check)
	}
}

func TestAQuoteWithAllThatItNeedsIsGenuine(t *testing.T) {
	l := newLab(t)
	a := judge(t, l, l.evidence(), set(t, l.endorsements()...), noon)
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	if a.Root != "lab" || string(a.PCKSerial) != "\x03" || len(a.Used) != 4 || a.TCB.Status != rats.UpToDate {
		t.Errorf("root %q, serial %x, %d endorsements, %+v", a.Root, a.PCKSerial, len(a.Used), a.TCB)
	}
	if !a.ValidFrom.Equal(issued) || !a.ValidUntil.Equal(nextUpdate) {
		t.Errorf("valid from %s until %s", a.ValidFrom, a.ValidUntil)
	}
	if a.Extension.PCESVN != 11 || a.Extension.Components[15] != 3 || a.Extension.Platform == nil ||
		!a.Extension.Platform.DynamicPlatform || a.Extension.Platform.CachedKeys || !a.Extension.Platform.SMTEnabled {
		t.Errorf("extension %+v", a.Extension)
	}
}

// TestEachFaultOfTheEvidenceIsFound without any endorsements at hand: what the
// evidence proves itself is checked before endorsements are looked for.
func TestEachFaultOfTheEvidenceIsFound(t *testing.T) {
	type edit = func(*lab)
	tests := []struct {
		name  string
		lab   edit
		quote func(*quote.Quote)
		kind  rats.Kind
		check string
	}{
		{"the body was changed", nil, func(q *quote.Quote) { q.SGX = &quote.SGXReport{} }, rats.BadSignature, "quote_signature"},
		{"the header was changed", nil, func(q *quote.Quote) { q.Header.UserData[0]++ }, rats.BadSignature, "quote_signature"},
		{"r is zero", nil, func(q *quote.Quote) { clear(q.Signature[:32]) }, rats.BadSignature, "quote_signature"},
		{"s is zero", nil, func(q *quote.Quote) { clear(q.Signature[32:]) }, rats.BadSignature, "quote_signature"},
		{"the signature is zero", nil, func(q *quote.Quote) { clear(q.Signature[:]) }, rats.BadSignature, "quote_signature"},
		{"the attestation key is no point", func(l *lab) { l.quote.AttestationKey = [64]byte{1}; l.bind() }, nil, rats.BadSignature, "quote_signature"},
		{"the attestation key is another's", func(l *lab) { copy(l.quote.AttestationKey[:], point(newKey(l.t))); l.bind() }, nil, rats.BadSignature, "quote_signature"},
		{"the attestation key is not bound", nil, func(q *quote.Quote) { q.QEReport.ReportData[0]++ }, rats.BindingMismatch, "qe_report_data"},
		{"the authentication data are not bound", nil, func(q *quote.Quote) { q.QEAuthData = []byte("others") }, rats.BindingMismatch, "qe_report_data"},
		{"the second half of the report data is not zero", func(l *lab) { l.quote.QEReport.ReportData[63] = 1 }, nil, rats.BindingMismatch, "qe_report_data"},
		{"the QE report was changed", nil, func(q *quote.Quote) { q.QEReport.ISVSVN = 99 }, rats.BadSignature, "qe_report_signature"},
		{"the QE report's signature is another's", nil, func(q *quote.Quote) { q.QEReportSignature = q.Signature }, rats.BadSignature, "qe_report_signature"},

		{"the PCK certificate is signed by another key", func(l *lab) { l.pck.signer = newKey(l.t) }, nil, rats.BadSignature, "pck_chain"},
		{"the CA is signed by another key", func(l *lab) { l.ca.signer = newKey(l.t) }, nil, rats.BadSignature, "pck_chain"},
		{"the PCK certificate names another issuer", func(l *lab) { l.pck.issuer = l.root.Certificate }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA names another issuer", func(l *lab) { l.ca.issuer = l.signing.Certificate }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA is none", func(l *lab) { l.ca.IsCA = false }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA may not sign certificates", func(l *lab) { l.ca.KeyUsage = x509.KeyUsageCRLSign }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA may not sign lists", func(l *lab) { l.ca.KeyUsage = x509.KeyUsageCertSign }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA has another name", func(l *lab) { l.ca.Subject.CommonName = "Lab SGX CA" }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the CA is the TCB signing certificate", func(l *lab) { l.chain[1] = &l.signing }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the PCK certificate is a CA", func(l *lab) { l.pck.IsCA = true }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the PCK certificate may not sign", func(l *lab) { l.pck.KeyUsage = x509.KeyUsageKeyAgreement }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the PCK certificate may sign certificates", func(l *lab) { l.pck.KeyUsage |= x509.KeyUsageCertSign }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the PCK certificate has another name", func(l *lab) { l.pck.Subject.CommonName = "Lab SGX TCB Signing" }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the PCK certificate has an unknown critical extension", func(l *lab) {
			l.pck.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, nil, rats.Unsupported, "pck_chain"},
		{"the PCK certificate has no SGX extension", func(l *lab) { l.ext = nil }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the root certificate is another's", func(l *lab) { l.chain[2] = &newLab(l.t).root }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the root certificate is not signed by its key", func(l *lab) { l.root.signer = newKey(l.t) }, nil, rats.BadSignature, "pck_chain"},
		{"the chain holds a second CA", func(l *lab) { l.chain = append(l.chain, &l.signing) }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the chain holds a second PCK certificate", func(l *lab) {
			other := newLab(l.t)
			l.chain = append(l.chain, &other.pck)
		}, nil, rats.UntrustedRoot, "pck_chain"},
		{"the chain lacks the CA", func(l *lab) { l.chain = []*part{&l.pck, &l.root} }, nil, rats.UntrustedRoot, "pck_chain"},
		{"the chain lacks the PCK certificate", func(l *lab) { l.chain = []*part{&l.ca, &l.root} }, nil, rats.Malformed, "pck_chain"},
		{"the chain is no PEM", func(l *lab) { l.quote.CertificationData.Data = []byte("x") }, nil, rats.Malformed, "pck_chain"},
		{"the platform is named in the clear", certified(quote.CertPPID, 36), nil, rats.EndorsementUnavailable, "pck_chain"},
		{"the platform is named, RSA-2048", certified(quote.CertPPIDRSA2048, 276), nil, rats.EndorsementUnavailable, "pck_chain"},
		{"the platform is named, RSA-3072", certified(quote.CertPPIDRSA3072, 404), nil, rats.EndorsementUnavailable, "pck_chain"},
		{"the platform's name has a wrong size", certified(quote.CertPPID, 37), nil, rats.Malformed, "pck_chain"},
		{"the platform's name is a chain in truth", func(l *lab) { l.quote.CertificationData.Type = quote.CertPPIDRSA3072 }, nil, rats.Malformed, "pck_chain"},
		{"the PCK certificate comes alone", func(l *lab) {
			l.chain, l.quote.CertificationData.Type = l.chain[:1], quote.CertPCKLeaf
		}, nil, rats.EndorsementUnavailable, "pck_chain"},
		{"the chain says that it is a leaf", func(l *lab) { l.quote.CertificationData.Type = quote.CertPCKLeaf }, nil, rats.Malformed, "pck_chain"},
		{"certification data of a later version", func(l *lab) { l.quote.CertificationData.Type = quote.CertQEReport }, nil, rats.Unsupported, "pck_chain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var edits []func(*lab)
			if tt.lab != nil {
				edits = append(edits, tt.lab)
			}
			l := newLab(t, edits...)
			var quoteEdits []func(*quote.Quote)
			if tt.quote != nil {
				quoteEdits = append(quoteEdits, tt.quote)
			}
			a := judge(t, l, l.evidence(quoteEdits...), nil, noon)
			want(t, a, tt.kind, tt.check)
			if len(a.PCKSerial) != 0 {
				t.Errorf("speaks for platform %x, though it is not genuine", a.PCKSerial)
			}
		})
	}
}

func certified(kind uint16, size int) func(*lab) {
	return func(l *lab) {
		l.quote.CertificationData = quote.CertificationData{Type: kind, Data: make([]byte, size)}
	}
}

// TestWhatIsNoFaultPasses: each of these is refused by some verifier in the field.
func TestWhatIsNoFaultPasses(t *testing.T) {
	tests := map[string]func(*lab){
		"the root certificate expired":                       func(l *lab) { l.root.NotAfter = certsFrom.AddDate(1, 0, 0) },
		"the root certificate says pathlen 0":                func(l *lab) { l.root.MaxPathLenZero = true },
		"the CA says pathlen 0":                              func(l *lab) { l.ca.MaxPathLenZero = true },
		"no root certificate comes along":                    func(l *lab) { l.chain = l.chain[:2] },
		"the chain stands on its head":                       func(l *lab) { slices.Reverse(l.chain) },
		"the CA comes first":                                 func(l *lab) { l.chain[0], l.chain[1] = l.chain[1], l.chain[0] },
		"the CA comes twice":                                 func(l *lab) { l.chain = append(l.chain, &l.ca) },
		"a processor CA, whose platforms have five elements": processor,
		"no QE authentication data":                          func(l *lab) { l.quote.QEAuthData = nil; l.bind() },
		"SVNs of the QE's own beyond its identity's mask":    func(l *lab) { l.quote.QEReport.Attributes[0] |= 0x04; l.quote.QEReport.Attributes[8] = 7 },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, edit)
			want(t, judge(t, l, l.evidence(), set(t, l.endorsements()...), noon), rats.None, "")
		})
	}
}

func processor(l *lab) {
	l.ca.Subject.CommonName = "Lab SGX PCK Processor CA"
	delete(l.ext, 6)
	delete(l.ext, 7)
}

func TestBytesAfterTheQuoteAreReported(t *testing.T) {
	l := newLab(t)
	s := set(t, l.endorsements()...)
	for _, tt := range []struct {
		trailing string
		outcome  rats.Outcome
		detail   string
	}{
		{"", rats.Skipped, ""},
		{"\x00\x00\x00", rats.Pass, "3 zero bytes after the quote"},
		{"\x00\x01", rats.Pass, "2 bytes after the quote, not all zero"},
	} {
		a := judge(t, l, l.evidence(func(q *quote.Quote) { q.Trailing = []byte(tt.trailing) }), s, noon)
		want(t, a, rats.None, "")
		if c := a.Checks[1]; c.Outcome != tt.outcome || !strings.HasPrefix(c.Detail, tt.detail) || (tt.detail == "") != (c.Detail == "") {
			t.Errorf("%q: %+v", tt.trailing, c)
		}
	}
}

func TestTheQEMustBeTheOneOfItsIdentity(t *testing.T) {
	for name, edit := range map[string]func(*quote.SGXReport){
		"MRSIGNER":                  func(r *quote.SGXReport) { r.MRSigner[31]++ },
		"ISVPRODID":                 func(r *quote.SGXReport) { r.ISVProdID = 2 },
		"MISCSELECT":                func(r *quote.SGXReport) { r.MiscSelect[3] = 1 },
		"ATTRIBUTES (a debug QE)":   func(r *quote.SGXReport) { r.Attributes[0] |= 2 },
		"ATTRIBUTES (a missing QE)": func(r *quote.SGXReport) { r.Attributes[0] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(l *lab) { edit(&l.quote.QEReport) })
			a := judge(t, l, l.evidence(), set(t, l.endorsements()...), noon)
			want(t, a, rats.BindingMismatch, "qe_identity")
			if a.TCB != nil || len(a.Used) != 4 || a.ValidUntil.IsZero() {
				t.Errorf("TCB %v, %d endorsements until %s", a.TCB, len(a.Used), a.ValidUntil)
			}
		})
	}
}

func TestTheReplayKeyOutlivesEnvelopeAndEquivalentSignatures(t *testing.T) {
	l := newLab(t)
	q := l.evidence()
	key := dcap.ReplayKey(q)
	same := *q
	same.Trailing = []byte{0}
	same.CertificationData.Data = []byte("another chain")
	same.Signature[63]++ // s, of which two values are right
	if dcap.ReplayKey(&same) != key {
		t.Error("padding, chain or s count")
	}
	for name, edit := range map[string]func(*quote.Quote){
		"attestation key": func(q *quote.Quote) { q.AttestationKey[0]++ },
		"signed bytes":    func(q *quote.Quote) { q.Signed = append([]byte{}, q.Signed...); q.Signed[400]++ },
		"r":               func(q *quote.Quote) { q.Signature[0]++ },
	} {
		other := *q
		edit(&other)
		if dcap.ReplayKey(&other) == key {
			t.Errorf("%s does not count", name)
		}
	}
}
