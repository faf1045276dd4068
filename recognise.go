// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Recognise returns the format of evidence, that of its outermost envelope, by
// its content; what lies inside is not read. What is recognised but not verified
// here is Unsupported; what is no evidence is Malformed, and the error says what
// it looks like.
func Recognise(raw []byte) (rats.Format, error) {
	e, err := open(raw)
	if err != nil {
		return "", err
	}
	if e != nil {
		return e.format, nil
	}
	return recogniseBody(raw)
}

// recogniseBody is Recognise of what is in no envelope.
func recogniseBody(raw []byte) (rats.Format, error) {
	switch {
	case len(raw) == 0:
		return "", rats.Errorf(rats.Malformed, "the evidence is empty")
	case epid.Is(raw):
		return rats.IASReport, nil
	case isQuote(raw):
		return recogniseQuote(raw)
	default:
		return "", rats.Errorf(rats.Malformed, "%s is no evidence of a kind known here", guess(raw))
	}
}

// isQuote reports whether raw begins as a quote does: by the vendor of its
// quoting enclave, or by a version and key type that go together.
func isQuote(raw []byte) bool {
	if len(raw) < quote.HeaderSize {
		return false
	}
	vendor := quote.IntelQEVendorID()
	version, key := binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint16(raw[2:])
	return bytes.Equal(raw[12:28], vendor[:]) ||
		version >= 3 && version <= 5 && (key == quote.ECDSAP256 || key == quote.ECDSAP384)
}

func recogniseQuote(raw []byte) (rats.Format, error) {
	version, tee := binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint32(raw[4:])
	switch {
	case version == 3:
		return rats.SGXQuoteV3, nil
	case version == 4 && tee == quote.TEETypeSGX:
		return rats.SGXQuoteV4, nil
	case version == 4 && tee == quote.TEETypeTDX:
		return rats.TDXQuoteV4, nil
	case version == 5 && tee == quote.TEETypeSGX:
		return rats.SGXQuoteV5, nil
	case version == 5 && tee == quote.TEETypeTDX:
		return rats.TDXQuoteV5, nil
	}
	return "", rats.Errorf(rats.Unsupported, "a quote of version %d for TEE type %#x is not verified here", version, tee)
}

// guess names what raw looks like, for people who passed the wrong file.
func guess(raw []byte) string {
	text := bytes.TrimSpace(raw)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return guessObject(text)
	case bytes.HasPrefix(text, []byte("[")):
		return "a list in JSON"
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		label, _, _ := bytes.Cut(text[len("-----BEGIN "):], []byte("-----"))
		return strconv.Quote(short(string(label))) + " in PEM"
	case bytes.HasPrefix(text, []byte("eyJ")) && bytes.Count(text, []byte{'.'}) == 2:
		return "a JSON Web Token"
	case bytes.HasPrefix(raw, []byte{0x30, 0x82}):
		return "DER (perhaps a certificate)"
	case bytes.HasPrefix(text, []byte("<")):
		return "HTML or XML"
	case openenclave.IsReport(raw) || openenclave.IsEvidence(raw):
		return "something in a header of Open Enclave's"
	case len(raw) == localReportSize:
		return "perhaps a local report, which its own processor alone can verify, and which"
	case len(raw) < quote.HeaderSize:
		return "so short an input"
	default:
		return "this input"
	}
}

// localReportSize is the length of sgx_report_t in bytes.
const localReportSize = 432

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
	case has("Quote", "EnclaveHeldData"):
		return "a request in the preview of 2018 to Azure's attestation service"
	case has("quote", "runtimeData"), has("report", "runtimeData"):
		return "a request to Azure's attestation service, which goes to a node's /attest paths,"
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
