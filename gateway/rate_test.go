// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

func TestTheWaitOfALimiterIsLongEnoughAndNoLonger(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(Rate{PerSecond: 3, Burst: 7}, func() time.Time { return now })
	for i, cost := range []int{1, 4, 2, 7, 100, 1, 3} { // more than the burst counts as the burst
		wait := l.take("192.0.2.1:1", cost)
		if wait == 0 {
			continue
		}
		now = now.Add(wait - time.Millisecond)
		if l.take("192.0.2.1:1", cost) == 0 {
			t.Errorf("call %d: let in before %s", i, wait)
		}
		now = now.Add(2 * time.Millisecond)
		if more := l.take("192.0.2.1:1", cost); more != 0 {
			t.Errorf("call %d: not let in after %s, but %s later", i, wait, more)
		}
	}
	if l.take("192.0.2.1:1", 1) == 0 {
		t.Error("nothing was taken")
	}
	if wait := l.take("192.0.2.1:1", 0); wait != 0 {
		t.Errorf("a call that was paid for waits %s", wait)
	}
}

func TestRetryAfterIsInWholeSecondsAndNeverTooSoon(t *testing.T) {
	for after, want := range map[time.Duration]string{
		1: "1", time.Second: "1", time.Second + 1: "2", 42*time.Second + 700*time.Millisecond: "43", 12 * time.Hour: "43200",
	} {
		if got := problemOf(&token.QuotaError{After: after}).header.Get("Retry-After"); got != want {
			t.Errorf("%s: %s, want %s", after, got, want)
		}
	}
	// A quota of the ledger is one of a block.
	if got := problemOf(rats.Errorf(rats.QuotaExceeded, "of this block")).header.Get("Retry-After"); got != "1" {
		t.Errorf("a block: %s", got)
	}
	if p := problemOf(rats.Errorf(rats.Malformed, "no quota")); p.header != nil {
		t.Errorf("%v", p.header)
	}
}
