// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// options are what a caller of verify may say.
type options struct {
	At          string           `json:"at"`
	Policy      json.RawMessage  `json:"policy"`
	RuntimeData []byte           `json:"runtime_data"`
	Roots       []rats.TrustRoot `json:"roots"`

	// policy is what Policy, RuntimeData and Roots come to.
	policy attesteer.Policy
}

// parseOptions reads options strictly. No bytes stand for none.
func parseOptions(data []byte) (*options, error) {
	o := new(options)
	if len(data) == 0 {
		return o, nil
	}
	if err := decodeStrictly(data, o); err != nil {
		return nil, rats.Errorf(rats.Malformed, "options: %w", err)
	}
	policy, err := parsePolicy(o.Policy)
	if err != nil {
		return nil, err
	}
	policy.RuntimeData, policy.Roots = o.RuntimeData, o.Roots
	o.policy = policy
	return o, nil
}

// parsePolicy reads a policy in the JSON in which the API takes one. No bytes and
// null stand for the strictest.
func parsePolicy(data []byte) (attesteer.Policy, error) {
	var p struct {
		AllowDebug       bool             `json:"allow_debug"`
		AcceptTCB        []rats.TCBStatus `json:"accept_tcb"`
		EvaluationNumber string           `json:"evaluation_number"`
	}
	if len(data) == 0 {
		return attesteer.Policy{}, nil
	}
	if err := decodeStrictly(data, &p); err != nil {
		return attesteer.Policy{}, rats.Errorf(rats.Malformed, "policy: %w", err)
	}
	for _, s := range p.AcceptTCB {
		if !s.Valid() {
			return attesteer.Policy{}, rats.Errorf(rats.Malformed, "policy: accept_tcb: %q is not a TCB status", s)
		}
	}
	switch p.EvaluationNumber {
	case "", "standard", "early", "highest":
	default:
		if _, err := strconv.ParseUint(p.EvaluationNumber, 10, 32); err != nil {
			return attesteer.Policy{}, rats.Errorf(rats.Malformed,
				"policy: evaluation_number: %q is neither a number nor standard, early or highest", p.EvaluationNumber)
		}
	}
	return attesteer.Policy{
		AllowDebug: p.AllowDebug, AcceptTCB: p.AcceptTCB, EvaluationNumber: dcap.EvaluationNumber(p.EvaluationNumber),
	}, nil
}

// decodeStrictly reads one JSON value with no member that v does not know.
func decodeStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return rats.Errorf(rats.Malformed, "more follows the JSON value")
	}
	return nil
}
