// SPDX-License-Identifier: Apache-2.0

package openenclave

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/attesteer/attesteer/rats"
)

// evidenceClause is what errors about evidence cite.
const evidenceClause = "Open Enclave oe_attestation_header_t"

// evidenceHeaderSize is the length of oe_attestation_header_t in bytes.
const evidenceHeaderSize = 32

// FormatID is the UUID of a form of evidence, its bytes in the order in which
// they are stored and printed.
type FormatID [16]byte

// String returns the UUID as it is usually written.
func (f FormatID) String() string {
	s := hex.EncodeToString(f[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// content says what the body of evidence of one form is.
type content int

const (
	contentUnsupported content = iota
	// contentClaims is a quote and behind it the custom claims.
	contentClaims
	// contentReport is a report with its own header.
	contentReport
	contentSGX
	contentTDX
)

// form is one line of the table of formats.
type form struct {
	id      FormatID
	name    string
	content content
	// why says what keeps a form from being verified.
	why string
}

// forms is the table of formats (include/openenclave/attestation/sgx/evidence.h,
// tdx/evidence.h, sgx/eeid_plugin.h).
func forms() []form {
	const epid = "Intel has ended the service that verified EPID quotes: pass the report that it signed, if you have one"
	return []form{
		{id("a3a21e871b4d4014b70aa125d2fbcd8c"), "SGX_ECDSA", contentClaims, ""},
		{id("c8303454d9234c2ca691df7def460a76"), "LEGACY_REPORT_REMOTE", contentReport, ""},
		{id("1923d91e12d24c72b22025cd8dace871"), "RAW_SGX_QUOTE_ECDSA", contentSGX, ""},
		{id("8ba70286c1cf11edafa10242ac120002"), "TDX_QUOTE_ECDSA", contentTDX, ""},
		{id("09268c336e0b45e58a2715644d0ef89a"), "SGX_LOCAL_ATTESTATION", contentUnsupported, "local evidence can be verified on its own processor alone"},
		{id("f228aa3fde4d49d3884cb2aa87a50da6"), "SGX_EPID_LINKABLE", contentUnsupported, epid},
		{id("5c35d290a2c24c559e135ad732746c88"), "SGX_EPID_UNLINKABLE", contentUnsupported, epid},
		{id("170494a6ab2347988c38351cb0b6af0a"), "SGX_EEID_ECDSA_P256", contentUnsupported, "extended enclave initialisation data were an experiment of Open Enclave's, and are not verified here"},
	}
}

func id(digits string) (out FormatID) {
	b, _ := hex.DecodeString(digits) // constants of the table
	copy(out[:], b)
	return out
}

// Evidence is evidence of oe_get_evidence, taken apart. Its slices are parts of
// the input.
type Evidence struct {
	Format FormatID
	// Inner is what lies inside: a report with its header for
	// LEGACY_REPORT_REMOTE, otherwise a quote.
	Inner []byte
	// HasClaims says that the report data are SHA-256 of Claims followed by 32
	// zero bytes: SGX_ECDSA alone has them.
	HasClaims bool
	// Claims is the custom claims buffer, which may be empty. What is in it is
	// the enclave's own affair: often what [ParseClaims] reads.
	Claims []byte
}

// Report reports whether what lies inside has a report's header.
func (e *Evidence) Report() bool { return e.Format == id("c8303454d9234c2ca691df7def460a76") }

// TDX reports whether the quote inside is a trust domain's.
func (e *Evidence) TDX() bool { return e.Format == id("8ba70286c1cf11edafa10242ac120002") }

// IsEvidence tells from its first four bytes whether b is evidence with a header,
// or endorsements with one. No quote begins in the same way: its version and key
// type stand where the four bytes of the header's version are.
func IsEvidence(b []byte) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b) == versionEvidence
}

// ParseEvidence opens evidence with a header. The header is little-endian:
//
//	 0  4  version, 3
//	 4 16  format
//	20  4  padding, which Open Enclave leaves as it finds it: any bytes
//	24  8  size of all bytes that follow the header
//	32  +  data
//
// The error is a *rats.Error: Unsupported for forms of evidence that are not
// verified here, and Malformed when sizes do not agree exactly.
func ParseEvidence(b []byte) (*Evidence, error) {
	format, data, err := openHeader(b)
	if err != nil {
		return nil, err
	}
	for _, f := range forms() {
		if f.id != format {
			continue
		}
		e := &Evidence{Format: format, Inner: data}
		switch f.content {
		case contentUnsupported:
			return nil, rats.Errorf(rats.Unsupported, "open enclave evidence of format %s: %s", f.name, f.why).In("", evidenceClause)
		case contentClaims:
			e.HasClaims = true
			if e.Inner, e.Claims, err = Split(data); err != nil {
				return nil, err
			}
		case contentReport, contentSGX, contentTDX:
		}
		return e, nil
	}
	return nil, rats.Errorf(rats.Unsupported, "open enclave evidence of the unknown format %s", format).In("", evidenceClause)
}

// openHeader reads the header that evidence and endorsements may have.
func openHeader(b []byte) (format FormatID, data []byte, err error) {
	wrong := func(text string, args ...any) error {
		return rats.Errorf(rats.Malformed, "open enclave evidence: "+text, args...).In("", evidenceClause)
	}
	if len(b) < evidenceHeaderSize {
		return format, nil, wrong("%d bytes are fewer than the %d of its header", len(b), evidenceHeaderSize)
	}
	if !IsEvidence(b) {
		return format, nil, wrong("header version %d is not %d", binary.LittleEndian.Uint32(b), versionEvidence)
	}
	copy(format[:], b[4:20])
	size := binary.LittleEndian.Uint64(b[24:])
	data = b[evidenceHeaderSize:]
	// oe_attestation_header_t.data_size: the verifier compares it with the buffer's.
	if size != uint64(len(data)) {
		return format, nil, wrong("%d bytes of data, where %d follow the header", size, len(data))
	}
	return format, data, nil
}

// Where the length of a quote's authentication data stands in quotes of version 3,
// and with it the end of the quote (common/sgx/verifier.c).
const (
	signatureLengthAt = 432
	signatureAt       = signatureLengthAt + 4
)

// Split parts evidence of the form SGX_ECDSA, without its header, into the quote
// of version 3 and the custom claims buffer behind it. The error is Malformed.
func Split(b []byte) (quote, claims []byte, err error) {
	if len(b) < signatureAt {
		return nil, nil, rats.Errorf(rats.Malformed, "open enclave evidence: %d bytes are fewer than a quote has", len(b)).In("", evidenceClause)
	}
	end := signatureAt + uint64(binary.LittleEndian.Uint32(b[signatureLengthAt:]))
	if end > uint64(len(b)) {
		return nil, nil, rats.Errorf(rats.Malformed, "open enclave evidence: its quote is longer than the %d bytes that are there", len(b)).In("", evidenceClause)
	}
	return b[:end:end], b[end:], nil
}
