// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

const (
	// snapshotFormat counts the ways in which snapshots were ever written.
	snapshotFormat = 1
	// chunkBytes is where a chunk ends, after the part that passes it.
	chunkBytes = 1 << 20
	// tagSnapshot begins what a snapshot's hash is over.
	tagSnapshot = "attesteer/snapshot/v1"

	snapshotsPath = "data/snapshots"
	manifestName  = "chunks"
	// unfinished ends the name of a snapshot that is being written.
	unfinished = ".part"
)

// snapshot is a state that a node can hand out in chunks. The hashes of the
// chunks tell a corrupt one at once; that all of them together are the chain's
// state shows in the hash of the state alone.
type snapshot struct {
	height uint64
	// chunks are their SHA-256, in order.
	chunks [][32]byte
}

// hash names the snapshot: SHA-256 over a tag, format, height and the number of
// chunks (u64, big-endian), and the hashes of the chunks.
func (s snapshot) hash() [32]byte {
	h := sha256.New()
	h.Write([]byte(tagSnapshot))
	for _, n := range []uint64{snapshotFormat, s.height, uint64(len(s.chunks))} {
		h.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	h.Write(s.metadata())
	return [32]byte(h.Sum(nil))
}

// metadata is what peers are told beside the hash: the hashes of the chunks.
func (s snapshot) metadata() []byte { return slices.Concat(sliced(s.chunks)...) }

func sliced(hashes [][32]byte) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// parseSnapshot reads the metadata of a snapshot.
func parseSnapshot(height uint64, metadata []byte) (snapshot, error) {
	s := snapshot{height: height}
	if len(metadata) == 0 || len(metadata)%32 != 0 {
		return s, errors.New("no list of hashes")
	}
	for hash := range slices.Chunk(metadata, 32) {
		s.chunks = append(s.chunks, [32]byte(hash))
	}
	return s, nil
}

// Snapshots says when a node takes snapshots of its state for nodes that join.
type Snapshots struct {
	// Every is the ledger time between two; zero takes none.
	Every time.Duration
	// Keep is how many are kept; zero stands for two.
	Keep int
}

// defaultKeep leaves time to fetch a snapshot after the next was taken.
const defaultKeep = 2

// snapshots are those of a home. Nodes with the same interval take the same ones,
// since it is counted in ledger time: a node that joins can take each chunk from
// another peer.
type snapshots struct {
	dir  string
	plan Snapshots
	// size is where a chunk ends: chunkBytes but in tests.
	size  int
	store *store
	log   *slog.Logger

	mu sync.Mutex // guards what follows
	// held are those that are written, oldest first.
	held []snapshot
	busy bool
	// last is the ledger time of the block before.
	last record.Millis
	// changes returns those of validators below a height; nil until the node has
	// started, and until then no snapshot is taken.
	changes func(below int64) ([]proof.Block, error)

	ctx    context.Context // of the writer; ends when the node stops
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// openSnapshots finds the snapshots of a home and removes what was not finished.
func openSnapshots(h *home, plan Snapshots, s *store, last record.Millis, log *slog.Logger) (*snapshots, error) {
	if plan.Keep <= 0 {
		plan.Keep = defaultKeep
	}
	out := &snapshots{dir: h.path(snapshotsPath), plan: plan, size: chunkBytes, store: s, last: last, log: log}
	out.ctx, out.cancel = context.WithCancel(context.Background())
	entries, err := os.ReadDir(out.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, h.wrap(snapshotsPath, err)
	}
	for _, e := range entries {
		height, err := strconv.ParseUint(e.Name(), 10, 63)
		if err == nil {
			var kept snapshot
			if kept, err = out.read(height); err == nil {
				out.held = append(out.held, kept)
				continue
			}
		}
		if err := os.RemoveAll(filepath.Join(out.dir, e.Name())); err != nil {
			return nil, h.wrap(snapshotsPath, err)
		}
	}
	slices.SortFunc(out.held, func(a, b snapshot) int { return int(a.height) - int(b.height) }) //nolint:gosec // 63 bits
	return out, nil
}

func (s *snapshots) folder(height uint64) string {
	return filepath.Join(s.dir, strconv.FormatUint(height, 10))
}

func (s *snapshots) read(height uint64) (snapshot, error) {
	b, err := os.ReadFile(filepath.Join(s.folder(height), manifestName))
	if err != nil {
		return snapshot{}, err
	}
	return parseSnapshot(height, b)
}

// list returns the snapshots up to a height.
func (s *snapshots) list(upTo int64) []snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []snapshot
	for _, one := range s.held {
		if int64(one.height) <= upTo { //nolint:gosec // heights come from CometBFT
			out = append(out, one)
		}
	}
	return out
}

// oldest returns the height of the oldest snapshot; zero when there is none.
func (s *snapshots) oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 {
		return 0
	}
	return s.held[0].height
}

