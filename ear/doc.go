// SPDX-License-Identifier: Apache-2.0

// Package ear turns appraisals into signed tokens: EAT Attestation Results
// (draft-ietf-rats-ear-03) as JSON Web Tokens, which any JWT library verifies by
// the keys that a node publishes.
//
// [Sign] makes a token of an [attesteer.Result], [Verify] reads one back. A
// [Ring] is the folder of keys that a node signs with: it makes the first one,
// rotates them, and says which public keys others still need.
//
// The package reads no clock: every function that depends on time takes it. It
// signs with ES256 or EdDSA by the standard library.
package ear
