// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"fmt"
	"math"

	"github.com/attesteer/attesteer/rats"
)

// maxRemembered bounds the blocks that a follower holds against others of the
// same height.
const maxRemembered = 1000

// Follower goes with a ledger from block to block, from what a reader trusts, and
// compares what several nodes say of it. [NewFollower] makes one. It is not safe
// for concurrent use.
type Follower struct {
	trust Trust
	tip   *Block
	// recent are the blocks that were seen last, by height, and order their
	// heights as they came.
	recent map[int64]*Block
	order  []int64
	// sets are the validators who were trusted on the way, by their hashes, and the
	// last block that each may have decided.
	sets map[string]int64
}

// NewFollower returns a follower that begins with t: a genesis, or where another
// one stopped.
func NewFollower(t Trust) *Follower {
	return &Follower{trust: t, recent: map[int64]*Block{}, sets: map[string]int64{string(t.validators): math.MaxInt64}}
}

// Trust returns what the follower has come to trust.
func (f *Follower) Trust() Trust { return f.trust }

// Tip returns the newest block that was followed, and nil before the first.
func (f *Follower) Tip() *Block { return f.tip }

// Fork is two blocks of one height that the same validators decided: more than a
// third of their power signed both, which is proof against those who did. Its
// kind is BindingMismatch.
type Fork struct {
	One, Other *Block
}

// Error implements error.
func (f *Fork) Error() string { return f.Unwrap().Error() }

// Unwrap lets the kind be found.
func (f *Fork) Unwrap() error {
	return &rats.Error{Kind: rats.BindingMismatch, Detail: fmt.Sprintf("proof: the ledger forked: blocks %v and %v of height %d were both decided",
		f.One.Hash(), f.Other.Hash(), f.One.Header.Height)}
}

// Add takes a block from a node. A later one than the tip has to follow from
// what is trusted, and becomes the tip. Of an earlier one, validators who were
// trusted on the way have to have decided it, and no other of its height: one that
// is of others, from before the follower began, says nothing and is passed over.
// The error says what is wrong with the block, or is a [*Fork].
//
// Blocks may be left out, but for those at which the validators change: without
// them the next is UntrustedRoot.
func (f *Follower) Add(b *Block) error {
	height := b.Header.Height
	known, ok := f.recent[height]
	switch {
	case ok && bytes.Equal(known.Hash(), b.Hash()):
		return nil
	case ok:
		return f.conflict(known, b)
	case height > f.trust.height:
		next, err := f.trust.Follow(b)
		if err != nil {
			return err
		}
		f.trust, f.tip = next, b
		f.sets[string(b.Header.Validators)] = height
		f.sets[string(next.validators)] = math.MaxInt64
	case height > f.sets[string(b.Header.Validators)]:
		return nil // of others, or of some who had left by then
	default:
		at := Trust{validators: b.Header.Validators, chainID: f.trust.chainID}
		if _, err := at.Follow(b); err != nil {
			return err
		}
	}
	f.recent[height], f.order = b, append(f.order, height)
	if len(f.order) > maxRemembered {
		delete(f.recent, f.order[0])
		f.order = f.order[1:]
	}
	return nil
}

// conflict says what another block of a height is: forged, or a fork.
func (f *Follower) conflict(known, b *Block) error {
	at := Trust{validators: known.Header.Validators, chainID: known.Header.ChainID}
	if _, err := at.Follow(b); err != nil {
		return err
	}
	return &Fork{One: known, Other: b}
}

// Holds checks that the state of a height has a hash, as a node says of itself.
// The header of the block after it carries that, and so does its own where the block
// is without transactions, since such a block changes nothing. NotFound says that
// neither was followed.
func (f *Follower) Holds(height uint64, appHash []byte) error {
	b, ok := f.recent[int64(height)+1] //nolint:gosec // of a height out of range there is none
	if !ok {
		b, ok = f.recent[int64(height)] //nolint:gosec // as above
		ok = ok && bytes.Equal(b.Header.Data, merkle(nil))
	}
	if !ok {
		return rats.Errorf(rats.NotFound, "block %d was not followed", height+1)
	}
	if !bytes.Equal(b.Header.App, appHash) {
		return mismatch("the state of height %d is not the one that block %d carries", height, b.Header.Height)
	}
	return nil
}
