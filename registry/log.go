// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/rats"
)

// past is the log of events (RFC 6962) as far as appending needs it: its size
// and the roots of its full subtrees. It is an immutable value.
type past struct {
	Size   uint64     `cbor:"1,keyasint"`
	Hashes [][32]byte `cbor:"2,keyasint"`
}

func logRanges() *compact.RangeFactory {
	return &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
}

func (p past) open() (*compact.Range, error) {
	hashes := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		hashes[i] = p.Hashes[i][:]
	}
	r, err := logRanges().NewRange(0, p.Size, hashes)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "event log: %w", err)
	}
	return r, nil
}

// extend returns the log with leaves appended, and tells keep of the hashes over
// the full subtrees that they complete.
func (p past) extend(leaves [][]byte, keep func(id compact.NodeID, hash []byte)) (past, error) {
	r, err := p.open()
	if err != nil {
		return p, err
	}
	for _, leaf := range leaves {
		if err := r.Append(rfc6962.DefaultHasher.HashLeaf(leaf), keep); err != nil {
			return p, rats.Errorf(rats.Internal, "event log: %w", err)
		}
	}
	out := past{Size: r.End(), Hashes: [][32]byte{}}
	for _, h := range r.Hashes() {
		out.Hashes = append(out.Hashes, [32]byte(h))
	}
	return out, nil
}

// root returns the log's root hash.
func (p past) root() ([32]byte, error) {
	if p.Size == 0 {
		return [32]byte(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	r, err := p.open()
	if err != nil {
		return [32]byte{}, err
	}
	h, err := r.GetRootHash(nil)
	if err != nil {
		return [32]byte{}, rats.Errorf(rats.Internal, "event log: %w", err)
	}
	return [32]byte(h), nil
}
