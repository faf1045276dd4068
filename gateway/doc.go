// SPDX-License-Identifier: Apache-2.0

// Package gateway is a node's API: REST with its OpenAPI description, the
// compatible Attesteer calls, and JSON-RPC 2.0 by POST and over WebSocket, all
// on one port with the pages.
//
//	GET  /                    the pages, as every path that is not the API's
//	POST /                    JSON-RPC
//	/ with Upgrade            JSON-RPC over WebSocket, in text frames
//	/v1/…                     REST
//	/openapi.json             what REST says of itself
//	/healthz /readyz          for whoever watches the process
//
// What is recorded it does not judge. It decodes what callers send, finds out
// which endorsements the ledger lacks for it, signs one transaction with the
// registrar's key, and answers with what the ledger decided, once that is
// committed. Appraisals that record nothing are package attesteer's, by the
// endorsements on the ledger.
//
// The operations stand in one table (entries), each with its handler: REST, its
// description, JSON-RPC (registry.* and verifier.*) and docs/api.md are made of
// it. A call over JSON-RPC goes through the same guard, validation and handler.
//
// An error has a [rats.Kind]. REST shows it as a problem (RFC 9457) with the
// kind's status, JSON-RPC as an error with the kind in its data; the compatible
// calls show it as the original service did. Of internal errors nothing leaves
// the process but the word.
package gateway
