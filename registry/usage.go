// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"maps"
	"sync"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// usage counts what the transactions of one block, or those that Check let
// pass since the last one, take of the quotas.
type usage struct {
	registrars map[record.Registrar]uint32
	unknown    uint32
	platforms  map[string]uint32
	// motions counts the governance transactions of each validator.
	motions map[record.Registrar]uint32
}

func (u usage) clone() usage {
	return usage{registrars: maps.Clone(u.registrars), unknown: u.unknown, platforms: maps.Clone(u.platforms), motions: maps.Clone(u.motions)}
}

// registrar takes one transaction out of its registrar's quota, or out of the
// pool that all unknown registrars share.
func (u *usage) registrar(st *state, r record.Registrar) error {
	if !st.admits(r) {
		u.unknown++
		if q := st.gov.Parameters.UnknownQuota; q != 0 && u.unknown > q {
			return rats.Errorf(rats.QuotaExceeded, "unknown registrars have used up their %d transactions of this block", q)
		}
		return nil
	}
	if u.registrars == nil {
		u.registrars = map[record.Registrar]uint32{}
	}
	u.registrars[r]++
	if q := st.gov.Parameters.RegistrarQuota; q != 0 && u.registrars[r] > q {
		return rats.Errorf(rats.QuotaExceeded, "the registrar has used up its %d transactions of this block", q)
	}
	return nil
}

// motion takes one transaction out of what a validator may say in a block.
func (u *usage) motion(who record.Registrar) error {
	if u.motions == nil {
		u.motions = map[record.Registrar]uint32{}
	}
	if u.motions[who]++; u.motions[who] > motionQuota {
		return rats.Errorf(rats.QuotaExceeded, "the validator has used up its %d governance transactions of this block", motionQuota)
	}
	return nil
}

// platform takes one submission out of a machine's quota.
func (u *usage) platform(p Parameters, id []byte) error {
	q := p.PlatformQuota
	if q == 0 {
		return nil
	}
	if u.platforms == nil {
		u.platforms = map[string]uint32{}
	}
	u.platforms[string(id)]++
	if u.platforms[string(id)] > q {
		return rats.Errorf(rats.QuotaExceeded, "the platform has used up its %d submissions of this block", q)
	}
	return nil
}

// seen remembers transactions whose signatures verified, so that Apply need not
// verify again what Check did. It changes speed and nothing else.
type seen struct {
	limit int

	mu         sync.Mutex // guards what follows
	young, old map[record.TxHash]struct{}
}

func newSeen(capacity int) *seen {
	return &seen{limit: capacity / 2, young: map[record.TxHash]struct{}{}}
}

// verify checks a transaction's signature, from memory if it can.
func (s *seen) verify(o *record.Opened) error {
	if s.has(o.Hash) {
		return nil
	}
	if err := o.Verify(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.young) >= s.limit {
		s.old, s.young = s.young, map[record.TxHash]struct{}{}
	}
	s.young[o.Hash] = struct{}{}
	return nil
}

// has reports whether a transaction's signature is remembered.
func (s *seen) has(hash record.TxHash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[hash]
	_, old := s.old[hash]
	return young || old
}
