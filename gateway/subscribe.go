// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// eventMethod is the notification that tells a subscriber of an event.
const eventMethod = "registry.event"

// subscribeParams are those of registry.subscribe.
type subscribeParams struct {
	After placeParam `query:"after" doc:"the sequence of the last event that was seen, or the word start for all there are; without, what happens from now on"`
	EventQuery
}

// placeParam is a place in the log of events: a number, as a JSON number or a
// string, or the word start.
type placeParam string

// Schema implements [huma.SchemaProvider].
func (placeParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString}}}
}

type unsubscribeParams struct {
	Subscription string `query:"subscription" required:"true" doc:"the id that registry.subscribe answered with"`
}

// subscriptionOutput is the id of a subscription.
type subscriptionOutput struct{ Body string }

type unsubscribedOutput struct{ Body bool }

// subscriptionEntries are what takes a connection.
func (g *Gateway) subscriptionEntries() []entry {
	const tag = "enclaves"
	begin := g.methodOnly("subscribe", tag, "Have what happens to records pushed")
	begin.Description = "Takes a WebSocket. The result is the id of the subscription; what is committed afterwards, or after the place that is named, is pushed as notifications of the method " +
		eventMethod + " with the parameters subscription and result, an Event as in a record's history."
	end := g.methodOnly("unsubscribe", tag, "End a subscription of the same connection")
	end.Description = "The result is true."
	return []entry{
		serve("registry.subscribe", begin, func(ctx context.Context, in *subscribeParams) (*subscriptionOutput, error) {
			id, err := g.subscribe(ctx, in)
			return &subscriptionOutput{Body: id}, err
		}),
		serve("registry.unsubscribe", end, func(ctx context.Context, in *unsubscribeParams) (*unsubscribedOutput, error) {
			ended, err := g.unsubscribe(ctx, in)
			return &unsubscribedOutput{Body: ended}, err
		}),
	}
}

// subscribe has the events that match pushed on the connection over which the
// call came, and returns the subscription's id: what is committed after the
// call came, or after the place that it names, without gaps.
func (g *Gateway) subscribe(ctx context.Context, in *subscribeParams) (string, error) {
	p, ok := pushesIn(ctx)
	if !ok {
		return "", rats.Errorf(rats.Unsupported, "subscriptions take a WebSocket; over HTTP there is GET /v1/events")
	}
	f, err := g.follow(ctx, in.EventQuery, string(in.After))
	if err != nil {
		return "", err
	}
	return p.subscribe(ctx, func(ctx context.Context, id string) { g.pushEvents(ctx, p, id, f) })
}

// unsubscribe ends a subscription of the connection over which the call came.
func (g *Gateway) unsubscribe(ctx context.Context, in *unsubscribeParams) (bool, error) {
	if p, ok := pushesIn(ctx); ok && p.unsubscribe(in.Subscription) {
		return true, nil
	}
	return false, rats.Errorf(rats.NotFound, "this connection has no such subscription")
}

// pushEvents pushes what a follower finds until ctx ends. It waits for the
// connection as long as that takes what is sent: the events wait in the log.
func (g *Gateway) pushEvents(ctx context.Context, p *pushes, id string, f *follower) {
	for ctx.Err() == nil {
		committed := g.cfg.Registry.Committed()
		found, rest, err := f.step(ctx)
		if err == nil {
			err = p.sendEvents(ctx, id, found)
		}
		if err != nil {
			if ctx.Err() == nil {
				_ = g.fault(ctx, err)
				p.to.expire("internal")
			}
			return
		}
		select {
		case <-pause(committed, rest):
		case <-ctx.Done():
		}
	}
}

// sendEvents sends one message for each event.
func (p *pushes) sendEvents(ctx context.Context, id string, all []*happening) error {
	for _, h := range all {
		data, err := h.json()
		if err != nil {
			return err
		}
		msg := append([]byte(`{"jsonrpc":"2.0","method":"`+eventMethod+`","params":{"subscription":"`+id+`","result":`), data...)
		if err := p.sendInTurn(ctx, append(msg, "}}"...)); err != nil {
			return err
		}
	}
	return nil
}

// sendInTurn is send for what can wait: until the queue is half empty again, or
// ctx ends.
func (p *pushes) sendInTurn(ctx context.Context, msg []byte) error {
	for {
		wait, err := p.sendIfRoom(msg)
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendIfRoom queues msg if that leaves half of the queue to what cannot wait,
// and else returns what is closed when something was sent.
func (p *pushes) sendIfRoom(msg []byte) (wait <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.queue) == 0 || len(p.queue) < maxQueued/2 && p.bytes+len(msg) <= maxQueuedBytes/2 {
		return nil, p.enqueue(msg)
	}
	if p.taken == nil {
		p.taken = make(chan struct{})
	}
	return p.taken, nil
}

// take tells those who wait for room that there is some. The caller holds mu.
func (p *pushes) take() {
	if p.taken != nil {
		close(p.taken)
		p.taken = nil
	}
}
