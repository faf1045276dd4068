// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

const (
	// maxTurnsWaiting bounds the calls of one caller that wait for their turn: as
	// many as one address may have connections, so that who makes one call on each
	// is not refused. They take nobody else's turns.
	maxTurnsWaiting = 128
	// maxWaiting bounds those of all callers together.
	maxWaiting = 4096
	// turnTimeout bounds how long one waits.
	turnTimeout = 10 * time.Second
	// tokenTurns is how many turns in a row those with tokens get while others wait.
	tokenTurns = 3
)

// turns lets calls that cost the machine work be done a few at a time, in fair
// order: callers take turns, however many calls each of them has, and those who
// show a token before those who do not. A core is left over for the ledger, so
// that no crowd of readers keeps blocks from being made.
type turns struct {
	mu sync.Mutex // guards what follows
	// free is how many more may work at once.
	free    int
	waiting int
	// known are the callers with tokens, others those without.
	known, others callers
	// inRow counts the turns that known had since others had one.
	inRow int
}

// callers is the callers who wait, in their order, each with their calls.
type callers struct {
	order []string
	calls map[string][]*turn
}

// turn is a call that waits.
type turn struct {
	// begun is closed when it is the call's turn.
	begun chan struct{}
	// gone: nobody waits any more.
	gone bool
}

func newTurns() *turns {
	return &turns{free: max(1, runtime.GOMAXPROCS(0)-1)}
}

// take waits for a caller's turn, and returns what ends it. The error is
// a [*token.QuotaError] where too many wait already, or the wait is too long.
func (t *turns) take(ctx context.Context, who string, known bool) (func(), error) {
	one, err := t.enter(who, known)
	if err != nil {
		return nil, err
	}
	if one == nil {
		return t.release, nil
	}
	timer := time.NewTimer(turnTimeout)
	defer timer.Stop()
	select {
	case <-one.begun:
		return t.release, nil
	case <-timer.C:
		err = &token.QuotaError{What: "the node is busy", After: turnTimeout}
	case <-ctx.Done():
		err = rats.Errorf(rats.Internal, "waiting for a turn: %w", ctx.Err())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-one.begun: // at the last moment: the turn goes to the next
		t.pass()
	default:
		one.gone = true
		t.waiting--
	}
	return nil, err
}

// enter returns nil where it is the caller's turn at once, and else what to wait for.
func (t *turns) enter(who string, known bool) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		return nil, nil
	}
	l := &t.others
	if known {
		l = &t.known
	}
	if len(l.calls[who]) >= maxTurnsWaiting || t.waiting >= maxWaiting {
		return nil, &token.QuotaError{What: "too many calls wait for an answer", After: time.Second}
	}
	one := &turn{begun: make(chan struct{})}
	l.add(who, one)
	t.waiting++
	return one, nil
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass gives a turn that is over to the next. The caller holds mu.
func (t *turns) pass() {
	for {
		l := &t.known
		if len(l.order) == 0 || t.inRow >= tokenTurns && len(t.others.order) > 0 {
			l = &t.others
		}
		one := l.next()
		if one == nil {
			t.free++
			return
		}
		if one.gone {
			continue
		}
		t.inRow++
		if l == &t.others {
			t.inRow = 0
		}
		t.waiting--
		close(one.begun)
		return
	}
}

func (l *callers) add(who string, one *turn) {
	if l.calls == nil {
		l.calls = make(map[string][]*turn)
	}
	if len(l.calls[who]) == 0 {
		l.order = append(l.order, who)
	}
	l.calls[who] = append(l.calls[who], one)
}

// next returns the first call of the caller whose turn it is, who then waits
// behind all others; nil where nobody waits.
func (l *callers) next() *turn {
	if len(l.order) == 0 {
		return nil
	}
	who := l.order[0]
	l.order = l.order[1:]
	calls := l.calls[who]
	one := calls[0]
	if len(calls) > 1 {
		l.calls[who] = calls[1:]
		l.order = append(l.order, who)
	} else {
		delete(l.calls, who)
	}
	return one
}

// turn waits until it is the turn of whoever calls.
func (g *Gateway) turn(ctx context.Context) (func(), error) {
	c := callerIn(ctx)
	if c.entry != nil {
		return g.turns.take(ctx, c.entry.ID, true)
	}
	return g.turns.take(ctx, network(c.remote).String(), c.word)
}

// inTurn has a call answered in turn. Its body, if it has one, must not be read
// within, nor its answer written: a slow caller would hold up all.
func (g *Gateway) inTurn(op huma.Operation) huma.Operation {
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		done, err := g.turn(ctx.Context())
		if err == nil {
			defer done()
			next(ctx)
			return
		}
		a, overREST := overREST(ctx)
		switch call, overRPC := ctx.(*rpcContext); {
		case overREST:
			g.giveProblem(a, err)
		case overRPC:
			call.problem = problemOf(err)
		default:
			if call, ok := a.requestContext.(*rpcContext); ok {
				call.problem = problemOf(err)
			}
		}
	})
	return op
}

// isAsset reports whether a page is one of the files that pages are made of.
func isAsset(path string) bool { return strings.HasPrefix(path, "/assets/") }
