// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strconv"

	"github.com/attesteer/attesteer/rats"
)

// Evidence is a report, and what came along to check it.
type Evidence struct {
	// Body is the report as Intel signed it, byte for byte.
	Body []byte
	// Report is what Body says.
	Report *Report
	// Signature is PKCS #1 v1.5 over SHA-256 of Body; nil for a body alone.
	Signature []byte
	// Chain is the certificate of the signing key, and what came with it.
	Chain []*x509.Certificate
	// Carrier is the certificate in which all of it was an extension, or nil.
	Carrier *x509.Certificate
	// bound: the carrier's kind has its key in the report data.
	bound bool
}

// mark stands in every form of evidence but one, as it is signed.
const mark = "isvEnclaveQuoteBody"

// Is tells by its content whether b looks like a report in one of the forms that
// [Parse] takes.
func Is(b []byte) bool {
	if isABI(b) {
		return true
	}
	text := bytes.TrimSpace(carrierOf(b))
	return len(text) > 0 && (text[0] == '{' || text[0] == tagSequence) && bytes.Contains(text, []byte(mark))
}

// carrierOf returns the first certificate of PEM, and anything else as it is.
func carrierOf(b []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte(pemBegin)) {
		return b
	}
	if block, _ := pem.Decode(b); block != nil {
		return block.Bytes
	}
	return b
}

// pemBegin is how a certificate in PEM begins.
const pemBegin = "-----BEGIN CERTIFICATE-----"

// Parse reads a report in any of its forms:
//
//   - JSON of the members report (the signed body as a string), signature
//     (base64) and certificate (PEM, which may be URL-encoded as in the header
//     of the service's answer; absent for Intel's own);
//   - a certificate (DER, or the first of PEM) with the report in an extension:
//     see [Evidence];
//   - the ABI encoding of (bytes report, bytes signature), where the report is
//     the body, or the ABI encoding of its members' values;
//   - the body alone, which nobody can verify.
//
// The error is Malformed or Unsupported. Nothing is verified.
func Parse(b []byte) (*Evidence, error) {
	if len(b) > maxInput {
		return nil, malformed("a report of %d bytes is over %d", len(b), maxInput)
	}
	b = carrierOf(b)
	ev := &Evidence{}
	var err error
	switch text := bytes.TrimSpace(b); {
	case isABI(b):
		err = ev.readABI(b)
	case len(text) > 0 && text[0] == '{':
		err = ev.readJSON(text)
	case len(b) > 0 && b[0] == tagSequence:
		err = ev.readCarrier(b)
	default:
		err = malformed("neither JSON, a certificate nor an ABI encoding of a report")
	}
	if err != nil {
		return nil, err
	}
	if ev.Report, err = ParseReport(ev.Body); err != nil {
		return nil, err
	}
	if ev.Chain == nil {
		ev.Chain, err = readChain(SigningCertificate())
	}
	return ev, err
}

// readJSON reads the JSON envelope, or a body without one.
func (ev *Evidence) readJSON(text []byte) error {
	m := readMembers("the envelope", text)
	if _, bare := m.values[mark]; bare && m.err == nil {
		ev.Body = bytes.Clone(text)
		return nil
	}
	for name := range m.values {
		if name != "report" && name != "signature" && name != "certificate" {
			m.fail("has a member %.40q, which is none of report, signature and certificate", name)
		}
	}
	ev.Body = []byte(m.text("report", true))
	signature := m.text("signature", true)
	chain := ""
	if string(m.values["certificate"]) != "null" {
		chain = m.text("certificate", false)
	}
	if m.err != nil {
		return m.err
	}
	var err error
	if ev.Signature, err = decodeBase64([]byte(signature)); err != nil || chain == "" {
		return err
	}
	ev.Chain, err = readChain([]byte(chain))
	return err
}

// decodeBase64 reads standard base64, broken into lines or not.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.Join(bytes.Fields(text), nil)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(out, text)
	if err != nil || n == 0 {
		return nil, malformed("signature or certificate: not base64")
	}
	return out[:n], nil
}

// maxChain bounds how many certificates come with a report; Intel sends two.
const maxChain = 4

// readChain reads certificates: one in DER, or PEM, URL-encoded or not.
func readChain(b []byte) ([]*x509.Certificate, error) {
	if len(b) > 0 && b[0] == tagSequence {
		c, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "the certificate of the signing key: %w", err)
		}
		return []*x509.Certificate{c}, nil
	}
	rest, err := unescape(b)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		before := rest
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" || !bytes.HasPrefix(bytes.TrimSpace(before), []byte("-----BEGIN ")) {
			return nil, malformed("the certificate of the signing key is not PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "the certificate of the signing key: %w", err)
		}
		if out = append(out, c); len(out) > maxChain {
			return nil, malformed("over %d certificates of the signing key", maxChain)
		}
	}
	if len(out) == 0 {
		return nil, malformed("the certificate of the signing key is empty")
	}
	return out, nil
}

// unescape undoes the URL encoding (RFC 3986, 2.1) of the header in which the
// service sends its certificates. PEM itself has no percent sign.
func unescape(b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if i+2 >= len(b) {
				return nil, malformed("the certificate's URL encoding is cut short")
			}
			n, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
			if err != nil {
				return nil, malformed("the certificate's URL encoding is broken")
			}
			c, i = byte(n), i+2
		}
		out = append(out, c)
	}
	return out, nil
}
