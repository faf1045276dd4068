// SPDX-License-Identifier: Apache-2.0

package quote

import "encoding/binary"

// authDataMin is the length of authentication data whose two variable parts
// are empty: signature, attestation key, QE report, its signature, and the
// sizes of both (A.4 tables 4, 8 and 9).
const authDataMin = 64 + 64 + SGXReportSize + 64 + 2 + 6

// Types of certification data (A.4 table 9; version 4 adds the last two).
const (
	// CertPPID is the platform's provisioning id in the clear, with CPUSVN,
	// PCE SVN and PCE id.
	CertPPID uint16 = 1
	// CertPPIDRSA2048 and CertPPIDRSA3072 are the same, encrypted.
	CertPPIDRSA2048 uint16 = 2
	CertPPIDRSA3072 uint16 = 3
	// CertPCKLeaf is the PCK certificate alone.
	CertPCKLeaf uint16 = 4
	// CertPCKChain is the PCK certificate with its issuers, concatenated PEM.
	CertPCKChain uint16 = 5
	// CertQEReport wraps the QE report and certification data of another type.
	CertQEReport uint16 = 6
	// CertPlatformManifest is a manifest for multi-package registration.
	CertPlatformManifest uint16 = 7
)

// CertificationData says how the QE report's signature leads to Intel (A.4
// table 9). Data are not looked into here.
type CertificationData struct {
	Type uint16
	Data []byte
}

// readAuthDataV3 reads the authentication data of version 3 into q (A.4 table
// 4). b is exactly as long as the quote's signature length says, and must be
// used up: a gap or a rest would be bytes that nobody signs and nobody reads.
//
//	  0  64  signature over header and report by the attestation key, r ‖ s
//	 64  64  attestation key, x ‖ y
//	128 384  QE report
//	512  64  signature over the QE report by the PCK key, r ‖ s
//	576   2  size n of the QE authentication data
//	578   n  QE authentication data
//	  +   2  type of certification data
//	  +   4  its size m
//	  +   m  certification data
func (q *Quote) readAuthDataV3(b []byte) error {
	if len(b) < authDataMin {
		return malformed("%d bytes of authentication data are fewer than %d", len(b), authDataMin)
	}
	copy(q.Signature[:], b)
	copy(q.AttestationKey[:], b[64:])
	q.QEReportRaw = b[128:512:512]
	q.QEReport = readSGXReport(q.QEReportRaw)
	copy(q.QEReportSignature[:], b[512:])

	// A.4 table 8. The size is compared with what is left after the header of
	// the certification data, which is always there.
	n := int(binary.LittleEndian.Uint16(b[576:]))
	b = b[578:]
	if n > len(b)-6 {
		return malformed("%d bytes of QE authentication data do not fit in the authentication data", n)
	}
	q.QEAuthData, b = b[:n:n], b[n:]

	// A.4 table 9.
	kind, size := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[2:])
	b = b[6:]
	if uint64(size) != uint64(len(b)) {
		return malformed("%d bytes of certification data, where the authentication data leave %d", size, len(b))
	}
	if kind < CertPPID || kind > CertPlatformManifest {
		return unsupported("certification data type %d", kind)
	}
	q.CertificationData = CertificationData{Type: kind, Data: b}
	return nil
}

// appendAuthDataV3 appends what readAuthDataV3 reads.
func (q *Quote) appendAuthDataV3(b []byte) []byte {
	b = append(b, q.Signature[:]...)
	b = append(b, q.AttestationKey[:]...)
	b = q.QEReport.AppendTo(b)
	b = append(b, q.QEReportSignature[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(q.QEAuthData))) //nolint:gosec // documented limit of the field
	b = append(b, q.QEAuthData...)
	b = binary.LittleEndian.AppendUint16(b, q.CertificationData.Type)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(q.CertificationData.Data))) //nolint:gosec // documented limit of the field
	return append(b, q.CertificationData.Data...)
}
