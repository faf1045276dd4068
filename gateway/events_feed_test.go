// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
)

func TestHoweverManyFollowEachEventIsReadOnce(t *testing.T) {
	const followers, events = 300, 120
	l := newEventLog(10)
	g := following(t, l, nil)
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for range followers {
		f, err := g.follow(t.Context(), EventQuery{}, "9")
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			want := uint64(10)
			for want < 10+events {
				committed := l.Committed()
				found, rest, err := f.step(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for _, h := range found {
					if h.Sequence != want {
						t.Errorf("event %d, want %d", h.Sequence, want)
					}
					want++
				}
				<-pause(committed, rest)
			}
		})
	}
	for range events {
		l.add(1)
	}
	l.mu.Lock() // the last wakes nobody who has seen it all
	close(l.next)
	l.next = make(chan struct{})
	l.mu.Unlock()
	all.Wait()
	if l.read > 3*events {
		t.Errorf("%d events were read %d times", events, l.read)
	}
	settle(t, func() bool { return runtime.NumGoroutine() <= before })
}

func TestWhoReadsThePastPutsNothingRecentOutOfMind(t *testing.T) {
	l := newEventLog(3 * recentEvents)
	g := following(t, l, nil)
	newest := uint64(3*recentEvents - 5)
	if got, err := g.feed.read(t.Context(), newest); err != nil || len(got) != 5 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	f, err := g.follow(t.Context(), EventQuery{}, fromTheStart)
	if err != nil {
		t.Fatal(err)
	}
	for range recentEvents / eventsAtOnce {
		if _, rest, err := f.step(t.Context()); err != nil || !rest {
			t.Fatal(rest, err)
		}
	}
	l.read = 0
	if got, err := g.feed.read(t.Context(), newest); err != nil || len(got) != 5 || l.read != 0 {
		t.Errorf("%d events, %d were read anew, %v", len(got), l.read, err)
	}
}

func TestAFollowerThatReadsThePastLeavesThePresentToOthers(t *testing.T) {
	l := newEventLog(2 * recentEvents)
	g := following(t, l, nil)
	g.feed.past <- struct{}{} // somebody is at it, and takes long
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.feed.read(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("the past: %v", err)
	}
	if got, err := g.feed.read(t.Context(), 2*recentEvents-1); err != nil || len(got) != 1 {
		t.Errorf("the present: %d events, %v", len(got), err)
	}
}

// BenchmarkOneEventForAllFollowers takes an event from its commit to as many
// streams as a node has room for, up to the writing.
func BenchmarkOneEventForAllFollowers(b *testing.B) {
	l := newEventLog(1)
	g := following(b, l, nil)
	ctx, cancel := context.WithCancel(b.Context())
	var readers, told sync.WaitGroup
	for range newStreams(Streams{}).limit.All {
		f, err := g.follow(ctx, EventQuery{}, "")
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			for {
				committed := l.Committed()
				found, rest, err := f.step(ctx)
				for _, h := range found {
					if _, err := h.json(); err != nil {
						b.Error(err)
					}
					told.Done()
				}
				if rest && err == nil {
					continue
				}
				select {
				case <-committed:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for b.Loop() {
		told.Add(newStreams(Streams{}).limit.All)
		l.add(1)
		told.Wait()
	}
	cancel()
	readers.Wait()
}
