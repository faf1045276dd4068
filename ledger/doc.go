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
// A network is made of homes: [Prepare] makes keys and says what others must know
// of them, [Found] writes the genesis of a chain that begins with several
// validators, and [Join] makes a home for a chain that exists. A node that joins
// copies every block, or takes a snapshot from its peers, which it holds against
// headers that the validators signed, from a block on that its operator trusts
// ([TrustPoint]). [Retention] says what of the past a node keeps, [Export] writes
// out the state of a home.
//
// No rule about evidence, records or ledger time is written here: they are
// registry's. The types of CometBFT's application interface (ABCI) are confined
// to the methods of the application.
//
// A node listens for peers where its [Peering] says; without one on the loopback
// interface alone, on a port that the system picks. It opens no other port.
package ledger
