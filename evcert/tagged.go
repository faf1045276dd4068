// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"github.com/attesteer/attesteer/rats"
)

// Tags of evidence in CBOR (DICE Attestation Architecture, TCG, and the registry
// of CBOR tags): 60000 for a quote with an ECDSA signature, of an enclave or a
// trust domain. The two after it are reports that only the same machine can check.
const (
	tagQuote        = 60000
	tagReport       = 60001
	tagLegacyReport = 60002
)

// readTagged reads 60000([quote, claims]), both byte strings; claims are a map in
// CBOR, which is hashed as it was sent.
func readTagged(value []byte) (quote, claims []byte, err error) {
	c := cbor{rest: value}
	switch tag := c.head(majorTag); {
	case c.bad:
		return nil, nil, malformedCBOR("evidence", "no tag")
	case tag == tagReport, tag == tagLegacyReport:
		return nil, nil, rats.Errorf(rats.Unsupported, "the extension %s holds a report (tag %d), which none but the machine that made it can check", oidTagged, tag)
	case tag != tagQuote:
		return nil, nil, rats.Errorf(rats.Unsupported, "the extension %s holds CBOR of tag %d, not a quote (%d)", oidTagged, tag, tagQuote)
	}
	items := c.head(majorArray)
	quote, claims = c.bytes(), c.bytes()
	if c.bad || items != 2 || len(c.rest) != 0 {
		return nil, nil, malformedCBOR("evidence", "not [quote, claims]")
	}
	return quote, claims, nil
}

func malformedCBOR(what, why string) error {
	return rats.Errorf(rats.Malformed, "the extension %s: %s: %s", oidTagged, what, why)
}
