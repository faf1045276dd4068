// SPDX-License-Identifier: Apache-2.0

// Package token keeps the bearer tokens (RFC 6750) with which clients of a node
// show who they are: what each may do, for how long and how often, and in whose
// name it submits.
//
// A token is made at random and shown once. What is kept of it is its SHA-256:
// with 256 random bits there is nothing to guess, so no slow hash is needed. A
// [Store] is a few files in a node's home, which a running node and the command
// beside it share:
//
//	config/tokens.json        what each token may do, and its hash
//	config/registrars/<key>   Ed25519 seeds of registrars that tokens sign with
//	data/token_use.json       what tokens used today, saved now and then
//
// The package knows no clock: every call says what time it is.
package token
