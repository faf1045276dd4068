// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"strconv"

	"github.com/attesteer/attesteer/evcert"
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
	if der, err := evcert.DER(b); err == nil {
		return der
	}
	return b
}

// Parse reads a report in any of its forms:
//
//   - JSON of the members report (the signed body as a string), signature
//     (base64 of either alphabet) and certificate (PEM, which may be URL-encoded
//     as in the header of the service's answer, or DER in base64; absent for
//     Intel's own);
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

// decodeBase64 reads base64 of either alphabet, padded or not (RFC 4648 sections 4
// and 5), broken into lines or not, URL-encoded or not.
func decodeBase64(text []byte) ([]byte, error) {
	text, err := unescape(text)
	if err != nil {
		return nil, err
	}
	plain := bytes.TrimRight(bytes.Join(bytes.Fields(text), nil), "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out := make([]byte, e.DecodedLen(len(plain)))
		if n, err := e.Strict().Decode(out, plain); err == nil && n > 0 {
			return out[:n], nil
		}
	}
	return nil, malformed("signature or certificate: not base64")
}

// maxChain bounds how many certificates come with a report; Intel sends two.
const maxChain = 4

// readChain reads certificates: one in DER, or in base64 of it, or PEM, URL-encoded
// or not. Text may stand around PEM (RFC 7468 section 2), but no other block, and no
// block may be broken.
func readChain(b []byte) ([]*x509.Certificate, error) {
	if len(b) > 0 && b[0] == tagSequence {
		return appendCertificate(nil, b)
	}
	rest, err := unescape(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(rest, []byte("-----")) {
		der, err := decodeBase64(rest)
		if err != nil {
			return nil, err
		}
		return appendCertificate(nil, der)
	}
	var out []*x509.Certificate
	for bytes.Contains(rest, []byte("-----")) {
		der, err := evcert.DER(rest)
		if err != nil || len(der) == len(rest) {
			return nil, malformed("the certificate of the signing key is not PEM")
		}
		if out, err = appendCertificate(out, der); err != nil {
			return nil, err
		}
		const end = "-----END CERTIFICATE-----"
		_, rest, _ = bytes.Cut(rest, []byte(end))
	}
	return out, nil
}

func appendCertificate(to []*x509.Certificate, der []byte) ([]*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "the certificate of the signing key: %w", err)
	}
	if len(to) == maxChain {
		return nil, malformed("over %d certificates of the signing key", maxChain)
	}
	return append(to, c), nil
}

// unescape undoes the URL encoding (RFC 3986, 2.1) of the header in which the
// service sends its certificates. Neither PEM nor base64 has a percent sign.
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
