// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// Bounds of what is remembered of calls with a key. Past them the oldest answers
// are forgotten first, those of the caller who has too many before others'.
const (
	// keyLife is for how long an answer is given again.
	keyLife = 24 * time.Hour
	// maxAttempts and maxAttemptBytes bound the answers of all callers,
	// maxCallerAttempts those of one, and maxRunning the calls at work.
	maxAttempts       = 16384
	maxAttemptBytes   = 64 << 20
	maxCallerAttempts = 1024
	maxRunning        = 1024
	// attemptOverhead is about what an attempt takes beside its answer.
	attemptOverhead = 512
)

// attempts remembers the calls that came with a key. It is safe for concurrent use.
type attempts struct {
	now func() time.Time

	mu sync.Mutex // guards what follows, and the attempts' fields
	// all finds attempts by caller and key.
	all map[[sha256.Size]byte]*attempt
	// settled holds those that were answered, oldest first; running counts the others.
	settled *list.List
	running int
	bytes   int
	// callers counts the answers of each.
	callers map[string]int
	// journal is nil without a file.
	journal *journal
	log     *slog.Logger
}

// attempt is a call with a key.
type attempt struct {
	id      [sha256.Size]byte
	caller  string
	request [sha256.Size]byte
	// done is closed once answer is set; it stays nil if the call came to nothing.
	done   chan struct{}
	answer *kept
	until  time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{
		now: now, all: make(map[[sha256.Size]byte]*attempt), settled: list.New(), callers: make(map[string]int),
		log: slog.New(slog.DiscardHandler),
	}
}

// join returns the attempt of a caller's key; first says that it is the caller's
// to make. A key that came with another request is refused.
func (t *attempts) join(caller, key string, request [sha256.Size]byte) (at *attempt, first bool, err error) {
	id := sha256.Sum256([]byte(caller + "\x00" + key))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	if at, ok := t.all[id]; ok {
		if at.request != request {
			// Section 2.7 of the draft asks for the status.
			return nil, false, statusProblem(rats.Malformed, http.StatusUnprocessableEntity, idempotencyHeader+": the key came with another request before")
		}
		return at, false, nil
	}
	if t.running >= maxRunning {
		return nil, false, &token.QuotaError{What: "too many calls with a key are at work", After: time.Second}
	}
	at = &attempt{id: id, caller: caller, request: request, done: make(chan struct{})}
	t.all[id] = at
	t.running++
	return at, true, nil
}

// settle keeps the answer of an attempt, or forgets it if there is none. The answer
// is on the disk then, if there is a file for it.
func (t *attempts) settle(at *attempt, answer *kept) {
	defer close(at.done)
	t.mu.Lock()
	t.running--
	if answer == nil {
		delete(t.all, at.id)
		t.mu.Unlock()
		return
	}
	at.answer, at.until = answer, t.now().Add(keyLife)
	t.add(at)
	j, place := t.journal, t.write(at)
	t.mu.Unlock()
	t.fault(j.sync(place))
}

// add counts an attempt among those that were answered, and makes room for it. The
// caller holds mu, or is alone.
func (t *attempts) add(at *attempt) {
	t.settled.PushBack(at)
	t.callers[at.caller]++
	t.bytes += at.size()
	if t.callers[at.caller] > maxCallerAttempts {
		t.forgetOldest(func(old *attempt) bool { return old.caller == at.caller })
	}
	for t.settled.Len() > maxAttempts || t.bytes > maxAttemptBytes {
		t.forgetOldest(func(*attempt) bool { return true })
	}
}

// size is what a settled attempt takes. Whoever waits for it may hold the answer
// when it is forgotten.
func (at *attempt) size() int { return attemptOverhead + at.answer.size() }

// expire forgets the attempts whose time is over. The caller holds mu.
func (t *attempts) expire() {
	now := t.now()
	for e := t.settled.Front(); e != nil; e = t.settled.Front() {
		if at, ok := e.Value.(*attempt); ok && now.Before(at.until) {
			return
		}
		t.forget(e)
	}
}

// forgetOldest forgets the oldest attempt that is meant. The caller holds mu.
func (t *attempts) forgetOldest(meant func(*attempt) bool) {
	for e := t.settled.Front(); e != nil; e = e.Next() {
		if at, ok := e.Value.(*attempt); ok && meant(at) {
			t.forget(e)
			return
		}
	}
}

// remove forgets an attempt that was answered. The caller is alone.
func (t *attempts) remove(at *attempt) {
	for e := t.settled.Back(); e != nil; e = e.Prev() {
		if e.Value == at {
			t.forget(e)
			return
		}
	}
}

func (t *attempts) forget(e *list.Element) {
	at, ok := t.settled.Remove(e).(*attempt)
	if !ok {
		return
	}
	delete(t.all, at.id)
	t.bytes -= at.size()
	if t.callers[at.caller]--; t.callers[at.caller] == 0 {
		delete(t.callers, at.caller)
	}
}
