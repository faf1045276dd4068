// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

// SetWait has Run wait by a function of a test's.
func (s *Service) SetWait(wait func(context.Context, time.Duration) error) { s.wait = wait }

// RenewDue renews what is due and returns when to look again.
func (s *Service) RenewDue(ctx context.Context) time.Time { return s.renewDue(ctx) }

// NormalKey returns a key as it is kept.
func NormalKey(k store.Key) (store.Key, error) { return normalKey(k) }

// CRLKey returns the key of the list at a URL.
func CRLKey(uri string) (store.Key, error) { return crlKey(uri) }

// FillLacking fetches a key for who found nothing under it.
func (s *Service) FillLacking(ctx context.Context, k store.Key) error { return s.fillLacking(ctx, k) }

// FillUnknown fetches a platform for who did not find it.
func (s *Service) FillUnknown(ctx context.Context, r PCKRequest) error {
	r, err := r.normal()
	if err != nil {
		return err
	}
	return s.fillUnknown(ctx, PCKQuery{PlatformID: r.id(), EncryptedPPID: r.EncryptedPPID, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN})
}
