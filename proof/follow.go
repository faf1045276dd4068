// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"

	"github.com/attesteer/attesteer/rats"
)

// Follow returns the trust that a block hands on: where validators who are
// trusted decided a block, those whom its header names as the next are trusted
// from there on. Only blocks at which the set changes have to be followed, in
// their order; of a block in between the outcome is the trust that went in, at
// a later height.
//
// The errors are those of [Verify], and BindingMismatch for a block that is not
// later than the last one that was followed.
//
// Trust that is old is worth less: validators who left may have let go of their
// keys. How long ago a reader may have begun is for the reader to say.
func (t Trust) Follow(b *Block) (Trust, error) {
	if err := b.check(); err != nil {
		return Trust{}, err
	}
	if err := t.covers(&b.Header); err != nil {
		return Trust{}, err
	}
	if b.Header.Height <= t.height {
		return Trust{}, mismatch("block %d is not later than block %d", b.Header.Height, t.height)
	}
	if _, _, err := b.verifyCommit(); err != nil {
		return Trust{}, err
	}
	if len(b.Header.NextValidators) != 32 {
		return Trust{}, mismatch("block %d names no next validators", b.Header.Height)
	}
	out := Trust{validators: b.Header.NextValidators, chainID: b.Header.ChainID, height: b.Header.Height, from: b.Header.Height}
	if !bytes.Equal(b.Header.Validators, b.Header.NextValidators) {
		out.from++
	}
	return out, nil
}

// Validators returns the hash of the trusted set, which [TrustHash] takes; nil
// where nobody is trusted.
func (t Trust) Validators() Hex { return bytes.Clone(t.validators) }

// Height returns the last block that was followed, and 0 before the first.
func (t Trust) Height() int64 { return t.height }

// followAll goes through the changes of a bundle: each follows from the one
// before, so that no bit of them is free, and the reader's trust begins with the
// first set or with one that comes after. A block at which nothing changes has
// no business among them.
func (t Trust) followAll(changes []Block) (Trust, error) {
	if len(changes) == 0 {
		return t, nil
	}
	at := Trust{validators: changes[0].Header.Validators, chainID: changes[0].Header.ChainID}
	met := bytes.Equal(at.validators, t.validators)
	for i := range changes {
		b := &changes[i]
		if bytes.Equal(b.Header.Validators, b.Header.NextValidators) {
			return t, mismatch("the validators do not change at block %d", b.Header.Height)
		}
		next, err := at.Follow(b)
		switch {
		case err != nil && i > 0 && rats.KindOf(err) == rats.UntrustedRoot:
			return t, mismatch("the change of validators at block %d does not follow from the one before", b.Header.Height)
		case err != nil:
			return t, err
		}
		// Whom the reader met at a later height has let go of what came before: a set
		// may come back, and its former successors may have let go of their keys.
		met = met && b.Header.Height > t.height
		at, met = next, met || bytes.Equal(next.validators, t.validators)
	}
	if !met || t.validators == nil {
		return t, rats.Errorf(rats.UntrustedRoot, "the changes of validators do not begin with those who are trusted")
	}
	if t.chainID != "" && t.chainID != at.chainID {
		return t, rats.Errorf(rats.UntrustedRoot, "the changes of validators are of ledger %q, not of %q", at.chainID, t.chainID)
	}
	return at, nil
}

// covers checks that a header names the trusted validators and ledger.
func (t Trust) covers(h *Header) error {
	if t.validators == nil || !bytes.Equal(t.validators, h.Validators) {
		return rats.Errorf(rats.UntrustedRoot, "the block is not of the validators that are trusted")
	}
	if t.chainID != "" && t.chainID != h.ChainID {
		return rats.Errorf(rats.UntrustedRoot, "the block is of ledger %q, not of %q", h.ChainID, t.chainID)
	}
	return nil
}
