// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Appraisal is evidence to be appraised and not recorded.
type Appraisal struct {
	// Evidence is raw: no hex, no base64.
	Evidence []byte `json:"evidence"`
	// Format, if it is not empty, is what the evidence has to be recognised as.
	Format rats.Format `json:"format,omitempty"`
	// RuntimeData, if any, hashes to the evidence's report data.
	RuntimeData []byte `json:"runtime_data,omitempty"`
	// Policy is what the evidence is held against, as [attesteer.ParsePolicy] reads
	// it; empty is the strictest.
	Policy json.RawMessage `json:"policy,omitempty"`
}

// Appraise has evidence appraised by the endorsements on the ledger, and those
// that the node fetches, and records nothing. It returns the result whether it is
// accepted or not: who acts on it looks at Accepted. The error is that of a call
// that came to no result. Whoever is to show the result to others takes
// [Client.AppraiseSigned].
func (c *Client) Appraise(ctx context.Context, a Appraisal) (*attesteer.Result, error) {
	return send[attesteer.Result](ctx, c, appraisalsPath, a)
}

// Wish is how a signed result is to be.
type Wish struct {
	// Profile is its form: a tag, ietf-2026 or veraison-2023; empty is the node's usual one.
	Profile string
	// Nonce, of 8 to 64 bytes, comes back in the token, and shows whoever chose it
	// that the token is new; nil is none.
	Nonce []byte
}

// AppraiseSigned is [Client.Appraise] for a result that others can rely on: a
// token of application/eat+jwt, which the node's keys at /.well-known/jwks.json
// verify. It is not verified here.
func (c *Client) AppraiseSigned(ctx context.Context, a Appraisal, w Wish) (token string, err error) {
	body, err := json.Marshal(struct {
		Appraisal
		Profile string `json:"profile,omitempty"`
		Nonce   string `json:"nonce,omitempty"`
	}{a, w.Profile, hex.EncodeToString(w.Nonce)})
	if err != nil {
		return "", rats.Errorf(rats.Internal, "encode: %w", err)
	}
	b, err := c.with("Accept", "application/eat+jwt").call(ctx, http.MethodPost, appraisalsPath, nil, body)
	return string(b), err
}

const appraisalsPath = "/v1/appraisals"
