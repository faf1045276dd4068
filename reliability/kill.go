// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/client"
)

// recovery is how long a network may take to come together again.
const recovery = 2 * time.Minute

// load registers enclaves at the members of a network until it is told to stop,
// each client at the next member when one does not answer.
type load struct {
	members []*member
	mint    *mint
	acks    *acknowledged
	refused atomic.Int64
	// took is what registrations came to since [load.measure] was called last.
	took atomic.Pointer[tally]
	stop context.CancelFunc
	done sync.WaitGroup
}

// startLoad starts clients of some members.
func startLoad(ctx context.Context, clients int, members []*member) (*load, error) {
	m, err := newMint()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	l := &load{members: members, mint: m, acks: new(acknowledged), stop: stop}
	l.took.Store(newTally())
	for i := range clients {
		l.done.Go(func() { l.run(ctx, i) })
	}
	return l, nil
}

// underLoad starts all members, and clients who go on; it returns when some
// registrations were acknowledged.
func (n *network) underLoad(ctx context.Context, some int) (*load, error) {
	return n.underLoadAt(ctx, some, n.members)
}

// underLoadAt is underLoad with clients of some of the members.
func (n *network) underLoadAt(ctx context.Context, some int, members []*member) (*load, error) {
	if err := n.startAll(ctx); err != nil {
		return nil, err
	}
	l, err := startLoad(ctx, 2, members)
	if err != nil {
		return nil, err
	}
	if err := l.waitFor(ctx, some, recovery); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *load) run(ctx context.Context, at int) {
	apis := make([]*client.Client, len(l.members))
	for i, m := range l.members {
		apis[i] = m.api()
	}
	for ctx.Err() == nil {
		quote, err := l.mint.quote()
		if err != nil {
			return
		}
		once, cancel := context.WithTimeout(ctx, 30*time.Second)
		start := time.Now()
		got, err := apis[at%len(apis)].SubmitEvidence(once, client.Submission{Evidence: quote})
		cancel()
		if err == nil || ctx.Err() == nil {
			l.took.Load().add(time.Since(start), err)
		}
		switch {
		case err == nil:
			l.acks.add(got.Record.ID)
		case ctx.Err() == nil:
			l.refused.Add(1)
			at++
			rest(ctx, 50*time.Millisecond)
		}
	}
}

// measure returns what registrations come to while a time passes.
func (l *load) measure(ctx context.Context, d time.Duration) figures {
	t := newTally()
	l.took.Store(t)
	rest(ctx, d)
	l.took.Store(newTally())
	return t.figures()
}

// end stops the load and returns what was acknowledged.
func (l *load) end() []string {
	l.stop()
	l.done.Wait()
	return l.acks.all()
}

// waitFor waits until as many more were acknowledged as there were, plus n.
func (l *load) waitFor(ctx context.Context, n int, within time.Duration) error {
	begun := len(l.acks.all())
	for end := time.Now().Add(within); len(l.acks.all()) < begun+n; rest(ctx, 20*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d registrations were acknowledged within %v", len(l.acks.all())-begun, n, within)
		}
	}
	return nil
}

// killing kills random validators under load, again and again.
func killing(ctx context.Context, n *network, times int, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "kill", What: fmt.Sprintf("SIGKILL of a random one of %d validators under load, %d times", len(n.members), times)}
	l, err := n.underLoad(ctx, 10)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	var longest time.Duration
	for i := range times {
		m := n.members[rand.IntN(len(n.members))]
		rest(ctx, time.Duration(rand.IntN(300))*time.Millisecond)
		if err := m.node.kill(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := l.waitFor(ctx, 1, recovery); err != nil {
			return nil, fmt.Errorf("after kill %d: %w", i+1, err)
		}
		longest = max(longest, time.Since(start))
		if err := n.start(ctx, m); err != nil {
			return nil, fmt.Errorf("after kill %d: %w", i+1, err)
		}
		if (i+1)%10 == 0 {
			_, _ = fmt.Fprintf(progress, "%3d kills, %d acknowledged\n", i+1, len(l.acks.all()))
		}
	}
	ids := l.end()
	r.add("registrations acknowledged", "", fmt.Sprint(len(ids)), len(ids) > times)
	r.add("longest wait for the next after a kill", "", longest.Round(time.Millisecond).String(), true)
	return r, n.check(ctx, r, ids)
}

// down stops one validator and then a second one of four.
func down(ctx context.Context, n *network, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "down", What: "validators that are gone: one of four, then two"}
	l, err := n.underLoad(ctx, 10)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	_, _ = fmt.Fprintln(progress, "one of four down")
	if err := n.members[0].node.kill(); err != nil {
		return nil, err
	}
	start := time.Now()
	err = l.waitFor(ctx, 20, recovery)
	r.add("with one down", "goes on", fmt.Sprintf("20 more in %v", time.Since(start).Round(time.Millisecond)), err == nil)
	_, _ = fmt.Fprintln(progress, "two of four down")
	if err := n.members[1].node.kill(); err != nil {
		return nil, err
	}
	rest(ctx, 3*time.Second) // what was under way is over
	before := len(l.acks.all())
	rest(ctx, 20*time.Second)
	after := len(l.acks.all())
	r.add("with two down", "stops", fmt.Sprintf("%d acknowledged in 20 s", after-before), after == before)
	start = time.Now()
	if err := n.start(ctx, n.members[1]); err != nil {
		return nil, err
	}
	err = l.waitFor(ctx, 1, recovery)
	r.add("with the second back", "goes on by itself", fmt.Sprintf("after %v", time.Since(start).Round(time.Millisecond)), err == nil)
	if err := n.start(ctx, n.members[0]); err != nil {
		return nil, err
	}
	return r, n.check(ctx, r, l.end())
}

// check is the end of each trial: all members come together, and have everything
// that was acknowledged.
func (n *network) check(ctx context.Context, r *faultReport, ids []string) error {
	start := time.Now()
	height, hash, err := n.agree(ctx, recovery)
	r.add("all nodes at one height with one state", "yes", fmt.Sprintf("height %d, %.16s, after %v", height, hash, time.Since(start).Round(time.Millisecond)), err == nil)
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	missing := 0
	for _, m := range n.members {
		if m.node == nil || !m.node.alive() {
			continue
		}
		lost, err := lost(ctx, "http://"+m.listen, ids)
		if err != nil {
			return err
		}
		missing += lost
	}
	r.add("acknowledged records that a node lacks", "none", fmt.Sprintf("%d of %d", missing, len(ids)), missing == 0 && len(ids) > 0)
	return nil
}
