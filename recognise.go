// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/binary"

	"github.com/attesteer/attesteer/epid"
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
	}
	if what := elsewhere(raw); what != "" {
		return "", rats.Errorf(rats.Unsupported, "%s is not verified here", what)
	}
	return "", rats.Errorf(rats.Malformed, "%s is no evidence of a kind known here", guess(raw))
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
