// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/light/provider"
	lightdb "github.com/cometbft/cometbft/light/store/db"
	cmtstate "github.com/cometbft/cometbft/proto/tendermint/state"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	sm "github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/statesync"
	"github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"
)

const (
	// trustPeriod is how old a block may be that a joining node is told to trust:
	// until then its validators are held to answer for what they sign.
	trustPeriod = 14 * 24 * time.Hour
	// validatorsPatience bounds the wait for peers that know a verified block.
	validatorsPatience = 30 * time.Second
	// lightRetry is the pause before peers are asked again.
	lightRetry = time.Second
)

// errNoPeers says that nobody can be asked.
var errNoPeers = errors.New("no peer to ask for headers")

// lightState follows the chain from the block that the operator trusts, by the
// signatures of validators, to the state that a snapshot holds.
type lightState struct {
	peers   *lightPeers
	trust   TrustPoint
	genesis *types.GenesisDoc
	log     engineLog
	now     func() time.Time

	mu sync.Mutex // guards client, which is not made for several callers
	// client is nil until peers were found that know the trusted block.
	client *light.Client
	// first is the peer that is asked first, in its turn.
	first int
}

var _ statesync.StateProvider = (*lightState)(nil)

// AppHash implements [statesync.StateProvider]: the hash of the state after a
// block stands in the header of the next. It asks for the one after that too,
// since State will need it.
func (s *lightState) AppHash(ctx context.Context, height uint64) ([]byte, error) {
	blocks, err := s.blocks(ctx, height+1, height+2)
	if err != nil {
		return nil, err
	}
	return blocks[0].AppHash, nil
}

// Commit implements [statesync.StateProvider].
func (s *lightState) Commit(ctx context.Context, height uint64) (*types.Commit, error) {
	blocks, err := s.blocks(ctx, height)
	if err != nil {
		return nil, err
	}
	return blocks[0].Commit, nil
}

// validators returns the hash of those who signed the block of a height.
func (s *lightState) validators(height uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), validatorsPatience)
	defer cancel()
	blocks, err := s.blocks(ctx, height)
	if err != nil {
		return nil, err
	}
	return blocks[0].ValidatorsHash, nil
}

// State implements [statesync.StateProvider]: what CometBFT has to know to go on
// after a block.
func (s *lightState) State(ctx context.Context, height uint64) (sm.State, error) {
	blocks, err := s.blocks(ctx, height, height+1, height+2)
	if err != nil {
		return sm.State{}, err
	}
	last, current, next := blocks[0], blocks[1], blocks[2]
	params := *s.genesis.ConsensusParams
	params.Version.App = current.Version.App
	if !bytes.Equal(params.Hash(), current.ConsensusHash) {
		return sm.State{}, errors.New("the parameters of consensus are not those of the genesis")
	}
	return sm.State{
		Version: cmtstate.Version{
			Consensus: cmtversion.Consensus{Block: current.Version.Block, App: current.Version.App},
			Software:  version.TMCoreSemVer,
		},
		ChainID: s.genesis.ChainID, InitialHeight: s.genesis.InitialHeight,
		LastBlockHeight: last.Height, LastBlockTime: last.Time, LastBlockID: last.Commit.BlockID,
		AppHash: current.AppHash, LastResultsHash: current.LastResultsHash,
		LastValidators: last.ValidatorSet, Validators: current.ValidatorSet, NextValidators: next.ValidatorSet,
		LastHeightValidatorsChanged: next.Height,
		ConsensusParams:             params, LastHeightConsensusParamsChanged: current.Height,
	}, nil
}

// blocks returns verified blocks of the given heights. It tries until ctx ends:
// CometBFT never comes back to a snapshot about which it got an error.
func (s *lightState) blocks(ctx context.Context, heights ...uint64) ([]*types.LightBlock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		out, err := s.tryBlocks(ctx, heights)
		if err == nil {
			return out, nil
		}
		s.log.to.WarnContext(ctx, "headers could not be verified yet", slog.Any("error", err))
		select {
		case <-time.After(lightRetry):
		case <-ctx.Done():
			// Not as it is: one of the light client's errors ends state sync for good.
			return nil, fmt.Errorf("light client: %w", err)
		}
	}
}

func (s *lightState) tryBlocks(ctx context.Context, heights []uint64) ([]*types.LightBlock, error) {
	if s.client == nil {
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
	var out []*types.LightBlock
	for _, h := range heights {
		b, err := s.client.VerifyLightBlockAtHeight(ctx, int64(h), s.now()) //nolint:gosec // heights come from CometBFT
		if err != nil {
			// Peers come and go; the next try begins with those there are.
			s.client = nil
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// open makes a light client of the peers there are, which starts from the
// trusted block.
func (s *lightState) open(ctx context.Context) error {
	hash, err := hex.DecodeString(s.trust.Hash)
	if err != nil {
		return err
	}
	peers := s.peers.connected()
	if len(peers) == 0 {
		return errNoPeers
	}
	s.first++
	primary := peers[s.first%len(peers)]
	// A lone peer vouches for itself: what it says is still held against the
	// signatures of the validators, from the trusted block on.
	witnesses := []provider.Provider{primary}
	if len(peers) > 1 {
		witnesses = witnesses[:0]
		for i := range peers[1:] {
			witnesses = append(witnesses, peers[(s.first+1+i)%len(peers)])
		}
	}
	s.client, err = light.NewClient(ctx, s.genesis.ChainID, light.TrustOptions{
		Period: trustPeriod, Height: int64(s.trust.Height), Hash: hash, //nolint:gosec // 63 bits
	}, primary, witnesses, lightdb.New(dbm.NewMemDB(), ""), light.Logger(s.log))
	return err
}
