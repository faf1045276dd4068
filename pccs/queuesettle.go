// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"

	"github.com/attesteer/attesteer/pccs/store"
)

// Settle takes those platforms off the queue whose certificates are there now:
// what an import is to do once it has brought them. It returns how many. One
// that waits at a raw TCB which no certificate serves goes on waiting.
func (s *Service) Settle(ctx context.Context) (int, error) {
	var done []int64
	for _, state := range []store.QueueState{store.New, store.NotAvailable} {
		queued, err := s.Queue(ctx, state)
		if err != nil {
			return 0, err
		}
		for _, q := range queued {
			r := Registration{
				PlatformID: q.PlatformID, CPUSVN: q.CPUSVN, PCESVN: q.PCESVN, EncryptedPPID: q.EncryptedPPID, Manifest: q.Manifest,
			}
			if _, cached, err := s.registered(ctx, r); err != nil {
				return 0, err
			} else if cached {
				done = append(done, q.ID)
			}
		}
	}
	if len(done) == 0 {
		return 0, nil
	}
	return len(done), s.Acknowledge(ctx, done)
}
