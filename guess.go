// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/evcert"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/quote"
)

// Lengths, in bytes, of what is told by it among other things.
const (
	localReportSize = 432  // sgx_report_t
	domainReport    = 1024 // TDREPORT_STRUCT
	snpReport       = 1184 // ATTESTATION_REPORT of SEV-SNP
	keystoneReport  = 1320
	epidHeader      = 436 // sgx_quote_t up to its signature
)

// elsewhere names evidence of a vendor that this verifier knows by its outline
// alone; empty for anything else.
func elsewhere(raw []byte) string {
	switch {
	case isSNP(raw):
		return "an attestation report of AMD SEV-SNP"
	case bytes.HasPrefix(raw, []byte{0x84, 0x44, 0xa1, 0x01, 0x38, 0x22}), bytes.HasPrefix(raw, []byte{0xd2, 0x84, 0x44, 0xa1, 0x01, 0x38, 0x22}):
		// COSE_Sign1 with ES384 (RFC 9052 section 4.2, RFC 9053 section 2.1).
		return "COSE signed with ES384, perhaps an attestation document of AWS Nitro Enclaves,"
	case bytes.HasPrefix(raw, []byte{0xd9, 0x01, 0x8f}):
		// CBOR tag 399, of a collection of tokens.
		return "a token of Arm CCA"
	case (len(raw) == keystoneReport || len(raw) == keystoneReport+32) && binary.LittleEndian.Uint64(raw[64:]) <= domainReport:
		// Its length of data stands behind a hash of 64 bytes; a device key can follow.
		return "an input that has the outline of a Keystone report"
	case isEPIDQuote(raw):
		return "an EPID quote, which none but Intel's attestation service could verify (a report of that service, if you have one, is evidence),"
	case len(raw) == domainReport && uint32(raw[0]) == quote.TEETypeTDX:
		return "a report of a trust domain, which its own machine alone can verify,"
	}
	return ""
}

// isSNP tells an attestation report by its version, its only signature algorithm,
// ECDSA P-384 with SHA-384, and the zeros above r (AMD publication 56860, table
// ATTESTATION_REPORT).
func isSNP(raw []byte) bool {
	const algorithmAt, rAt, rSize, field = 0x34, 0x2a0, 48, 72
	return len(raw) >= snpReport && binary.LittleEndian.Uint32(raw)-2 < 8 && binary.LittleEndian.Uint32(raw[algorithmAt:]) == 1 &&
		len(bytes.Trim(raw[rAt+rSize:rAt+field], "\x00")) == 0
}

// isEPIDQuote tells a quote before DCAP by version, signature type and the length
// of its signature (sgx_quote_t).
func isEPIDQuote(raw []byte) bool {
	if len(raw) < epidHeader || openenclave.IsReport(raw) {
		return false
	}
	version, kind := binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint16(raw[2:])
	size := binary.LittleEndian.Uint32(raw[epidHeader-4:])
	return (version == 1 || version == 2) && kind <= 1 && int64(size) <= int64(len(raw)-epidHeader)
}

// guess names what raw looks like, for people who passed the wrong file.
func guess(raw []byte) string {
	text := bytes.TrimSpace(raw)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return guessObject(text)
	case bytes.HasPrefix(text, []byte("[")) && json.Valid(text):
		return "a list in JSON"
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		label, _, _ := bytes.Cut(text[len("-----BEGIN "):], []byte("-----"))
		return strconv.Quote(short(string(label))) + " in PEM"
	case bytes.HasPrefix(text, []byte("eyJ")) && bytes.Count(text, []byte{'.'}) == 2:
		return "a JSON Web Token"
	case bytes.HasPrefix(text, []byte("<")):
		return "HTML or XML"
	case openenclave.IsEndorsements(raw):
		return "a buffer of Open Enclave's endorsements, to be given as a source of endorsements,"
	case openenclave.IsReport(raw) || openenclave.IsEvidence(raw):
		return "something in a header of Open Enclave's"
	case len(raw) == localReportSize:
		return "perhaps a local report, which its own processor alone can verify, and which"
	case known(text):
		return "evidence with white space around it, which belongs around text alone and"
	}
	if what := guessEncoding(raw); what != "" {
		return what
	}
	if what := guessDER(raw); what != "" {
		return what
	}
	return guessBytes(raw)
}

