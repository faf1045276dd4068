// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// The checks of QuoteGeneration JSON: what it copies from the quote, and what it
// says that the report data are the hash of.
const (
	checkStatedFields = "stated_fields"
	checkHeldData     = "held_data"

	quoteJSONSpec = "QuoteGeneration JSON (Azure Attestation samples, enclave.info.json)"
)

// noRoom stands in place of hex digits for which the generator had no room.
const noRoom = "DEADBEEF"

// Values of the member Type: oe_enclave_type_t, and what Occlum's generator writes.
const (
	typeSGX    = 2
	typeOcclum = 3
)

// The bits of the member Attributes where the quote is in an Open Enclave report
// (bits/evidence.h, OE_EVIDENCE_ATTRIBUTES_SGX_DEBUG, _REMOTE).
const (
	oeDebug  = 1
	oeRemote = 2
)

// quoteJSON is evidence as QuoteGeneration programs write it. What it says beside
// the quote is a copy that the quote's host made; it is compared and never
// believed.
type quoteJSON struct {
	kind                                  *uint64
	mrEnclave, mrSigner, productID, quote *string
	svn, attributes                       *uint64
	held                                  *string
	// others are members of other names.
	others []string
}

// mostOthers is how many members of other names a check lists.
const mostOthers = 4

// openQuoteJSON opens QuoteGeneration JSON.
func openQuoteJSON(raw []byte) (*envelope, error) {
	text := bytes.TrimLeft(raw, " \t\r\n")
	if len(text) == 0 || text[0] != '{' || !bytes.Contains(text, []byte(`"QuoteHex"`)) {
		return nil, nil //nolint:nilnil // not this envelope
	}
	// Some generators write the zero byte at the end of a C string along.
	if bytes.IndexByte(text, 0) >= 0 {
		text = slices.DeleteFunc(bytes.Clone(text), func(c byte) bool { return c == 0 })
	}
	j := &quoteJSON{}
	if !json.Valid(text) || !utf8.Valid(text) { // RFC 8259 section 8.1
		return nil, badJSON("not well-formed")
	}
	if f := j.read(text); f != nil {
		return nil, badJSON("%s: %s", f.path, f.detail)
	}
	if j.quote == nil || *j.quote == noRoom || *j.quote == "" {
		return nil, badJSON("QuoteHex holds no quote")
	}
	e := &envelope{format: rats.QuoteJSON, holds: func(f rats.Format) bool {
		return f == rats.OEReport || f == rats.OEEvidence || f.IsQuote()
	}}
	var err error
	if e.inner, err = octets("QuoteHex", *j.quote); err != nil {
		return nil, err
	}
	e.bindings = []binding{{checkStatedFields, quoteJSONSpec, func(b body) (string, *rats.Error) { return j.compare(b, e.inner) }}}
	if j.held == nil || *j.held == "" {
		return e, nil
	}
	if e.held, err = octets("EnclaveHeldDataHex", *j.held); err != nil {
		return nil, err
	}
	e.bindings = append(e.bindings, binding{checkHeldData, quoteJSONSpec, e.hashes})
	return e, nil
}

func (j *quoteJSON) members() map[string]reader {
	const number, hexText = "a number", "a string of hex digits"
	return map[string]reader{
		"Type": pointer(&j.kind, number), "MrEnclaveHex": pointer(&j.mrEnclave, hexText), "MrSignerHex": pointer(&j.mrSigner, hexText),
		"ProductIdHex": pointer(&j.productID, hexText), "SecurityVersion": pointer(&j.svn, number), "Attributes": pointer(&j.attributes, number),
		"QuoteHex": pointer(&j.quote, hexText), "EnclaveHeldDataHex": pointer(&j.held, hexText),
	}
}

// read reads the members. Those of other names are passed over, as the vendor's own
// reader does: it believes nothing of what is not there, and neither does anybody
// here. But one that only a slip tells from a known name is refused, since somebody
// believes it to be compared; so are names that stand twice. Null is as good as
// absent.
func (j *quoteJSON) read(text []byte) *fault {
	known := j.members()
	d := json.NewDecoder(bytes.NewReader(text))
	seen := make(map[string]bool)
	for _, err := d.Token(); d.More() && err == nil; {
		var token json.Token
		var value json.RawMessage
		if token, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
		name, _ := token.(string)
		read := known[name]
		switch {
		case err != nil:
			return faulty(short(name), "not JSON: %v", err)
		case seen[name]:
			return faulty(short(name), "is given twice")
		case read == nil:
			for want := range known {
				if isSlip(name, want) {
					return faulty(short(name), "there is no such member: is it %s?", want)
				}
			}
			if j.others = append(j.others, strconv.Quote(short(name))); len(j.others) > mostOthers {
				j.others = append(j.others[:mostOthers], "…")
			}
		case string(value) != "null":
			if f := read(value); f != nil {
				return f.in(name)
			}
		}
		seen[name] = true
	}
	return nil
}

