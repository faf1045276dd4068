// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"strings"

	"github.com/attesteer/attesteer/evcert"
	"github.com/attesteer/attesteer/rats"
)

// tagSequence is the first byte of a certificate (X.690 8.9, RFC 5280 4.1).
const tagSequence = 0x30

// Extensions in which certificates carry a report. The first is Netscape's
// comment, in which enclaves of the SDKs for Rust put it: body, signature and
// certificate, the last two in base64, with a bar between them. The rest are of
// Intel's white paper on attested TLS, an extension for each part; in the field
// their identifier often stands with its own tag and length in it.
const (
	oidComment = "2.16.840.1.113730.1.13"
	oidPaper   = "1.2.840.113741.1337."
	oidDoubled = "0.6.9.42.840.113741.1337."

	paperReport    = "2"
	paperLeaf      = "4"
	paperSignature = "5"
)

// readCarrier reads a certificate that carries a report.
func (ev *Evidence) readCarrier(der []byte) error {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return rats.Errorf(rats.Malformed, "certificate: %w", err)
	}
	ev.Carrier = c
	parts := make(map[string][]byte, len(c.Extensions))
	for _, e := range c.Extensions {
		id := e.Id.String()
		if id == oidComment {
			return ev.readComment(e.Value)
		}
		for _, prefix := range []string{oidPaper, oidDoubled} {
			if part, ok := strings.CutPrefix(id, prefix); ok {
				parts[part] = e.Value
			}
		}
	}
	ev.Body, ev.bound = parts[paperReport], true
	if len(ev.Body) == 0 {
		return malformed("the certificate carries no report")
	}
	if ev.Signature, err = decodeBase64(parts[paperSignature]); err != nil {
		return err
	}
	if leaf := parts[paperLeaf]; len(leaf) > 0 {
		ev.Chain, err = readChain(leaf)
	}
	return err
}

// readComment reads body ‖ '|' ‖ base64 signature ‖ '|' ‖ base64 certificate. The
// extension should hold a string, and holds what is in it in the field.
func (ev *Evidence) readComment(value []byte) error {
	var inner asn1.RawValue
	if rest, err := asn1.Unmarshal(value, &inner); err == nil && len(rest) == 0 && inner.Tag != asn1.TagSequence {
		value = inner.Bytes
	}
	parts := bytes.Split(value, []byte{'|'})
	if len(parts) != 3 {
		return malformed("the comment of the certificate has %d parts, not report, signature and certificate", len(parts))
	}
	ev.Body = parts[0]
	var err error
	if ev.Signature, err = decodeBase64(parts[1]); err != nil {
		return err
	}
	leaf := parts[2]
	if !bytes.HasPrefix(leaf, []byte("-----BEGIN ")) {
		if leaf, err = decodeBase64(leaf); err != nil {
			return err
		}
	}
	ev.Chain, err = readChain(leaf)
	return err
}

// carried checks the certificate that carried a report: that it was made by the
// holder of its own key, and, where its kind has it so, that this key is in the
// report data. note says how it stands.
func (ev *Evidence) carried() (note string, err error) {
	c := ev.Carrier
	if err := evcert.SignedByItself(c); err != nil {
		return "", err
	}
	data := ev.Report.Quote.Report.ReportData
	key := c.RawSubjectPublicKeyInfo
	sum := sha256.Sum256(key)
	switch {
	case bytes.Equal(data[:], append(sum[:], make([]byte, 32)...)):
		return "its key's SHA-256 is the report data", nil
	case ev.bound:
		return "", rats.Errorf(rats.BindingMismatch, "the report data are not the SHA-256 of the certificate's key followed by zeros")
	case bytes.HasSuffix(key, data[:]):
		return "its key is the report data", nil
	default:
		return "the report data do not name its key: it is an envelope, and no proof of who holds the key", nil
	}
}
