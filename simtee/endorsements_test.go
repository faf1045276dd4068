// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var noon = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)

// endorsements returns what a PKI endorses at noon, by kind.
func endorsements(t testing.TB, faults simtee.Faults) map[rats.EndorsementKind]rats.Endorsement {
	t.Helper()
	items, err := mustPKI(t, faults).Endorsements(noon)
	if err != nil {
		t.Fatal(err)
	}
	out := map[rats.EndorsementKind]rats.Endorsement{}
	for _, item := range items {
		out[item.Kind] = item
	}
	if len(items) != 4 || len(out) != 4 {
		t.Fatalf("%d endorsements of %d kinds, want 4 of 4", len(items), len(out))
	}
	return out
}

// statement is a signed statement taken apart without touching its bytes.
type statement struct {
	TCBInfo         json.RawMessage `json:"tcbInfo"`
	EnclaveIdentity json.RawMessage `json:"enclaveIdentity"`
	Signature       string          `json:"signature"`
}

type level struct {
	TCB struct {
		Components []struct{ SVN int } `json:"sgxtcbcomponents"`
		PCESVN     int                 `json:"pcesvn"`
		ISVSVN     int                 `json:"isvsvn"`
	}
	TCBDate     string
	TCBStatus   rats.TCBStatus
	AdvisoryIDs []string `json:"advisoryIDs"`
}

type body struct {
	ID                      string
	Version                 int
	IssueDate, NextUpdate   string
	FMSPC                   string
	PCEID                   string `json:"pceId"`
	TCBType                 int
	TCBEvaluationDataNumber int
	MRSigner                string
	ISVProdID               int
	Attributes              string
	AttributesMask          string
	TCBLevels               []level
}

