// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/attesteer/attesteer/rats"
)

// Domain tags: each thing that is hashed or signed starts with its own.
const (
	tagID        = "attesteer/record-id/v1"
	tagAppHash   = "attesteer/app-hash/v1"
	tagSignature = "attesteer/transaction/v1"
	tagWithdraw  = "attesteer/withdrawal/v1"
)

// NewID returns SHA-256 over a tag, TEE, fingerprint and subject, each with its
// length before it (u32, big-endian).
func NewID(tee rats.TEE, fingerprint, subject []byte) ID {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(tagID), []byte(tee), fingerprint, subject} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part))) //nolint:gosec // parts are short
		h.Write(n[:])
		h.Write(part)
	}
	return ID(h.Sum(nil))
}

// AppHash is what validators sign as the state after a block: SHA-256 over a
// tag, the root of the map of the present, and root and size (u64, big-endian)
// of the log of the past.
func AppHash(mapRoot, logRoot [32]byte, logSize uint64) [32]byte {
	h := sha256.New()
	h.Write([]byte(tagAppHash))
	h.Write(mapRoot[:])
	h.Write(logRoot[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], logSize)
	h.Write(n[:])
	return [32]byte(h.Sum(nil))
}

// Keys of the map of the present. Each starts with a byte of its own kind.

// RecordKey is the map key of a record; its value is the record's CBOR.
func RecordKey(id ID) []byte { return append([]byte{'r'}, id[:]...) }

// TimeKey is the map key of ledger time; its value is the CBOR of [LedgerTime].
func TimeKey() []byte { return []byte{'t'} }

// GenesisKey is the map key of the ledger's genesis parameters.
func GenesisKey() []byte { return []byte{'g'} }

// EndorsementEntryKey is the map key of an endorsement; its value is the CBOR
// of [EndorsementEntry].
func EndorsementEntryKey(key rats.EndorsementKey) ([]byte, error) {
	b, err := Marshal(key)
	if err != nil {
		return nil, err
	}
	return append([]byte{'e'}, b...), nil
}

// ReplayEntryKey is the map key under which evidence is remembered.
func ReplayEntryKey(replay [32]byte) []byte { return append([]byte{'p'}, replay[:]...) }

// NonceKey is the map key under which a registrar's nonce is remembered.
func NonceKey(registrar Registrar, nonce [16]byte) []byte {
	k := append([]byte{'n'}, registrar[:]...)
	return append(k, nonce[:]...)
}

// BlockKey is the map key under which a recent block's hash is remembered.
func BlockKey(hash [32]byte) []byte { return append([]byte{'b'}, hash[:]...) }

// LedgerTime is the ledger's own clock.
type LedgerTime struct {
	Time Millis `cbor:"1,keyasint"`
	// ClockOffset is the distance in milliseconds from the proposers' clocks;
	// not zero on development networks alone.
	ClockOffset int64 `cbor:"2,keyasint"`
	// Height is the last block that advanced the clock.
	Height uint64 `cbor:"3,keyasint"`
}

// EndorsementEntry is what the map says of an endorsement. The body is kept
// beside the map under its digest.
type EndorsementEntry struct {
	Key        rats.EndorsementKey `cbor:"1,keyasint"`
	SHA256     [32]byte            `cbor:"2,keyasint"`
	Issued     Millis              `cbor:"3,keyasint"`
	NextUpdate Millis              `cbor:"4,keyasint"`
	// ValidFrom and ValidUntil include the windows of the issuing certificates.
	ValidFrom  Millis `cbor:"5,keyasint"`
	ValidUntil Millis `cbor:"6,keyasint"`
	// Envelope is SHA-256 of the endorsement's CBOR with its issuers.
	Envelope [32]byte `cbor:"7,keyasint"`
}

// ReplayEntry is what the ledger remembers of a piece of evidence.
type ReplayEntry struct {
	Record ID     `cbor:"1,keyasint"`
	Tx     TxHash `cbor:"2,keyasint"`
	// First is when the evidence was first recorded: listings that later
	// registrars add count their duration from here.
	First Millis `cbor:"3,keyasint"`
	// Block is the height of the block that the evidence is bound to, zero for
	// none. It is of version 6 of the state machine.
	Block uint64 `cbor:"4,keyasint,omitempty"`
}

// BlockEntry remembers a block whose hash evidence may carry.
type BlockEntry struct {
	Height uint64 `cbor:"1,keyasint"`
	Time   Millis `cbor:"2,keyasint"`
}
