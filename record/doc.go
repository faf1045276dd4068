// SPDX-License-Identifier: Apache-2.0

// Package record holds what the ledger keeps and exchanges: records of
// enclaves, the events of their past, transactions, their identifiers and the
// one deterministic encoding of them all.
//
// Encoding is CBOR in core deterministic form (RFC 8949 §4.2.1) with integer
// keys; decoding is strict: unknown fields, duplicate keys, indefinite lengths
// and any other spelling of the same content are refused.
//
// Nothing here knows a clock, a store or a consensus engine.
package record
