// SPDX-License-Identifier: Apache-2.0

package quote

import (
	"bytes"
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// MinSize is the least length of a quote: that of version 3 with an SGX report
// and authentication data whose variable parts are empty. Others are longer.
const MinSize = HeaderSize + SGXReportSize + 4 + authDataMin

// Quote is one parsed quote. Its slices belong to it: Parse copies its input.
type Quote struct {
	Header Header
	TEE    rats.TEE
	// BodyType is zero before version 5, where the TEE says it all.
	BodyType BodyType
	// SGX is the enclave's report, set when TEE is rats.SGX.
	SGX *SGXReport
	// TD is the trust domain's report, set when TEE is rats.TDX.
	TD *TDReport
	// Signed is exactly what Signature covers: header, in version 5 the type and
	// size of the report, and the report.
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
	QEAuthData []byte
	// CertificationData leads from the QE report's signature to Intel. Versions
	// 4 and 5 wrap it, with the QE report, in data of type 6; what is kept here
	// is the inner one.
	CertificationData CertificationData
	// Trailing is what follows the authentication data, signed by nobody.
	Trailing []byte
}

// Parse reads a quote. It returns a *rats.Error: Malformed when sizes or
// reserved bytes do not agree, Unsupported for versions, key types, vendors and
// certification data that are known or plausible but not read here.
//
//	  0  48  header
//	[ 48   6  type and size of the report, in version 5]
//	  +   n  report
//	  +   4  signature length m
//	  +   m  authentication data
//	  +      trailing bytes
func Parse(b []byte) (*Quote, error) { return ParseShared(bytes.Clone(b)) }

// ParseShared is Parse without the copy: the Quote's slices are parts of b,
// which must not change while they are in use.
func ParseShared(b []byte) (*Quote, error) {
	// The length comes first, so that what was cut short is malformed whatever
	// its first bytes say.
	if len(b) < MinSize {
		return nil, malformed("%d bytes are fewer than the %d of the smallest quote", len(b), MinSize)
	}
	q := &Quote{Header: readHeader(b), TEE: rats.SGX}
	if err := q.Header.check(); err != nil {
		return nil, err
	}
	if q.Header.TEEType == TEETypeTDX {
		q.TEE = rats.TDX
	}
	size, err := q.readBody(b[HeaderSize:])
	if err != nil {
		return nil, err
	}
	size += HeaderSize
	q.Signed, b = b[:size:size], b[size:]
	if len(b) < 4 {
		return nil, malformed("%d bytes where the signature length should be", len(b))
	}
	auth := binary.LittleEndian.Uint32(b)
	b = b[4:]
	// A.4 table 2: the signature length counts the authentication data.
	if uint64(auth) > uint64(len(b)) {
		return nil, malformed("%d bytes of authentication data, of which %d are there", auth, len(b))
	}
	if err := q.readAuthData(b[:auth:auth]); err != nil {
		return nil, err
	}
	q.Trailing = b[auth:]
	return q, nil
}

// Marshal returns the quote's bytes, trailing ones included. It writes Header,
// the report and QEReport, not the raw copies in Signed and QEReportRaw, so
// that a Quote can be built field by field. For what Parse returned it gives
// back Parse's input.
func (q *Quote) Marshal() []byte {
	auth := q.authDataSize()
	b := make([]byte, 0, HeaderSize+descriptorSize+TD15ExtReportSize+4+auth+len(q.Trailing))
	b = q.AppendSigned(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(auth)) //nolint:gosec // the parts' own size fields bound it
	b = q.appendAuthData(b)
	return append(b, q.Trailing...)
}

// AppendSigned appends what the attestation key signs, made from Header,
// BodyType and the report.
func (q *Quote) AppendSigned(b []byte) []byte { return q.appendBody(q.Header.AppendTo(b)) }

// ReportData returns the 64 bytes that the enclave or trust domain had signed.
func (q *Quote) ReportData() []byte {
	if q.TD != nil {
		return q.TD.ReportData[:]
	}
	return q.SGX.ReportData[:]
}

// Format names the quote's own form, without any envelope around it.
func (q *Quote) Format() rats.Format {
	switch {
	case q.TEE == rats.TDX && q.Header.Version == 5:
		return rats.TDXQuoteV5
	case q.TEE == rats.TDX:
		return rats.TDXQuoteV4
	case q.Header.Version == 5:
		return rats.SGXQuoteV5
	case q.Header.Version == 4:
		return rats.SGXQuoteV4
	default:
		return rats.SGXQuoteV3
	}
}
