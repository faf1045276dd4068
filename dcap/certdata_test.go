// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// ppid is the lab platform's provisioning id.
var ppid = bytes.Repeat([]byte{0xab}, 16)

// named has the lab's quote name its platform by a type of certification data
// instead of certifying it.
func named(kind uint16, edits ...func([]byte) []byte) func(*lab) {
	return func(l *lab) {
		l.ext[1] = ppid
		size := map[uint16]int{quote.CertPPID: 16, quote.CertPPIDRSA2048: 256, quote.CertPPIDRSA3072: 384}[kind]
		data := make([]byte, size)
		if kind == quote.CertPPID {
			copy(data, ppid)
		} else if _, err := rand.Read(data); err != nil {
			l.t.Fatal(err)
		}
		data = append(data, make([]byte, 16)...) // the CPUSVN of labExtension
		data = binary.LittleEndian.AppendUint16(data, 11)
		data = append(data, 0, 0)
		for _, edit := range edits {
			data = edit(data)
		}
		l.quote.CertificationData = quote.CertificationData{Type: kind, Data: data}
	}
}

func (l *lab) pckCertificate() rats.Endorsement {
	return rats.Endorsement{Kind: rats.PCKCertificate, Body: l.pck.der, Issuers: [][]byte{l.ca.der}}
}

func TestEachTypeOfCertificationDataHasItsAnswer(t *testing.T) {
	const unavailable = rats.EndorsementUnavailable
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	at := func(i int) func([]byte) []byte { return func(b []byte) []byte { b[len(b)-i] ^= 1; return b } }
	lone := func(l *lab) {
		l.certify(&l.root, &l.root)
		l.certify(&l.ca, &l.root)
		l.pck.ExtraExtensions = l.sgxExtension()
		l.certify(&l.pck, &l.ca)
		l.pck.ExtraExtensions = nil
		l.quote.CertificationData.Type = quote.CertPCKLeaf
		l.chain = []*part{&l.pck}
	}
	raw := func(kind uint16, data []byte) func(*lab) {
		return func(l *lab) { l.quote.CertificationData = quote.CertificationData{Type: kind, Data: data} }
	}
	tests := []struct {
		name string
		edit func(*lab)
		// certified: the set holds the platform's PCK certificate.
		certified bool
		want      rats.Kind
	}{
		{"type 1 names a platform whose certificate is there", named(quote.CertPPID), true, rats.None},
		{"type 2 does so encrypted", named(quote.CertPPIDRSA2048), true, rats.None},
		{"type 3 too", named(quote.CertPPIDRSA3072), true, rats.None},
		{"type 1 without the certificate", named(quote.CertPPID), false, unavailable},
		{"type 3 without the certificate", named(quote.CertPPIDRSA3072), false, unavailable},
		{"type 1 cut short", named(quote.CertPPID, cut), true, rats.Malformed},
		{"type 2 cut short", named(quote.CertPPIDRSA2048, cut), true, rats.Malformed},
		{"type 3 cut short", named(quote.CertPPIDRSA3072, cut), true, rats.Malformed},
		{"type 1 of another PPID", named(quote.CertPPID, at(36)), true, unavailable},
		{"type 1 of another CPUSVN", named(quote.CertPPID, at(20)), true, unavailable},
		{"type 1 of another PCE SVN", named(quote.CertPPID, at(4)), true, unavailable},
		{"type 1 of another PCE id", named(quote.CertPPID, at(1)), true, unavailable},
		{"type 3 of another CPUSVN", named(quote.CertPPIDRSA3072, at(20)), true, unavailable},
		{"type 4 finds its CA beside the revocation list", lone, false, rats.None},
		{"type 4 finds its CA beside the PCK certificate", lone, true, rats.None},
		{"type 4 with a chain", func(l *lab) { l.quote.CertificationData.Type = quote.CertPCKLeaf }, false, rats.Malformed},
		{"type 4 with a CA", func(l *lab) {
			l.quote.CertificationData.Type, l.chain = quote.CertPCKLeaf, []*part{&l.ca}
		}, false, rats.Malformed},
		{"type 4 with rubbish", raw(quote.CertPCKLeaf, []byte("rubbish")), false, rats.Malformed},
		{"type 6 in version 3", raw(quote.CertQEReport, []byte("report")), false, rats.Unsupported},
		{"type 7, a manifest", raw(quote.CertPlatformManifest, []byte("manifest")), false, rats.Unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.edit)
			items := l.endorsements()
			if tt.certified {
				items = append(items, l.pckCertificate())
			}
			a := dcap.Appraise(l.evidence(), set(t, items...), dcap.Options{Roots: l.trust()}, noon)
			if tt.want == rats.None {
				if a.Err != nil || a.TCB == nil || a.Root != "lab" {
					t.Fatalf("%v, root %q", a.Err, a.Root)
				}
				return
			}
			want(t, a, tt.want, "pck_chain")
		})
	}
}

