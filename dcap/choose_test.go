// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// edited returns v after an edit.
func edited(v object, edit func(object)) object {
	edit(v)
	return v
}

// outcome returns one check.
func outcome(a *dcap.Appraisal, name string) rats.Check {
	for _, c := range a.Checks {
		if c.Name == name {
			return c
		}
	}
	return rats.Check{}
}

func TestEachFaultOfTheEndorsementsIsFound(t *testing.T) {
	const info, id, root, pck = 0, 1, 2, 3
	without := func(n int) func(*lab, []rats.Endorsement) []rats.Endorsement {
		return func(_ *lab, all []rats.Endorsement) []rats.Endorsement { return slices.Delete(all, n, n+1) }
	}
	with := func(n int, f func(*lab) rats.Endorsement) func(*lab, []rats.Endorsement) []rats.Endorsement {
		return func(l *lab, all []rats.Endorsement) []rats.Endorsement { all[n] = f(l); return all }
	}
	signedBy := func(edit func(*part)) func(*lab, []rats.Endorsement) []rats.Endorsement {
		return with(info, func(l *lab) rats.Endorsement {
			p := newPart(l.t, 9, "Lab SGX TCB Signing", x509.KeyUsageDigitalSignature, false)
			edit(&p)
			l.certify(&p, &l.root)
			return l.sign(rats.TCBInfo, tcbInfo(), &p)
		})
	}
	tcb := func(edit func(object)) func(*lab, []rats.Endorsement) []rats.Endorsement {
		return with(info, func(l *lab) rats.Endorsement { return l.sign(rats.TCBInfo, edited(tcbInfo(), edit), &l.signing) })
	}
	tests := []struct {
		name  string
		edit  func(*lab, []rats.Endorsement) []rats.Endorsement
		kind  rats.Kind
		check string
	}{
		{"no TCB info", without(info), rats.EndorsementUnavailable, "endorsements_present"},
		{"no identity", without(id), rats.EndorsementUnavailable, "endorsements_present"},
		{"no root CRL", without(root), rats.EndorsementUnavailable, "endorsements_present"},
		{"no PCK CRL", without(pck), rats.EndorsementUnavailable, "endorsements_present"},
		{"nothing at all", func(*lab, []rats.Endorsement) []rats.Endorsement { return nil }, rats.EndorsementUnavailable, "endorsements_present"},

		{"TCB info of another FMSPC", tcb(func(o object) { o["fmspc"] = "10a0b0c0d0e1" }), rats.EndorsementUnavailable, "endorsements_present"},
		{"TCB info of another PCE", tcb(func(o object) { o["pceId"] = "0001" }), rats.EndorsementUnavailable, "endorsements_present"},
		{"TCB info for TDX", tcb(forTDX), rats.EndorsementUnavailable, "endorsements_present"},
		{"the identity of TDX's QE", with(id, func(l *lab) rats.Endorsement {
			return l.sign(rats.QEIdentity, edited(identity(), func(o object) { o["id"] = "TD_QE" }), &l.signing)
		}), rats.EndorsementUnavailable, "endorsements_present"},
		{"the CRL of another CA", with(pck, func(l *lab) rats.Endorsement { return l.crl(&newLab(l.t).ca, nil) }), rats.EndorsementUnavailable, "endorsements_present"},

		{"TCB info that was changed", with(info, func(l *lab) rats.Endorsement {
			e := l.sign(rats.TCBInfo, tcbInfo(), &l.signing)
			e.Body = bytes.Replace(e.Body, []byte("OutOfDate"), []byte("UpToDate"), 1)
			return e
		}), rats.BadSignature, "endorsement_signatures"},
		{"TCB info that was signed by another key", signedBy(func(p *part) { p.signer = newKey(t) }), rats.BadSignature, "endorsement_signatures"},
		{"a signing certificate of another name", signedBy(func(p *part) { p.Subject.CommonName = "Lab SGX Web" }), rats.UntrustedRoot, "endorsement_signatures"},
		{"a signing certificate that is a CA", signedBy(func(p *part) { p.IsCA = true }), rats.UntrustedRoot, "endorsement_signatures"},
		{"a signing certificate that may not sign", signedBy(func(p *part) { p.KeyUsage = x509.KeyUsageCRLSign }), rats.UntrustedRoot, "endorsement_signatures"},
		{"TCB info signed by the PCK CA", with(info, func(l *lab) rats.Endorsement { return l.sign(rats.TCBInfo, tcbInfo(), &l.ca) }), rats.UntrustedRoot, "endorsement_signatures"},
		{"TCB info signed by the PCK", with(info, func(l *lab) rats.Endorsement { return l.sign(rats.TCBInfo, tcbInfo(), &l.pck) }), rats.UntrustedRoot, "endorsement_signatures"},
		{"TCB info of an unknown root", with(info, func(l *lab) rats.Endorsement {
			return l.sign(rats.TCBInfo, tcbInfo(), &newLab(l.t, func(o *lab) { o.root.Subject.CommonName = "Another SGX Root CA" }).signing)
		}), rats.UntrustedRoot, "endorsement_signatures"},
		{"an identity under a root that borrows the name", with(id, func(l *lab) rats.Endorsement {
			return l.sign(rats.QEIdentity, identity(), &newLab(l.t).signing)
		}), rats.BadSignature, "endorsement_signatures"},
		{"a root CRL by another key", with(root, func(l *lab) rats.Endorsement { return l.crl(&newLab(l.t).root, nil) }), rats.BadSignature, "endorsement_signatures"},
		{"a PCK CRL by another key", with(pck, func(l *lab) rats.Endorsement {
			e := l.crl(&newLab(l.t).ca, nil)
			e.Issuers = [][]byte{l.ca.der}
			return e
		}), rats.BadSignature, "endorsement_signatures"},
		{"the root's list in the place of the CA's", with(pck, func(l *lab) rats.Endorsement {
			return rats.Endorsement{Kind: rats.PCKCRL, Body: l.crl(&l.root, nil).Body, Issuers: [][]byte{l.ca.der}}
		}), rats.UntrustedRoot, "endorsement_signatures"},
		{"the CA's list in the place of the root's", with(root, func(l *lab) rats.Endorsement {
			return rats.Endorsement{Kind: rats.RootCACRL, Body: l.crl(&l.ca, nil).Body}
		}), rats.UntrustedRoot, "endorsement_signatures"},

		{"the platform is revoked", with(pck, func(l *lab) rats.Endorsement { return l.crl(&l.ca, nil, 7, 3) }), rats.Revoked, "revocation"},
		{"the PCK CA is revoked", with(root, func(l *lab) rats.Endorsement { return l.crl(&l.root, nil, 2) }), rats.Revoked, "revocation"},
		{"the TCB signing certificate is revoked", with(root, func(l *lab) rats.Endorsement { return l.crl(&l.root, nil, 4) }), rats.Revoked, "revocation"},
		{"others are revoked", with(pck, func(l *lab) rats.Endorsement { return l.crl(&l.ca, nil, 2, 4, 33) }), rats.None, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			a := judge(t, l, l.evidence(), set(t, tt.edit(l, l.endorsements())...), noon)
			want(t, a, tt.kind, tt.check)
			if undecided := tt.check != "revocation" && tt.kind != rats.None; undecided && (a.TCB != nil || len(a.Used) != 0 || !a.ValidUntil.IsZero()) {
				t.Errorf("decided: %v, %d endorsements", a.TCB, len(a.Used))
			}
			if tt.kind == rats.Revoked && (a.TCB == nil || a.TCB.Status != rats.UpToDate) {
				t.Errorf("what could be determined is missing: %v", a.TCB)
			}
			if a.Root != "lab" || string(a.PCKSerial) != "\x03" {
				t.Errorf("root %q, serial %x", a.Root, a.PCKSerial)
			}
		})
	}
}

