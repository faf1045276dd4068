// SPDX-License-Identifier: Apache-2.0

package registry

import "sync"

// bell wakes everyone who waits for the next commit, however many there are:
// they share one channel, which is closed. Who is slow misses nothing, since
// what happened is in the log and not in the channel.
type bell struct {
	mu   sync.Mutex // guards next
	next chan struct{}
}

// wait returns the channel that the next ring closes.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// ring never waits for anyone.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// Committed returns a channel that is closed once the next block is committed
// and visible. Who asks for it before they look at the state wait for what they
// have not seen: Committed, then [Registry.Events], then the channel.
func (r *Registry) Committed() <-chan struct{} { return r.bell.wait() }
