// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/attesteer/attesteer/rats"
)

// hashSize is the length of the log's hashes, which are SHA-256.
const hashSize = sha256.Size

// MaxLog is how many entries one call of [Store.Log] returns at most.
const MaxLog = 1000

// Head names the log up to an entry. Whoever notes one can tell later whether
// anything up to there was changed. The head of an empty log is zero.
type Head struct {
	// Number is that of the entry, counted from 1.
	Number int64
	// Hash is the entry's, which binds all before it.
	Hash [hashSize]byte
}

// String returns "number:hash", the hash in hex.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Number, hex.EncodeToString(h.Hash[:])) }

// ParseHead reads what String returns.
func ParseHead(s string) (Head, error) {
	var h Head
	var digits string
	if _, err := fmt.Sscanf(s, "%d:%64s", &h.Number, &digits); err != nil {
		return Head{}, rats.Errorf(rats.Malformed, "a head of the log is number:hash")
	}
	n, err := hex.Decode(h.Hash[:], []byte(digits))
	if err != nil || n != hashSize || h.Number < 0 || h.String() != s {
		return Head{}, rats.Errorf(rats.Malformed, "a head of the log is number:hash")
	}
	return h, nil
}

// Version is an entry of the log: an artefact that became current.
type Version struct {
	Number int64
	Artefact
	// Previous is the hash of the entry before, zero in the first; Hash is this
	// one's.
	Previous, Hash [hashSize]byte
}