func TestReformattedStatementsAreToldApart(t *testing.T) {
	l := newLab(t)
	e := l.sign(rats.TCBInfo, tcbInfo(), &l.signing)
	e.Body = bytes.ReplaceAll(e.Body, []byte(`,"`), []byte(`, "`))
	s, err := dcap.Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(l.trust(), nil); rats.KindOf(err) != rats.BadSignature || !strings.Contains(err.Error(), "re-formatted?") {
		t.Error(err)
	}
}

// TestBrokenBeforeMissingBeforeStale: one broken statement, one missing and one
// stale at once, then without the broken one, then without both.
func TestBrokenBeforeMissingBeforeStale(t *testing.T) {
	l := newLab(t)
	broken := l.sign(rats.TCBInfo, tcbInfo(), &l.ca)
	stale := l.crl(&l.root, func(r *x509.RevocationList) { r.NextUpdate = noon.Add(-time.Second) })
	all := l.endorsements()
	steps := []struct {
		items []rats.Endorsement
		kind  rats.Kind
	}{
		{[]rats.Endorsement{broken, stale, all[3]}, rats.UntrustedRoot},
		{[]rats.Endorsement{all[0], stale, all[3]}, rats.EndorsementUnavailable},
		{[]rats.Endorsement{all[0], all[1], stale, all[3]}, rats.EndorsementExpired},
		{[]rats.Endorsement{all[0], all[1], stale, all[2], all[3]}, rats.None},
	}
	for i, step := range steps {
		a := judge(t, l, l.evidence(), set(t, step.items...), noon)
		if kind := a.Err; kind == nil && step.kind != rats.None || kind != nil && kind.Kind != step.kind {
			t.Errorf("step %d: %v, want %s", i, a.Err, step.kind)
		}
	}
}

