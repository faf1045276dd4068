// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Answers to calls with a key outlive the node: one that was told to stop, or fell,
// is when callers lose answers and ask again. An answer is on the disk before it is
// given for the first time.

// attemptEntry is a line of the file of answers.
type attemptEntry struct {
	// ID, Caller and Request are those of the attempt; the key and the caller's
	// token are not among them.
	ID      []byte      `json:"id"`
	Caller  string      `json:"caller"`
	Request []byte      `json:"request"`
	Until   time.Time   `json:"until"`
	Status  int         `json:"status"`
	Header  http.Header `json:"header"`
	Body    []byte      `json:"body"`
}

// line implements [journaled].
func (e *attemptEntry) line() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return append(b, '\n'), nil
}

// parse implements [journaled].
func (e *attemptEntry) parse(line []byte) error {
	if err := json.Unmarshal(line, e); err != nil {
		return err
	}
	if len(e.ID) != sha256.Size || len(e.Request) != sha256.Size || e.Status < 200 || e.Status > 599 {
		return rats.Errorf(rats.Malformed, "no answer to a call with a key")
	}
	return nil
}

func (at *attempt) entry() *attemptEntry {
	return &attemptEntry{
		ID: at.id[:], Caller: at.caller, Request: at.request[:], Until: at.until,
		Status: at.answer.status, Header: at.answer.header, Body: at.answer.body,
	}
}

// openAttempts reads the file of answers, if there is to be one.
func openAttempts(path string, now func() time.Time, log *slog.Logger) (*attempts, error) {
	t := newAttempts(now)
	t.log = log
	if path == "" {
		return t, nil
	}
	entries, damaged, err := readJournal[attemptEntry](path)
	if err != nil {
		return nil, err
	}
	if damaged > 0 {
		log.LogAttrs(context.Background(), slog.LevelError, "the file of answers is damaged: some calls may be made twice with one key",
			slog.Int("line", damaged))
	}
	for i := range entries {
		t.recall(&entries[i])
	}
	if t.journal, err = openJournal(path, t.lines()); err != nil {
		return nil, err
	}
	return t, nil
}

// recall takes one entry of the file. A clock that was set back makes nothing last
// for longer than it would have.
func (t *attempts) recall(e *attemptEntry) {
	now := t.now()
	if !now.Before(e.Until) {
		return
	}
	at := &attempt{
		id: [sha256.Size]byte(e.ID), caller: e.Caller, request: [sha256.Size]byte(e.Request),
		done: make(chan struct{}), answer: &kept{status: e.Status, header: e.Header, body: e.Body}, until: e.Until,
	}
	if last := now.Add(keyLife); at.until.After(last) {
		at.until = last
	}
	close(at.done)
	if old, ok := t.all[at.id]; ok { // forgotten, and made again with its key
		t.remove(old)
	}
	t.all[at.id] = at
	t.add(at)
}

// lines returns the file's content as it has to be. The caller holds mu, or is alone.
func (t *attempts) lines() []journaled {
	out := make([]journaled, 0, t.settled.Len())
	for e := t.settled.Front(); e != nil; e = e.Next() {
		if at, ok := e.Value.(*attempt); ok {
			out = append(out, at.entry())
		}
	}
	return out
}

// write adds an answer to the file, and writes that anew where most of it is over.
// The caller holds mu.
func (t *attempts) write(at *attempt) mark {
	if t.journal == nil {
		return mark{}
	}
	place, err := t.journal.append(at.entry())
	if err == nil && t.journal.wasteful(t.bytes) {
		err = t.journal.replace(t.lines())
	}
	t.fault(err)
	return place
}

// fault says that an answer will not outlive the node. It is given all the same.
func (t *attempts) fault(err error) {
	if err != nil {
		t.log.LogAttrs(context.Background(), slog.LevelError, "an answer to a call with a key could not be written", attrError(err))
	}
}

// shut closes the file.
func (t *attempts) shut() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.journal
	t.journal = nil
	return j.close()
}
