// SPDX-License-Identifier: Apache-2.0

// Package ledger is CometBFT around package registry: it orders transactions,
// has every validator apply them, and proves what came of it.
//
// [Start] opens a home folder, or makes one with a validator of its own, and
// runs a node in this process. [Node.Submit] hands a transaction in and returns
// the verdict once its block is committed and durable. [Node.Bundle] returns a
// proof of a record, or of its absence, that [proof.Verify] checks without
// trust in this node. What is read of the present state is read from
// [Node.Registry].
//
// No rule about evidence, records or ledger time is written here: they are
// registry's. The types of CometBFT's application interface (ABCI) are confined
// to application.go.
//
// A node listens for peers on the loopback interface alone, on a port that the
// system picks, and opens no other port.
package ledger
