// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
)

// precommit is the type of the votes that decide a block (SignedMsgType).
const precommit = 2

// maxPower bounds the power of a whole set (MaxTotalVotingPower).
const maxPower = math.MaxInt64 / 8

// proto appends protocol buffer fields, of which zero values are left out.
type proto []byte

const (
	wireVarint = 0
	wireFixed  = 1
	wireBytes  = 2
)

func (p proto) tag(field, wire uint64) proto { return binary.AppendUvarint(p, field<<3|wire) }

func (p proto) varint(field uint64, v int64) proto {
	if v == 0 {
		return p
	}
	return binary.AppendUvarint(p.tag(field, wireVarint), uint64(v)) //nolint:gosec // two's complement is the encoding
}

func (p proto) fixed64(field uint64, v int64) proto {
	if v == 0 {
		return p
	}
	return binary.LittleEndian.AppendUint64(p.tag(field, wireFixed), uint64(v)) //nolint:gosec // two's complement is the encoding
}

func (p proto) bytes(field uint64, v []byte) proto {
	if len(v) == 0 {
		return p
	}
	return p.message(field, v)
}

// message appends a field that is there even when it is empty.
func (p proto) message(field uint64, v []byte) proto {
	p = binary.AppendUvarint(p.tag(field, wireBytes), uint64(len(v)))
	return append(p, v...)
}

func (t Time) proto() proto {
	return proto(nil).varint(1, t.Seconds).varint(2, int64(t.Nanos))
}

func (p Parts) proto() proto {
	return proto(nil).varint(1, int64(p.Total)).bytes(2, p.Hash)
}

// merkle is RFC 6962's tree hash, as CometBFT uses it.
func merkle(items [][]byte) []byte {
	switch len(items) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		sum := sha256.Sum256(append([]byte{0}, items[0]...))
		return sum[:]
	}
	split := 1
	for split*2 < len(items) {
		split *= 2
	}
	sum := sha256.Sum256(slices.Concat([]byte{1}, merkle(items[:split]), merkle(items[split:])))
	return sum[:]
}

// hash is the block's hash: the tree over the header's fields, each in its
// protocol buffer form (spec, Data Structures, Header).
func (h *Header) hash() []byte {
	text := func(s string) []byte { return proto(nil).bytes(1, []byte(s)) }
	wrap := func(b []byte) []byte { return proto(nil).bytes(1, b) }
	version := proto(nil).varint(1, int64(h.BlockVersion)).varint(2, int64(h.AppVersion)) //nolint:gosec // bits are kept
	last := proto(nil).bytes(1, h.LastBlockHash).message(2, h.LastBlock.proto())
	return merkle([][]byte{
		version, text(h.ChainID), proto(nil).varint(1, h.Height), h.Time.proto(), last,
		wrap(h.LastCommit), wrap(h.Data), wrap(h.Validators), wrap(h.NextValidators), wrap(h.Consensus),
		wrap(h.App), wrap(h.LastResults), wrap(h.Evidence), wrap(h.Proposer),
	})
}

// hashValidators is the hash of a set in its order (SimpleValidator).
func hashValidators(set []Validator) []byte {
	items := make([][]byte, len(set))
	for i, v := range set {
		key := proto(nil).bytes(1, v.PublicKey)
		items[i] = proto(nil).message(1, key).varint(2, v.Power)
	}
	return merkle(items)
}

// sortValidators puts a set into its order: more power first, then the lower
// address.
func sortValidators(set []Validator) {
	slices.SortFunc(set, func(a, b Validator) int {
		return cmp.Or(cmp.Compare(b.Power, a.Power), bytes.Compare(address(a.PublicKey), address(b.PublicKey)))
	})
}

// address is the first 20 bytes of SHA-256 of the key.
func address(key []byte) []byte {
	sum := sha256.Sum256(key)
	return sum[:20]
}

// signBytes is what a validator signs to vote for a block (CanonicalVote with
// its length before it).
func signBytes(chainID string, height int64, blockHash []byte, c *Commit, at Time) []byte {
	block := proto(nil).bytes(1, blockHash).message(2, c.Parts.proto())
	vote := proto(nil).varint(1, precommit).fixed64(2, height).fixed64(3, int64(c.Round)).
		message(4, block).message(5, at.proto()).bytes(6, []byte(chainID))
	return append(binary.AppendUvarint(nil, uint64(len(vote))), vote...)
}
