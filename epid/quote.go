// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/quote"
)

// quoteHeader is the length of what stands before the report body in bytes, and
// QuoteSize that of all that a report repeats of a quote.
const (
	quoteHeader = 48
	QuoteSize   = quoteHeader + quote.SGXReportSize
)

// Quote is a quote signed with EPID without its signature, as a report repeats
// it (sgx_quote_t up to signature_len), little-endian:
//
//	0 2  version          8 2  QE SVN     16  32  basename
//	2 2  signature type  10 2  PCE SVN    48 384  report body
//	4 4  EPID group id   12 4  extended group id
type Quote struct {
	// Version is 1 or 2; the first has no PCE SVN.
	Version uint16
	// Linkable: signatures that one platform makes with the same basename can be
	// told to come from one platform.
	Linkable bool
	// GroupID names the EPID group, of platforms of one kind that share a public
	// key; its bytes as they stand in the quote, the last first.
	GroupID  [4]byte
	QESVN    uint16
	PCESVN   uint16
	XEID     uint32
	Basename [32]byte
	Report   quote.SGXReport
}

// ParseQuote reads the 432 bytes of a quote. Malformed: another length, a
// version or signature type that there is not.
func ParseQuote(b []byte) (*Quote, error) {
	if len(b) != QuoteSize {
		return nil, malformed("an EPID quote without its signature has %d bytes, not %d", QuoteSize, len(b))
	}
	q := &Quote{
		Version: binary.LittleEndian.Uint16(b), GroupID: [4]byte(b[4:]), QESVN: binary.LittleEndian.Uint16(b[8:]),
		PCESVN: binary.LittleEndian.Uint16(b[10:]), XEID: binary.LittleEndian.Uint32(b[12:]), Basename: [32]byte(b[16:]),
		Report: quote.ReadSGXReport([quote.SGXReportSize]byte(b[quoteHeader:])),
	}
	kind := binary.LittleEndian.Uint16(b[2:])
	if q.Version != 1 && q.Version != 2 || kind > 1 {
		return nil, malformed("an EPID quote has version 1 or 2 and signature type 0 or 1, not %d and %d", q.Version, kind)
	}
	q.Linkable = kind == 1
	return q, nil
}

// Marshal returns the 432 bytes.
func (q *Quote) Marshal() []byte {
	b := binary.LittleEndian.AppendUint16(make([]byte, 0, QuoteSize), q.Version)
	kind := byte(0)
	if q.Linkable {
		kind = 1
	}
	b = append(append(b, kind, 0), q.GroupID[:]...)
	b = binary.LittleEndian.AppendUint16(b, q.QESVN)
	b = binary.LittleEndian.AppendUint16(b, q.PCESVN)
	b = binary.LittleEndian.AppendUint32(b, q.XEID)
	return q.Report.AppendTo(append(b, q.Basename[:]...))
}
