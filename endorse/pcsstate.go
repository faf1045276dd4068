// SPDX-License-Identifier: Apache-2.0

package endorse

// Up reports whether the service counts as up: it is asked when something is
// needed, and not left alone for its failures.
func (s *PCS) Up() bool {
	s.breaker.mu.Lock()
	defer s.breaker.mu.Unlock()
	return s.breaker.until.IsZero()
}
