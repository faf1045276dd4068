// SPDX-License-Identifier: Apache-2.0

package epid_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// keys are made once: RSA keys take long.
var keys = sync.OnceValue(func() (out struct {
	root, carrier *ecdsa.PrivateKey
	leaf, weak    *rsa.PrivateKey
}) {
	var err error
	must := func() {
		if err != nil {
			panic(err)
		}
	}
	out.root, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must()
	out.carrier, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must()
	out.leaf, err = rsa.GenerateKey(rand.Reader, 2048)
	must()
	out.weak, err = rsa.GenerateKey(rand.Reader, 1024)
	must()
	return out
})

// made is when the lab's reports are made.
func made() time.Time { return time.Date(2024, time.May, 6, 7, 8, 9, 123456000, time.UTC) }

// lab is a stand-in for Intel's service; its fields may be edited before it is
// asked for evidence.
type lab struct {
	t testing.TB
	// members are those of the body, in the order of their names.
	members map[string]any
	leaf    *x509.Certificate
	key     *rsa.PrivateKey
	root    rats.TrustRoot
}

func newLab(t testing.TB) *lab {
	t.Helper()
	q := epid.Quote{Version: 2, Linkable: true, GroupID: [4]byte{1, 2, 3, 4}, QESVN: 5, PCESVN: 6, Report: quote.SGXReport{ISVSVN: 7}}
	q.Report.ReportData = [64]byte{9}
	from, until := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	subject, err := asn1.Marshal(pkix.Name{CommonName: "Root of a lab"}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(keys().root.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &lab{
		t: t, key: keys().leaf, root: rats.TrustRoot{Name: "lab", Subject: subject, PublicKey: public},
		members: map[string]any{
			"id": "12345", "timestamp": made().Format("2006-01-02T15:04:05.000000"), "version": 4,
			"isvEnclaveQuoteStatus": "OK", "isvEnclaveQuoteBody": base64.StdEncoding.EncodeToString(q.Marshal()),
		},
		leaf: &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab Attestation Report Signing"}, NotBefore: from, NotAfter: until,
			KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		},
	}
}

func (l *lab) body() []byte {
	l.t.Helper()
	b, err := json.Marshal(l.members)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l *lab) certificate() []byte {
	l.t.Helper()
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "Root of a lab"}}
	der, err := x509.CreateCertificate(rand.Reader, l.leaf, root, l.key.Public(), keys().root)
	if err != nil {
		l.t.Fatal(err)
	}
	return der
}

func (l *lab) sign(body []byte) []byte {
	l.t.Helper()
	digest := sha256.Sum256(body)
	s, err := rsa.SignPKCS1v15(nil, l.key, crypto.SHA256, digest[:])
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// envelope returns the JSON form.
func (l *lab) envelope() []byte { return wrapped(l.t, l.body(), l.sign(l.body()), l.certificate()) }

func wrapped(t testing.TB, body, signature, leaf []byte) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"report": string(body), "signature": base64.StdEncoding.EncodeToString(signature),
		"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// carry returns a certificate that carries parts as extensions.
func (l *lab) carry(extensions ...pkix.Extension) []byte {
	l.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "enclave"}, NotBefore: made(), NotAfter: made().AddDate(1, 0, 0),
		ExtraExtensions: extensions,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, keys().carrier.Public(), keys().carrier)
	if err != nil {
		l.t.Fatal(err)
	}
	return der
}

// comment returns a certificate that carries the report as the original's enclaves do.
func (l *lab) comment() []byte {
	e := base64.StdEncoding
	body := l.body()
	text := string(body) + "|" + e.EncodeToString(l.sign(body)) + "|" + e.EncodeToString(l.certificate())
	return l.carry(pkix.Extension{Id: asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}, Value: []byte(text)})
}

// paper returns a certificate that carries the report as Intel's white paper has it.
func (l *lab) paper(doubled bool) []byte {
	prefix := asn1.ObjectIdentifier{1, 2, 840, 113741, 1337}
	if doubled {
		prefix = asn1.ObjectIdentifier{0, 6, 9, 42, 840, 113741, 1337}
	}
	part := func(n int, value []byte) pkix.Extension {
		return pkix.Extension{Id: append(slices.Clone(prefix), n), Value: value}
	}
	body := l.body()
	signature := []byte(base64.StdEncoding.EncodeToString(l.sign(body)))
	return l.carry(part(2, body), part(4, l.certificate()), part(5, signature))
}

// bind puts report data into the quote.
func (l *lab) bind(data []byte) {
	l.t.Helper()
	b, err := base64.StdEncoding.DecodeString(l.members["isvEnclaveQuoteBody"].(string))
	if err != nil {
		l.t.Fatal(err)
	}
	clear(b[368:])
	copy(b[368:], data)
	l.members["isvEnclaveQuoteBody"] = base64.StdEncoding.EncodeToString(b)
}

// appraise judges evidence under the lab's root a minute after it was made.
func (l *lab) appraise(evidence []byte) *epid.Appraisal {
	l.t.Helper()
	ev, err := epid.Parse(evidence)
	if err != nil {
		l.t.Fatal(err)
	}
	return epid.Appraise(ev, []rats.TrustRoot{epid.Intel(), l.root}, made().Add(time.Minute))
}

// slots returns the ABI encoding of values of type bytes.
func slots(values ...[]byte) []byte {
	number := func(n int) []byte {
		return big.NewInt(int64(n)).FillBytes(make([]byte, 32))
	}
	var head, tail []byte
	for _, v := range values {
		head = append(head, number(32*len(values)+len(tail))...)
		tail = append(append(tail, number(len(v))...), v...)
		tail = append(tail, make([]byte, (32-len(v)%32)%32)...)
	}
	return append(head, tail...)
}

// fields returns the ABI encoding of a real body's members, as contracts take it.
func fields(t testing.TB, body []byte) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	var values [][]byte
	for _, name := range []string{
		"id", "timestamp", "version", "epidPseudonym", "advisoryURL", "advisoryIDs", "isvEnclaveQuoteStatus", "platformInfoBlob", "isvEnclaveQuoteBody",
	} {
		raw, ok := m[name]
		if !ok {
			continue
		}
		v := []byte(strings.Trim(string(raw), `"`))
		if name == "isvEnclaveQuoteBody" {
			var err error
			if v, err = base64.StdEncoding.DecodeString(string(v)); err != nil {
				t.Fatal(err)
			}
		}
		values = append(values, v)
	}
	if len(values) != len(m) {
		t.Fatalf("members %v", slices.Collect(maps.Keys(m)))
	}
	return slots(values...)
}
