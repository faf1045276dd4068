// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// The lab's statements hold from issued until nextUpdate, its certificates far
// longer; noon is in between.
var (
	issued     = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	noon       = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)
	nextUpdate = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	certsFrom  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	certsUntil = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
)

const labFMSPC = "10a0b0c0d0e0"

// part is one certificate of the lab: its template, to be edited before the lab
// is built, then its key and DER.
type part struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
	der []byte
	// signer signs in place of the one that should.
	signer *ecdsa.PrivateKey
	issuer *x509.Certificate
}

// lab is a vendor of the tests' own: a root, what stands under it, and one
// platform. Each of its parts can be edited to be wrong in one way.
type lab struct {
	t                      testing.TB
	root, ca, pck, signing part
	ext                    map[int]any
	quote                  *quote.Quote
	attestation            *ecdsa.PrivateKey
	// chain is what the quote carries, in this order.
	chain []*part
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newPart(t testing.TB, serial int64, name string, usage x509.KeyUsage, ca bool) part {
	t.Helper()
	return part{key: newKey(t), Certificate: &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Lab"}},
		NotBefore: certsFrom, NotAfter: certsUntil, KeyUsage: usage, BasicConstraintsValid: true, IsCA: ca,
	}}
}

// newLab returns a lab in which all is well, after edits to its parts.
func newLab(t testing.TB, edits ...func(*lab)) *lab {
	t.Helper()
	const ca = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	l := &lab{
		t:       t,
		root:    newPart(t, 1, "Lab SGX Root CA", ca, true),
		ca:      newPart(t, 2, "Lab SGX PCK Platform CA", ca, true),
		pck:     newPart(t, 3, "Lab SGX PCK Certificate", x509.KeyUsageDigitalSignature, false),
		signing: newPart(t, 4, "Lab SGX TCB Signing", x509.KeyUsageDigitalSignature, false),
		ext:     labExtension(), attestation: newKey(t),
	}
	l.quote = &quote.Quote{TEE: rats.SGX, SGX: &quote.SGXReport{MREnclave: [32]byte{1}}}
	l.quote.Header = quote.Header{Version: 3, AttestationKeyType: quote.ECDSAP256, QEVendorID: quote.IntelQEVendorID()}
	l.quote.QEReport = quote.SGXReport{
		MRSigner: [32]byte{0x5e}, ISVProdID: 1, ISVSVN: 8, Attributes: [16]byte{0x11}, MiscSelect: [4]byte{},
	}
	l.quote.QEAuthData = []byte("authentication data")
	l.quote.CertificationData.Type = quote.CertPCKChain
	copy(l.quote.AttestationKey[:], point(l.attestation))
	l.bind()
	l.chain = []*part{&l.pck, &l.ca, &l.root}
	for _, edit := range edits {
		edit(l)
	}
	l.build()
	return l
}

func point(key *ecdsa.PrivateKey) []byte {
	b, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return b[1:]
}

// bind has the quoting enclave's report vouch for the attestation key.
func (l *lab) bind() {
	sum := sha256.Sum256(append(bytes.Clone(l.quote.AttestationKey[:]), l.quote.QEAuthData...))
	l.quote.QEReport.ReportData = [64]byte{}
	copy(l.quote.QEReport.ReportData[:], sum[:])
}

func (l *lab) build() {
	l.t.Helper()
	l.pck.ExtraExtensions = append(l.pck.ExtraExtensions, l.sgxExtension()...)
	l.certify(&l.root, &l.root)
	l.certify(&l.ca, &l.root)
	l.certify(&l.pck, &l.ca)
	l.certify(&l.signing, &l.root)
	if l.quote.CertificationData.Data == nil {
		for _, p := range l.chain {
			l.quote.CertificationData.Data = append(l.quote.CertificationData.Data,
				pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.der})...)
		}
	}
}

// certify makes p's certificate as issued by another part.
func (l *lab) certify(p, by *part) {
	l.t.Helper()
	issuer, key := by.Certificate, by.key
	if p.issuer != nil {
		issuer = p.issuer
	}
	if p.signer != nil {
		key = p.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, p.Certificate, issuer, &p.key.PublicKey, key)
	if err != nil {
		l.t.Fatal(err)
	}
	p.der = der
}

