// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Block is what shows that validators decided a block: its header, their
// votes, and who they are. It is a light block, without what the block holds.
type Block struct {
	Header     Header      `cbor:"1,keyasint" json:"header"`
	Commit     Commit      `cbor:"2,keyasint" json:"commit"`
	Validators []Validator `cbor:"3,keyasint" json:"validators"`
}

// NewBlock returns the block of what a ledger put together.
//
// Votes that would not count are left out. CometBFT takes Ed25519 signatures by
// ZIP-215, which is wider than RFC 8032: without this, one validator could spoil
// every proof by a signature that only CometBFT takes.
func NewBlock(header Header, commit Commit, validators []Validator) Block {
	header.fill()
	b := Block{Header: header, Validators: validators}
	b.Commit = Commit{Round: commit.Round, Parts: commit.Parts, Signatures: []Signature{}}
	hash := header.hash()
	for _, s := range commit.Signatures {
		if int64(s.Index) < int64(len(validators)) && b.counts(hash, &s) {
			b.Commit.Signatures = append(b.Commit.Signatures, s)
		}
	}
	return b
}

// Hash is the block's own, 32 bytes.
func (b *Block) Hash() Hex { return b.Header.hash() }

// JSON returns the block in JSON.
func (b *Block) JSON() ([]byte, error) {
	out, err := json.Marshal(b)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return out, nil
}

// DecodeBlock reads a block in CBOR or JSON, as strictly as [Decode] reads a
// bundle. Its errors are Malformed, or TooLarge over [MaxBundle].
func DecodeBlock(data []byte) (*Block, error) {
	if len(data) > MaxBundle {
		return nil, rats.Errorf(rats.TooLarge, "block of %d bytes is over %d", len(data), MaxBundle)
	}
	var b Block
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		if err := decodeJSON(text, &b); err != nil {
			return nil, rats.Errorf(rats.Malformed, "block: %w", err)
		}
	} else if err := record.Unmarshal(data, &b); err != nil {
		return nil, rats.Errorf(rats.Malformed, "block: %w", err)
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return &b, nil
}

// check refuses lengths that nothing of the kind has, and nil where it would be
// another spelling of no bytes.
func (b *Block) check() error {
	fields := append([]field{{"commit.parts.hash", &b.Commit.Parts.Hash, 32, false}}, b.Header.hashes()...)
	if err := checkLengths(fields); err != nil {
		return err
	}
	if b.Header.Height < 1 {
		return malformed("a header is of height %d", b.Header.Height)
	}
	for _, s := range b.Commit.Signatures {
		if len(s.Signature) != ed25519.SignatureSize {
			return malformed("a signature of %d bytes", len(s.Signature))
		}
	}
	if err := checkValidators(b.Validators); err != nil {
		return malformed("%w", err)
	}
	return nil
}

// counts reports whether a vote is its validator's for the block of a hash.
func (b *Block) counts(hash []byte, s *Signature) bool {
	key := b.Validators[s.Index].PublicKey
	msg := signBytes(b.Header.ChainID, b.Header.Height, hash, &b.Commit, s.Time)
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(ed25519.PublicKey(key), msg, s.Signature)
}

// verifyCommit checks that validators with more than two thirds of the power
// signed the header's block (spec, Data Structures, Commit), and that every
// signature in the commit is one of theirs.
func (b *Block) verifyCommit() (signed, total int64, err error) {
	if !bytes.Equal(hashValidators(b.Validators), b.Header.Validators) {
		return 0, 0, mismatch("the validators are not those that the header names")
	}
	for _, v := range b.Validators {
		total += v.Power
	}
	hash := b.Header.hash()
	last := int64(-1)
	for _, s := range b.Commit.Signatures {
		if int64(s.Index) <= last || int64(s.Index) >= int64(len(b.Validators)) {
			return 0, 0, rats.Errorf(rats.BadSignature, "commit: signatures are not in the order of the validators")
		}
		last = int64(s.Index)
		v := b.Validators[s.Index]
		if !b.counts(hash, &s) {
			return 0, 0, rats.Errorf(rats.BadSignature, "commit: validator %x did not sign this block", address(v.PublicKey))
		}
		signed += v.Power
	}
	// Neither product can overflow: see maxPower.
	if signed*3 <= total*2 {
		return 0, 0, rats.Errorf(rats.BadSignature, "commit: %d of %d of the power signed, which is not more than two thirds", signed, total)
	}
	return signed, total, nil
}
