// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// checkCustomClaims is the check by which claims count.
const checkCustomClaims = "custom_claims"

// openReport opens an Open Enclave report.
func openReport(raw []byte) (*envelope, error) {
	if !openenclave.IsReport(raw) {
		return nil, nil //nolint:nilnil // not this envelope
	}
	// Both begin with the same eight bytes; a report is never as long as the nine
	// items would make it.
	if err := noEndorsements(raw); err != nil {
		return nil, err
	}
	inner, err := openenclave.ParseReport(raw)
	if err != nil {
		return nil, err
	}
	// The type that the header names is that of enclaves.
	return &envelope{format: rats.OEReport, inner: inner, bare: true, holds: func(f rats.Format) bool {
		return f.IsQuote() && f != rats.TDXQuoteV4 && f != rats.TDXQuoteV5
	}}, nil
}

// noEndorsements refuses endorsements that were given in place of evidence.
func noEndorsements(raw []byte) error {
	if !openenclave.IsEndorsements(raw) {
		return nil
	}
	return rats.Errorf(rats.Malformed, "Open Enclave's endorsements are no evidence: they go along with it, as a source of endorsements")
}

// openEvidence opens Open Enclave evidence, with its header or without.
func openEvidence(raw []byte) (*envelope, error) {
	switch {
	// The vendor's name tells a quote of key type 0, which begins as this header; and
	// so does a report of SEV-SNP.
	case openenclave.IsEvidence(raw) && !isQuote(raw) && !isSNP(raw):
		if err := noEndorsements(raw); err != nil {
			return nil, err
		}
		in, err := openenclave.ParseEvidence(raw)
		if err != nil {
			return nil, err
		}
		return evidenceOf(in)
	case isQuote(raw) && raw[0] == 3 && hasClaims(raw):
		quote, claims, err := openenclave.Split(raw)
		if err != nil {
			return nil, err
		}
		return evidenceOf(&openenclave.Evidence{Inner: quote, HasClaims: true, Claims: claims})
	default:
		return nil, nil //nolint:nilnil // not this envelope
	}
}

// hasClaims reports whether a quote of version 3 is Open Enclave evidence that
// was handed out without its header: when what follows the quote hashes to the
// report data, or is made of claims, which then have to. Other bytes behind a
// quote are padding, of which nothing is believed.
func hasClaims(raw []byte) bool {
	quote, claims, err := openenclave.Split(raw)
	// Header and report: the report data are the last 64 bytes before the length.
	const reportDataAt = 48 + 320
	if err != nil || len(quote) < reportDataAt+reportDataSize {
		return false
	}
	want := claimsHash(claims)
	return openenclave.AreClaims(claims) || bytes.Equal(want[:], quote[reportDataAt:][:reportDataSize])
}

// claimsHash is what the report data are for a custom claims buffer.
func claimsHash(buffer []byte) (out [reportDataSize]byte) {
	sum := sha256.Sum256(buffer)
	copy(out[:], sum[:])
	return out
}

func evidenceOf(in *openenclave.Evidence) (*envelope, error) {
	e := &envelope{format: rats.OEEvidence, inner: in.Inner, bare: !in.Report(), holds: func(f rats.Format) bool {
		switch {
		case in.HasClaims:
			return f == rats.SGXQuoteV3
		case in.Report():
			return f == rats.OEReport
		default:
			return f.IsQuote() && (f == rats.TDXQuoteV4 || f == rats.TDXQuoteV5) == in.TDX()
		}
	}}
	if !in.HasClaims {
		return e, nil
	}
	note := "no claims"
	switch {
	case openenclave.AreClaims(in.Claims):
		claims, err := openenclave.ParseClaims(in.Claims)
		if err != nil {
			return nil, err
		}
		if err := e.take(claims); err != nil {
			return nil, err
		}
		e.buffer, note = in.Claims, strconv.Itoa(len(claims))+" claims"
	case len(in.Claims) > 0:
		// The buffer is opaque to Open Enclave: its attested TLS puts a key there.
		e.held, note = in.Claims, "the buffer is no list of claims"
	}
	e.bindings = []binding{{checkCustomClaims, "Open Enclave oe_get_evidence, custom_claims_buffer", func(b body) (string, *rats.Error) {
		var r Result
		b.describe(&r)
		if want := claimsHash(in.Claims); !bytes.Equal(r.ReportData, want[:]) {
			return "", rats.Errorf(rats.BindingMismatch, "the report data are not the SHA-256 of the custom claims followed by zeros")
		}
		return note, nil
	}}}
	return e, nil
}

// take puts claims into the envelope, and finds the one that names a block.
func (e *envelope) take(claims []openenclave.Claim) error {
	var others []openenclave.Claim
	for _, c := range claims {
		e.claims = append(e.claims, NewCustomClaim(c.Name, c.Value))
		if c.Name == BlockClaim {
			e.block = c.Value
		} else {
			others = append(others, c)
		}
	}
	if e.block == nil {
		return nil
	}
	rest, err := openenclave.AppendClaims(nil, others...)
	if err != nil {
		return err
	}
	sum := claimsHash(rest)
	e.rest = sum[:]
	return nil
}
