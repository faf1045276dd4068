// SPDX-License-Identifier: Apache-2.0

// Package registry is the replicated state machine as plain Go: given the same
// transactions in the same blocks it reaches the same state, bit for bit,
// wherever it runs.
//
// A block goes through three calls. [Registry.Judge] says whether a proposed
// block keeps the rules of ledger time, [Registry.Apply] runs its transactions
// on top of the committed state, and [Registry.Commit] makes the outcome durable
// in one atomic write and visible to readers. [Registry.Check] runs one
// transaction on the committed state and throws the outcome away.
//
// The truth is a flat map of keys to values in a [Store]. The Merkle map over
// it is rebuilt when the store is opened. The past is an append-only log of
// events (RFC 6962). The application hash commits to both.
//
// A transaction counts whole or not at all: one whose evidence is refused
// publishes no endorsements either, and may be sent again.
//
// Time is what blocks carry. Nothing here reads a clock, fetches, logs, or lets
// words meant for people into the state.
package registry
