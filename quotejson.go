// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// quoteDocument is QuoteGeneration JSON as it is written, in its order.
type quoteDocument struct {
	Type               uint64
	MrEnclaveHex       string
	MrSignerHex        string
	ProductIDHex       string `json:"ProductIdHex"`
	SecurityVersion    uint16
	Attributes         uint64
	QuoteHex           string
	EnclaveHeldDataHex string
}

// QuoteJSON writes SGX evidence as QuoteGeneration JSON, laid out as generators
// do; for such JSON that says the same, its own bytes. The quote stays in the report of Open
// Enclave's in which it came, if it came in one, and the member Attributes is
// then in Open Enclave's bits and otherwise in the processor's flags. held is
// what the enclave holds, nil to write what the evidence says of that: its held
// data or its custom claims. Nothing is verified but that it hashes to the report
// data: BindingMismatch. Other evidence than SGX's is Unsupported.
func QuoteJSON(ev Evidence, held []byte) ([]byte, error) {
	p, err := ev.parse()
	if err != nil {
		return nil, err
	}
	var r Result
	p.body.describe(&r)
	m := r.Measurement.SGXMeasurement
	if m == nil || r.TEE != rats.SGX {
		return nil, rats.Errorf(rats.Unsupported, "QuoteGeneration JSON is for SGX quotes, and this is %s", p.body.format())
	}
	inner := p.enclosed(ev.Raw)
	if held == nil {
		held = p.held()
	}
	if len(held) > 0 {
		if _, err := (&envelope{held: held}).hashes(p.body); err != nil {
			return nil, err
		}
	}
	digits := func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
	product := make([]byte, 16)
	binary.LittleEndian.PutUint16(product, m.ISVProdID)
	doc := quoteDocument{
		Type: typeSGX, MrEnclaveHex: digits(m.MREnclave), MrSignerHex: digits(m.MRSigner), ProductIDHex: digits(product),
		SecurityVersion: m.ISVSVN, Attributes: statedAttributes(&r, inner), QuoteHex: digits(inner), EnclaveHeldDataHex: digits(held),
	}
	var before quoteDocument
	if p.format() == rats.QuoteJSON && json.Unmarshal(ev.Raw, &before) == nil && before == doc {
		return bytes.Clone(ev.Raw), nil
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "quote JSON: %w", err)
	}
	return append(out, '\n'), nil
}

// enclosed returns what QuoteGeneration JSON holds of evidence: an Open Enclave
// report as it is, or else the quote without what follows it.
func (p *parsed) enclosed(raw []byte) []byte {
	for _, e := range p.envelopes {
		if e.format == rats.OEReport {
			return raw
		}
		raw = e.inner
	}
	if q, ok := p.body.(quoteBody); ok {
		raw = raw[:len(raw)-len(q.Trailing)]
	}
	return raw
}

// held returns what evidence is said to hold, bound or not.
func (p *parsed) held() []byte {
	for _, e := range slices.Backward(p.envelopes) {
		if e.held != nil {
			return bytes.Clone(e.held)
		}
		if e.buffer != nil {
			return bytes.Clone(e.buffer)
		}
		if e.hashed != nil {
			return bytes.Clone(e.hashed(p.body))
		}
	}
	return nil
}
