// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"github.com/attesteer/attesteer/epid"
)

// reportSigningName is the common name in the place where Intel has "Intel SGX
// Attestation Report Signing".
const reportSigningName = "Simulated SGX Attestation Report Signing"

// IAS is what a simulated attestation service is to say of an enclave's quote.
// The zero IAS says OK by version 4 of the API.
type IAS struct {
	Enclave Enclave
	// Time is when the report is made, to the microsecond; UTC.
	Time   time.Time
	Status epid.QuoteStatus
	// Version of the API; negative for one that was not named.
	Version    int
	Advisories []string
	Nonce      string
	// Unlinkable leaves the pseudonym out, which is otherwise the machine's.
	Unlinkable bool
	// PlatformInfo is at most 101 bytes of what the platform has to mend; nil for none.
	PlatformInfo []byte
	// Edit, if there is one, edits the body before it is signed.
	Edit func(body string) string
	// Certificate, if there is one, edits the template of the certificate of the
	// report signing key.
	Certificate func(*x509.Certificate)
}

// IASReport is a report as the service answered with it.
type IASReport struct {
	Body      []byte
	Signature []byte
	// Certificate is that of the report signing key, in DER.
	Certificate []byte
}

// IASReport has the simulated service verify an enclave's quote: a report under
// the root of the PKI, with a genuine signature.
func (p *PKI) IASReport(s IAS) (IASReport, error) {
	body, err := s.body()
	if err != nil {
		return IASReport{}, err
	}
	if s.Edit != nil {
		body = s.Edit(body)
	}
	key := reportSigningKey()
	out := IASReport{Body: []byte(body)}
	digest := sha256.Sum256(out.Body)
	if out.Signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
		return IASReport{}, internal("signature", err)
	}
	by := *p.root.cert
	by.PublicKey = nil
	t := leaf(reportSigningName)
	t.SerialNumber = serial("report signing")
	if s.Certificate != nil {
		s.Certificate(t)
	}
	if out.Certificate, err = x509.CreateCertificate(nil, t, &by, key.Public(), p.root.key); err != nil {
		return IASReport{}, internal("certificate", err)
	}
	return out, nil
}

// body writes the report as the service does, in its order of members.
func (s IAS) body() (string, error) {
	_, level, err := levelOf(s.Enclave.TCB)
	if err != nil {
		return "", err
	}
	q := epid.Quote{Version: 2, Linkable: !s.Unlinkable, GroupID: [4]byte{0xa7, 0x7e}, QESVN: qeISVSVN, PCESVN: 11, Report: s.Enclave.report(level)}
	var m members
	id := derive("ias report "+s.Time.UTC().Format(time.RFC3339Nano), s.Enclave.Platform)
	m.text("id", new(big.Int).SetBytes(id[:16]).String())
	m.text("timestamp", s.Time.UTC().Format("2006-01-02T15:04:05.000000"))
	if version := s.Version; version >= 0 {
		if version == 0 {
			version = 4
		}
		m.value("version", version)
	}
	if !s.Unlinkable {
		first, second := derive("pseudonym b", s.Enclave.Platform), derive("pseudonym k", s.Enclave.Platform)
		m.text("epidPseudonym", base64.StdEncoding.EncodeToString(append(doubled(first), doubled(second)...)))
	}
	if len(s.Advisories) > 0 {
		m.text("advisoryURL", "https://simulated.invalid/advisories")
		m.value("advisoryIDs", s.Advisories)
	}
	status := s.Status
	if status == "" {
		status = epid.OK
	}
	m.text("isvEnclaveQuoteStatus", string(status))
	if s.PlatformInfo != nil {
		blob := append([]byte{21, 2, 0, 101}, make([]byte, 101)...)
		copy(blob[4:], s.PlatformInfo)
		m.text("platformInfoBlob", strings.ToUpper(hex.EncodeToString(blob)))
	}
	if s.Nonce != "" {
		m.text("nonce", s.Nonce)
	}
	m.text("isvEnclaveQuoteBody", base64.StdEncoding.EncodeToString(q.Marshal()))
	return "{" + strings.Join(m, ",") + "}", nil
}

func doubled(half [32]byte) []byte { return append(append([]byte{}, half[:]...), half[:]...) }

// members are those of a JSON object, in the order in which they are written.
type members []string

func (m *members) value(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers, and lists of strings
	}
	*m = append(*m, `"`+name+`":`+string(b))
}

func (m *members) text(name, s string) { m.value(name, s) }

// JSON returns the report in the JSON envelope.
func (r IASReport) JSON() []byte {
	b, err := json.Marshal(map[string]string{
		"report": string(r.Body), "signature": base64.StdEncoding.EncodeToString(r.Signature), "certificate": string(pemOf(r.Certificate)),
	})
	if err != nil {
		panic(err) // strings
	}
	return b
}

// Carried returns a certificate (DER) that carries the report in Netscape's
// comment, for the key that label names.
func (r IASReport) Carried(label string) ([]byte, error) {
	encode := base64.StdEncoding.EncodeToString
	comment := string(r.Body) + "|" + encode(r.Signature) + "|" + encode(r.Certificate)
	t := template("Simulated enclave", x509.KeyUsageDigitalSignature)
	t.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}, Value: []byte(comment)}}
	key := Key(label)
	der, err := x509.CreateCertificate(nil, t, t, key.Public(), key)
	if err != nil {
		return nil, internal("certificate", err)
	}
	return der, nil
}

// Pair returns the ABI encoding of (bytes report, bytes signature). It has no
// room for the certificate.
func (r IASReport) Pair() []byte {
	word := func(n int) []byte {
		return binary.BigEndian.AppendUint32(make([]byte, 28, 32), uint32(n)) //nolint:gosec // a few kB
	}
	padded := func(b []byte) []byte { return append(append([]byte{}, b...), make([]byte, (32-len(b)%32)%32)...) }
	first := append(word(len(r.Body)), padded(r.Body)...)
	out := append(word(64), word(64+len(first))...)
	out = append(append(out, first...), word(len(r.Signature))...)
	return append(out, padded(r.Signature)...)
}