// isSlip reports whether names differ in the case of letters, or in one more, less
// or other.
func isSlip(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a)-len(b) > 1 {
		return false
	}
	same := 0
	for same < len(b) && a[same] == b[same] {
		same++
	}
	return same == len(a) || a[same+1:] == b[same:] || same < len(b) && a[same+1:] == b[same+1:]
}

// digits reads hex as evidence is read that is hex itself, with or without 0x and
// white space. Generators end the text one character too late, so that a last odd
// one is nothing of theirs.
func digits(text string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		text = text[2:]
	}
	return hex.DecodeString(text[:len(text)&^1])
}

// octets reads hex, or base64url, which Gramine's generator writes under the same
// names.
func octets(name, text string) ([]byte, error) {
	out, err := digits(text)
	if err != nil {
		out, err = base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	}
	if err != nil {
		return nil, badJSON("%s: neither hex nor base64url", name)
	}
	return out, nil
}

func badJSON(format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "quote JSON: "+format, args...).In("", quoteJSONSpec)
}

// compare holds what is stated against the quote.
func (j *quoteJSON) compare(b body, inner []byte) (note string, _ *rats.Error) {
	var r Result
	b.describe(&r)
	m := r.Measurement.SGXMeasurement
	if m == nil {
		return "", rats.Errorf(rats.BindingMismatch, "the document is of an enclave, and the quote is not")
	}
	product := binary.LittleEndian.AppendUint16(nil, m.ISVProdID)
	var wrong []string
	for _, f := range []struct {
		name  string
		have  *string
		want  []byte
		zeros int
	}{
		{"MrEnclaveHex", j.mrEnclave, m.MREnclave, 0},
		{"MrSignerHex", j.mrSigner, m.MRSigner, 0},
		{"ProductIdHex", j.productID, product, 14},
	} {
		switch {
		case f.have == nil:
		case *f.have == noRoom:
			note = f.name + " was cut off by the generator"
		default:
			if have, err := digits(*f.have); err != nil || !bytes.Equal(have, append(f.want, make([]byte, f.zeros)...)) {
				wrong = append(wrong, f.name)
			}
		}
	}
	if j.kind != nil && *j.kind != typeSGX && *j.kind != typeOcclum {
		wrong = append(wrong, "Type")
	}
	if j.svn != nil && *j.svn != uint64(m.ISVSVN) {
		wrong = append(wrong, "SecurityVersion")
	}
	if j.attributes != nil && *j.attributes != statedAttributes(&r, inner) {
		wrong = append(wrong, "Attributes")
	}
	if len(wrong) > 0 {
		return "", rats.Errorf(rats.BindingMismatch, "not as the quote says: %s", strings.Join(wrong, ", "))
	}
	if len(j.others) > 0 {
		note = strings.TrimPrefix(note+", and passed over: "+strings.Join(j.others, ", "), ", and ")
	}
	return note, nil
}

// statedAttributes are the member Attributes: Open Enclave's bits where the quote
// is in an envelope of Open Enclave's, and otherwise the flags as the processor
// reports them.
func statedAttributes(r *Result, inner []byte) uint64 {
	if !openenclave.IsReport(inner) && !openenclave.IsEvidence(inner) {
		return binary.LittleEndian.Uint64(r.Measurement.SGXMeasurement.Attributes)
	}
	if r.BuildMode == rats.Debug {
		return oeDebug | oeRemote
	}
	return oeRemote
}

// hashes checks that the first half of the report data is the hash of what the
// enclave is said to hold: the whole of it, with what it is padded by.
func (e *envelope) hashes(b body) (note string, _ *rats.Error) {
	var r Result
	b.describe(&r)
	sum := sha256.Sum256(e.held)
	if !bytes.HasPrefix(r.ReportData, sum[:]) {
		if strings.EqualFold(hex.EncodeToString(e.held), noRoom) {
			return "", rats.Errorf(rats.BindingMismatch, "EnclaveHeldDataHex was cut off by the generator (%s): nobody can tell what the report data are the hash of; leave it out to go without", noRoom)
		}
		return "", rats.Errorf(rats.BindingMismatch, "the report data do not begin with the SHA-256 of the %d bytes that the enclave is said to hold", len(e.held))
	}
	if len(bytes.Trim(r.ReportData[len(sum):], "\x00")) > 0 {
		note = "the second half of the report data is bound to something else"
	}
	return note, nil
}
