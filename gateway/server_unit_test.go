// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestTheTimeOfAnExchangeGrowsWithWhatPassed(t *testing.T) {
	now := time.Unix(1000, 0)
	left := func(b budget) time.Duration { return b.until(now).Sub(now) }
	b := newBudget(20*time.Second, 1000)
	if left(b) != 20*time.Second {
		t.Errorf("at first %v", left(b))
	}
	b.passed(3500, 9500*time.Millisecond)
	if left(b) != 14*time.Second {
		t.Errorf("%v after 3500 bytes in 9.5 s", left(b))
	}
	b.passed(1<<33, time.Second) // what buffers took at once buys no more than a stall
	if left(b) != 20*time.Second {
		t.Errorf("%v after 8 GiB", left(b))
	}
	b.passed(0, 20*time.Second)
	if left(b) != 0 {
		t.Errorf("%v when all is spent", left(b))
	}
	// A stream of a byte a second at a thousandth of the rate ends; one that is
	// waited for at the rate never does.
	slow, steady := newBudget(20*time.Second, 1000), newBudget(20*time.Second, 1000)
	ended := 0
	for i := range 3600 {
		slow.passed(1, time.Second)
		steady.passed(1000, time.Second)
		if ended == 0 && left(slow) <= 0 {
			ended = i + 1
		}
		if left(steady) < 20*time.Second {
			t.Fatalf("%v left of a steady exchange after %d s", left(steady), i+1)
		}
	}
	if ended != 21 { // what came bought twenty thousandths of a second
		t.Errorf("a slow exchange ended after %d s", ended)
	}
}

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from string
}

func (c fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func TestWhatASubscriberOfIPv6IsGivenCountsAsOneAddress(t *testing.T) {
	b := ServerConfig{PerAddress: 1, Proxies: []netip.Prefix{netip.MustParsePrefix("2001:db8:9::1/128")}}.Bound(nil)
	for i, c := range []struct {
		from string
		good bool
	}{
		{"192.0.2.1:1", true},
		{"192.0.2.1:2", false},
		{"[::ffff:192.0.2.1]:3", false}, // the same, by a socket for both
		{"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true},
		{"[2001:db8::ffff:ffff:ffff:ffff]:1", false},
		{"[2001:db8:0:1::1]:1", true},
		{"[2001:db8:9::1]:1", true},
		{"[2001:db8:9::1]:2", true}, // a trusted proxy, which its neighbours are not
		{"[2001:db8:9::2]:1", true},
		{"[2001:db8:9::3]:1", false},
	} {
		if got := b.admit(fakeConn{from: c.from}) != nil; got != c.good {
			t.Errorf("%d: %s: %v", i, c.from, got)
		}
	}
}