// chunk returns a chunk, or nil where the node does not have it as it was written.
func (s *snapshots) chunk(height uint64, index uint32) []byte {
	s.mu.Lock()
	at := slices.IndexFunc(s.held, func(o snapshot) bool { return o.height == height })
	if at < 0 || int(index) >= len(s.held[at].chunks) {
		s.mu.Unlock()
		return nil
	}
	want := s.held[at].chunks[index]
	s.mu.Unlock()
	b, err := os.ReadFile(filepath.Join(s.folder(height), chunkName(int(index))))
	if err != nil || sha256.Sum256(b) != want {
		return nil
	}
	return b
}

func chunkName(index int) string { return fmt.Sprintf("%08d", index) }

// committed is told of each block, and of the ledger time that it brought the
// state to. It begins a snapshot when a multiple of the interval has passed, and
// does not wait for it.
func (s *snapshots) committed(height uint64, now record.Millis) {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := record.Millis(s.plan.Every.Milliseconds())
	due := every > 0 && s.last != 0 && s.last/every != now/every
	s.last = now
	if !due || s.busy || s.changes == nil || s.ctx.Err() != nil {
		return
	}
	view, err := s.store.view()
	if err != nil {
		s.log.Error("no snapshot was taken", slog.Uint64("height", height), slog.Any("error", err))
		return
	}
	s.busy = true
	s.done.Go(func() {
		defer view.release()
		one, err := s.write(height, view, s.changes)
		s.finish(one, err)
	})
}

// begin lets snapshots be taken, with the changes of validators up to their
// height: a node that joins has no block of that one.
func (s *snapshots) begin(changes func(below int64) ([]proof.Block, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = changes
}

// stop ends the writing of a snapshot, if one is being written.
func (s *snapshots) stop() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.done.Wait()
}

// finish adds a snapshot and removes those that are too many.
func (s *snapshots) finish(one snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if err != nil {
		if s.ctx.Err() == nil {
			s.log.Error("no snapshot was taken", slog.Uint64("height", one.height), slog.Any("error", err))
		}
		return
	}
	s.held = append(s.held, one)
	for len(s.held) > s.plan.Keep {
		if err := os.RemoveAll(s.folder(s.held[0].height)); err != nil {
			s.log.Error("an old snapshot could not be removed", slog.Any("error", err))
		}
		s.held = s.held[1:]
	}
	s.log.Info("took a snapshot", slog.Uint64("height", one.height), slog.Int("chunks", len(one.chunks)))
}

// write writes the state of a view in chunks. The folder gets its name last.
func (s *snapshots) write(height uint64, view registry.View, changes func(int64) ([]proof.Block, error)) (snapshot, error) {
	out := snapshot{height: height}
	dir := s.folder(height) + unfinished
	if err := os.RemoveAll(dir); err != nil {
		return out, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return out, err
	}
	var chunk []byte
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		name := filepath.Join(dir, chunkName(len(out.chunks)))
		out.chunks = append(out.chunks, sha256.Sum256(chunk))
		err := os.WriteFile(name, chunk, 0o600)
		chunk = chunk[:0]
		return err
	}
	add := func(p registry.Part) error {
		chunk = appendPart(chunk, p)
		if len(chunk) < s.size {
			return nil
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		return flush()
	}
	err := registry.Parts(view, add)
	if err == nil {
		var list []proof.Block
		if list, err = changes(int64(height) + 1); err == nil { //nolint:gosec // heights come from CometBFT
			err = changeParts(list, add)
		}
	}
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifestName), out.metadata(), 0o600)
	}
	if err == nil {
		err = os.Rename(dir, s.folder(height))
	}
	if err != nil {
		return out, errors.Join(err, os.RemoveAll(dir))
	}
	return out, nil
}

// appendPart writes a part: its kind, then key and value with their lengths
// (u32, big-endian) before them.
func appendPart(b []byte, p registry.Part) []byte {
	b = append(b, byte(p.Kind))
	for _, field := range [][]byte{p.Key, p.Value} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field))) //nolint:gosec // bounded by a transaction's size
		b = append(b, field...)
	}
	return b
}

// eachPart calls fn for the parts that a chunk holds.
func eachPart(chunk []byte, fn func(registry.Part) error) error {
	for len(chunk) > 0 {
		p := registry.Part{Kind: registry.PartKind(chunk[0])}
		chunk = chunk[1:]
		for _, field := range []*[]byte{&p.Key, &p.Value} {
			if len(chunk) < 4 {
				return errCutShort
			}
			n := binary.BigEndian.Uint32(chunk)
			if chunk = chunk[4:]; uint64(n) > uint64(len(chunk)) {
				return errCutShort
			}
			*field, chunk = chunk[:n:n], chunk[n:]
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

var errCutShort = rats.Errorf(rats.Malformed, "snapshot: a part is cut short")
