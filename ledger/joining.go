// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/attesteer/attesteer/rats"
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

	from        snapshot
	restoration *registry.Restoration
	next        int
	said        time.Time
}

func newJoining(r *registry.Registry, chainID string, log *slog.Logger) *joining {
	return &joining{registry: r, chainID: chainID, log: log, done: make(chan struct{})}
}

// offered begins with a snapshot whose state has a hash that validators signed.
func (j *joining) offered(s snapshot, appHash [32]byte) error {
	x, err := j.registry.Restore(j.chainID, s.height, appHash)
	if err != nil {
		return err
	}
	j.from, j.restoration, j.next, j.said = s, x, 0, time.Now()
	j.log.Info("fetching a snapshot from peers", slog.Uint64("height", s.height), slog.Int("chunks", len(s.chunks)))
	return nil
}

// errChunk says that a chunk is not the one that the snapshot lists.
var errChunk = rats.Errorf(rats.BindingMismatch, "a chunk is not the one that the snapshot lists")

// chunk takes the next chunk. [errChunk] says that it is to be asked for again,
// Malformed that the snapshot is not the chain's state, Internal that this
// machine failed.
func (j *joining) chunk(index uint32, b []byte) error {
	if j.restoration == nil || int(index) != j.next || j.next >= len(j.from.chunks) {
		return rats.Errorf(rats.Malformed, "snapshot: chunk %d is not the next", index)
	}
	if sha256.Sum256(b) != j.from.chunks[j.next] {
		return errChunk
	}
	if err := eachPart(b, j.restoration.Add); err != nil {
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
	if err := j.restoration.Finish(); err != nil {
		return asMalformed(err)
	}
	j.log.Info("joined from a snapshot", slog.Uint64("height", j.from.height))
	j.restoration = nil
	close(j.done)
	return nil
}

// asMalformed leaves what is this machine's fault as it is.
func asMalformed(err error) error {
	if k := rats.KindOf(err); k == rats.Internal || k == rats.Malformed {
		return err
	}
	return rats.Errorf(rats.Malformed, "snapshot: %w", err)
}