func TestALonePCKCertificateWithoutItsCAIsUndecided(t *testing.T) {
	l := newLab(t, func(l *lab) { l.quote.CertificationData.Type, l.chain = quote.CertPCKLeaf, []*part{&l.pck} })
	items := l.endorsements()
	a := dcap.Appraise(l.evidence(), set(t, items[:3]...), dcap.Options{Roots: l.trust()}, noon)
	want(t, a, rats.EndorsementUnavailable, "pck_chain")
	need, err := dcap.Needs(l.evidence())
	if err != nil || need.CA != "" || need.FMSPC == [6]byte{} {
		t.Errorf("%+v, %v", need, err)
	}
}

// An encrypted PPID tells platforms of one TCB apart only by who signed.
func TestThePlatformThatSignedIsFoundAmongOthersOfItsTCB(t *testing.T) {
	l := newLab(t, named(quote.CertPPIDRSA3072))
	other := newPart(t, 77, "Lab SGX PCK Certificate", x509.KeyUsageDigitalSignature, false)
	other.ExtraExtensions = l.sgxExtension()
	l.certify(&other, &l.ca)
	stranger := rats.Endorsement{Kind: rats.PCKCertificate, Body: other.der, Issuers: [][]byte{l.ca.der}}
	// A certificate that no root vouches for does not get in the way.
	forged := newPart(t, 78, "Lab SGX PCK Certificate", x509.KeyUsageDigitalSignature, false)
	forged.ExtraExtensions, forged.signer = l.sgxExtension(), other.key
	l.certify(&forged, &l.ca)
	false1 := rats.Endorsement{Kind: rats.PCKCertificate, Body: forged.der, Issuers: [][]byte{l.ca.der}}

	all := append(l.endorsements(), stranger, false1, l.pckCertificate())
	opt := dcap.Options{Roots: l.trust()}
	if a := dcap.Appraise(l.evidence(), set(t, all...), opt, noon); a.Err != nil || !bytes.Equal(a.PCKSerial, []byte{3}) {
		t.Fatalf("%v, serial %x", a.Err, a.PCKSerial)
	}
	// With others alone, somebody else signed.
	a := dcap.Appraise(l.evidence(), set(t, append(l.endorsements(), stranger)...), opt, noon)
	want(t, a, rats.BadSignature, "qe_report_signature")
	a = dcap.Appraise(l.evidence(), set(t, append(l.endorsements(), false1)...), opt, noon)
	want(t, a, rats.BadSignature, "pck_chain")
	// What was tampered with is not undecided.
	a = dcap.Appraise(l.evidence(func(q *quote.Quote) { q.QEReport.ISVSVN++ }), set(t, all...), opt, noon)
	want(t, a, rats.BadSignature, "qe_report_signature")
}

func TestAPCKCertificateIsAnEndorsement(t *testing.T) {
	l := newLab(t, named(quote.CertPPID))
	s, err := dcap.Parse(l.pckCertificate())
	if err != nil {
		t.Fatal(err)
	}
	key := s.Key()
	const scope = "abababababababababababababababab" + "00000000000000000000000000000000" + "000b" + "0000"
	if key.Kind != rats.PCKCertificate || key.Scope != scope {
		t.Errorf("key %+v", key)
	}
	if from, until := s.Window(); !from.Equal(certsFrom) || !until.Equal(certsUntil) || !s.Issued().Equal(certsFrom) {
		t.Errorf("from %v until %v", from, until)
	}
	if err := s.Verify(l.trust(), nil); err != nil {
		t.Error(err)
	}
	if err := s.Verify(nil, nil); rats.KindOf(err) != rats.UntrustedRoot {
		t.Errorf("under Intel's root: %v", err)
	}
	e := l.pckCertificate()
	e.Body = l.ca.der
	if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Malformed {
		t.Errorf("a CA as PCK certificate: %v", err)
	}
	e = l.pckCertificate()
	e.Issuers = nil
	if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Malformed {
		t.Errorf("without issuer: %v", err)
	}
}

