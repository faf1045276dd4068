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
// A verdict ages. Beside each record that may still change stands what its
// verdict went by ([record.Watch]), so that evidence is never read again: at the end
// of a block records whose deadline passed end, and where anything on the shelf of
// endorsements changed, lapsed or began to bind, all are judged again in turn
// ([record.Sweep]), a bounded number in each block. What that comes to is a
// function of inputs, shelf and ledger time alone, whatever the order of arrival.
//
// Time is what blocks carry. Nothing here reads a clock, fetches, logs, or lets
// words meant for people into the state.
package registry