func TestStatementsAreSignedByTheTCBSigningCertificate(t *testing.T) {
	items := endorsements(t, simtee.Faults{})
	_, q := mustQuote(t, simtee.Enclave{})
	root := chain(t, q)[2]
	for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity} {
		item := items[kind]
		var s statement
		if err := json.Unmarshal(item.Body, &s); err != nil {
			t.Fatal(err)
		}
		signature, err := hex.DecodeString(s.Signature)
		if err != nil || len(item.Issuers) != 1 {
			t.Fatalf("%d issuers, %v", len(item.Issuers), err)
		}
		signer, err := x509.ParseCertificate(item.Issuers[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.CheckSignatureFrom(root); err != nil || !bytes.Equal(signer.RawIssuer, root.RawSubject) {
			t.Errorf("%s: the signer is not under the root: %v", kind, err)
		}
		if signer.Subject.CommonName != "Simulated SGX TCB Signing" || signer.IsCA {
			t.Errorf("%s: signed by %s", kind, signer.Subject)
		}
		inner := append(s.TCBInfo, s.EnclaveIdentity...)
		if !verifyRaw(t, signer.PublicKey, inner, signature) {
			t.Errorf("%s: the signature does not cover the inner bytes", kind)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, item.Body); err != nil || !bytes.Equal(compact.Bytes(), item.Body) {
			t.Errorf("%s: not compact", kind)
		}
	}
}

func decode(t testing.TB, item rats.Endorsement) body {
	t.Helper()
	var s statement
	if err := json.Unmarshal(item.Body, &s); err != nil {
		t.Fatal(err)
	}
	var b body
	if err := json.Unmarshal(append(s.TCBInfo, s.EnclaveIdentity...), &b); err != nil {
		t.Fatal(err)
	}
	if b.IssueDate != "2025-06-20T00:00:00Z" || b.NextUpdate != "2025-07-20T00:00:00Z" || b.TCBEvaluationDataNumber != 20 {
		t.Errorf("%s: issued %s, next %s, evaluation %d", item.Kind, b.IssueDate, b.NextUpdate, b.TCBEvaluationDataNumber)
	}
	return b
}

// pckTCB is what a PCK certificate's SGX extension says.
type pckTCB struct {
	components [16]int
	pceSVN     int
	cpuSVN     []byte
	fmspc      []byte
	pceID      []byte
}

type extensionElement struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

func sgxExtension(t testing.TB, cert *x509.Certificate) []extensionElement {
	t.Helper()
	for _, e := range cert.Extensions {
		if e.Id.String() == "1.2.840.113741.1.13.1" {
			var out []extensionElement
			if rest, err := asn1.Unmarshal(e.Value, &out); err != nil || len(rest) > 0 {
				t.Fatalf("%d bytes left, %v", len(rest), err)
			}
			return out
		}
	}
	t.Fatal("no SGX extension")
	return nil
}

func readTCB(t testing.TB, cert *x509.Certificate) (out pckTCB) {
	t.Helper()
	elements := sgxExtension(t, cert)
	out.pceID, out.fmspc = elements[2].Value.Bytes, elements[3].Value.Bytes
	var tcb []extensionElement
	if _, err := asn1.Unmarshal(elements[1].Value.FullBytes, &tcb); err != nil || len(tcb) != 18 {
		t.Fatalf("%d TCB elements, %v", len(tcb), err)
	}
	for i := range 17 {
		var svn int
		if _, err := asn1.Unmarshal(tcb[i].Value.FullBytes, &svn); err != nil {
			t.Fatal(err)
		}
		if i < 16 {
			out.components[i] = svn
		} else {
			out.pceSVN = svn
		}
	}
	out.cpuSVN = tcb[17].Value.Bytes
	return out
}

func TestEveryStatusIsThatOfTheFirstLevelWhichThePlatformReaches(t *testing.T) {
	info := decode(t, endorsements(t, simtee.Faults{})[rats.TCBInfo])
	if info.ID != "SGX" || info.Version != 3 || info.TCBType != 0 || len(info.TCBLevels) != len(sgxStatuses)-1 {
		t.Errorf("id %s, version %d, type %d, %d levels", info.ID, info.Version, info.TCBType, len(info.TCBLevels))
	}
	for _, status := range sgxStatuses {
		_, q := mustQuote(t, simtee.Enclave{TCB: status})
		tcb := readTCB(t, chain(t, q)[0])
		if hex.EncodeToString(tcb.fmspc) != info.FMSPC || hex.EncodeToString(tcb.pceID) != info.PCEID {
			t.Errorf("FMSPC %x and PCE id %x, TCB info for %s and %s", tcb.fmspc, tcb.pceID, info.FMSPC, info.PCEID)
		}
		if !bytes.Equal(q.SGX.CPUSVN[:], tcb.cpuSVN) || !bytes.Equal(q.QEReport.CPUSVN[:], tcb.cpuSVN) {
			t.Errorf("%s: CPUSVN of reports and certificate differ", status)
		}
		got := rats.NotSupported
		for _, l := range info.TCBLevels {
			reached := tcb.pceSVN >= l.TCB.PCESVN
			for i, c := range l.TCB.Components {
				reached = reached && tcb.components[i] >= c.SVN
			}
			if reached {
				got = l.TCBStatus
				break
			}
		}
		if got != status {
			t.Errorf("the platform for %s is at %s", status, got)
		}
	}
}

func TestWorseLevelsHaveAdvisories(t *testing.T) {
	info := decode(t, endorsements(t, simtee.Faults{})[rats.TCBInfo])
	for _, l := range info.TCBLevels {
		none := l.TCBStatus == rats.UpToDate || l.TCBStatus == rats.ConfigurationNeeded
		if none != (len(l.AdvisoryIDs) == 0) {
			t.Errorf("%s has advisories %v", l.TCBStatus, l.AdvisoryIDs)
		}
	}
}

func TestTheQEIdentityFitsTheQEReport(t *testing.T) {
	identity := decode(t, endorsements(t, simtee.Faults{})[rats.QEIdentity])
	_, q := mustQuote(t, simtee.Enclave{})
	qe := q.QEReport
	signer, err := hex.DecodeString(identity.MRSigner)
	if err != nil {
		t.Fatal(err)
	}
	if identity.ID != "QE" || identity.Version != 2 || !bytes.Equal(signer, qe.MRSigner[:]) || identity.ISVProdID != int(qe.ISVProdID) {
		t.Errorf("identity %+v of QE %+v", identity, qe)
	}
	mask, _ := hex.DecodeString(identity.AttributesMask)
	want, _ := hex.DecodeString(identity.Attributes)
	for i := range want {
		if qe.Attributes[i]&mask[i] != want[i] {
			t.Errorf("attribute byte %d is %#x", i, qe.Attributes[i])
		}
	}
	if first := identity.TCBLevels[0]; first.TCBStatus != rats.UpToDate || first.TCB.ISVSVN != int(qe.ISVSVN) {
		t.Errorf("first level %+v, QE's SVN %d", first, qe.ISVSVN)
	}
	if last := identity.TCBLevels[1]; last.TCBStatus != rats.OutOfDate || last.TCB.ISVSVN >= int(qe.ISVSVN) {
		t.Errorf("second level %+v", last)
	}
}

func TestTheSGXExtensionIsShapedAsIntelsIs(t *testing.T) {
	raw, err := os.ReadFile("../quote/testdata/quote.bin")
	if err != nil {
		t.Fatal(err)
	}
	genuine, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, simulated := mustQuote(t, simtee.Enclave{})
	want := shape(t, sgxExtension(t, chain(t, genuine)[0]))
	got := shape(t, sgxExtension(t, chain(t, simulated)[0]))
	if !slices.Equal(got, want) {
		t.Errorf("elements\n%v\nwant\n%v", got, want)
	}
}

// shape lists identifiers and tags of the elements, and lengths of octet strings.
func shape(t testing.TB, elements []extensionElement) (out []string) {
	t.Helper()
	for _, e := range elements {
		line := fmt.Sprintf("%s tag %d", e.ID, e.Value.Tag)
		if e.Value.Tag == asn1.TagOctetString {
			line += fmt.Sprintf(" length %d", len(e.Value.Bytes))
		}
		out = append(out, line)
		if e.Value.Tag == asn1.TagSequence {
			var inner []extensionElement
			if _, err := asn1.Unmarshal(e.Value.FullBytes, &inner); err != nil {
				t.Fatal(err)
			}
			out = append(out, shape(t, inner)...)
		}
	}
	return out
}

func TestCRLsAreSignedByTheirCA(t *testing.T) {
	items := endorsements(t, simtee.Faults{RevokedPlatforms: []uint32{4}})
	_, q := mustQuote(t, simtee.Enclave{Platform: 4, TCB: rats.OutOfDate})
	_, free := mustQuote(t, simtee.Enclave{Platform: 5})
	certs := chain(t, q)
	tests := []struct {
		kind    rats.EndorsementKind
		ca      *x509.Certificate
		revoked int
	}{
		{rats.RootCACRL, certs[2], 0},
		{rats.PCKCRL, certs[1], len(sgxStatuses)},
	}
	for _, tt := range tests {
		list, err := x509.ParseRevocationList(items[tt.kind].Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(tt.ca); err != nil || !bytes.Equal(list.RawIssuer, tt.ca.RawSubject) {
			t.Errorf("%s: not by its CA: %v", tt.kind, err)
		}
		if stamp := list.ThisUpdate.Format(time.RFC3339); stamp != "2025-06-20T00:00:00Z" || list.NextUpdate.Sub(list.ThisUpdate) != 30*24*time.Hour {
			t.Errorf("%s: from %s to %s", tt.kind, list.ThisUpdate, list.NextUpdate)
		}
		if len(list.RevokedCertificateEntries) != tt.revoked {
			t.Errorf("%s: %d entries, want %d", tt.kind, len(list.RevokedCertificateEntries), tt.revoked)
		}
		if tt.kind != rats.PCKCRL {
			continue
		}
		if !lists(list, certs[0]) {
			t.Error("the revoked platform's certificate is not on the list")
		}
		if lists(list, chain(t, free)[0]) {
			t.Error("another platform's certificate is on the list")
		}
	}
	if len(items[rats.RootCACRL].Issuers) != 0 {
		t.Error("the root CRL names issuers, though the root signs it")
	}
	if got := items[rats.PCKCRL].Issuers; len(got) != 1 || !bytes.Equal(got[0], certs[1].Raw) {
		t.Error("the PCK CRL's issuer is not the PCK CA")
	}
}

func lists(list *x509.RevocationList, cert *x509.Certificate) bool {
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return true
		}
	}
	return false
}