func TestRubbishBesideWhatIsGenuineChangesNothing(t *testing.T) {
	l, other := newLab(t), newLab(t)
	rubbish := append(other.endorsements(), l.sign(rats.TCBInfo, edited(tcbInfo(), func(o object) {
		o["issueDate"], o["tcbEvaluationDataNumber"] = stamp(noon), 99
	}), &l.ca))
	good := l.endorsements()
	a := judge(t, l, l.evidence(), set(t, append(rubbish, good...)...), noon)
	if a.Err != nil || a.TCB.EvaluationDataNumber != 17 {
		t.Errorf("%v, %+v", a.Err, a.TCB)
	}
	// Stale stays stale whatever lies beside it.
	a = judge(t, l, l.evidence(), set(t, append(rubbish, good...)...), nextUpdate.Add(time.Second))
	want(t, a, rats.EndorsementExpired, "endorsements_current")
}

func TestStatementsOfAnotherPinnedRootDoNotFit(t *testing.T) {
	l := newLab(t)
	other := newLab(t, func(o *lab) { o.root.Subject.CommonName = "Another SGX Root CA" })
	roots := append(l.trust(), other.trust()...)
	good := l.endorsements()
	appraise := func(items ...rats.Endorsement) *dcap.Appraisal {
		return dcap.Appraise(l.evidence(), set(t, items...), dcap.Options{Roots: roots}, noon)
	}
	if a := appraise(append(other.endorsements(), good...)...); a.Err != nil || a.Root != "lab" {
		t.Errorf("with both: %v under %q", a.Err, a.Root)
	}
	want(t, appraise(append(other.endorsements(), good[2:]...)...), rats.EndorsementUnavailable, "endorsements_present")
}

