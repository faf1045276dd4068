// SPDX-License-Identifier: Apache-2.0

package endorse

// Up reports whether the service counts as up: it is asked when something is
// needed, and not left alone for its failures.
func (s *PCS) Up() bool { return s.breaker.up() }

// Ups notes it by the service's host. One host may stand for several services:
// it is up where all are.
func (s *PCS) Ups(up map[string]bool) { noteUp(up, s.name, s.Up()) }

func noteUp(up map[string]bool, name string, now bool) {
	before, known := up[name]
	up[name] = now && (before || !known)
}

func (b *breaker) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until.IsZero()
}
