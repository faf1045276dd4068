// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
)

// Queue returns what is queued in a state, in the order in which it came. To
// read changes nothing: a reader that has done its work says so by
// [Store.Acknowledge], and an answer that was lost can be asked for again.
func (s *Store) Queue(ctx context.Context, state QueueState) ([]Queued, error) {
	return s.queue(ctx, s.read, state)
}

// Acknowledge takes what has these IDs off the queue. IDs that are gone, since
// their platform asked for something else, are left out.
func (s *Store) Acknowledge(ctx context.Context, ids []int64) error {
	return s.change(ctx, func(w *writer) error {
		for _, id := range ids {
			if err := w.mark(id, Deleted); err != nil {
				return err
			}
		}
		return nil
	})
}

// TakeQueue returns what is queued in a state and takes it off the queue, in one
// transaction, as Intel's service does. If the answer is lost, so is the queue.
func (s *Store) TakeQueue(ctx context.Context, state QueueState) ([]Queued, error) {
	var all []Queued
	err := s.change(ctx, func(w *writer) (err error) {
		if all, err = s.queue(ctx, w.Tx, state); err != nil {
			return err
		}
		for i := range all {
			if err := w.mark(all[i].ID, Deleted); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (s *Store) queue(ctx context.Context, q querier, state QueueState) ([]Queued, error) {
	var all []Queued
	err := s.query(ctx, q, `SELECT id, qe_id, pce_id, cpu_svn, pce_svn, encrypted_ppid, manifest, state, seen
		FROM pccs_queue WHERE state = $1 ORDER BY id`, []any{int64(state)}, func(scan func(...any) error) error {
		var e Queued
		var seen int64
		if err := scan(&e.ID, &e.QEID, &e.PCEID, &e.CPUSVN, &e.PCESVN, &e.EncryptedPPID, &e.Manifest, &e.State, &seen); err != nil {
			return err
		}
		e.EncryptedPPID, e.Manifest, e.Seen = orNil(e.EncryptedPPID), orNil(e.Manifest), fromMicros(seen)
		all = append(all, e)
		return nil
	})
	return all, err
}

func (w *writer) enqueue(b *Batch) error {
	for i := range b.Enqueue {
		if err := w.put(&b.Enqueue[i]); err != nil {
			return err
		}
	}
	return nil
}

// put queues e. What waits already in the same state and words is only seen
// again; everything else gets an ID of its own, in place of what its platform
// asked for at this TCB before.
func (w *writer) put(e *Queued) error {
	var id int64
	var state QueueState
	var ppid, manifest []byte
	err := w.QueryRowContext(w.ctx, `SELECT id, state, encrypted_ppid, manifest FROM pccs_queue
		WHERE qe_id = $1 AND pce_id = $2 AND cpu_svn = $3 AND pce_svn = $4`,
		e.QEID, e.PCEID, e.CPUSVN, e.PCESVN).Scan(&id, &state, &ppid, &manifest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case state == e.State && bytes.Equal(ppid, e.EncryptedPPID) && bytes.Equal(manifest, e.Manifest):
		_, err := w.exec(`UPDATE pccs_queue SET seen = $1 WHERE id = $2`, e.Seen.UnixMicro(), id)
		return err
	default:
		if _, err := w.exec(`DELETE FROM pccs_queue WHERE id = $1`, id); err != nil {
			return err
		}
	}
	w.queued++
	_, err = w.exec(`INSERT INTO pccs_queue (id, qe_id, pce_id, cpu_svn, pce_svn, encrypted_ppid, manifest, state, seen)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		w.queued, e.QEID, e.PCEID, e.CPUSVN, e.PCESVN, given(e.EncryptedPPID), given(e.Manifest), int64(e.State), e.Seen.UnixMicro())
	return err
}

// mark sets the state of what has an ID, if it is there.
func (w *writer) mark(id int64, state QueueState) error {
	_, err := w.exec(`UPDATE pccs_queue SET state = $1 WHERE id = $2`, int64(state), id)
	return err
}
