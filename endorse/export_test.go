// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"time"
)

// SetTimeout changes how long one document may take.
func (s *PCS) SetTimeout(d time.Duration) {
	s.timeout = d
	s.patience = s.retry.patience(d)
}

// SetWait changes how a second try waits.
func (s *PCS) SetWait(wait func(context.Context, time.Duration) error) { s.wait = wait }

// SetWait changes how a refresher waits for its next round.
func (r *Refresher) SetWait(wait func(context.Context, time.Duration) error) { r.wait = wait }
