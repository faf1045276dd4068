// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// changes are the blocks at which the set of validators changed, by which a
// reader follows it from the genesis. They are kept for good, beside the state
// and outside of it: the blocks themselves may be pruned.
type changes struct {
	store *store
	// load returns a block with the votes that decided it, or nil while there are
	// none, and meta its header.
	load func(height int64) (*proof.Block, error)
	meta func(height int64) *types.BlockMeta

	mu sync.Mutex // guards what follows
	// next is the first height that was not looked at.
	next int64
	list []proof.Block
}

// Keys beside the registry's: those begin with other letters.
const spaceChange = 'L' // height → block at which the validators changed; without one: next

func changeKey(height int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceChange}, uint64(height)) //nolint:gosec // heights are positive
}

// savedEvery bounds how many headers are looked at again after a restart.
const savedEvery = 1000

// openChanges reads those that are known.
func openChanges(s *store) (*changes, error) {
	c := &changes{store: s, next: 1}
	b, err := s.Get([]byte{spaceChange})
	if err != nil {
		return nil, err
	}
	if len(b) == 8 {
		c.next = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // written below
	}
	err = s.Scan(changeKey(0), []byte{spaceChange + 1}, func(_, v []byte) error {
		var block proof.Block
		if err := record.Unmarshal(v, &block); err != nil {
			return rats.Errorf(rats.Internal, "changes of validators: %w", err)
		}
		c.list = append(c.list, block)
		return nil
	})
	return c, err
}

// before returns the changes below a height, oldest first; base is the first
// block that the node has.
func (c *changes) before(height, base int64) ([]proof.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.look(height, base); err != nil {
		return nil, err
	}
	end := slices.IndexFunc(c.list, func(b proof.Block) bool { return b.Header.Height >= height })
	if end < 0 {
		end = len(c.list)
	}
	return slices.Clone(c.list[:end]), nil
}

// look goes through the headers below a height that were not looked at. The
// caller holds mu.
func (c *changes) look(height, base int64) error {
	c.next = max(c.next, base)
	from := c.next
	for ; c.next < height; c.next++ {
		m := c.meta(c.next)
		if m == nil {
			return rats.Errorf(rats.Internal, "block %d: no header", c.next)
		}
		if bytes.Equal(m.Header.ValidatorsHash, m.Header.NextValidatorsHash) {
			continue
		}
		block, err := c.load(c.next)
		if err != nil {
			return err
		}
		if block == nil {
			return rats.Errorf(rats.Internal, "block %d: no votes", c.next)
		}
		b, err := record.Marshal(block)
		if err != nil {
			return err
		}
		if err := c.save(c.next+1, registry.Write{Key: changeKey(c.next), Value: b}); err != nil {
			return err
		}
		c.list, from = append(c.list, *block), c.next+1
	}
	if c.next-from >= savedEvery {
		return c.save(c.next)
	}
	return nil
}

// save keeps how far was looked, with what was found.
func (c *changes) save(next int64, found ...registry.Write) error {
	at := binary.BigEndian.AppendUint64(nil, uint64(next)) //nolint:gosec // heights are positive
	return c.store.Write(append(found, registry.Write{Key: []byte{spaceChange}, Value: at}))
}
