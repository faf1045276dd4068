// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"

	"github.com/attesteer/attesteer/pccs/store"
)

// TakeQueue returns the platforms that wait in a state and takes them off the
// queue: the way of GET platforms, by which a lost answer loses them.
func (s *Service) TakeQueue(ctx context.Context, state store.QueueState) ([]store.Queued, error) {
	out, err := s.store.TakeQueue(ctx, state)
	if err != nil {
		return nil, storeFault(err)
	}
	return out, nil
}

// Queue returns the platforms that wait in a state, and leaves them there.
func (s *Service) Queue(ctx context.Context, state store.QueueState) ([]store.Queued, error) {
	out, err := s.store.Queue(ctx, state)
	if err != nil {
		return nil, storeFault(err)
	}
	return out, nil
}

// Acknowledge takes what was read off the queue.
func (s *Service) Acknowledge(ctx context.Context, ids []int64) error {
	if err := s.store.Acknowledge(ctx, ids); err != nil {
		return storeFault(err)
	}
	return nil
}

// CachedPlatform is a platform whose certificates are there, at one raw TCB that
// it was asked for with; CPUSVN and PCESVN are empty where it never was.
type CachedPlatform struct {
	store.Platform
	CPUSVN, PCESVN string
}

// Cached returns the platforms of some FMSPCs, or all where none is given, each
// once for every raw TCB that it was asked for with.
func (s *Service) Cached(ctx context.Context, fmspcs []string) ([]CachedPlatform, error) {
	platforms, err := s.store.Platforms(ctx, fmspcs...)
	if err != nil {
		return nil, storeFault(err)
	}
	var out []CachedPlatform
	for _, p := range platforms {
		raws, err := s.store.RawTCBs(ctx, p.PlatformID)
		if err != nil {
			return nil, storeFault(err)
		}
		if len(raws) == 0 {
			out = append(out, CachedPlatform{Platform: p})
		}
		for _, raw := range raws {
			out = append(out, CachedPlatform{Platform: p, CPUSVN: raw.CPUSVN, PCESVN: raw.PCESVN})
		}
	}
	return out, nil
}
