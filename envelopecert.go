// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"reflect"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/evcert"
	"github.com/attesteer/attesteer/rats"
)

// openCertificate opens a certificate of attested TLS. One that carries an IAS
// report is evidence of its own.
func openCertificate(raw []byte) (*envelope, error) {
	if !evcert.Is(raw) || epid.Is(raw) {
		return nil, nil //nolint:nilnil // not this envelope
	}
	c, err := evcert.Parse(raw)
	if err != nil {
		return nil, err
	}
	first := &c.Evidence[0]
	e := &envelope{format: rats.Certificate, inner: first.Inner, holds: heldByCertificate}
	e.hashed = func(b body) []byte {
		bound, err := first.Bind(c.Key, [64]byte(reportDataOf(b)))
		if err != nil {
			return nil
		}
		return bound.Hashed
	}
	e.bindings = []binding{
		{"tls_certificate", "RFC 5280 section 4.1.1.3", func(body) (string, *rats.Error) {
			if !c.SelfIssued {
				return "signed by another key, whose owner is not judged here", nil
			}
			return "", errorOf(c.CheckSignature())
		}},
		{"tls_key", first.Spec(), func(b body) (string, *rats.Error) {
			bound, err := first.Bind(c.Key, [64]byte(reportDataOf(b)))
			if err != nil {
				return "", errorOf(err)
			}
			e.takeBound(bound)
			return bound.Rule, nil
		}},
	}
	for _, other := range c.Evidence[1:] {
		e.bindings = append(e.bindings, binding{"tls_agreement", other.Spec(), func(b body) (string, *rats.Error) {
			return other.OID, agrees(b, c.Key, &other)
		}})
	}
	return e, nil
}

// takeBound puts into the envelope what is bound along with the certificate's key.
func (e *envelope) takeBound(b *evcert.Bound) {
	e.held = bytes.Clone(b.Held)
	for _, c := range b.Claims {
		e.claims = append(e.claims, NewCustomClaim(c.Name, bytes.Clone(c.Value)))
	}
	if block, rest, ok := b.Without(BlockClaim); ok {
		e.block, e.rest = bytes.Clone(block), rest[:]
	}
}

// heldByCertificate: quotes and what Open Enclave puts around them.
func heldByCertificate(f rats.Format) bool {
	return f.IsQuote() || f == rats.OEReport || f == rats.OEEvidence
}

// reportDataOf returns the 64 bytes of report data of whatever a certificate
// carries: none but quotes, which always have them.
func reportDataOf(b body) []byte {
	var r Result
	b.describe(&r)
	return append(bytes.Clone(r.ReportData), make([]byte, 64)...)[:64]
}

// agrees checks that what else a certificate carries names the same key and is
// of the same enclave. It is not verified for that: what it says does not count,
// only that it says nothing else.
func agrees(b body, key []byte, other *evcert.Evidence) *rats.Error {
	p, err := Evidence{Raw: other.Inner}.parse()
	if err != nil {
		return errorOf(err)
	}
	if !heldByCertificate(p.format()) {
		return rats.Errorf(rats.Malformed, "the certificate also carries %s (extension %s), which is not read there", p.format(), other.OID)
	}
	var here, there Result
	b.describe(&here)
	p.body.describe(&there)
	if here.TEE != there.TEE || !reflect.DeepEqual(here.Measurement, there.Measurement) {
		return rats.Errorf(rats.BindingMismatch, "the certificate also carries evidence of another enclave (extension %s)", other.OID)
	}
	if other.Kind == evcert.SDKQuote && bytes.Equal(here.ReportData, there.ReportData) {
		// It is the quote of the tagged evidence once more.
		return nil
	}
	_, err = other.Bind(key, [64]byte(reportDataOf(p.body)))
	return errorOf(err)
}

// errorOf is nil for no error.
func errorOf(err error) *rats.Error {
	if err == nil {
		return nil
	}
	return rats.AsError(err)
}
