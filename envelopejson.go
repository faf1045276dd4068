// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

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
}

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
	if !json.Valid(text) {
		return nil, badJSON("not well-formed")
	}
	if f := object(bytes.TrimSpace(text), j.members()); f != nil {
		return nil, badJSON("%s: %s", f.path, f.detail)
	}
	if j.quote == nil || *j.quote == noRoom || *j.quote == "" {
		return nil, badJSON("QuoteHex holds no quote")
	}
	e := &envelope{format: rats.QuoteJSON, holds: func(f rats.Format) bool {
		return f == rats.OEReport || f == rats.OEEvidence || f.IsQuote()
	}}
	var err error
	if e.inner, err = digits("QuoteHex", *j.quote); err != nil {
		return nil, err
	}
	e.bindings = []binding{{checkStatedFields, quoteJSONSpec, func(b body) (string, *rats.Error) { return j.compare(b, e.inner) }}}
	if j.held == nil || *j.held == "" {
		return e, nil
	}
	if e.held, err = digits("EnclaveHeldDataHex", *j.held); err != nil {
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

// digits reads hex as evidence is read that is hex itself, with or without 0x and
// white space. Generators end the text one character too late, so that a last odd
// one is nothing of theirs.
func digits(name, text string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		text = text[2:]
	}
	out, err := hex.DecodeString(text[:len(text)&^1])
	if err != nil {
		return nil, badJSON("%s: not hex", name)
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
			if have, err := digits(f.name, *f.have); err != nil || !bytes.Equal(have, append(f.want, make([]byte, f.zeros)...)) {
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