// hash returns the hash of the entry: SHA-256 over a label, the hash before, and
// then number, version, the times in microseconds, each 8 bytes, the digests of
// body and chain, and kind, TEE, scope, update and source, each after its length
// in 4 bytes; numbers have their high byte first.
func (v *Version) hash(chain [hashSize]byte) [hashSize]byte {
	b := append([]byte("attesteer pccs log v1\n"), v.Previous[:]...)
	for _, n := range []int64{v.Number, int64(v.Artefact.Version), v.Issued.UnixMicro(), v.NextUpdate.UnixMicro(), v.Fetched.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // two's complement is meant
	}
	b = append(append(b, v.Digest[:]...), chain[:]...)
	for _, s := range []string{string(v.Kind), string(v.TEE), v.Scope, v.Update, v.Source} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // at most maxText
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// append adds a to the log.
func (w *writer) append(a *Artefact, chain [hashSize]byte) error {
	v := Version{Number: w.head.Number + 1, Artefact: *a, Previous: w.head.Hash}
	v.Hash = v.hash(chain)
	_, err := w.exec(`INSERT INTO pccs_log
		(number, kind, tee, scope, update_type, api_version, body, chain, issued, next_update, fetched, source, previous, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		v.Number, string(a.Kind), string(a.TEE), a.Scope, a.Update, a.Version, a.Digest[:], chain[:],
		a.Issued.UnixMicro(), a.NextUpdate.UnixMicro(), a.Fetched.UnixMicro(), a.Source, v.Previous[:], v.Hash[:])
	w.head = Head{Number: v.Number, Hash: v.Hash}
	return err
}

// Log returns entries of the log after a number, at most limit and at most
// [MaxLog] of them, oldest first. What was current once stays readable.
func (s *Store) Log(ctx context.Context, after int64, limit int) ([]Version, error) {
	if limit <= 0 || limit > MaxLog {
		limit = MaxLog
	}
	var all []Version
	err := s.entries(ctx, s.read, after, limit, func(v *Version, _ [hashSize]byte) error {
		all = append(all, *v)
		return nil
	})
	return all, err
}

// LogHead returns the head of the log.
func (s *Store) LogHead(ctx context.Context) (Head, error) { return s.head(ctx, s.read) }

func (s *Store) head(ctx context.Context, q querier) (Head, error) {
	var h Head
	var hash []byte
	if err := q.QueryRowContext(ctx, `SELECT head, head_hash FROM pccs_meta WHERE one = 1`).Scan(&h.Number, &hash); err != nil {
		return Head{}, s.fault(err)
	}
	if copy(h.Hash[:], hash) != hashSize {
		return Head{}, errLog(h.Number, "its hash has %d bytes", len(hash))
	}
	return h, nil
}

// errLog says what is wrong with an entry.
func errLog(number int64, format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "store: entry %d of the log: "+format, append([]any{number}, args...)...)
}

// entries calls each for up to limit entries after a number, in order.
func (s *Store) entries(ctx context.Context, q querier, after int64, limit int, each func(v *Version, chain [hashSize]byte) error) error {
	return s.query(ctx, q, `SELECT a.kind, a.tee, a.scope, a.update_type, a.api_version, a.body, c.content, a.issued, a.next_update, a.fetched, a.source,
		b.content, a.number, a.chain, a.previous, a.hash
		FROM pccs_log a LEFT JOIN pccs_content b ON b.digest = a.body LEFT JOIN pccs_content c ON c.digest = a.chain
		WHERE a.number > $1 ORDER BY a.number LIMIT $2`, []any{after, limit}, func(scan func(...any) error) error {
		var v Version
		var chain, previous, hash []byte
		if err := scanArtefact(scan, &v.Artefact, &v.Body, &v.Number, &chain, &previous, &hash); err != nil {
			return err
		}
		var chainDigest [hashSize]byte
		if copy(chainDigest[:], chain)+copy(v.Previous[:], previous)+copy(v.Hash[:], hash) != 3*hashSize {
			return errLog(v.Number, "a hash is not of %d bytes", hashSize)
		}
		if sha256.Sum256(v.Body) != v.Digest || sha256.Sum256(v.Chain) != chainDigest {
			return errLog(v.Number, "body or chain is missing or was changed")
		}
		return each(&v, chainDigest)
	})
}

// VerifyLog reads the whole log and returns its head, or an error of kind
// BindingMismatch or Malformed that says what was changed: every entry must hold
// the hash of the one before, be as its own hash says, and have its body; the
// last must be the one that the store names; every known head must be in it;
// and what is current must be in it.
func (s *Store) VerifyLog(ctx context.Context, known ...Head) (Head, error) {
	at := make(map[int64][]Head)
	for _, h := range known {
		at[h.Number] = append(at[h.Number], h)
	}
	var head Head
	err := s.snapshot(ctx, func(tx *sql.Tx) error {
		if err := agree(at, head); err != nil {
			return err
		}
		for seen := int64(-1); seen != head.Number; {
			seen = head.Number
			if err := s.entries(ctx, tx, seen, 100, func(v *Version, chain [hashSize]byte) error {
				switch {
				case v.Number != head.Number+1:
					return rats.Errorf(rats.BindingMismatch, "store: entry %d of the log is missing", head.Number+1)
				case v.Previous != head.Hash:
					return rats.Errorf(rats.BindingMismatch, "store: entry %d of the log does not follow from the one before", v.Number)
				case v.hash(chain) != v.Hash:
					return rats.Errorf(rats.BindingMismatch, "store: entry %d of the log was changed", v.Number)
				}
				head = Head{Number: v.Number, Hash: v.Hash}
				return agree(at, head)
			}); err != nil {
				return err
			}
		}
		return s.complete(ctx, tx, at, head)
	})
	if err != nil {
		return Head{}, err
	}
	return head, nil
}

// agree compares a head with those that are known of its entry.
func agree(at map[int64][]Head, head Head) error {
	for _, h := range at[head.Number] {
		if h.Hash != head.Hash {
			return rats.Errorf(rats.BindingMismatch, "store: the log up to entry %d is not the one that was noted", head.Number)
		}
	}
	delete(at, head.Number)
	return nil
}

// complete makes sure that nothing is cut off behind head, and that what is
// current came through the log.
func (s *Store) complete(ctx context.Context, tx *sql.Tx, at map[int64][]Head, head Head) error {
	stored, err := s.head(ctx, tx)
	if err != nil {
		return err
	}
	for number := range at {
		return rats.Errorf(rats.BindingMismatch, "store: the log ends at entry %d and had entry %d", head.Number, number)
	}
	if stored != head {
		return rats.Errorf(rats.BindingMismatch, "store: the log ends at entry %d and should at %d", head.Number, stored.Number)
	}
	// What is current must be an entry of this key and these bytes, and every key's
	// last entry must be current.
	var astray int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM pccs_artefact a LEFT JOIN pccs_log l
		ON l.number = a.number AND l.kind = a.kind AND l.tee = a.tee AND l.scope = a.scope AND l.update_type = a.update_type
		AND l.api_version = a.api_version AND l.body = a.body AND l.chain = a.chain
		WHERE l.number IS NULL`).Scan(&astray); err != nil {
		return s.fault(err)
	}
	if astray != 0 {
		return rats.Errorf(rats.BindingMismatch, "store: %d artefacts are current that the log does not hold", astray)
	}
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT kind, tee, scope, update_type, api_version, MAX(number) AS last FROM pccs_log
		GROUP BY kind, tee, scope, update_type, api_version) l LEFT JOIN pccs_artefact a
		ON a.number = l.last AND l.kind = a.kind AND l.tee = a.tee AND l.scope = a.scope AND l.update_type = a.update_type
		AND l.api_version = a.api_version
		WHERE a.number IS NULL`).Scan(&astray); err != nil {
		return s.fault(err)
	}
	if astray != 0 {
		return rats.Errorf(rats.BindingMismatch, "store: the last of %d artefacts in the log are not current", astray)
	}
	return nil
}
