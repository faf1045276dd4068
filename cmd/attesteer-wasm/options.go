// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/attesteer/attesteer"
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
	if len(o.Policy) > 0 && string(o.Policy) != "null" {
		var err error
		if o.policy, err = attesteer.ParsePolicy(o.Policy); err != nil {
			return nil, err
		}
	}
	// What is given beside the policy goes on top of it, as flags do.
	if o.RuntimeData != nil {
		o.policy.RuntimeData = o.RuntimeData
	}
	if o.Roots != nil {
		o.policy.Roots = o.Roots
	}
	return o, nil
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