// known reports whether raw begins as evidence does.
func known(raw []byte) bool {
	return isQuote(raw) || openenclave.IsReport(raw) || openenclave.IsEvidence(raw) || evcert.Is(raw) || epid.Is(raw)
}

// guessDER names what begins as DER.
func guessDER(raw []byte) string {
	var first asn1.RawValue
	rest, err := asn1.Unmarshal(raw, &first)
	switch {
	case err != nil || first.Tag != asn1.TagSequence || !first.IsCompound:
		return ""
	case evcert.Is(first.FullBytes):
		return fmt.Sprintf("a certificate in DER with %d bytes behind it", len(rest))
	default:
		return "DER (and not a certificate)"
	}
}

// guessEncoding names text in which evidence is encoded otherwise than it is read.
func guessEncoding(raw []byte) string {
	text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(raw)), "\ufeff"))
	first, _, _ := strings.Cut(text, "\n")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return "text in UTF-16"
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return ""
	}
	if again, err := Decode([]byte(text)); err == nil && known(again) {
		return "evidence that was encoded once too often, or comes behind a mark,"
	}
	separators := func(r rune) rune {
		if strings.ContainsRune(" \t\r\n,;:xX\\{}()", r) {
			return -1
		}
		return r
	}
	digits, err := hex.DecodeString(strings.Map(separators, strings.ReplaceAll(text, "0x", "")))
	switch {
	case strings.HasPrefix(text, "data:"):
		return "a data: URI, of which only what stands behind the comma can be given here, and which"
	case strings.HasPrefix(text, `"`):
		return "text in quotation marks"
	case err == nil && known(digits):
		return "hex with signs between its digits"
	case strings.HasPrefix(text, "0000") && strings.Contains(first, ": "):
		return "a listing of bytes"
	case strings.Contains(text, "-----BEGIN "):
		return "text with PEM in it"
	}
	return ""
}

// guessBytes says how anything else begins.
func guessBytes(raw []byte) string {
	const most = 16
	begin := raw[:min(len(raw), most)]
	switch text := string(bytes.ToValidUTF8(begin, nil)); {
	case len(raw) < quote.HeaderSize:
		return "so short an input"
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}), bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		return "a compressed file"
	case printable(bytes.TrimSpace([]byte(text))) && utf8.Valid(raw):
		return "text that begins with " + strconv.Quote(strings.TrimSpace(text))
	default:
		return fmt.Sprintf("an input of %d bytes that begins with %x", len(raw), begin[:8])
	}
}

// guessObject names JSON by its members.
func guessObject(text []byte) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return "broken JSON"
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return members[name] == nil })
	}
	switch {
	case has("tcbInfo", "signature"), has("enclaveIdentity", "signature"):
		return "an endorsement of Intel's, to be given as a source of endorsements,"
	case has("Quote", "EnclaveHeldData"), has("Quote", "RuntimeData"), has("Report", "RuntimeData"),
		has("quote", "runtimeData"), has("report", "runtimeData"):
		return "a request to Azure's attestation service, which goes to a node's /attest paths,"
	case has("MrEnclaveHex"), has("EnclaveHeldDataHex"):
		return "QuoteGeneration JSON without QuoteHex"
	case has("evidence"):
		return "a request to a node's API, of which the evidence is but a member,"
	case has("schema"):
		return "what this program prints (schema " + short(string(members["schema"])) + ")"
	case has("jsonrpc"):
		return "a message of JSON-RPC"
	}
	const most = 4
	names := slices.Sorted(maps.Keys(members))
	for i := range names {
		names[i] = strconv.Quote(short(names[i]))
	}
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return "JSON of the members " + strings.Join(names, ", ")
}
