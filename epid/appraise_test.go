// SPDX-License-Identifier: Apache-2.0

package epid_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

func TestEveryWordOfIntelsIsAStatusOrARefusal(t *testing.T) {
	for word, want := range map[epid.QuoteStatus]struct {
		status rats.TCBStatus
		kind   rats.Kind
	}{
		epid.OK: {status: rats.UpToDate}, epid.GroupOutOfDate: {status: rats.OutOfDate},
		epid.ConfigurationNeeded: {status: rats.ConfigurationNeeded}, epid.SWHardeningNeeded: {status: rats.SWHardeningNeeded},
		epid.ConfigurationAndSWHardeningNeeded: {status: rats.ConfigurationAndSWHardeningNeeded},
		epid.SignatureInvalid:                  {kind: rats.BadSignature}, epid.GroupRevoked: {kind: rats.Revoked},
		epid.SignatureRevoked: {kind: rats.Revoked}, epid.KeyRevoked: {kind: rats.Revoked},
		epid.SigRLVersionMismatch: {kind: rats.EndorsementExpired},
	} {
		l := newLab(t)
		l.members["isvEnclaveQuoteStatus"] = word
		if word == epid.GroupRevoked {
			l.members["revocationReason"] = 1
		}
		a := l.appraise(l.envelope())
		if a.Status != want.status || kindOf(a) != want.kind || (a.Inputs == nil) != (want.kind != rats.None) || a.Root != "lab" {
			t.Errorf("%s is %q (%v) under root %q", word, a.Status, a.Err, a.Root)
		}
	}
}

func TestAReportIsJudgedAsOfItsOwnTime(t *testing.T) {
	for _, tt := range []struct {
		name        string
		made        time.Time
		at          time.Time
		want        rats.Kind
		check       string
		from, until time.Time
	}{
		{"long after the end of the certificate", made(), made().AddDate(20, 0, 0), rats.None, "", time.Time{}, time.Time{}},
		{"at the moment it was made", made(), made(), rats.None, "", time.Time{}, time.Time{}},
		{"a moment before it was made", made(), made().Add(-time.Nanosecond), rats.Expired, "report_time", time.Time{}, time.Time{}},
		{"made before the certificate", made(), made().AddDate(9, 0, 0), rats.Expired, "certificate_validity", made().Add(time.Second), made().AddDate(1, 0, 0)},
		{"made after the certificate", made(), made().AddDate(9, 0, 0), rats.Expired, "certificate_validity", made().AddDate(-1, 0, 0), made().Add(-time.Second)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			if !tt.from.IsZero() {
				l.leaf.NotBefore, l.leaf.NotAfter = tt.from, tt.until
			}
			ev, err := epid.Parse(l.envelope())
			if err != nil {
				t.Fatal(err)
			}
			a := epid.Appraise(ev, []rats.TrustRoot{l.root}, tt.at)
			if kindOf(a) != tt.want || a.Err != nil && a.Err.Check != tt.check {
				t.Errorf("%v", a.Err)
			}
			if tt.want == rats.None && (!a.ValidFrom.Equal(made()) || !a.ValidUntil.Equal(l.leaf.NotAfter) || a.Inputs.Made != made().UnixMilli()) {
				t.Errorf("valid from %v until %v", a.ValidFrom, a.ValidUntil)
			}
		})
	}
}

func TestOnlyACertificateOfAReportSigningKeyVouches(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*lab)
		want rats.Kind
	}{
		{"as it should be", func(*lab) {}, rats.None},
		{"of another name", func(l *lab) { l.leaf.Subject.CommonName = "SGX TCB Signing" }, rats.UntrustedRoot},
		{"an authority's", func(l *lab) { l.leaf.IsCA, l.leaf.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature }, rats.UntrustedRoot},
		{"without basic constraints", func(l *lab) { l.leaf.BasicConstraintsValid = false }, rats.UntrustedRoot},
		{"for other uses", func(l *lab) { l.leaf.KeyUsage = x509.KeyUsageKeyEncipherment }, rats.UntrustedRoot},
		{"of a weak key", func(l *lab) { l.key = keys().weak }, rats.Unsupported},
		{"with an extension that must be understood", func(l *lab) {
			l.leaf.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, rats.Unsupported},
		{"of a root that is not trusted", func(l *lab) { l.root.Subject = append(slices.Clone(l.root.Subject), 0) }, rats.UntrustedRoot},
		{"of a root that calls itself Intel's", func(l *lab) { l.root.Name = rats.IntelRoot }, rats.UntrustedRoot},
		{"of a root with another key", func(l *lab) { l.root.PublicKey = epid.Intel().PublicKey }, rats.Unsupported},
		{"of a root whose key is none", func(l *lab) { l.root.PublicKey = []byte{1} }, rats.UntrustedRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			tt.edit(l)
			a := l.appraise(l.envelope())
			if kindOf(a) != tt.want || tt.want != rats.None && (a.Root != "" && tt.want == rats.UntrustedRoot || a.Status != "") {
				t.Errorf("%v under root %q, status %q", a.Err, a.Root, a.Status)
			}
		})
	}
}

