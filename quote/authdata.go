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
	// CertQEReport wraps the QE report and certification data of another type;
	// versions 4 and 5 always do.
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

// readAuthData reads the authentication data into q (A.4 table 4; TDX DCAP
// Quoting Library API A.3). b is exactly as long as the quote's signature
// length says, and must be used up: a gap or a rest would be bytes that nobody
// signs and nobody reads.
//
//	  0  64  signature over header and report by the attestation key, r ‖ s
//	 64  64  attestation key, x ‖ y
//	[128   6  type 6 and size of what follows, from version 4 on]
//	  + 384  QE report
//	  +  64  signature over the QE report by the PCK key, r ‖ s
//	  +   2  size n of the QE authentication data
//	  +   n  QE authentication data
//	  +   2  type of certification data
//	  +   4  its size m
//	  +   m  certification data
func (q *Quote) readAuthData(b []byte) error {
	if len(b) < 128 {
		return malformed("%d bytes of authentication data are too few", len(b))
	}
	copy(q.Signature[:], b)
	copy(q.AttestationKey[:], b[64:])
	b = b[128:]
	if q.Header.Version >= 4 {
		outer, err := readCertificationData(b)
		if err != nil {
			return err
		}
		if outer.Type != CertQEReport {
			return unsupported("certification data type %d around the QE report, where version %d has 6", outer.Type, q.Header.Version)
		}
		b = outer.Data
	}
	if len(b) < authDataMin-128 {
		return malformed("%d bytes are too few for a QE report and its certification", len(b))
	}
	q.QEReportRaw = b[:SGXReportSize:SGXReportSize]
	q.QEReport = readSGXReport(q.QEReportRaw)
	copy(q.QEReportSignature[:], b[384:])

	// A.4 table 8. The size is compared with what is left after the header of
	// the certification data, which is always there.
	n := int(binary.LittleEndian.Uint16(b[448:]))
	b = b[450:]
	if n > len(b)-certHeaderSize {
		return malformed("%d bytes of QE authentication data do not fit in the authentication data", n)
	}
	q.QEAuthData, b = b[:n:n], b[n:]

	var err error
	if q.CertificationData, err = readCertificationData(b); err != nil {
		return err
	}
	if q.Header.Version >= 4 && q.CertificationData.Type == CertQEReport {
		return malformed("certification data of type 6 within type 6")
	}
	return nil
}

// certHeaderSize is the length of type and size before certification data.
const certHeaderSize = 2 + 4

// readCertificationData reads certification data that must use up b (A.4 table 9).
func readCertificationData(b []byte) (CertificationData, error) {
	if len(b) < certHeaderSize {
		return CertificationData{}, malformed("%d bytes where certification data should be", len(b))
	}
	kind, size := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[2:])
	b = b[certHeaderSize:]
	if uint64(size) != uint64(len(b)) {
		return CertificationData{}, malformed("%d bytes of certification data, where the authentication data leave %d", size, len(b))
	}
	if kind < CertPPID || kind > CertPlatformManifest {
		return CertificationData{}, unsupported("certification data type %d", kind)
	}
	return CertificationData{Type: kind, Data: b}, nil
}

// authDataSize returns how many bytes appendAuthData appends.
func (q *Quote) authDataSize() int {
	n := authDataMin + len(q.QEAuthData) + len(q.CertificationData.Data)
	if q.Header.Version >= 4 {
		n += certHeaderSize
	}
	return n
}

// appendAuthData appends what readAuthData reads.
func (q *Quote) appendAuthData(b []byte) []byte {
	b = append(b, q.Signature[:]...)
	b = append(b, q.AttestationKey[:]...)
	if q.Header.Version >= 4 {
		b = appendCertificationHeader(b, CertQEReport, q.authDataSize()-128-certHeaderSize)
	}
	b = q.QEReport.AppendTo(b)
	b = append(b, q.QEReportSignature[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(q.QEAuthData))) //nolint:gosec // documented limit of the field
	b = append(b, q.QEAuthData...)
	b = appendCertificationHeader(b, q.CertificationData.Type, len(q.CertificationData.Data))
	return append(b, q.CertificationData.Data...)
}

func appendCertificationHeader(b []byte, kind uint16, size int) []byte {
	b = binary.LittleEndian.AppendUint16(b, kind)
	return binary.LittleEndian.AppendUint32(b, uint32(size)) //nolint:gosec // documented limit of the field
}
