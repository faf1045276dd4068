// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

const (
	// soonest is the least time between two rounds.
	soonest = time.Second
	// soonestRenewal is the least time between two looks for newer endorsements.
	soonestRenewal = time.Minute
	// lookEvery is how often the record is looked at, beside its events.
	lookEvery = 5 * time.Minute

	// A round that failed is made again after between half of the least pause and
	// all of it, then after twice as long, and so on up to the longest.
	leastPause, longestPause = 2 * time.Second, 5 * time.Minute
	// What people have to cure is tried less often.
	leastStubborn, longestStubborn = time.Minute, time.Hour
)

// next returns the time until the next attestation is due: that of the owner's
// choice, or a margin before the record ends, whichever is sooner, and up to a
// tenth less by chance.
func (k *Keeper) next() time.Duration {
	k.mu.Lock()
	left := k.left(k.view.Expires)
	k.mu.Unlock()
	margin := k.cfg.Margin
	if margin == 0 || margin >= left {
		margin = left / 3
	}
	wait := left - margin
	if k.cfg.Every > 0 {
		wait = min(wait, k.cfg.Every)
	}
	wait = k.sooner(wait)
	if k.repeats > 0 {
		// The evidence shows nothing new. Where that is so again and again, as
		// without a challenge, asking sooner and sooner does not help.
		wait = max(wait, k.pause(k.repeats, false))
	}
	return max(wait, soonest)
}

// renewal returns the time until newer endorsements are looked for: two thirds of
// what is left of those behind the verdict; 0 for never.
func (k *Keeper) renewal() time.Duration {
	if k.cfg.Endorsements == nil || k.evidence == nil {
		return 0
	}
	k.mu.Lock()
	left := k.left(k.view.ValidUntil)
	k.mu.Unlock()
	return max(k.sooner(left*2/3), soonestRenewal)
}

// sooner takes up to a tenth off, by chance.
func (k *Keeper) sooner(d time.Duration) time.Duration {
	return d - time.Duration(k.cfg.Random()*float64(d)/10)
}

// pause returns how long to wait after so many failures in a row.
func (k *Keeper) pause(failures int, stubborn bool) time.Duration {
	least, longest := leastPause, longestPause
	if stubborn {
		least, longest = leastStubborn, longestStubborn
	}
	d := least
	for ; failures > 1 && d < longest; failures-- {
		d *= 2
	}
	d = min(d, longest)
	return d/2 + time.Duration(k.cfg.Random()*float64(d/2))
}