func TestEveryFormOfAReportSaysTheSame(t *testing.T) {
	l := newLab(t)
	body := l.body()
	name := func(doubled bool) []byte {
		public, err := x509.MarshalPKIXPublicKey(keys().carrier.Public())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(public)
		l.bind(sum[:])
		return l.paper(doubled)
	}
	forms := map[string][]byte{
		"JSON":                     l.envelope(),
		"a certificate":            l.comment(),
		"a certificate in PEM":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.comment()}),
		"a certificate of its own": name(false),
		"the same, misspelt":       name(true),
	}
	for form, b := range forms {
		if !epid.Is(b) {
			t.Errorf("%s is not recognised", form)
		}
		if a := l.appraise(b); a.Err != nil {
			t.Errorf("%s: %v", form, a.Err)
		}
	}
	// The pair has no room for a certificate, so Intel's own is taken.
	pair := slots(body, newLab(t).sign(body))
	ev, err := epid.Parse(pair)
	if err != nil || !epid.Is(pair) {
		t.Fatal(err)
	}
	if a := epid.Appraise(ev, []rats.TrustRoot{l.root}, late()); kindOf(a) != rats.BadSignature {
		t.Errorf("signed by another key than Intel's: %v", a.Err)
	}
	for _, r := range reports(t) {
		if r.unsigned() || r.status() == epid.SignatureInvalid {
			continue
		}
		signature, err := base64.StdEncoding.DecodeString(r.signature)
		if err != nil {
			t.Fatal(err)
		}
		plain := slots(r.body, signature)
		encodings := [][]byte{plain, append(make([]byte, 31), append([]byte{32}, plain...)...)}
		if ev, err := epid.Parse(plain); err == nil && ev.Report.Version == 4 {
			encodings = append(encodings, slots(fields(t, r.body), signature))
		}
		key := [32]byte{}
		for i, b := range encodings {
			ev, err := epid.Parse(b)
			if err != nil || !epid.Is(b) {
				t.Fatalf("%s, encoding %d: %v", r.name, i, err)
			}
			if a := epid.Appraise(ev, nil, late()); a.Err != nil {
				t.Errorf("%s, encoding %d: %v", r.name, i, a.Err)
			}
			if k := epid.ReplayKey(ev); i > 0 && k != key {
				t.Errorf("%s: another replay key for encoding %d", r.name, i)
			} else {
				key = k
			}
		}
	}
}

func TestACarryingCertificateAnswersForItsKey(t *testing.T) {
	public, err := x509.MarshalPKIXPublicKey(keys().carrier.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(public)
	point, other := public[len(public)-64:], make([]byte, 64)
	for _, tt := range []struct {
		name  string
		data  []byte
		paper bool
		want  rats.Kind
		says  string
	}{
		{"the hash, in a kind that binds it", sum[:], true, rats.None, "its key's SHA-256 is the report data"},
		{"another hash, in a kind that binds it", other, true, rats.BindingMismatch, ""},
		{"the hash and something after it", append(slices.Clone(sum[:]), 1), true, rats.BindingMismatch, ""},
		{"the hash, in a comment", sum[:], false, rats.None, "its key's SHA-256 is the report data"},
		{"the key itself, in a comment", point, false, rats.None, "its key is the report data"},
		{"another key, in a comment", other, false, rats.None, "the report data do not name its key: it is an envelope, and no proof of who holds the key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.bind(tt.data)
			der := l.comment()
			if tt.paper {
				der = l.paper(true)
			}
			a := l.appraise(der)
			if kindOf(a) != tt.want {
				t.Fatal(a.Err)
			}
			if got := a.Checks[3]; tt.want == rats.None && got.Detail != tt.says {
				t.Errorf("%+v", got)
			}
			// Whatever is bound, the certificate has to be whole.
			der[len(der)-1] ^= 1
			ev, err := epid.Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			if a := epid.Appraise(ev, []rats.TrustRoot{l.root}, late()); kindOf(a) != rats.BadSignature {
				t.Errorf("with a broken signature of its own: %v", a.Err)
			}
		})
	}
}

// TestACarryingCertificateMayHaveAKeyOfAnyUsualKind: it is the enclave's own, and not
// Intel's.
func TestACarryingCertificateMayHaveAKeyOfAnyUsualKind(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	plain, err := x509.ParseCertificate(l.comment())
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-384": p384, "Ed25519": ed25519.NewKeyFromSeed(make([]byte, 32)), "RSA": keys().leaf} {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "enclave"}, NotBefore: made(), NotAfter: made().AddDate(1, 0, 0),
			ExtraExtensions: plain.Extensions[len(plain.Extensions)-1:],
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if a := l.appraise(der); a.Err != nil {
			t.Errorf("%s: %v", name, a.Err)
		}
		der[len(der)-1] ^= 1
		if a := l.appraise(der); kindOf(a) != rats.BadSignature {
			t.Errorf("%s, with a broken signature: %v", name, a.Err)
		}
	}
}

func TestTheResultSaysWhatIsLeftOfTheService(t *testing.T) {
	l := newLab(t)
	last := func(a *epid.Appraisal) rats.Check { return a.Checks[len(a.Checks)-1] }
	a := l.appraise(l.envelope())
	if c := last(a); c.Name != "attestation_service" || c.Outcome != rats.Pass || c.Detail == "" {
		t.Errorf("%+v", c)
	}
	r := firstSigned(t)
	b, err := json.Marshal(map[string]string{"report": string(r.body), "signature": r.signature})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := epid.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	want := "Intel ended its attestation service for EPID on 2025-04-02: the report stands for that time alone, and nothing that became known since is in it"
	if c := last(epid.Appraise(ev, nil, late())); c.Detail != want {
		t.Errorf("%q", c.Detail)
	}
}
