// SPDX-License-Identifier: Apache-2.0

// Package maa makes results into tokens of the shape that clients of Microsoft
// Azure Attestation read: a JSON Web Token, signed with RS256, whose claims have
// the names of that service. Issuer and key are the node's own, so whoever
// believes such a token believes the node.
package maa