// The root certificates that are known by their bytes must be what the table
// says they are: self-signed by the pinned key under the pinned name.
func TestEveryKnownRootCertificateIsThePinnedRoots(t *testing.T) {
	dir := vectors(t)
	intel := dcap.Intel()
	known := 0
	for _, der := range certificates(t, dir, "root_") {
		c, err := x509.ParseCertificate(der)
		if err != nil || !dcap.KnownAnchor(sha256.Sum256(der)) {
			continue
		}
		known++
		if !bytes.Equal(c.RawSubject, intel.Subject) || !bytes.Equal(c.RawIssuer, intel.Subject) ||
			!bytes.Equal(c.RawSubjectPublicKeyInfo, intel.PublicKey) {
			t.Errorf("%x is not the pinned root's", sha256.Sum256(der))
		}
		if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
			t.Errorf("%x: %v", sha256.Sum256(der), err)
		}
	}
	if known != 3 {
		t.Errorf("%d of the three root certificates were met", known)
	}
}

// A chain under one root that carries another's certificate is refused, also
// where both are trusted, and whatever a memory holds.
func TestTheRootCertificateOfAChainIsThatOfItsRoot(t *testing.T) {
	l := newLab(t)
	seed := read(t, filepath.Join("..", "testdata", "seed", "pck_chain.pem"))
	i := bytes.LastIndex(seed, []byte("-----BEGIN"))
	other := newLab(t, func(o *lab) {
		o.root.key, o.ca, o.pck = l.root.key, l.ca, l.pck
		o.quote.CertificationData.Data = append([]byte(chainOf(&l.pck, &l.ca)), seed[i:]...)
	})
	facts := dcap.NewFacts(100)
	for _, roots := range [][]rats.TrustRoot{append(l.trust(), dcap.Intel()), l.trust(), {dcap.Intel()}} {
		a := dcap.Appraise(other.evidence(), nil, dcap.Options{Roots: roots, Facts: facts}, noon)
		want(t, a, rats.UntrustedRoot, "pck_chain")
	}
}

func TestAQuoteSaysHowItNamesItsPlatform(t *testing.T) {
	for _, kind := range []uint16{quote.CertPPID, quote.CertPPIDRSA2048, quote.CertPPIDRSA3072} {
		l := newLab(t, named(kind))
		l.quote.Header.UserData = [20]byte{1, 2, 15: 16, 16: 99}
		name, ok, err := dcap.NameOf(l.evidence())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		encrypted := 0
		if kind == quote.CertPPIDRSA3072 {
			encrypted = 384
		}
		if name.QEID != [16]byte{1, 2, 15: 16} || (name.PPID == string(ppid)) != (kind == quote.CertPPID) ||
			len(name.EncryptedPPID) != encrypted || name.PCESVN != 11 {
			t.Errorf("type %d: %+v", kind, name)
		}
		if !name.Certifies(l.pckCertificate()) || name.Certifies(l.endorsements()[0]) {
			t.Errorf("type %d: the platform's certificate is not told from others", kind)
		}
		other := name
		other.CPUSVN[3]++
		if other.Certifies(l.pckCertificate()) {
			t.Errorf("type %d: a certificate of another TCB is taken", kind)
		}
		if _, err := dcap.Needs(l.evidence()); rats.KindOf(err) != rats.EndorsementUnavailable {
			t.Errorf("type %d needs nothing more: %v", kind, err)
		}
		need, err := dcap.Needs(l.evidence(), set(t, l.pckCertificate()).Statements()...)
		if err != nil || need.CA == "" || need.FMSPC == [6]byte{} {
			t.Errorf("type %d with its certificate: %+v, %v", kind, need, err)
		}
	}
	if _, ok, err := dcap.NameOf(newLab(t).evidence()); ok || err != nil {
		t.Errorf("a quote that carries its chain names its platform: %v", err)
	}
	cut := newLab(t, named(quote.CertPPID, func(b []byte) []byte { return b[:len(b)-1] }))
	if _, _, err := dcap.NameOf(cut.evidence()); rats.KindOf(err) != rats.Malformed {
		t.Errorf("cut short: %v", err)
	}
}
