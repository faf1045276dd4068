// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// reportInput is an IAS report as the compatible call takes it: encoded, as the
// original does, or the members of its JSON envelope.
type reportInput struct {
	Body struct {
		Quote       *string `json:"quote,omitempty" nullable:"true" doc:"the certificate (DER) that carries the report, its JSON envelope, or the ABI encoding of (bytes report, bytes signature), in hex"`
		Report      *string `json:"report,omitempty" nullable:"true" doc:"or the signed body of the report, byte for byte"`
		Signature   *string `json:"signature,omitempty" nullable:"true" doc:"its signature in base64, beside report"`
		Certificate *string `json:"certificate,omitempty" nullable:"true" doc:"the signing certificate in PEM; without, Intel's own"`
		URL         *string `json:"url,omitempty" nullable:"true" doc:"where the enclave serves" example:"yourdomain.example"`
	}
}

func (g *Gateway) forwardIASReport(ctx context.Context, in *reportInput) (envelope, error) {
	b := &in.Body
	var report any
	switch {
	case b.Quote != nil && b.Report == nil && b.Signature == nil && b.Certificate == nil:
		report = *b.Quote
	case b.Quote == nil && b.Report != nil:
		members := map[string]string{"report": *b.Report, "signature": value(b.Signature)}
		if b.Certificate != nil {
			members["certificate"] = *b.Certificate
		}
		report = members
	default:
		return envelop(nil, rats.Errorf(rats.Malformed, "give either quote, or report and signature")), nil
	}
	return g.envelopedCall(ctx, "attesteer_forwardIasAttestationReport", report, b.URL)
}

// forwardIASReport takes [report, url?]: what the original takes, hex of the
// certificate (DER) that carries the report; hex of any other form; or the JSON
// envelope, as an object or as a string. It answers as for a quote.
func (r *rpc) forwardIASReport(ctx context.Context, params []json.RawMessage) (any, error) {
	if len(params) < 1 || len(params) > 2 {
		return nil, rats.Errorf(rats.Malformed, "wrong number of parameters: %d, expected 1 or 2", len(params))
	}
	raw, err := reportOf(params[0])
	if err != nil {
		return nil, err
	}
	var url string
	if len(params) == 2 {
		if err := json.Unmarshal(params[1], &url); err != nil { // null leaves it empty
			return nil, rats.Errorf(rats.Malformed, "url: not a string")
		}
	}
	return r.forward(ctx, record.Submission{Evidence: raw, URL: url}, rats.IASReport)
}

// reportOf returns the bytes of a report that a caller gives as a parameter.
func reportOf(param json.RawMessage) ([]byte, error) {
	if bytes.HasPrefix(param, []byte("{")) {
		return param, nil
	}
	var text string
	if err := json.Unmarshal(param, &text); err != nil {
		return nil, rats.Errorf(rats.Malformed, "report: neither a string nor an object")
	}
	if trimmed := bytes.TrimSpace([]byte(text)); bytes.HasPrefix(trimmed, []byte("{")) {
		return trimmed, nil
	}
	return decodeHex("report", text)
}
