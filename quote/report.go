// SPDX-License-Identifier: Apache-2.0

package quote

import "encoding/binary"

// SGXReportSize is the length of an SGX report body in bytes.
const SGXReportSize = 384

// attributeDebug is ATTRIBUTES.FLAGS.DEBUG (Intel SDM vol. 3D, ATTRIBUTES).
const attributeDebug = 1 << 1

// SGXReport is the body of an SGX report (A.4 table 5; Intel SDM vol. 3D,
// REPORT), little-endian:
//
//	  0 16  CPUSVN                160 32  reserved
//	 16  4  MISCSELECT            192 64  CONFIGID
//	 20 12  reserved              256  2  ISVPRODID
//	 32 16  ISVEXTPRODID          258  2  ISVSVN
//	 48 16  ATTRIBUTES            260  2  CONFIGSVN
//	 64 32  MRENCLAVE             262 42  reserved
//	 96 32  reserved              304 16  ISVFAMILYID
//	128 32  MRSIGNER              320 64  REPORTDATA
//
// Reserved bytes are kept as they came: the processor sets them, and they are
// signed like the rest.
type SGXReport struct {
	// CPUSVN is opaque; TCB levels are compared with the certificate's
	// component SVNs instead.
	CPUSVN       [16]byte
	MiscSelect   [4]byte
	Reserved1    [12]byte
	ISVExtProdID [16]byte
	// Attributes is FLAGS (8 bytes) and XFRM (8 bytes).
	Attributes [16]byte
	// MREnclave measures the enclave's code and data as loaded.
	MREnclave [32]byte
	Reserved2 [32]byte
	// MRSigner is SHA-256 of the modulus of the key that signed the enclave.
	MRSigner    [32]byte
	Reserved3   [32]byte
	ConfigID    [64]byte
	ISVProdID   uint16
	ISVSVN      uint16
	ConfigSVN   uint16
	Reserved4   [42]byte
	ISVFamilyID [16]byte
	// ReportData is what the enclave chose to have signed.
	ReportData [64]byte
}

// Debug reports whether the enclave runs in debug mode, in which its host can
// read and write its memory.
func (r *SGXReport) Debug() bool { return r.Attributes[0]&attributeDebug != 0 }

// Marshal returns the 384 bytes of the report body.
func (r *SGXReport) Marshal() []byte { return r.AppendTo(make([]byte, 0, SGXReportSize)) }

// AppendTo appends the 384 bytes of the report body to b.
func (r *SGXReport) AppendTo(b []byte) []byte {
	b = append(b, r.CPUSVN[:]...)
	b = append(b, r.MiscSelect[:]...)
	b = append(b, r.Reserved1[:]...)
	b = append(b, r.ISVExtProdID[:]...)
	b = append(b, r.Attributes[:]...)
	b = append(b, r.MREnclave[:]...)
	b = append(b, r.Reserved2[:]...)
	b = append(b, r.MRSigner[:]...)
	b = append(b, r.Reserved3[:]...)
	b = append(b, r.ConfigID[:]...)
	b = binary.LittleEndian.AppendUint16(b, r.ISVProdID)
	b = binary.LittleEndian.AppendUint16(b, r.ISVSVN)
	b = binary.LittleEndian.AppendUint16(b, r.ConfigSVN)
	b = append(b, r.Reserved4[:]...)
	b = append(b, r.ISVFamilyID[:]...)
	return append(b, r.ReportData[:]...)
}

// ReadSGXReport reads the body of a report that something else than a quote of
// this package carries.
func ReadSGXReport(b [SGXReportSize]byte) SGXReport { return readSGXReport(b[:]) }

// readSGXReport reads SGXReportSize bytes; every value of every field is possible.
func readSGXReport(b []byte) SGXReport {
	var r SGXReport
	copy(r.CPUSVN[:], b[0:])
	copy(r.MiscSelect[:], b[16:])
	copy(r.Reserved1[:], b[20:])
	copy(r.ISVExtProdID[:], b[32:])
	copy(r.Attributes[:], b[48:])
	copy(r.MREnclave[:], b[64:])
	copy(r.Reserved2[:], b[96:])
	copy(r.MRSigner[:], b[128:])
	copy(r.Reserved3[:], b[160:])
	copy(r.ConfigID[:], b[192:])
	r.ISVProdID = binary.LittleEndian.Uint16(b[256:])
	r.ISVSVN = binary.LittleEndian.Uint16(b[258:])
	r.ConfigSVN = binary.LittleEndian.Uint16(b[260:])
	copy(r.Reserved4[:], b[262:])
	copy(r.ISVFamilyID[:], b[304:])
	copy(r.ReportData[:], b[320:])
	return r
}
