// SPDX-License-Identifier: Apache-2.0

package quote

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// clause is what parse errors cite: the appendix that lays out the quote.
const clause = "SGX ECDSA Quote Library API A.4"

// HeaderSize is the length of a header in bytes, the same in every version.
const HeaderSize = 48

// Attestation key types (A.4 table 3).
const (
	// ECDSAP256 is ECDSA with SHA-256 on P-256, the one that is verified.
	ECDSAP256 uint16 = 2
	// ECDSAP384 is ECDSA with SHA-384 on P-384, which no quoting enclave uses yet.
	ECDSAP384 uint16 = 3
)

// TEE types (TDX DCAP Quoting Library API A.3).
const (
	TEETypeSGX uint32 = 0
	TEETypeTDX uint32 = 0x81
)

// IntelQEVendorID names Intel as the maker of the quoting enclave (A.4 table 3).
func IntelQEVendorID() [16]byte {
	return [16]byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}
}

// Header is the first 48 bytes of a quote (A.4 table 3; from version 4 on, TDX
// DCAP Quoting Library API A.3), little-endian:
//
//	 0  2  version
//	 2  2  attestation key type
//	 4  4  TEE type
//	 8  2  QE SVN, from version 4 on reserved
//	10  2  PCE SVN, from version 4 on reserved
//	12 16  QE vendor id
//	28 20  user data
type Header struct {
	// Version is 3, 4 or 5 in every header that Parse returns.
	Version uint16
	// AttestationKeyType is [ECDSAP256].
	AttestationKeyType uint16
	// TEEType is [TEETypeSGX] or [TEETypeTDX]; version 3 calls these bytes
	// reserved, and they are zero.
	TEEType uint32
	// QESVN and PCESVN are what the quoting enclave says of itself and of the
	// provisioning certification enclave. Verdicts rest on the QE report and on
	// the certificate instead.
	QESVN  uint16
	PCESVN uint16
	// QEVendorID is [IntelQEVendorID].
	QEVendorID [16]byte
	// UserData is the quoting enclave's own; Intel's puts a platform id in the
	// first 16 bytes.
	UserData [20]byte
}

// AppendTo appends the 48 bytes of the header to b.
func (h Header) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, h.Version)
	b = binary.LittleEndian.AppendUint16(b, h.AttestationKeyType)
	b = binary.LittleEndian.AppendUint32(b, h.TEEType)
	b = binary.LittleEndian.AppendUint16(b, h.QESVN)
	b = binary.LittleEndian.AppendUint16(b, h.PCESVN)
	b = append(b, h.QEVendorID[:]...)
	return append(b, h.UserData[:]...)
}

// readHeader reads HeaderSize bytes without judging them.
func readHeader(b []byte) Header {
	h := Header{
		Version:            binary.LittleEndian.Uint16(b),
		AttestationKeyType: binary.LittleEndian.Uint16(b[2:]),
		TEEType:            binary.LittleEndian.Uint32(b[4:]),
		QESVN:              binary.LittleEndian.Uint16(b[8:]),
		PCESVN:             binary.LittleEndian.Uint16(b[10:]),
	}
	copy(h.QEVendorID[:], b[12:])
	copy(h.UserData[:], b[28:])
	return h
}

// check refuses what this package cannot read. What is known to exist, or is
// plainly a quote of a kind yet to come, is unsupported; the rest is malformed.
func (h Header) check() error {
	if err := h.checkVersion(); err != nil {
		return err
	}
	switch {
	case h.TEEType == TEETypeSGX:
	case h.Version == 3:
		// A.4 table 3: bytes 4 to 7 are reserved and zero in version 3.
		return malformed("reserved header bytes 4 to 7 are not zero in a version 3 quote")
	case h.TEEType != TEETypeTDX:
		return unsupported("TEE type %#x", h.TEEType)
	}
	switch h.AttestationKeyType {
	case ECDSAP256:
	case ECDSAP384:
		return unsupported("attestation key type 3 (ECDSA P-384)")
	default:
		return unsupported("attestation key type %d is not 2 (ECDSA P-256)", h.AttestationKeyType)
	}
	// A.4 table 3: the layout of user data, and whose QE identity applies, are
	// known for Intel's quoting enclave alone.
	if h.QEVendorID != IntelQEVendorID() {
		return unsupported("quoting enclave of vendor %x is not Intel's", h.QEVendorID)
	}
	return nil
}

func (h Header) checkVersion() error {
	switch h.Version {
	case 3, 4, 5:
		return nil
	case 1, 2:
		return unsupported("version %d is an EPID quote, which is attested by an IAS report", h.Version)
	}
	if h.QEVendorID == IntelQEVendorID() {
		return unsupported("unknown quote version %d", h.Version)
	}
	return malformed("not a quote: version %d and no known quoting enclave vendor", h.Version)
}

func malformed(format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "quote: "+format, args...).In("", clause)
}

func unsupported(format string, args ...any) error {
	return rats.Errorf(rats.Unsupported, "quote: "+format, args...).In("", clause)
}
