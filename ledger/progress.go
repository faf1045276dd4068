// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"sync"
)

// progress lets callers wait for the next committed block.
type progress struct {
	mu sync.Mutex
	// next is closed, and replaced, when a block is committed.
	next chan struct{}
}

func newProgress() *progress { return &progress{next: make(chan struct{})} }

// advance says that a block was committed.
func (p *progress) advance() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.next)
	p.next = make(chan struct{})
}

// change returns a channel that is closed at the next commit. Take it before
// looking at the state, so that no commit is missed in between.
func (p *progress) change() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// wait returns once ok holds, which it asks now and after every commit.
func (p *progress) wait(ctx context.Context, ok func() (bool, error)) error {
	for {
		next := p.change()
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
