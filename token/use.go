// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Quotas count calls that were let in, whatever became of them, in windows of
// the clock: a minute begins at its second 0, a day at midnight of UTC. So what
// is used up is free again at a moment that can be told to the second, and the
// count of a day is one number to save.

const usePath = "data/token_use.json"

// QuotaError says that what a caller may ask for in a minute or a day is used
// up. Its kind is [rats.QuotaExceeded].
type QuotaError struct {
	// What was used up.
	What string
	// After is how long it takes until there is room again.
	After time.Duration
}

// Error says what was used up.
func (e *QuotaError) Error() string { return e.Unwrap().Error() }

// Unwrap returns the error of the kind.
func (e *QuotaError) Unwrap() error { return rats.Errorf(rats.QuotaExceeded, "%s", e.What) }

// window counts calls of one minute, or one day.
type window struct {
	length time.Duration
	// number is that of the window since 1970.
	number int64
	count  uint32
}

// at moves to the window of a time. Calls that come a little late count where
// the others do; a clock that was set back begins anew.
func (w *window) at(t time.Time) {
	n := t.Unix() / int64(w.length/time.Second)
	if n > w.number || n < w.number-1 {
		w.number, w.count = n, 0
	}
}

// full reports how long a bound leaves no room; zero when it does.
func (w *window) full(t time.Time, bound uint32) time.Duration {
	if bound == 0 || w.count < bound {
		return 0
	}
	end := time.Unix((w.number+1)*int64(w.length/time.Second), 0)
	return end.Sub(t)
}

// counts are those of one kind of call.
type counts struct{ minute, day window }

func newCounts() counts {
	return counts{minute: window{length: time.Minute}, day: window{length: 24 * time.Hour}}
}

// take counts a call within q, or says for how long there is no room.
func (c *counts) take(t time.Time, q Quota, what string) error {
	c.minute.at(t)
	c.day.at(t)
	if wait := c.day.full(t, q.PerDay); wait > 0 {
		return &QuotaError{What: fmt.Sprintf("the token's %d %s of this day are used up", q.PerDay, what), After: wait}
	}
	if wait := c.minute.full(t, q.PerMinute); wait > 0 {
		return &QuotaError{What: fmt.Sprintf("the token's %d %s of this minute are used up", q.PerMinute, what), After: wait}
	}
	c.minute.count++
	c.day.count++
	return nil
}

// use is what a token used.
type use struct {
	last               time.Time
	submissions, reads counts
}

func newUse() *use { return &use{submissions: newCounts(), reads: newCounts()} }

// Use counts a call of a token against its quota, reads and submissions apart;
// [Admin] is not counted. Over the quota it is a [*QuotaError]; a token that
// ended since it was verified is [rats.Unauthorized].
func (s *Store) Use(id string, scope Scope, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.known(id)
	if err != nil {
		return err
	}
	if err := e.good(at); err != nil {
		return err
	}
	u := s.used[id]
	if u == nil {
		u = newUse()
		s.used[id] = u
	}
	switch scope {
	case Submit:
		err = u.submissions.take(at, e.Submissions, "submissions")
	case Read:
		err = u.reads.take(at, e.Reads, "reads")
	case Admin:
	}
	if err != nil {
		return err
	}
	u.last = at
	s.unsaved = true
	return nil
}

// lastUsed returns when a token was last used, to the hour. The caller holds mu.
func (s *Store) lastUsed(id string) time.Time {
	u := s.used[id]
	if u == nil || u.last.IsZero() {
		return time.Time{}
	}
	return u.last.UTC().Truncate(time.Hour)
}

// useFile is data/token_use.json.
type useFile struct {
	Version int                 `json:"version"`
	Tokens  map[string]useSaved `json:"tokens"`
}

type useSaved struct {
	LastUsed time.Time `json:"last_used"`
	// Submissions and Reads are those of the day of LastUsed.
	Submissions uint32 `json:"submissions"`
	Reads       uint32 `json:"reads"`
}

// Save writes down what tokens used this day and when, if that changed since.
// Only the node that serves a home calls it. What a process that ends without
// it had not saved is not counted after the next start.
func (s *Store) Save(at time.Time) error {
	s.mu.Lock()
	if !s.unsaved {
		s.mu.Unlock()
		return nil
	}
	out := useFile{Version: fileVersion, Tokens: make(map[string]useSaved, len(s.used))}
	for id, u := range s.used {
		if _, ok := s.entries[id]; !ok {
			delete(s.used, id)
			continue
		}
		u.submissions.day.at(at)
		u.reads.day.at(at)
		out.Tokens[id] = useSaved{
			LastUsed: s.lastUsed(id), Submissions: u.submissions.day.count, Reads: u.reads.day.count,
		}
	}
	s.unsaved = false
	s.mu.Unlock()
	b, err := encode(out)
	if err == nil {
		err = writePrivate(s.path(usePath), b)
	}
	if err != nil {
		s.mu.Lock()
		s.unsaved = true
		s.mu.Unlock()
	}
	return err
}

// loadUse reads what was saved. Counts of another day than at's are no matter.
func (s *Store) loadUse(at time.Time) error {
	path := s.path(usePath)
	b, _, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fileError(path, err)
	}
	in := useFile{}
	if err := decode(b, &in); err != nil {
		return fileError(path, err)
	}
	if err := checkVersion(in.Version); err != nil {
		return fileError(path, err)
	}
	for id, saved := range in.Tokens {
		u := newUse()
		u.last = saved.LastUsed
		for w, n := range map[*window]uint32{&u.submissions.day: saved.Submissions, &u.reads.day: saved.Reads} {
			w.at(saved.LastUsed)
			w.count = n
			w.at(at)
		}
		s.used[id] = u
	}
	return nil
}