func TestTimesIncludeBothEnds(t *testing.T) {
	second := time.Second
	tests := []struct {
		name   string
		edit   func(*lab)
		at     time.Time
		kind   rats.Kind
		check  string
		detail string
	}{
		{"at the issue date", nil, issued, rats.None, "", ""},
		{"before the issue date", nil, issued.Add(-second), rats.EndorsementExpired, "endorsements_current", "not yet valid"},
		{"at the next update", nil, nextUpdate, rats.None, "", ""},
		{"after the next update", nil, nextUpdate.Add(second), rats.EndorsementExpired, "endorsements_current", "stale"},
		{"the PCK certificate ends", func(l *lab) { l.pck.NotAfter = noon }, noon, rats.None, "", ""},
		{"the PCK certificate ended", func(l *lab) { l.pck.NotAfter = noon.Add(-second) }, noon, rats.Expired, "certificate_validity", "expired"},
		{"the PCK certificate begins", func(l *lab) { l.pck.NotBefore = noon }, noon, rats.None, "", ""},
		{"the PCK certificate is to begin", func(l *lab) { l.pck.NotBefore = noon.Add(second) }, noon, rats.Expired, "certificate_validity", "not yet valid"},
		{"the CA ended", func(l *lab) { l.ca.NotAfter = noon.Add(-second) }, noon, rats.EndorsementExpired, "endorsements_current", "stale"},
		{"the TCB signing certificate ends", func(l *lab) { l.signing.NotAfter = noon }, noon, rats.None, "", ""},
		{"the TCB signing certificate ended", func(l *lab) { l.signing.NotAfter = noon.Add(-second) }, noon, rats.EndorsementExpired, "endorsements_current", "stale"},
		{"the TCB signing certificate is to begin", func(l *lab) { l.signing.NotBefore = noon.Add(second) }, noon, rats.EndorsementExpired, "endorsements_current", "not yet valid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var edits []func(*lab)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			l := newLab(t, edits...)
			a := judge(t, l, l.evidence(), set(t, l.endorsements()...), tt.at)
			want(t, a, tt.kind, tt.check)
			if a.Err != nil && !strings.Contains(a.Err.Detail, tt.detail) {
				t.Errorf("%v does not say %q", a.Err, tt.detail)
			}
		})
	}
}

func TestRevokedComesBeforeExpired(t *testing.T) {
	l := newLab(t, func(l *lab) { l.pck.NotAfter = noon.Add(-time.Second) })
	all := l.endorsements()
	all[3] = l.crl(&l.ca, nil, 3)
	a := judge(t, l, l.evidence(), set(t, all...), noon)
	want(t, a, rats.Revoked, "revocation")
	if outcome(a, "certificate_validity").Outcome != rats.Fail {
		t.Error("the second fault is not listed")
	}
}

// TestTheWindowIsThatOfEverythingUsed: each part in turn is the narrowest.
func TestTheWindowIsThatOfEverythingUsed(t *testing.T) {
	from, until := noon.Add(-time.Hour), noon.Add(time.Hour)
	narrow := func(o object) { o["issueDate"], o["nextUpdate"] = stamp(from), stamp(until) }
	certificate := func(p *part) { p.NotBefore, p.NotAfter = from, until }
	list := func(r *x509.RevocationList) { r.ThisUpdate, r.NextUpdate = from, until }
	tests := map[string]struct {
		lab  func(*lab)
		edit func(*lab, []rats.Endorsement)
	}{
		"PCK":         {lab: func(l *lab) { certificate(&l.pck) }},
		"PCK CA":      {lab: func(l *lab) { certificate(&l.ca) }},
		"TCB signing": {lab: func(l *lab) { certificate(&l.signing) }},
		"TCB info": {edit: func(l *lab, all []rats.Endorsement) {
			all[0] = l.sign(rats.TCBInfo, edited(tcbInfo(), narrow), &l.signing)
		}},
		"identity": {edit: func(l *lab, all []rats.Endorsement) {
			all[1] = l.sign(rats.QEIdentity, edited(identity(), narrow), &l.signing)
		}},
		"root CRL": {edit: func(l *lab, all []rats.Endorsement) { all[2] = l.crl(&l.root, list) }},
		"PCK CRL":  {edit: func(l *lab, all []rats.Endorsement) { all[3] = l.crl(&l.ca, list) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var edits []func(*lab)
			if tt.lab != nil {
				edits = append(edits, tt.lab)
			}
			l := newLab(t, edits...)
			all := l.endorsements()
			if tt.edit != nil {
				tt.edit(l, all)
			}
			a := judge(t, l, l.evidence(), set(t, all...), noon)
			if a.Err != nil || !a.ValidFrom.Equal(from) || !a.ValidUntil.Equal(until) {
				t.Errorf("%v, from %s until %s", a.Err, a.ValidFrom, a.ValidUntil)
			}
		})
	}
}