func TestEndorsementsLastADay(t *testing.T) {
	get := func(at time.Time) []rats.Endorsement {
		items, err := simtee.Endorsements(at)
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	morning := get(time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC))
	// 01:59 two hours east of Greenwich is the day before in UTC.
	east := time.FixedZone("east", 2*60*60)
	evening := get(time.Date(2025, 6, 21, 1, 59, 59, 999, east))
	tomorrow := get(time.Date(2025, 6, 21, 0, 0, 0, 0, time.UTC))
	for i := range morning {
		if morning[i].Digest() != evening[i].Digest() {
			t.Errorf("%s changes during one day", morning[i].Kind)
		}
		if morning[i].Digest() == tomorrow[i].Digest() {
			t.Errorf("%s does not change from day to day", morning[i].Kind)
		}
	}
}

func TestThereAreNoEndorsementsOutsideThePKIsTime(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want bool
	}{
		{time.Date(2017, 12, 31, 23, 59, 59, 0, time.UTC), false},
		{time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), true},
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), true},
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Time{}, false},
	} {
		_, err := simtee.Endorsements(tt.at)
		if tt.want && err != nil || !tt.want && !errors.Is(err, rats.EndorsementUnavailable) {
			t.Errorf("at %s: %v", tt.at, err)
		}
	}
}
