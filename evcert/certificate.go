// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// MaxSize is how many bytes a certificate may have, in DER. A quote with its
// chain takes about 5,000 of them, and one within JSON within another twice that.
const MaxSize = 128 << 10

// Certificate is a certificate that carries evidence.
type Certificate struct {
	// Key is the SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
	Key []byte
	// SelfIssued says that the certificate names itself as its issuer (RFC 5280
	// section 3.2). Who signed another is for those to judge who know that issuer.
	SelfIssued bool
	// Evidence is what was found, the kind with the strongest binding first. There
	// is at least one.
	Evidence []Evidence

	cert *x509.Certificate
}

// CheckSignature verifies the signature of a self-issued certificate by its own
// key; another one it does not verify. The error is BadSignature, or Unsupported
// for an algorithm that is not verified here, SHA-1 among them.
func (c *Certificate) CheckSignature() error {
	if !c.SelfIssued {
		return nil
	}
	return SignedByItself(c.cert)
}

// SignedByItself checks that a certificate's own key signed it, whoever it names as
// its issuer. The error is as of [Certificate.CheckSignature].
func SignedByItself(c *x509.Certificate) error {
	// Such certificates are no CAs, which CheckSignatureFrom would ask for.
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var insecure x509.InsecureAlgorithmError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, x509.ErrUnsupportedAlgorithm), errors.As(err, &insecure):
		return rats.Errorf(rats.Unsupported, "the certificate's signature: %w", err)
	default:
		return rats.Errorf(rats.BadSignature, "the certificate is not signed by its own key: %w", err)
	}
}

// The marks around a certificate in PEM (RFC 7468 section 5.1).
const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// Is reports whether raw looks like a certificate: PEM that says so, or DER of
// the outline that one has (RFC 5280 section 4.1).
func Is(raw []byte) bool {
	if _, ok := inPEM(raw); ok {
		return true
	}
	var outer struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if len(raw) < 2 || raw[0] != 0x30 {
		return false
	}
	rest, err := asn1.Unmarshal(raw, &outer)
	return err == nil && len(rest) == 0 && outer.TBS.Tag == asn1.TagSequence && outer.Algorithm.Tag == asn1.TagSequence
}

// Parse reads a certificate, in DER or as the first of a PEM file, and finds the
// evidence in it. A certificate without evidence, or with evidence of a kind that
// is not read here, is Malformed or Unsupported. Nothing is verified.
func Parse(raw []byte) (*Certificate, error) {
	der, err := DER(raw)
	if err != nil {
		return nil, err
	}
	if len(der) > MaxSize {
		return nil, rats.Errorf(rats.Malformed, "the certificate has %d bytes, of which %d are read", len(der), MaxSize)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "%s: %w", seen(der), err)
	}
	out := &Certificate{
		Key: cert.RawSubjectPublicKeyInfo, SelfIssued: bytes.Equal(cert.RawIssuer, cert.RawSubject), cert: cert,
	}
	if out.Evidence, err = find(cert); err != nil {
		return nil, err
	}
	// RFC 5280 section 4.2: what is critical and not understood must be refused.
	for _, id := range cert.UnhandledCriticalExtensions {
		if !slices.ContainsFunc(out.Evidence, func(e Evidence) bool { return e.OID == id.String() }) {
			return nil, rats.Errorf(rats.Unsupported, "the certificate has the critical extension %s, which is not known here", id)
		}
	}
	return out, nil
}

// seen names DER of a certificate's outline that is none.
func seen(der []byte) string {
	if _, err := x509.ParseRevocationList(der); err == nil {
		return "a certificate revocation list is no evidence"
	}
	if _, err := x509.ParseCertificateRequest(der); err == nil {
		return "a request for a certificate is no evidence"
	}
	return "the certificate"
}

// inPEM returns PEM from its first certificate on. What stands before it may be text
// that explains it (RFC 7468 sections 2 and 5.2), as OpenSSL's commands print some, but
// no other block.
func inPEM(raw []byte) ([]byte, bool) {
	at := bytes.Index(raw, []byte(pemBegin))
	if at < 0 {
		return nil, false
	}
	before := raw[:at]
	blank := len(bytes.Trim(before, " \t\r\n")) == 0
	if !blank && (before[at-1] != '\n' || bytes.Contains(before, []byte("-----")) || bytes.IndexByte(before, 0) >= 0 || !utf8.Valid(before)) {
		return nil, false
	}
	return raw[at:], true
}

// DER returns the first certificate of PEM in DER, and anything else as it is. In PEM
// the first one counts, as in TLS (RFC 8446 section 4.4.2), and what follows it is not
// read. PEM whose first certificate is broken is Malformed.
func DER(raw []byte) ([]byte, error) {
	text, ok := inPEM(raw)
	if !ok {
		return raw, nil
	}
	// The first has to be a good one: encoding/pem would go on to the next.
	first, _, ended := bytes.Cut(text, []byte(pemEnd))
	block, _ := pem.Decode(append(bytes.Clone(first), pemEnd+"\n"...))
	if !ended || block == nil || bytes.Count(first, []byte(pemBegin)) != 1 {
		return nil, rats.Errorf(rats.Malformed, "the PEM does not begin with a certificate")
	}
	return block.Bytes, nil
}

// find returns the evidence in a certificate, the kind with the strongest
// binding first.
func find(cert *x509.Certificate) ([]Evidence, error) {
	var out []Evidence
	var unread error
	for _, x := range cert.Extensions {
		e, err := open(x.Id.String(), x.Value)
		switch {
		case err != nil && rats.KindOf(err) == rats.Unsupported:
			// Evidence of another kind may stand beside it.
			unread = err
		case err != nil:
			return nil, err
		case e != nil:
			out = append(out, *e)
		}
	}
	if len(out) == 0 && unread != nil {
		return nil, unread
	}
	if len(out) == 0 {
		return nil, rats.Errorf(rats.Malformed, "the certificate of %q carries no evidence of a kind known here", cert.Subject)
	}
	slices.SortStableFunc(out, func(a, b Evidence) int { return int(a.Kind) - int(b.Kind) })
	return out, nil
}
