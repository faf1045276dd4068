// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Revocation lists by their parts: crypto/x509 writes well-formed ones alone.
type (
	list       = pkix.TBSCertificateList //nolint:staticcheck // see above
	signedList = pkix.CertificateList    //nolint:staticcheck // see above
)

// reissued is a certificate of p's key with another validity and number.
func (l *lab) reissued(p *part, serial int64, from, until time.Time) *part {
	l.t.Helper()
	c := *p
	template := *p.Certificate
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(serial), from, until
	c.Certificate = &template
	l.certify(&c, &l.root)
	return &c
}

// TestEachSignersCertificateIsHeldAgainstTheList: TCB info and identity may come
// under different certificates, and either of them may be revoked.
func TestEachSignersCertificateIsHeldAgainstTheList(t *testing.T) {
	l := newLab(t)
	second := l.reissued(&l.signing, 44, certsFrom, certsUntil)
	for name, signers := range map[string][2]*part{
		"that of the TCB info": {second, &l.signing},
		"that of the identity": {&l.signing, second},
	} {
		t.Run(name, func(t *testing.T) {
			all := l.endorsements()
			all[0] = l.sign(rats.TCBInfo, tcbInfo(), signers[0])
			all[1] = l.sign(rats.QEIdentity, identity(), signers[1])
			want(t, judge(t, l, l.evidence(), set(t, all...), noon), rats.None, "")
			all[2] = l.crl(&l.root, nil, 44)
			want(t, judge(t, l, l.evidence(), set(t, all...), noon), rats.Revoked, "revocation")
		})
	}
}

// TestTheCAThatCameWithTheQuoteMustHold, even where the list of revoked
// certificates comes with a newer certificate of the same CA.
func TestTheCAThatCameWithTheQuoteMustHold(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*lab)
		want rats.Kind
	}{
		"it ended":       {func(l *lab) { l.ca.NotAfter = noon.Add(-time.Second) }, rats.Expired},
		"it ends":        {func(l *lab) { l.ca.NotAfter = noon }, rats.None},
		"it begins":      {func(l *lab) { l.ca.NotBefore = noon }, rats.None},
		"it is to begin": {func(l *lab) { l.ca.NotBefore = noon.Add(time.Second) }, rats.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.edit)
			all := l.endorsements()
			all[3] = l.crl(l.reissued(&l.ca, 22, certsFrom, certsUntil), nil)
			a := judge(t, l, l.evidence(), set(t, all...), noon)
			if tt.want == rats.None {
				want(t, a, rats.None, "")
			} else {
				want(t, a, tt.want, "certificate_validity")
			}
		})
	}
}

func TestCertificatesSayWhatTheyAreInFull(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*lab)
		kind rats.Kind
	}{
		"a PCK certificate without basic constraints": {func(l *lab) { l.pck.BasicConstraintsValid = false }, rats.UntrustedRoot},
		"a PCK certificate signed with SHA-384":       {func(l *lab) { l.pck.SignatureAlgorithm = x509.ECDSAWithSHA384 }, rats.Unsupported},
		"a CA signed with SHA-384":                    {func(l *lab) { l.ca.SignatureAlgorithm = x509.ECDSAWithSHA384 }, rats.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.edit)
			want(t, judge(t, l, l.evidence(), set(t, l.endorsements()...), noon), tt.kind, "pck_chain")
		})
	}
	l := newLab(t, func(l *lab) { l.signing.SignatureAlgorithm = x509.ECDSAWithSHA384 })
	want(t, judge(t, l, l.evidence(), set(t, l.endorsements()...), noon), rats.Unsupported, "endorsement_signatures")
}

// TestARevocationListSaysWhatItIsInFull edits the list's own fields, which the
// standard library would not write so.
func TestARevocationListSaysWhatItIsInFull(t *testing.T) {
	l := newLab(t)
	without := func(last int) func(*list) {
		return func(tbs *list) {
			var kept []pkix.Extension
			for _, e := range tbs.Extensions {
				if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) {
					kept = append(kept, e)
				}
			}
			if len(kept) == len(tbs.Extensions) {
				t.Fatalf("there is no extension %d", last)
			}
			tbs.Extensions = kept
		}
	}
	for name, tt := range map[string]struct {
		edit func(*list)
		want rats.Kind
	}{
		"as it is":                     {func(*list) {}, rats.None},
		"no number":                    {without(20), rats.Malformed},
		"no authority key identifier":  {without(35), rats.Malformed},
		"no next update":               {func(tbs *list) { tbs.NextUpdate = time.Time{} }, rats.Malformed},
		"an end before the beginning":  {func(tbs *list) { tbs.NextUpdate = issued.Add(-time.Second) }, rats.Malformed},
		"an end that is the beginning": {func(tbs *list) { tbs.NextUpdate = issued }, rats.None},
	} {
		t.Run(name, func(t *testing.T) {
			for _, by := range []*part{&l.root, &l.ca} {
				e := l.crl(by, nil, 7)
				var list signedList
				if rest, err := asn1.Unmarshal(e.Body, &list); err != nil || len(rest) != 0 {
					t.Fatal(err)
				}
				list.TBSCertList.Raw = nil
				tt.edit(&list.TBSCertList)
				var err error
				if e.Body, err = asn1.Marshal(list); err != nil {
					t.Fatal(err)
				}
				if _, err := dcap.Parse(e); rats.KindOf(err) != tt.want {
					t.Errorf("%s: %v, want %q", e.Kind, err, tt.want)
				}
			}
		})
	}
}

func TestARevocationListSignedWithAnotherHashIsUnsupported(t *testing.T) {
	l := newLab(t)
	e := l.crl(&l.ca, func(r *x509.RevocationList) { r.SignatureAlgorithm = x509.ECDSAWithSHA384 })
	if _, err := dcap.Parse(e); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("%v, want unsupported", err)
	}
}
