// SPDX-License-Identifier: Apache-2.0

package quote

import (
	"bytes"
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// signedSizeV3 is the length of what the attestation key signs in version 3.
const signedSizeV3 = HeaderSize + SGXReportSize

// MinSize is the least length of a quote: header, SGX report, signature length
// and authentication data whose variable parts are empty.
const MinSize = signedSizeV3 + 4 + authDataMin

// Quote is one parsed quote. Its slices belong to it: Parse copies its input.
type Quote struct {
	Header Header
	TEE    rats.TEE
	// SGX is the enclave's report, set when TEE is rats.SGX.
	SGX *SGXReport
	// Signed is exactly what Signature covers: header and report.
	Signed []byte
	// Signature is r ‖ s, big-endian, by AttestationKey.
	Signature [64]byte
	// AttestationKey is the P-256 point x ‖ y, big-endian, not yet known to lie
	// on the curve.
	AttestationKey [64]byte
	// QEReport is the quoting enclave's own report, whose report data bind
	// AttestationKey and QEAuthData; QEReportRaw is the same in 384 bytes as
	// QEReportSignature (r ‖ s, by the PCK key) covers them.
	QEReport          SGXReport
	QEReportRaw       []byte
	QEReportSignature [64]byte
	// QEAuthData is at most 65,535 bytes of the quoting enclave's choice.
	QEAuthData        []byte
	CertificationData CertificationData
	// Trailing is what follows the authentication data, signed by nobody.
	Trailing []byte
}

// Parse reads a quote. It returns a *rats.Error: Malformed when sizes or
// reserved bytes do not agree, Unsupported for versions, key types, vendors and
// certification data that are known or plausible but not read here.
func Parse(b []byte) (*Quote, error) {
	// The length comes first, so that what was cut short is malformed whatever
	// its first bytes say.
	if len(b) < MinSize {
		return nil, malformed("%d bytes are fewer than the %d of the smallest quote", len(b), MinSize)
	}
	header := readHeader(b)
	if err := header.check(); err != nil {
		return nil, err
	}
	return parseV3(header, bytes.Clone(b))
}

// parseV3 reads a quote of at least MinSize bytes whose header is checked. The
// result keeps slices of b.
//
//	  0  48  header
//	 48 384  SGX report
//	432   4  signature length n
//	436   n  authentication data
//	  +      trailing bytes
func parseV3(header Header, b []byte) (*Quote, error) {
	q := &Quote{Header: header, TEE: rats.SGX, Signed: b[:signedSizeV3:signedSizeV3]}
	report := readSGXReport(b[HeaderSize:])
	q.SGX = &report

	size := binary.LittleEndian.Uint32(b[signedSizeV3:])
	b = b[signedSizeV3+4:]
	// A.4 table 2: the signature length counts the authentication data.
	if uint64(size) > uint64(len(b)) {
		return nil, malformed("%d bytes of authentication data, of which %d are there", size, len(b))
	}
	if err := q.readAuthDataV3(b[:size:size]); err != nil {
		return nil, err
	}
	q.Trailing = b[size:]
	return q, nil
}

// Marshal returns the quote's bytes in version 3, trailing ones included. It
// writes Header, SGX and QEReport, not the raw copies in Signed and
// QEReportRaw, so that a Quote can be built field by field. For what Parse
// returned it gives back Parse's input.
func (q *Quote) Marshal() []byte {
	auth := authDataMin + len(q.QEAuthData) + len(q.CertificationData.Data)
	b := make([]byte, 0, signedSizeV3+4+auth+len(q.Trailing))
	b = q.Header.AppendTo(b)
	b = q.SGX.AppendTo(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(auth)) //nolint:gosec // the parts' own size fields bound it
	b = q.appendAuthDataV3(b)
	return append(b, q.Trailing...)
}

// Format names the quote's own form, without any envelope around it.
func (q *Quote) Format() rats.Format { return rats.SGXQuoteV3 }
