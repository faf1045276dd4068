// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/creachadair/jrpc2"

	"github.com/attesteer/attesteer/rats"
)

const (
	// maxSubscriptions bounds those of one connection.
	maxSubscriptions = 32
	// maxQueued and maxQueuedBytes bound what one connection has yet to be sent
	// unasked: who is further behind is too slow.
	maxQueued      = 256
	maxQueuedBytes = 512 << 10
	// tokenInterval is how often the token of a connection with subscriptions is
	// looked at: nothing else asks about it while the other side only listens.
	tokenInterval = 2 * time.Second
	// flushTimeout is how long the other side of a connection that ends may take
	// to read what is queued.
	flushTimeout = 5 * time.Second
)

// listener is the other side of a connection, to whoever pushes.
type listener interface {
	// send sends one message, and returns when the connection has it.
	send(msg []byte) error
	// good returns why the caller may not listen any more, or nil.
	good() error
	// expire ends the connection once what it was asked is answered, and cut at
	// once. Neither waits.
	expire(reason string)
	cut(reason string)
}

// pushes sends messages that no call asked for on one connection. Answers do
// not pass through it, so it is no part of the count of what waits for one.
type pushes struct {
	to listener
	// ids counts the subscriptions of the node.
	ids *atomic.Uint64
	// every is [tokenInterval], but in tests.
	every time.Duration
	// ctx ends when no subscription may go on.
	ctx    context.Context //nolint:containedctx // it is the connection's life
	cancel context.CancelFunc

	runs sync.WaitGroup // subscriptions
	// opened counts one until what it returns is called; nil counts none.
	opened func(kind string) (closed func())
	others sync.WaitGroup // the writer, and the watch of the token
	// bell is told when there is something for the writer.
	bell chan struct{}

	mu   sync.Mutex // guards what follows
	open map[string]*subscription
	// waiting are by the id of the call that has no answer yet.
	waiting map[string][]*subscription
	queue   [][]byte
	bytes   int
	// taken is closed when a message leaves the queue; nil where nobody waits for it.
	taken chan struct{}
	// begun: writer and watch were started.
	begun bool
	// ended: nobody subscribes any more; closed: nothing is queued any more.
	ended, closed bool
}

// subscription is one thing that a connection listens to.
type subscription struct {
	cancel context.CancelFunc
	// answered is closed when the call that subscribed has its answer.
	answered chan struct{}
	// ends: it does by itself, and soon. over is closed when it did.
	ends bool
	over chan struct{}
}

// pushesKey is the context key of a connection's pushes.
type pushesKey struct{}

// pushesIn returns the way to push to the connection over which ctx's call
// came; ok is false where it came by POST.
func pushesIn(ctx context.Context) (p *pushes, ok bool) {
	p, ok = ctx.Value(pushesKey{}).(*pushes)
	return p, ok
}

// newPushes returns the pushes of a connection whose life is ctx, and ctx with
// them in it.
func newPushes(ctx context.Context, ids *atomic.Uint64, to listener) (*pushes, context.Context) {
	p := &pushes{
		to: to, ids: ids, every: tokenInterval, bell: make(chan struct{}, 1),
		open: make(map[string]*subscription), waiting: make(map[string][]*subscription),
	}
	ctx = context.WithValue(ctx, pushesKey{}, p)
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p, ctx
}

// subscribe starts run in its own goroutine, once the call whose ctx this is has
// its answer: so nothing that run sends goes out before that. What must not be
// missed in between has to be attached to before. The context of run has the
// values of the connection, and ends with the connection, on unsubscribe, when
// the token ends and when the gateway drains. Where err is nil run is called,
// with an ended context if it comes to that.
//
// The id is unique on the node: a number in decimal. Without room it is
// [rats.QuotaExceeded]; a notification, to which nobody could tell the id, is
// [rats.Malformed].
func (p *pushes) subscribe(ctx context.Context, run func(ctx context.Context, id string)) (id string, err error) {
	return p.subscribeFor(jrpc2.InboundRequest(ctx).ID(), run)
}

// subscribeToEnd is subscribe for what ends by itself, and soon: who closes the
// connection meanwhile is told of it yet.
func (p *pushes) subscribeToEnd(ctx context.Context, run func(ctx context.Context, id string)) (id string, err error) {
	return p.add(jrpc2.InboundRequest(ctx).ID(), true, run)
}

// subscribeFor is subscribe on behalf of the call of an id, as JSON.
func (p *pushes) subscribeFor(call string, run func(ctx context.Context, id string)) (string, error) {
	return p.add(call, false, run)
}

