// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/netip"
	"sync"
	"time"
)

// Rate bounds the requests of one address: Burst at once, and PerSecond in the
// long run.
type Rate struct {
	PerSecond float64
	Burst     int
}

// DefaultRate is the bound outside development networks: more than a page or a
// reader asks for, less than what keeps a node from its work.
func DefaultRate() Rate { return Rate{PerSecond: 50, Burst: 200} }

// maxBuckets bounds the addresses that are remembered at once.
const maxBuckets = 1 << 16

// limiter holds a token bucket for each address that asked lately.
type limiter struct {
	rate Rate
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	buckets map[netip.Prefix]bucket
}

// bucket is what an address had left at a time.
type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(rate Rate, now func() time.Time) *limiter {
	return &limiter{rate: rate, now: now, buckets: make(map[netip.Prefix]bucket)}
}

// take counts requests from a remote address, "host:port", if they are within
// the rate, and else returns how long it takes until they are. More than the
// burst counts as the burst: no call is refused for ever.
func (l *limiter) take(remote string, requests int) time.Duration {
	cost := float64(min(requests, l.rate.Burst))
	if l.rate.PerSecond <= 0 || cost <= 0 {
		return 0
	}
	who := network(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b, ok := l.buckets[who]
	if !ok {
		if len(l.buckets) >= maxBuckets {
			l.sweep(now)
		}
		b = bucket{left: float64(l.rate.Burst), at: now}
	}
	b = l.refill(b, now)
	if b.left < cost {
		l.buckets[who] = b
		return time.Duration((cost - b.left) / l.rate.PerSecond * float64(time.Second))
	}
	b.left -= cost
	l.buckets[who] = b
	return 0
}

func (l *limiter) refill(b bucket, now time.Time) bucket {
	passed := max(now.Sub(b.at).Seconds(), 0)
	return bucket{left: min(b.left+passed*l.rate.PerSecond, float64(l.rate.Burst)), at: now}
}

// sweep forgets the addresses whose buckets are full again, and all of them
// when that frees nothing: to let a crowd in beats to fill the memory. The
// caller holds mu.
func (l *limiter) sweep(now time.Time) {
	for who, b := range l.buckets {
		if l.refill(b, now).left >= float64(l.rate.Burst) {
			delete(l.buckets, who)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// network returns what counts as one address: of IPv6, the 64 bits that one
// subscriber is given. What is no address shares one bucket.
func network(remote string) netip.Prefix {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
