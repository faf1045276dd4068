// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"time"
)

// supplied remembers for which needs the ledger lately had all that sources
// offer. It spares every submission from the same platform a question to them;
// newer data of theirs reach the ledger when the memory ends.
type supplied struct {
	now func() time.Time

	mu    sync.Mutex // guards until
	until map[string]time.Time
}

const (
	suppliedFor = 30 * time.Second
	maxSupplied = 4096
)

func newSupplied(now func() time.Time) *supplied {
	return &supplied{now: now, until: make(map[string]time.Time)}
}

func (s *supplied) fresh(needs string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Before(s.until[needs])
}

func (s *supplied) remember(needs string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) >= maxSupplied {
		clear(s.until)
	}
	s.until[needs] = s.now().Add(suppliedFor)
}

func (s *supplied) forget(needs string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, needs)
}
