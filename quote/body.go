// SPDX-License-Identifier: Apache-2.0

package quote

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// BodyType is what version 5 writes before the report: which of the layouts
// follows (Intel TDX DCAP Quoting Library API, A.3, quote body descriptor).
type BodyType uint16

// The body types of version 5.
const (
	// BodySGX is an SGX report, 384 bytes.
	BodySGX BodyType = 1
	// BodyTD10 is a TD report of TDX 1.0, 584 bytes.
	BodyTD10 BodyType = 2
	// BodyTD15 is a TD report of TDX 1.5, 648 bytes.
	BodyTD15 BodyType = 3
	// BodyTD15Ext is a TD report of TDX 1.5 with the migration part, 885 bytes.
	BodyTD15Ext BodyType = 4
)

// Size returns the length of a body in bytes, zero for an unknown type.
func (t BodyType) Size() int {
	switch t {
	case BodySGX:
		return SGXReportSize
	case BodyTD10:
		return TDReportSize
	case BodyTD15:
		return TD15ReportSize
	case BodyTD15Ext:
		return TD15ExtReportSize
	default:
		return 0
	}
}

// tee returns the TEE whose reports have the type.
func (t BodyType) tee() rats.TEE {
	if t == BodySGX {
		return rats.SGX
	}
	return rats.TDX
}

// descriptorSize is the length of type and size before a body of version 5.
const descriptorSize = 2 + 4

// readBody reads the report that follows the header and returns how many bytes
// it and its descriptor take. Versions 3 and 4 know one layout for each TEE;
// version 5 names its own.
func (q *Quote) readBody(b []byte) (int, error) {
	kind, at := BodySGX, 0
	switch {
	case q.Header.Version == 5:
		if len(b) < descriptorSize {
			return 0, malformed("%d bytes where the body descriptor should be", len(b))
		}
		kind, at = BodyType(binary.LittleEndian.Uint16(b)), descriptorSize
		if kind.Size() == 0 {
			return 0, unsupported("quote body type %d", kind)
		}
		// A.3: the size is the type's, and both must fit the TEE of the header.
		if size := binary.LittleEndian.Uint32(b[2:]); uint64(size) != uint64(kind.Size()) { //nolint:gosec // a small constant
			return 0, malformed("quote body of type %d with %d bytes, not %d", kind, size, kind.Size())
		}
		if kind.tee() != q.TEE {
			return 0, malformed("quote body type %d in a quote for TEE type %#x", kind, q.Header.TEEType)
		}
		q.BodyType = kind
	case q.TEE == rats.TDX:
		kind = BodyTD10
	}
	if len(b) < at+kind.Size() {
		return 0, malformed("%d bytes are left for a report of %d", max(0, len(b)-at), kind.Size())
	}
	body := b[at : at+kind.Size()]
	if kind == BodySGX {
		report := readSGXReport(body)
		q.SGX = &report
	} else {
		report := readTDReport(body)
		q.TD = &report
	}
	return at + kind.Size(), nil
}

// appendBody appends what readBody reads.
func (q *Quote) appendBody(b []byte) []byte {
	if q.Header.Version == 5 {
		b = binary.LittleEndian.AppendUint16(b, uint16(q.BodyType))
		b = binary.LittleEndian.AppendUint32(b, uint32(q.BodyType.Size())) //nolint:gosec // a small constant
	}
	if q.SGX != nil {
		return q.SGX.AppendTo(b)
	}
	return q.TD.AppendTo(b)
}
