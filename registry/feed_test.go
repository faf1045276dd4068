// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"sync"
	"testing"

	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// follow reads events from a number on as they come, until it has so many.
func follow(r *registry.Registry, from uint64, want int) (seen []uint64, err error) {
	for len(seen) < want {
		committed := r.Committed()
		events, err := r.Events(from, 3)
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			<-committed
			continue
		}
		for i := range events {
			seen = append(seen, events[i].Sequence)
		}
		from = seen[len(seen)-1] + 1
	}
	return seen, nil
}

func TestEveryFollowerSeesEveryEventOnceHoweverManyThereAre(t *testing.T) {
	const followers, events = 50, 20
	c := endorsed(t)
	first := c.reg.EventCount()
	var all sync.WaitGroup
	for range followers {
		all.Go(func() {
			seen, err := follow(c.reg, first, events)
			if err != nil {
				t.Error(err)
				return
			}
			for i, n := range seen {
				if n != first+uint64(i) {
					t.Errorf("event %d at place %d after %d", n, i, first)
				}
			}
		})
	}
	for n := range events {
		c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{ISVSVN: 1, ReportData: [64]byte{byte(n), 1}})))
	}
	all.Wait()
}

func TestOneChannelTellsOfOneCommit(t *testing.T) {
	c := endorsed(t)
	before := c.reg.Committed()
	if before != c.reg.Committed() {
		t.Error("two who wait for the same commit have a channel each")
	}
	select {
	case <-before:
		t.Fatal("closed before anything happened")
	default:
	}
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{ISVSVN: 1})))
	<-before
	if c.reg.EventCount() != 1 {
		t.Errorf("%d events are visible", c.reg.EventCount())
	}
	select {
	case <-c.reg.Committed():
		t.Error("the next commit is told of before it is there")
	default:
	}
}

func TestACommitOfNothingWakesNobody(t *testing.T) {
	c := endorsed(t)
	count := c.reg.EventCount()
	committed := c.reg.Committed()
	if err := c.reg.Commit(); err == nil {
		t.Fatal("there was nothing to commit")
	}
	select {
	case <-committed:
		t.Error("told of a commit that failed")
	default:
	}
	if c.reg.EventCount() != count {
		t.Error("events came of nothing")
	}
}
