// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// Verdict is what a bundle proves.
type Verdict struct {
	// Present: Record is on the ledger. Otherwise the ledger has no such record.
	Present bool
	ID      record.ID
	Record  *record.Record
	// LedgerTime is the ledger's own clock in the proven state.
	LedgerTime record.LedgerTime
	// Endorsements are those that the record was appraised with, or that have
	// refreshed them since, and that are proven to be in state.
	Endorsements []record.EndorsementEntry
	// NotShown are the digests of the others: replaced since, or left out by
	// whoever made the bundle.
	NotShown [][32]byte
	ChainID  string
	// Height is that of the proven state.
	Height uint64
	// BlockTime is when the validators decided the block that proves it.
	BlockTime   time.Time
	SignedPower int64
	TotalPower  int64
	// Validators is how many the set has, and Changes how often it changed on
	// the way from what the bundle begins with.
	Validators int
	Changes    int
	// Events are what happened to the record, oldest first, as far as the bundle
	// shows it. The last is always among them; the first is where its sequence is
	// the record's. That none in between was left out cannot be seen.
	Events []record.Event
	// Log is the log of the past in the proven state.
	Log Log
}

// Verify follows a bundle from the trusted validators' signatures to the
// record, or to its absence. An error says that the proof is false, never that
// there is no record: its kind is UntrustedRoot (other validators or another
// ledger), BadSignature (the commit) or BindingMismatch (all else); Malformed
// for a bundle that [Decode] would refuse.
//
// The record is as the ledger held it at the proven height, but that ValidUntil
// is derived from the endorsements on which it rests there, where all of them are
// proven: they are refreshed without the record being written. What it is worth
// at the reader's own time is for [record.Record.StateAt] to say.
func Verify(b *Bundle, t Trust) (*Verdict, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	t, err := t.followAll(b.Changes)
	if err != nil {
		return nil, err
	}
	if err := t.covers(&b.Header); err != nil {
		return nil, err
	}
	if b.Header.Height < t.from {
		return nil, mismatch("block %d is from before block %d, from which on its validators are trusted", b.Header.Height, t.from)
	}
	signed, total, err := b.block().verifyCommit()
	if err != nil {
		return nil, err
	}
	if b.ChainID != b.Header.ChainID || b.Height != uint64(b.Header.Height-1) { //nolint:gosec // checked to be positive
		return nil, mismatch("ledger and height are not the header's")
	}
	mapRoot := [32]byte(b.MapRoot)
	app := record.AppHash(mapRoot, [32]byte(b.LogRoot), b.LogSize)
	if !bytes.Equal(app[:], b.Header.App) {
		return nil, mismatch("the state's roots are not those that the header's application hash commits to")
	}
	v := &Verdict{
		ID: record.ID(b.ID), ChainID: b.ChainID, Height: b.Height, BlockTime: b.Header.Time.Time(),
		SignedPower: signed, TotalPower: total, Validators: len(b.Validators), Changes: len(b.Changes),
		Log: Log{Size: b.LogSize, Root: [32]byte(b.LogRoot)},
	}
	if err := v.readRecord(&b.Entries[0], mapRoot); err != nil {
		return nil, err
	}
	if !bytes.Equal(b.Entries[1].Key, record.TimeKey()) {
		return nil, mismatch("the second entry is not ledger time")
	}
	if err := readEntry(&b.Entries[1], mapRoot, &v.LedgerTime); err != nil {
		return nil, err
	}
	beside, watch, err := v.readWatch(b.Entries[2:], mapRoot)
	if err != nil {
		return nil, err
	}
	if err := v.readEndorsements(beside, watch, mapRoot); err != nil {
		return nil, err
	}
	if err := v.readEvents(b.Events, b.Entries[0].Value); err != nil {
		return nil, err
	}
	return v, nil
}

// block is the block after the proven state.
func (b *Bundle) block() *Block {
	return &Block{Header: b.Header, Commit: b.Commit, Validators: b.Validators}
}

func mismatch(format string, args ...any) error {
	return rats.Errorf(rats.BindingMismatch, "proof: "+format, args...)
}

// readRecord checks the first entry: the record under its id, or its absence.
func (v *Verdict) readRecord(e *Entry, root [32]byte) error {
	if !bytes.Equal(e.Key, record.RecordKey(v.ID)) {
		return mismatch("the first entry is not the record's")
	}
	if e.Value == nil {
		return tree.VerifyAbsence(root, e.Key, e.Proof)
	}
	var rec record.Record
	if err := readEntry(e, root, &rec); err != nil {
		return err
	}
	if rec.ID != v.ID || rec.ID != record.NewID(rec.TEE, rec.Fingerprint, rec.Subject) {
		return mismatch("the record is not what its id names")
	}
	v.Present, v.Record = true, &rec
	return nil
}

// readEntry checks that an entry is in the map and decodes its value.
func readEntry(e *Entry, root [32]byte, into any) error {
	if err := tree.VerifyPresence(root, e.Key, e.Value, e.Proof); err != nil {
		return err
	}
	if err := record.Unmarshal(e.Value, into); err != nil {
		return mismatch("an entry does not decode: %w", err)
	}
	return nil
}
