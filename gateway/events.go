// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

const (
	// recentEvents are kept at hand: what happens is read once, however many
	// follow it.
	recentEvents = 256
	// eventsAtOnce bounds what a follower takes in one step.
	eventsAtOnce = 64
)

// EventLog is the log of what happened to records. It is safe for concurrent
// use.
type EventLog interface {
	// Events returns up to limit events in their order, the first numbered from:
	// they are numbered from 0 without gaps.
	Events(from uint64, limit int) ([]record.Event, error)
	// EventCount returns the number of the next event.
	EventCount() uint64
	// Committed returns a channel that is closed once the next block is
	// committed and visible.
	Committed() <-chan struct{}
}

// happening is one event, for everyone who follows it. It is not changed.
type happening struct {
	record.Event
	// before is the record as it was before the event, where listings went.
	before *record.Record
	// json returns the event as the API shows it, on one line.
	json func() ([]byte, error)
}

// feed reads the ledger's events for all who follow them.
type feed struct {
	registry Registry
	// live and past let one reader at a time through to the store: who reads the
	// whole past, and picks little of it, keeps neither the others from the
	// present nor the node from its work.
	live, past chan struct{}

	mu     sync.Mutex // guards recent
	recent [recentEvents]*happening
}

func newFeed(r Registry) *feed {
	return &feed{registry: r, live: make(chan struct{}, 1), past: make(chan struct{}, 1)}
}

// read returns events in their order, the first numbered from: at most
// [eventsAtOnce], and none where there is none yet.
func (f *feed) read(ctx context.Context, from uint64) ([]*happening, error) {
	count := f.registry.EventCount()
	if from >= count {
		return nil, nil
	}
	if out := f.remembered(from); len(out) > 0 {
		return out, nil
	}
	lane := f.past
	if count-from <= recentEvents {
		lane = f.live
	}
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if out := f.remembered(from); len(out) > 0 { // whoever was first read for all
		return out, nil
	}
	events, err := f.registry.Events(from, eventsAtOnce)
	if err != nil {
		return nil, err
	}
	out := make([]*happening, 0, len(events))
	for i := range events {
		h, err := f.happening(&events[i])
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	f.remember(out)
	return out, nil
}

// remembered returns the events from a number on that are at hand.
func (f *feed) remembered(from uint64) []*happening {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*happening
	for n := from; len(out) < eventsAtOnce; n++ {
		h := f.recent[n%recentEvents]
		if h == nil || h.Sequence != n {
			break
		}
		out = append(out, h)
	}
	return out
}

// remember keeps the newest.
func (f *feed) remember(all []*happening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range all {
		if at := &f.recent[h.Sequence%recentEvents]; *at == nil || (*at).Sequence < h.Sequence {
			*at = h
		}
	}
}

func (f *feed) happening(e *record.Event) (*happening, error) {
	h := &happening{Event: *e}
	h.json = sync.OnceValues(func() ([]byte, error) { return encodeEvent(&h.Event) })
	if e.Kind != record.Delisted && e.Kind != record.WithdrawnByKey {
		return h, nil
	}
	past, err := f.registry.History(e.Record.ID)
	if err != nil {
		return nil, err
	}
	for i := range past {
		if past[i].Sequence < e.Sequence {
			h.before = &past[i].Record
		}
	}
	return h, nil
}

// outwardEvent returns an event as the API shows it: the record at its time.
func outwardEvent(e *record.Event) client.Event {
	return client.Event{
		Sequence: e.Sequence, Event: e.Kind, Time: e.Time, Height: e.Height,
		Tx: e.Tx.Hex(), Record: e.Record.View(e.Time),
	}
}

// encodeEvent returns an event as JSON without an end of line: JSON has none
// inside either (RFC 8259 section 7).
func encodeEvent(e *record.Event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(outwardEvent(e)); err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// follower is one reader of the feed, with a place of its own in the log: it
// may be as slow as it likes, and nobody waits for it.
type follower struct {
	feed   *feed
	filter eventFilter
	// next is the number of the first event that it has not looked at.
	next uint64
}

// step returns those that match among the events that come next, and goes past
// them. rest is false where nothing came: then a commit has to be waited for,
// by a channel that was taken before.
func (f *follower) step(ctx context.Context) (found []*happening, rest bool, err error) {
	all, err := f.feed.read(ctx, f.next)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	for _, h := range all {
		// What is about the ledger itself is told elsewhere.
		if h.Act == nil && f.filter.matches(h) {
			found = append(found, h)
		}
	}
	f.next = all[len(all)-1].Sequence + 1
	return found, true, nil
}

// soon is a channel on which nobody waits.
func soon() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// pause returns what a follower waits for before its next step: nothing where
// there is a rest.
func pause(committed <-chan struct{}, rest bool) <-chan struct{} {
	if rest {
		return soon()
	}
	return committed
}