// trust is the lab's root as a relying party pins it.
func (l *lab) trust() []rats.TrustRoot {
	l.t.Helper()
	c, err := x509.ParseCertificate(l.root.der)
	if err != nil {
		l.t.Fatal(err)
	}
	return []rats.TrustRoot{{Name: "lab", Subject: c.RawSubject, PublicKey: c.RawSubjectPublicKeyInfo}}
}

// evidence is the platform's quote, every signature made.
func (l *lab) evidence(edits ...func(*quote.Quote)) *quote.Quote {
	l.t.Helper()
	q := *l.quote
	q.Signature = rawSignature(l.t, l.attestation, q.AppendSigned(nil))
	q.QEReportSignature = rawSignature(l.t, l.pck.key, q.QEReport.Marshal())
	for _, edit := range edits {
		edit(&q)
	}
	parsed, err := quote.Parse(q.Marshal())
	if err != nil {
		l.t.Fatal(err)
	}
	return parsed
}

func rawSignature(t testing.TB, key *ecdsa.PrivateKey, data []byte) (out [64]byte) {
	t.Helper()
	sum := sha256.Sum256(data)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// object is JSON to be edited.
type object = map[string]any

// tcbInfo returns a level for all components ≥ 2 that is up to date, one for
// ≥ 1 that is out of date, and none below.
func tcbInfo() object {
	return object{
		"id": "SGX", "version": 3, "issueDate": stamp(issued), "nextUpdate": stamp(nextUpdate),
		"fmspc": labFMSPC, "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
		"tcbLevels": []any{
			tcbLevel(2, 10, "UpToDate", "2025-02-12T00:00:00Z"),
			tcbLevel(1, 5, "OutOfDate", "2023-02-15T00:00:00Z", "INTEL-SA-00615", "INTEL-DOC-00001"),
		},
	}
}

func tcbLevel(svn uint8, pcesvn int, status, date string, advisories ...string) object {
	l := object{
		"tcb":     object{"sgxtcbcomponents": components(svn), "pcesvn": pcesvn},
		"tcbDate": date, "tcbStatus": status,
	}
	if len(advisories) > 0 {
		l["advisoryIDs"] = advisories
	}
	return l
}

func components(svn uint8) []any {
	var out []any
	for range 16 {
		out = append(out, object{"svn": svn})
	}
	return out
}

// tcbInfoV2 says the same in the older version.
func tcbInfoV2() object {
	info := tcbInfo()
	delete(info, "id")
	info["version"] = 2
	for _, l := range info["tcbLevels"].([]any) {
		level := l.(object)
		delete(level, "advisoryIDs")
		tcb := level["tcb"].(object)
		for i, c := range tcb["sgxtcbcomponents"].([]any) {
			tcb[fmt.Sprintf("sgxtcbcomp%02dsvn", i+1)] = c.(object)["svn"]
		}
		delete(tcb, "sgxtcbcomponents")
	}
	return info
}

func identity() object {
	return object{
		"id": "QE", "version": 2, "issueDate": stamp(issued), "nextUpdate": stamp(nextUpdate),
		"tcbEvaluationDataNumber": 17, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
		"attributes": "11000000000000000000000000000000", "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
		"mrsigner": "5e" + strings.Repeat("0", 62), "isvprodid": 1,
		"tcbLevels": []any{
			object{"tcb": object{"isvsvn": 8}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "UpToDate"},
			object{
				"tcb": object{"isvsvn": 6}, "tcbDate": "2020-11-11T00:00:00Z", "tcbStatus": "OutOfDate",
				"advisoryIDs": []string{"INTEL-SA-00477"},
			},
			object{"tcb": object{"isvsvn": 4}, "tcbDate": "2019-11-13T00:00:00Z", "tcbStatus": "Revoked"},
		},
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sign wraps an inner object as the vendor sends it, signed by a part's key.
func (l *lab) sign(kind rats.EndorsementKind, inner any, by *part) rats.Endorsement {
	l.t.Helper()
	return l.signRaw(kind, encode(l.t, inner), by)
}

func (l *lab) signRaw(kind rats.EndorsementKind, raw []byte, by *part) rats.Endorsement {
	l.t.Helper()
	member := map[rats.EndorsementKind]string{
		rats.TCBInfo: "tcbInfo", rats.QEIdentity: "enclaveIdentity", rats.EvaluationNumbers: "tcbEvaluationDataNumbers",
	}[kind]
	sig := rawSignature(l.t, by.key, raw)
	body := fmt.Sprintf(`{"%s":%s,"signature":"%s"}`, member, raw, hex.EncodeToString(sig[:]))
	return rats.Endorsement{Kind: kind, Body: []byte(body), Issuers: [][]byte{by.der}}
}

// crl is a list of revoked serial numbers.
func (l *lab) crl(by *part, edit func(*x509.RevocationList), serials ...int64) rats.Endorsement {
	l.t.Helper()
	c, err := x509.ParseCertificate(by.der)
	if err != nil {
		l.t.Fatal(err)
	}
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: issued, NextUpdate: nextUpdate}
	for _, n := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: issued})
	}
	if edit != nil {
		edit(template)
	}
	c.SubjectKeyId = []byte("key")
	c.KeyUsage |= x509.KeyUsageCRLSign
	der, err := x509.CreateRevocationList(rand.Reader, template, c, by.key)
	if err != nil {
		l.t.Fatal(err)
	}
	if strings.Contains(c.Subject.CommonName, "Root CA") {
		return rats.Endorsement{Kind: rats.RootCACRL, Body: der}
	}
	return rats.Endorsement{Kind: rats.PCKCRL, Body: der, Issuers: [][]byte{by.der}}
}

