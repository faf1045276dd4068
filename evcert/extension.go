// SPDX-License-Identifier: Apache-2.0

package evcert

import (
	"bytes"
	"encoding/asn1"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Kind is whose way of putting evidence into a certificate it is.
type Kind int

// Kinds, those first whose binding says the most.
const (
	// Tagged is the common format of the Confidential Computing Consortium, which
	// Gramine from 1.8, Intel's SGX SDK from 2.22 and rats-tls write: a quote
	// whose report data are the hash of claims, one of which is the hash of the key.
	Tagged Kind = iota + 1
	// OEEvidence is Open Enclave's evidence, whose custom claims are the key.
	OEEvidence
	// OEReport is Open Enclave's and EGo's older report, or the quote within one.
	OEReport
	// Gramine is Gramine's own older extension, a bare quote.
	Gramine
	// Dstack is that of dstack, a quote of a trust domain.
	Dstack
	// SDKQuote is the extension that Intel's SGX SDK had before version 2.22, a bare
	// quote of which the report data are the hash of the key. It still stands behind
	// tagged evidence, with the same quote, and then binds no key of its own.
	SDKQuote
)

// String returns a name for people.
func (k Kind) String() string {
	switch k {
	case Tagged:
		return "tagged evidence"
	case OEEvidence:
		return "Open Enclave evidence"
	case OEReport:
		return "an Open Enclave report"
	case Gramine:
		return "a quote as Gramine put it there before version 1.8"
	case Dstack:
		return "a quote as dstack puts it there"
	case SDKQuote:
		return "a bare quote of Intel's SGX SDK"
	}
	return "evidence"
}

// Evidence is what one extension holds.
type Evidence struct {
	Kind Kind
	// OID of the extension, in dots.
	OID string
	// Inner is the evidence in its own form: a quote, or an envelope of Open
	// Enclave's. It lies in the certificate's memory.
	Inner []byte
	// claims of tagged evidence, a map in CBOR, as they are hashed into the report
	// data.
	claims []byte
}

// Object identifiers of extensions. Where an SDK writes one and reads another,
// and where one is written with the tag and length of its encoding inside it, all
// count.
const (
	oidOEReport       = "1.3.6.1.4.1.311.105.1"
	oidOEReportOld    = "1.2.840.113556.10.1.1"
	oidOEEvidence     = "1.3.6.1.4.1.311.105.2"
	oidOEEvidenceOld  = "1.2.840.113556.10.1.2"
	oidGramine        = "1.2.840.113741.1337.6"
	oidGramineDoubled = "0.6.9.42.840.113741.1337.6"
	oidTagged         = "2.23.133.5.4.9"
	oidSDKQuote       = "1.2.840.113741.1.13.1"
	oidCMW            = "1.3.6.1.5.5.7.1.35"
	oidDstackQuote    = "1.3.6.1.4.1.62397.1.1"
	oidDstack         = "1.3.6.1.4.1.62397.1.8"
	// What Constellation and Contrast write lies below these.
	oidsConstellation = "1.3.9900."
	oidsContrast      = "1.3.9901."
)

// open reads one extension: nil without an error where it holds no evidence.
func open(oid string, value []byte) (*Evidence, error) {
	e := &Evidence{OID: oid, Inner: unwrapped(value)}
	switch oid {
	case oidTagged:
		e.Kind = Tagged
		var err error
		e.Inner, e.claims, err = readTagged(value)
		return e, err
	case oidOEReport, oidOEReportOld:
		e.Kind = OEReport
	case oidOEEvidence, oidOEEvidenceOld:
		if isInteger(value) {
			// The number of a version, beside the quote in a signing certificate of
			// Microsoft's service.
			return nil, nil //nolint:nilnil // no evidence is no error
		}
		e.Kind = OEEvidence
	case oidGramine, oidGramineDoubled:
		e.Kind = Gramine
	case oidSDKQuote:
		if !looksLikeQuote(value) {
			// Intel's own certificates have the platform's TCB there.
			return nil, nil //nolint:nilnil // no evidence is no error
		}
		e.Kind = SDKQuote
	case oidDstackQuote:
		e.Kind = Dstack
		if bytes.HasPrefix(bytes.TrimSpace(e.Inner), []byte("{")) {
			return nil, rats.Errorf(rats.Unsupported, "the extension %s holds JSON of dstack, which is not read here", oid)
		}
	case oidDstack:
		return nil, rats.Errorf(rats.Unsupported, "the extension %s holds an attestation in dstack's own encoding, which is not read here", oid)
	case oidCMW:
		return nil, rats.Errorf(rats.Unsupported, "the extension %s holds a conceptual message wrapper: what binds one to the certificate's key is nowhere laid down", oid)
	default:
		if strings.HasPrefix(oid, oidsConstellation) || strings.HasPrefix(oid, oidsContrast) {
			return nil, rats.Errorf(rats.Unsupported, "the extension %s holds an attestation document of Constellation or Contrast, bound to a nonce of the connection that made it: it shows nothing to others", oid)
		}
		return nil, nil //nolint:nilnil // no evidence is no error
	}
	return e, nil
}

// unwrapped returns what a value holds that is an OCTET STRING once more, and
// otherwise the value.
func unwrapped(value []byte) []byte {
	var inner asn1.RawValue
	if len(value) == 0 || value[0] != asn1.TagOctetString {
		return value
	}
	// Quotes of version 4 begin with the tag's byte, and not with such a length.
	if rest, err := asn1.Unmarshal(value, &inner); err != nil || len(rest) != 0 {
		return value
	}
	return inner.Bytes
}

func isInteger(value []byte) bool {
	var n asn1.RawValue
	rest, err := asn1.Unmarshal(value, &n)
	return err == nil && len(rest) == 0 && n.Tag == asn1.TagInteger && n.Class == asn1.ClassUniversal
}

// looksLikeQuote tells a quote by its version and the type of its key.
func looksLikeQuote(b []byte) bool {
	return len(b) > 432 && b[0] >= 3 && b[0] <= 5 && b[1] == 0 && (b[2] == 2 || b[2] == 3) && b[3] == 0
}
