// SPDX-License-Identifier: Apache-2.0

// Package checkpoint speaks of the ledger's log of the past as witnesses do who
// watch logs of every kind: in the forms of C2SP, tlog-checkpoint for what is
// said, signed-note for who says it, and tlog-cosignature for who else saw it.
//
// A node signs the size and root of its log with a key of its own, outside of
// the state. A witness that saw the log grow from one checkpoint to the next adds
// its cosignature, so that a node which showed two readers two pasts would have
// to show both to the witness.
package checkpoint
