// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// LogProof shows that the log of events holds some of them, at one size.
type LogProof struct {
	// Events stand in their order, as the log holds them, each with its audit
	// path (RFC 6962 section 2.1.1) from the leaf up.
	Events []LoggedEvent
	Size   uint64
}

// LoggedEvent is a leaf of the log and its audit path.
type LoggedEvent struct {
	Event []byte
	Path  [][]byte
}

// nodeKey is where the hash over a full subtree is kept, for all but leaves:
// those are hashed from the events.
func nodeKey(id compact.NodeID) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceLogNode, byte(id.Level)}, id.Index) //nolint:gosec // below 64
}

// HistoryProof proves the newest events of a record, up to limit, in the log as
// it was at a size; NotFound says that the log held none of them then.
func (r *Registry) HistoryProof(id record.ID, size uint64, limit int) (LogProof, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := LogProof{Size: size}
	if size > r.state.Past.Size {
		return out, rats.Errorf(rats.NotFound, "the log has no %d events yet", size)
	}
	sequences, err := r.sequences(id, size)
	if err != nil {
		return out, err
	}
	if len(sequences) == 0 {
		return out, rats.Errorf(rats.NotFound, "no event of the record is that old")
	}
	for _, n := range sequences[max(0, len(sequences)-limit):] {
		raw, err := r.store.Get(eventKey(n))
		if err != nil {
			return out, storeError(err)
		}
		nodes, err := proof.Inclusion(n, size)
		if err != nil {
			return out, rats.Errorf(rats.Internal, "event log: %w", err)
		}
		path, err := r.path(nodes)
		if err != nil {
			return out, err
		}
		out.Events = append(out.Events, LoggedEvent{Event: raw, Path: path})
	}
	return out, nil
}

// Consistency returns the proof (RFC 6962 section 2.1.2) that the log grew from
// one size to another: NotFound for a size that it has not reached, Malformed
// for one that is larger than the other.
func (r *Registry) Consistency(from, to uint64) ([][]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case from > to:
		return nil, rats.Errorf(rats.Malformed, "a log of %d events does not grow into one of %d", from, to)
	case to > r.state.Past.Size:
		return nil, rats.Errorf(rats.NotFound, "the log has no %d events yet", to)
	case from == 0:
		return [][]byte{}, nil // every log grew out of the empty one
	}
	nodes, err := proof.Consistency(from, to)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "event log: %w", err)
	}
	return r.path(nodes)
}

// Log returns size and root of the log after the last committed block.
func (r *Registry) Log() (size uint64, root [32]byte) {
	st := r.committed()
	return st.Past.Size, st.logRoot
}

// path turns the nodes of a proof into its hashes. The caller holds mu.
func (r *Registry) path(nodes proof.Nodes) ([][]byte, error) {
	hashes := make([][]byte, 0, len(nodes.IDs))
	for _, id := range nodes.IDs {
		h, err := r.logNode(id)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	out, err := nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "event log: %w", err)
	}
	return out, nil
}

// logNode returns the hash over a full subtree of the log. The caller holds mu.
func (r *Registry) logNode(id compact.NodeID) ([]byte, error) {
	key := nodeKey(id)
	if id.Level == 0 {
		key = eventKey(id.Index)
	}
	b, err := r.store.Get(key)
	switch {
	case err != nil:
		return nil, storeError(err)
	case b == nil:
		return nil, rats.Errorf(rats.Internal, "event log: the store lacks node %d of level %d", id.Index, id.Level)
	case id.Level == 0:
		return rfc6962.DefaultHasher.HashLeaf(b), nil
	default:
		return b, nil
	}
}