func (p *pushes) add(call string, ends bool, run func(ctx context.Context, id string)) (string, error) {
	if call == "" {
		return "", rats.Errorf(rats.Malformed, "a notification cannot subscribe: give the call an id")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return "", rats.Errorf(rats.Internal, "the connection is ending")
	case len(p.open) >= maxSubscriptions:
		return "", rats.Errorf(rats.QuotaExceeded, "a connection may have %d subscriptions", maxSubscriptions)
	}
	id := strconv.FormatUint(p.ids.Add(1), 10)
	life, cancel := context.WithCancel(p.ctx)
	s := &subscription{cancel: cancel, answered: make(chan struct{}), ends: ends, over: make(chan struct{})}
	p.open[id] = s
	p.waiting[call] = append(p.waiting[call], s)
	p.begin()
	p.runs.Go(func() {
		defer close(s.over)
		defer p.unsubscribe(id)
		if p.opened != nil {
			defer p.opened(streamSubscription)()
		}
		select {
		case <-s.answered:
		case <-life.Done():
		}
		run(life, id)
	})
	return id, nil
}

// unsubscribe ends a subscription of this connection; it reports whether there
// was one. What it queued before still goes out.
func (p *pushes) unsubscribe(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.open[id]
	if ok {
		s.cancel()
		delete(p.open, id)
	}
	return ok
}

// send queues one whole JSON-RPC message, which nobody changes afterwards. It
// never waits: a connection that is too slow for its queue is ended.
func (p *pushes) send(msg []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enqueue(msg)
}

// enqueue is send; the caller holds mu.
func (p *pushes) enqueue(msg []byte) error {
	if p.closed {
		return rats.Errorf(rats.Internal, "the connection has ended")
	}
	if len(p.queue) > 0 && (len(p.queue) >= maxQueued || p.bytes+len(msg) > maxQueuedBytes) {
		p.drop()
		p.to.cut("too slow: what was sent is not read")
		return rats.Errorf(rats.QuotaExceeded, "the connection is too slow")
	}
	p.queue, p.bytes = append(p.queue, msg), p.bytes+len(msg)
	p.tell()
	return nil
}

// answered lets the subscriptions begin whose calls are answered by a message,
// single or batch, which is out now.
func (p *pushes) answered(msg []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || len(msg) == 0 {
		return
	}
	var answers []answerMessage
	if msg[0] != '[' {
		msg = append(append([]byte{'['}, msg...), ']')
	}
	if json.Unmarshal(msg, &answers) != nil {
		return // jrpc2 writes JSON
	}
	for _, a := range answers {
		for _, s := range p.waiting[string(a.ID)] {
			close(s.answered)
		}
		delete(p.waiting, string(a.ID))
	}
}

// settle returns when all subscriptions are over that end by themselves, or when
// ctx ends.
func (p *pushes) settle(ctx context.Context) {
	p.mu.Lock()
	open := slices.Collect(maps.Values(p.open))
	p.mu.Unlock()
	for _, s := range open {
		if !s.ends {
			continue
		}
		select {
		case <-s.over:
		case <-ctx.Done():
		}
	}
}

// stop ends all subscriptions, and returns when they are over and what they
// queued is sent, or given up. It may be called again.
func (p *pushes) stop() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cancel()
	p.runs.Wait()
	p.mu.Lock()
	p.closed = true
	p.tell()
	p.mu.Unlock()
	late := time.AfterFunc(flushTimeout, p.discard)
	defer late.Stop()
	p.others.Wait()
}

// discard forgets what is queued, and lets nothing more be.
func (p *pushes) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

// drop is discard; the caller holds mu.
func (p *pushes) drop() {
	p.closed, p.queue, p.bytes = true, nil, 0
	p.take()
	p.cancel()
	p.tell()
}

func (p *pushes) tell() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// begin starts what a connection without subscriptions does not need. The
// caller holds mu.
func (p *pushes) begin() {
	if !p.begun {
		p.begun = true
		p.others.Go(p.deliver)
		p.others.Go(p.watch)
	}
}

// deliver sends what is queued, until nothing will be any more.
func (p *pushes) deliver() {
	for {
		msg, more := p.next()
		switch {
		case msg != nil:
			if p.to.send(msg) != nil {
				p.discard() // nobody is there any more
			}
		case !more:
			return
		default:
			<-p.bell
		}
	}
}

// next takes a message from the queue; more reports whether there may be others.
func (p *pushes) next() (msg []byte, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, !p.closed
	}
	msg = p.queue[0]
	p.queue[0] = nil
	p.queue, p.bytes = p.queue[1:], p.bytes-len(msg)
	p.take()
	return msg, true
}

// watch ends the subscriptions, and then the connection, when the token ends.
func (p *pushes) watch() {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.to.good(); err != nil {
			p.cancel()
			p.to.expire(outwardText(err))
			return
		}
	}
}
