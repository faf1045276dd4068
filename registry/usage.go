// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"sync"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// usage counts what the transactions of one block, or those that Check let
// pass since the last one, take of the quotas. What a single transaction takes
// is a usage of its own above that, and becomes part of it if the transaction
// counts: a block of many transactions is not copied for each of them.
type usage struct {
	// below is what was taken before; nil at the bottom.
	below *usage

	mu         sync.Mutex // guards what follows
	registrars map[record.Registrar]uint32
	unknown    uint32
	platforms  map[string]uint32
	// motions counts the governance transactions of each validator.
	motions map[record.Registrar]uint32
}

// above returns an empty usage on top of u.
func (u *usage) above() *usage { return &usage{below: u} }

// merge adds what u counted to what is below it.
func (u *usage) merge() {
	b := u.below
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unknown += u.unknown
	b.registrars = added(b.registrars, u.registrars)
	b.platforms = added(b.platforms, u.platforms)
	b.motions = added(b.motions, u.motions)
}

func added[K comparable](to, counts map[K]uint32) map[K]uint32 {
	for k, n := range counts {
		to = plus(to, k, n)
	}
	return to
}

func plus[K comparable](to map[K]uint32, key K, n uint32) map[K]uint32 {
	if to == nil {
		to = map[K]uint32{}
	}
	to[key] += n
	return to
}

// total returns what a count comes to here and below.
func (u *usage) total(of func(*usage) uint32) uint32 {
	var n uint32
	for ; u != nil; u = u.below {
		u.mu.Lock()
		n += of(u)
		u.mu.Unlock()
	}
	return n
}

// registrar takes one transaction out of its registrar's quota, or out of the
// pool that all unknown registrars share.
func (u *usage) registrar(st *state, r record.Registrar) error {
	if !st.admits(r) {
		u.unknown++
		q := st.gov.Parameters.UnknownQuota
		if q != 0 && u.total(func(u *usage) uint32 { return u.unknown }) > q {
			return rats.Errorf(rats.QuotaExceeded, "unknown registrars have used up their %d transactions of this block", q)
		}
		return nil
	}
	u.registrars = plus(u.registrars, r, 1)
	q := st.gov.Parameters.RegistrarQuota
	if q != 0 && u.total(func(u *usage) uint32 { return u.registrars[r] }) > q {
		return rats.Errorf(rats.QuotaExceeded, "the registrar has used up its %d transactions of this block", q)
	}
	return nil
}

// motion takes one transaction out of what a validator may say in a block.
func (u *usage) motion(who record.Registrar) error {
	u.motions = plus(u.motions, who, 1)
	if u.total(func(u *usage) uint32 { return u.motions[who] }) > motionQuota {
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
	u.platforms = plus(u.platforms, string(id), 1)
	if u.total(func(u *usage) uint32 { return u.platforms[string(id)] }) > q {
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
