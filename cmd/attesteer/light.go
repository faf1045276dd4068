// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/proof"
)

// chainOf shows a node's blocks and log to the gateway, for light clients and
// witnesses.
type chainOf struct{ node *ledger.Node }

var _ gateway.Chain = chainOf{}

func (c chainOf) Block(height uint64) (*proof.Block, error) { return c.node.Block(height) }

func (c chainOf) Log() (uint64, [32]byte) { return c.node.Registry().Log() }

func (c chainOf) Consistency(from, to uint64) ([][]byte, error) {
	return c.node.Registry().Consistency(from, to)
}