func TestTheNearestStaleStatementIsReported(t *testing.T) {
	l := newLab(t)
	all := l.endorsements()
	for _, from := range []time.Time{nextUpdate.AddDate(0, 3, 0), nextUpdate.AddDate(0, 1, 0)} {
		all = append(all, l.sign(rats.TCBInfo, edited(tcbInfo(), func(o object) {
			o["issueDate"], o["nextUpdate"] = stamp(from), stamp(from.AddDate(0, 0, 10))
		}), &l.signing))
	}
	for at, detail := range map[time.Time]string{
		nextUpdate.Add(time.Second):  "is stale: until 2025-07-01",
		issued.Add(-time.Second):     "is not yet valid: from 2025-06-01",
		nextUpdate.AddDate(0, 2, 20): "is stale: until 2025-08-11",
	} {
		a := judge(t, l, l.evidence(), set(t, all...), at)
		if a.Err == nil || !strings.Contains(a.Err.Detail, detail) {
			t.Errorf("%s: %v, want %q", stamp(at), a.Err, detail)
		}
	}
}

func TestOfSeveralIssuersTheOneThatHoldsIsUsed(t *testing.T) {
	l := newLab(t)
	// A renewed certificate of the same key: one body, two that vouch for it.
	renew := func(from, until time.Time, n int64) *part {
		p := l.signing
		template := *p.Certificate
		template.NotBefore, template.NotAfter, template.SerialNumber = from, until, big.NewInt(n)
		p.Certificate = &template
		l.certify(&p, &l.root)
		return &p
	}
	body := l.sign(rats.TCBInfo, tcbInfo(), &l.signing)
	under := func(p *part) rats.Endorsement {
		return rats.Endorsement{Kind: body.Kind, Body: body.Body, Issuers: [][]byte{p.der}}
	}
	ended := renew(noon.AddDate(0, -2, 0), noon.Add(-time.Second), 11)
	early := renew(certsFrom, certsUntil, 12)
	late := renew(certsFrom.AddDate(1, 0, 0), certsUntil, 13)
	longer := renew(certsFrom.AddDate(1, 0, 0), certsUntil.AddDate(1, 0, 0), 14)
	rest := l.endorsements()[1:]
	for _, tt := range []struct {
		name   string
		issuer []*part
		want   *part
	}{
		{"the one that holds", []*part{ended, early}, early},
		{"the one that begins later", []*part{late, ended, early}, late},
		{"the one that ends later", []*part{early, late, longer}, longer},
	} {
		items := slices.Clone(rest)
		for _, p := range tt.issuer {
			items = append(items, under(p))
		}
		for range 2 { // the order of arrival does not matter
			a := judge(t, l, l.evidence(), set(t, items...), noon)
			if a.Err != nil {
				t.Fatalf("%s: %v", tt.name, a.Err)
			}
			if got := a.Used[0].Endorsement().Issuers[0]; !bytes.Equal(got, tt.want.der) {
				t.Errorf("%s: another was used", tt.name)
			}
			slices.Reverse(items)
		}
	}
}
