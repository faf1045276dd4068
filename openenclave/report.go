// SPDX-License-Identifier: Apache-2.0

package openenclave

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// reportClause is what errors about reports cite.
const reportClause = "Open Enclave oe_report_header_t"

// reportHeaderSize is the length of oe_report_header_t in bytes.
const reportHeaderSize = 16

// Values of the first two words of Open Enclave's headers.
const (
	versionReport   = 1
	versionObsolete = 2
	versionEvidence = 3

	reportSGXLocal  = 1
	reportSGXRemote = 2
)

// IsReport tells from its first eight bytes whether b is an Open Enclave
// report, local or remote. It says nothing about the rest.
func IsReport(b []byte) bool {
	if len(b) < 8 || binary.LittleEndian.Uint32(b) != versionReport {
		return false
	}
	kind := binary.LittleEndian.Uint32(b[4:])
	return kind == reportSGXLocal || kind == reportSGXRemote
}

// ParseReport returns the quote inside a remote report, as a slice of b. The
// header is little-endian:
//
//	 0  4  version, 1
//	 4  4  report type: 1 local, 2 remote
//	 8  8  report size: all bytes that follow the header
//	16  +  report
//
// The error is a *rats.Error: Unsupported for local reports, whose MAC only the
// same processor can check, and for other headers of Open Enclave's; Malformed
// for anything else, and when the size is not exactly that of the bytes that
// follow.
func ParseReport(b []byte) (inner []byte, err error) {
	if len(b) < reportHeaderSize {
		return nil, malformed("%d bytes are fewer than the %d of a report header", len(b), reportHeaderSize)
	}
	switch version := binary.LittleEndian.Uint32(b); version {
	case versionReport:
	case versionObsolete, versionEvidence:
		return nil, unsupported("header version %d is not a report's", version)
	default:
		return nil, malformed("header version %d is not a report's", version)
	}
	kind, size := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])
	inner = b[reportHeaderSize:]
	// oe_report_header_t.report_size: nothing in a report lies outside it, so a
	// difference either way means that the bytes are not what was handed out.
	if size != uint64(len(inner)) {
		return nil, malformed("report of %d bytes, where %d follow the header", size, len(inner))
	}
	switch kind {
	case reportSGXRemote:
		return inner, nil
	case reportSGXLocal:
		return nil, unsupported("a local report can be verified on its own processor alone")
	default:
		return nil, unsupported("report type %d", kind)
	}
}

func malformed(format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "open enclave report: "+format, args...).In("", reportClause)
}

func unsupported(format string, args ...any) error {
	return rats.Errorf(rats.Unsupported, "open enclave report: "+format, args...).In("", reportClause)
}
