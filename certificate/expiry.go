// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/x509"
	"time"
)

const day = 24 * time.Hour

// Watch tells once for each stage that a certificate's end comes nearer. Its
// zero value is ready.
type Watch struct {
	serial string
	stage  time.Duration
	told   bool
}

// stages are how long before the end, and at the end, it is told of.
func stages() []time.Duration { return []time.Duration{0, day, 7 * day, 30 * day} }

// Due reports whether it is time to tell, and how much time is left. A stage that
// is more than a third of a certificate's life is passed over: those who renew
// in time have the last third for it.
func (w *Watch) Due(c *x509.Certificate, now time.Time) (left time.Duration, due bool) {
	left = c.NotAfter.Sub(now)
	if id := string(c.Raw); id != w.serial {
		*w = Watch{serial: id}
	}
	third := c.NotAfter.Sub(c.NotBefore) / 3
	for _, stage := range stages() {
		if left > stage || stage > third {
			continue
		}
		due = !w.told || stage < w.stage
		w.stage, w.told = stage, true
		return left, due
	}
	return left, false
}
