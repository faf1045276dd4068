// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
)

// Classes of the environments that appraisal policies are for, as Intel's quote
// appraisal has them.
const (
	classSGX   = "3123ec35-8d38-4ea5-87a5-d6c48b567570"
	classTDX10 = "9eec018b-7481-4b1c-8e1a-9f7c0c8c777f"
	classTDX15 = "f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3"
	// classTDQE is that of TDX's quoting enclave, which stands beside another.
	classTDQE = "3769258c-75e6-4bc7-8d72-d2b0e224cad2"
)

// maxPolicy bounds a policy.
const maxPolicy = 1 << 20

// PutPolicy keeps an appraisal policy and returns its id: SHA-384 of the JWT in
// lower-case hex. The tenant's signature is for the appraisal to check, by keys
// that only it knows; here the form counts. Errors are Refusals, with status 400
// where the form is wrong.
func (s *Service) PutPolicy(ctx context.Context, up PolicyUpload) (id string, err error) {
	fmspc, err := hex.DecodeString(up.FMSPC)
	if err != nil || len(fmspc) != 6 {
		return "", badKey("an FMSPC is 12 hex digits")
	}
	kind, err := policyType(up.JWT)
	if err != nil {
		return "", err
	}
	sum := sha512.Sum384([]byte(up.JWT))
	id = hex.EncodeToString(sum[:])
	err = s.store.Write(ctx, store.Batch{Policies: []store.Policy{{
		ID: id, Type: kind, JWT: []byte(up.JWT), Default: up.Default, FMSPC: strings.ToUpper(up.FMSPC),
	}}})
	if err != nil {
		return "", storeFault(err)
	}
	return id, nil
}

// Policies returns the policies that are served for an FMSPC.
func (s *Service) Policies(ctx context.Context, fmspc string) ([]store.Policy, error) {
	all, err := s.store.Policies(ctx, strings.ToUpper(fmspc))
	if err != nil {
		return nil, storeFault(err)
	}
	var out []store.Policy
	for _, p := range all {
		if p.Default {
			out = append(out, p)
		}
	}
	return out, nil
}

// policyType reads what a policy is for: 0 SGX, 1 TDX 1.0, 2 TDX 1.5.
func policyType(jwt string) (int, error) {
	if len(jwt) > maxPolicy {
		return 0, badKey("a policy has at most %d bytes", maxPolicy)
	}
	// Policies are served joined by commas, in a text of one line.
	parts := strings.Split(jwt, ".")
	if len(parts) < 2 || len(parts) > 3 || strings.ContainsAny(jwt, ", \t\r\n") {
		return 0, badKey("a policy is a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0, badKey("the payload of the policy is not base64url")
	}
	var claims struct {
		PolicyPayload string `json:"policy_payload"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.PolicyPayload == "" {
		return 0, badKey("the policy has no policy_payload")
	}
	var policy struct {
		PolicyArray []struct {
			Environment struct {
				ClassID string `json:"class_id"`
			} `json:"environment"`
		} `json:"policy_array"`
	}
	if err := json.Unmarshal([]byte(claims.PolicyPayload), &policy); err != nil {
		return 0, badKey("the policy_payload is not the JSON of a policy")
	}
	for _, p := range policy.PolicyArray {
		switch strings.ToLower(p.Environment.ClassID) {
		case classSGX:
			return 0, nil
		case classTDX10:
			return 1, nil
		case classTDX15:
			return 2, nil
		case classTDQE:
		default:
			return 0, badKey("the policy is for class %q, which is not known", legible(p.Environment.ClassID))
		}
	}
	return 0, badKey("the policy is for no environment")
}
