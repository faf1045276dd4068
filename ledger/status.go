// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"time"

	"github.com/attesteer/attesteer/record"
)

// Status is where the ledger stands.
type Status struct {
	ChainID string
	Network string
	// Height is the last block that the registry committed, AppHash the state after it.
	Height  uint64
	AppHash [32]byte
	// Time is the ledger's own time as of that block.
	Time record.Millis
	// Block is the hash of the newest block, at BlockHeight, by which a node that
	// joins may be told to trust the chain; zero before there is one.
	Block       [32]byte
	BlockHeight uint64
	// BlockTime is when that block was made, by the validators' clocks; zero before
	// there is one.
	BlockTime time.Time
	// Peers counts the nodes that this one is connected to.
	Peers int
	// Validators sign the next block.
	Validators []Validator
	// CatchingUp: the node copies blocks from others before it takes part.
	CatchingUp bool
	// Pending counts transactions that wait for a block, PendingBytes their size.
	Pending      int
	PendingBytes int64
}

// Validator is one voice in the making of blocks.
type Validator struct {
	// Address is the first 20 bytes of SHA-256 over PublicKey.
	Address [20]byte
	// PublicKey is Ed25519.
	PublicKey [32]byte
	Power     int64
}

// Status returns where the ledger stands now.
func (n *Node) Status(ctx context.Context) (Status, error) {
	if err := ctx.Err(); err != nil {
		return Status{}, err
	}
	s := Status{
		ChainID: n.genesis.doc.ChainID, Network: n.genesis.state.Network,
		Height: n.registry.Height(), AppHash: n.registry.AppHash(), Time: n.registry.Time(),
		CatchingUp: n.engine.ConsensusReactor().WaitSync(),
		Pending:    n.engine.Mempool().Size(), PendingBytes: n.engine.Mempool().SizeBytes(),
		Peers: n.engine.Switch().Peers().Size(),
	}
	err := n.read(func() error {
		blocks := n.engine.BlockStore()
		if meta := blocks.LoadBlockMeta(blocks.Height()); meta != nil {
			s.BlockHeight = uint64(meta.Header.Height) //nolint:gosec // heights are positive
			s.BlockTime = meta.Header.Time
			copy(s.Block[:], meta.BlockID.Hash)
		}
		_, set := n.engine.views.ConsensusState.GetValidators()
		for _, v := range set {
			var out Validator
			copy(out.Address[:], v.Address)
			copy(out.PublicKey[:], v.PubKey.Bytes())
			out.Power = v.VotingPower
			s.Validators = append(s.Validators, out)
		}
		return nil
	})
	return s, err
}
