// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"slices"
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// sayEvery is how often a joining node says how far it is.
const sayEvery = 5 * time.Second

// joining fills the registry of a new node from a snapshot. Its methods are
// called one after the other.
type joining struct {
	registry *registry.Registry
	chainID  string
	log      *slog.Logger
	// done is closed once the registry holds a state.
	done chan struct{}

	// known gets the changes of validators that the node has no blocks of, and
	// genesis is whom they begin with.
	known   *changes
	genesis proof.Trust
	// validators returns the hash of those who signed the block of a height; nil
	// where nobody can be asked.
	validators func(height uint64) ([]byte, error)

	from        snapshot
	restoration *registry.Restoration
	next        int
	said        time.Time
	// trust is what the changes so far, in changed, lead to.
	trust   proof.Trust
	changed []proof.Block
}

func newJoining(r *registry.Registry, chainID string, genesis proof.Trust, known *changes, log *slog.Logger) *joining {
	return &joining{
		registry: r, chainID: chainID, genesis: genesis, known: known, log: log, done: make(chan struct{}),
	}
}

// partChange is a part of a snapshot that is not of the state: a block at which
// the set of validators changed. Its key is the height (u64, big-endian).
const partChange registry.PartKind = spaceChange

// changeParts calls fn for the changes of validators below a height.
func changeParts(list []proof.Block, fn func(registry.Part) error) error {
	for i := range list {
		b, err := record.Marshal(&list[i])
		if err != nil {
			return err
		}
		if err := fn(registry.Part{Kind: partChange, Key: changeKey(list[i].Header.Height)[1:], Value: b}); err != nil {
			return err
		}
	}
	return nil
}

// offered begins with a snapshot whose state has a hash that validators signed.
func (j *joining) offered(s snapshot, appHash [32]byte) error {
	x, err := j.registry.Restore(j.chainID, s.height, appHash)
	if err != nil {
		return err
	}
	j.from, j.restoration, j.next, j.said = s, x, 0, time.Now()
	j.trust, j.changed = j.genesis, nil
	j.log.Info("fetching a snapshot from peers", slog.Uint64("height", s.height), slog.Int("chunks", len(s.chunks)))
	return nil
}

// errChunk says that a chunk is not the one that the snapshot lists.
var errChunk = rats.Errorf(rats.BindingMismatch, "a chunk is not the one that the snapshot lists")

// chunk takes the next chunk. [errChunk] says that it is to be asked for again,
// Malformed that the snapshot is not the chain's state, Unsupported that this
// program does not know its version, Internal that this machine failed.
func (j *joining) chunk(index uint32, b []byte) error {
	if j.restoration == nil || int(index) != j.next || j.next >= len(j.from.chunks) {
		return rats.Errorf(rats.Malformed, "snapshot: chunk %d is not the next", index)
	}
	if sha256.Sum256(b) != j.from.chunks[j.next] {
		return errChunk
	}
	if err := eachPart(b, j.part); err != nil {
		return asMalformed(err)
	}
	j.next++
	if time.Since(j.said) > sayEvery {
		j.said = time.Now()
		j.log.Info("fetching a snapshot from peers", slog.Int("chunks", len(j.from.chunks)), slog.Int("have", j.next))
	}
	if j.next < len(j.from.chunks) {
		return nil
	}
	switch err := j.finish(); {
	case rats.KindOf(err) == rats.Unsupported:
		return err // the chain's state, and of a version that this program does not know
	case err != nil:
		return asMalformed(err)
	}
	j.log.Info("joined from a snapshot", slog.Uint64("height", j.from.height))
	j.restoration = nil
	close(j.done)
	return nil
}

// part takes a part of a chunk.
func (j *joining) part(p registry.Part) error {
	if p.Kind != partChange {
		if len(j.changed) > 0 {
			return rats.Errorf(rats.Malformed, "snapshot: a part of the state after what follows it")
		}
		return j.restoration.Add(p)
	}
	var b proof.Block
	if err := record.Unmarshal(p.Value, &b); err != nil {
		return err
	}
	if !bytes.Equal(p.Key, changeKey(b.Header.Height)[1:]) || b.Header.Height > int64(j.from.height) { //nolint:gosec // 63 bits
		return rats.Errorf(rats.Malformed, "snapshot: a change of validators under another height")
	}
	next, err := j.trust.Follow(&b)
	if err != nil {
		return err
	}
	j.trust, j.changed = next, append(j.changed, b)
	return nil
}

// finish holds all that came against what validators signed. The changes of
// validators are kept first: without the state they count for nothing.
func (j *joining) finish() error {
	if j.validators != nil {
		signed, err := j.validators(j.from.height + 1)
		if err != nil {
			return rats.Errorf(rats.Malformed, "snapshot: %w", err)
		}
		if !bytes.Equal(signed, j.trust.Validators()) {
			return rats.Errorf(rats.Malformed, "snapshot: a change of validators is missing")
		}
	}
	if err := j.known.adopt(j.changed, int64(j.from.height)+1); err != nil { //nolint:gosec // 63 bits
		return err
	}
	return j.restoration.Finish()
}

// adopt takes the changes of validators below a height of which the node will
// have no blocks.
func (c *changes) adopt(list []proof.Block, below int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var writes []registry.Write
	err := changeParts(list, func(p registry.Part) error {
		writes = append(writes, registry.Write{Key: append([]byte{spaceChange}, p.Key...), Value: p.Value})
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.save(below, writes...); err != nil {
		return rats.Errorf(rats.Internal, "changes of validators: %w", err)
	}
	c.list, c.next = slices.Clone(list), below
	return nil
}

// asMalformed leaves what is this machine's fault, or this program's, as it is.
func asMalformed(err error) error {
	if k := rats.KindOf(err); k == rats.Internal || k == rats.Malformed || k == rats.Unsupported {
		return err
	}
	return rats.Errorf(rats.Malformed, "snapshot: %w", err)
}