// endorsements returns everything that the quote needs.
func (l *lab) endorsements() []rats.Endorsement {
	return []rats.Endorsement{
		l.sign(rats.TCBInfo, tcbInfo(), &l.signing), l.sign(rats.QEIdentity, identity(), &l.signing),
		l.crl(&l.root, nil), l.crl(&l.ca, nil),
	}
}

// set parses endorsements.
func set(t testing.TB, items ...rats.Endorsement) *dcap.Set {
	t.Helper()
	var out []*dcap.Statement
	for _, e := range items {
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatalf("%s: %v", e.Kind, err)
		}
		out = append(out, s)
	}
	return dcap.NewSet(out...)
}

// The SGX extension by the numbers of its elements; tests replace, add and
// remove some.

type extMember struct {
	ID    asn1.ObjectIdentifier
	Value any
}

var extOID = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

func labExtension() map[int]any {
	fmspc, _ := hex.DecodeString(labFMSPC)
	tcb := map[int]any{17: 11, 18: make([]byte, 16)}
	for i := range 16 {
		tcb[i+1] = 3
	}
	return map[int]any{
		1: make([]byte, 16), 2: tcb, 3: []byte{0, 0}, 4: fmspc, 5: asn1.Enumerated(1),
		6: make([]byte, 16), 7: map[int]any{1: true, 2: false, 3: true},
	}
}

func members(t testing.TB, prefix asn1.ObjectIdentifier, elements map[int]any) []extMember {
	t.Helper()
	var out []extMember
	for n := range 32 {
		v, ok := elements[n]
		if !ok {
			continue
		}
		id := append(append(asn1.ObjectIdentifier{}, prefix...), n)
		if nested, ok := v.(map[int]any); ok {
			v = members(t, id, nested)
		}
		out = append(out, extMember{id, v})
	}
	return out
}

func (l *lab) sgxExtension() []pkix.Extension {
	l.t.Helper()
	if l.ext == nil {
		return nil
	}
	der, err := asn1.Marshal(members(l.t, extOID, l.ext))
	if err != nil {
		l.t.Fatal(err)
	}
	return extension(der)
}

func extension(der []byte) []pkix.Extension { return []pkix.Extension{{Id: extOID, Value: der}} }
