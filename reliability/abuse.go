// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/client"
)

// world is the node that is tried, and everybody around it.
type world struct {
	node *node
	mint *mint
	acks *acknowledged

	submitting, reading, watching, abusing *http.Client

	submits, reads *tally
	// did counts what came of each abuser's tries, by its name.
	did map[string]*tally

	// sample is good evidence that was recorded; huge is a body of 25 MB.
	sample, huge []byte
	// abusers counts connections, to spread them over addresses.
	abusers atomic.Uint32
}

// abuserIP returns one of the 50 addresses of the abusers' network.
func (w *world) abuserIP() net.IP { return net.IPv4(127, 0, 9, byte(1+w.abusers.Add(1)%50)) }

// The good clients.
const (
	submitters   = 4
	readers      = 4
	submitPause  = 100 * time.Millisecond
	readPause    = 50 * time.Millisecond
	settling     = 3 * time.Minute // within which all that was held is given back
	firstRecords = 200
)

// abuse tries a new node in dir and returns what came of it.
func abuse(ctx context.Context, bin, dir string, lasting time.Duration, progress io.Writer) (*report, error) {
	home := filepath.Join(dir, "home")
	n, err := startNode(ctx, bin, home)
	if err != nil {
		return nil, err
	}
	defer func() {
		if n.alive() {
			_ = n.kill() // an error is on its way already
		}
	}()
	w, err := newWorld(ctx, n)
	if err != nil {
		return nil, err
	}
	r := &report{Lasted: lasting, Cores: cores()}
	_, _ = fmt.Fprintf(progress, "a node with %d records; %d good clients, and everybody else for %v\n", firstRecords, submitters+readers+1, lasting)
	if r.Before, err = w.settled(ctx, usage{}); err != nil {
		return nil, err
	}
	seen := w.load(ctx, r, lasting, progress)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.collect(r)
	_, _ = fmt.Fprintln(progress, "the load is over: waiting until what was held is given back")
	if r.After, err = w.settled(ctx, r.Before); err != nil {
		return nil, fmt.Errorf("the node after the load: %w", err)
	}
	ids := w.acks.all()
	r.Acknowledged, r.Unseen = len(ids), seen.missing(ids)
	_, _ = fmt.Fprintf(progress, "killing the node and looking up its %d records\n", len(ids))
	if err := n.kill(); err != nil {
		return nil, err
	}
	again, err := startNode(ctx, bin, home)
	if err != nil {
		return nil, err
	}
	if r.Lost, err = lost(ctx, again.url, ids); err != nil {
		return nil, errors.Join(err, again.kill())
	}
	return r, again.stop(time.Minute)
}

// newWorld records a few enclaves first, so that there is something to read.
func newWorld(ctx context.Context, n *node) (*world, error) {
	m, err := newMint()
	if err != nil {
		return nil, err
	}
	w := &world{
		node: n, mint: m, acks: new(acknowledged),
		submitting: from(submitterAddress), reading: from(readerAddress), watching: from(watcherAddress),
		submits: newTally(), reads: newTally(), did: map[string]*tally{}, huge: make([]byte, 25<<20),
	}
	for i := range w.huge {
		w.huge[i] = ' '
	}
	w.abusing = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: w.abuserIP()}, Timeout: 10 * time.Second}
			return d.DialContext(ctx, network, address)
		},
		IdleConnTimeout: 5 * time.Second,
	}}
	c := client.New(n.url, "operator", w.submitting)
	for range firstRecords {
		if w.sample, err = m.quote(); err != nil {
			return nil, err
		}
		got, err := c.SubmitEvidence(ctx, client.Submission{Evidence: w.sample})
		if err != nil {
			return nil, err
		}
		w.acks.add(got.Record.ID)
	}
	return w, nil
}

// load has everybody at it, and watches.
func (w *world) load(ctx context.Context, r *report, lasting time.Duration, progress io.Writer) *watcher {
	ctx, cancel := context.WithTimeout(ctx, lasting)
	defer cancel()
	var all sync.WaitGroup
	seen := &watcher{seen: map[string]bool{}}
	// The watcher looks a moment longer, to see the last of what was recorded.
	longer, enough := context.WithCancel(context.WithoutCancel(ctx))
	followed := make(chan error, 1)
	go func() { followed <- seen.follow(longer, w) }()
	for range submitters {
		all.Go(func() { submitter(ctx, w, submitPause) })
	}
	for range readers {
		all.Go(func() { reader(ctx, w, readPause) })
	}
	for _, a := range append(abusers(), slowClients()...) {
		t := newTally()
		w.did[a.name] = t
		for range a.clients {
			all.Go(func() {
				for ctx.Err() == nil {
					outcome := a.once(ctx, w)
					if ctx.Err() != nil && outcome == "given up" {
						return
					}
					t.note(outcome)
					rest(ctx, a.pause)
				}
			})
		}
	}
	w.watch(ctx, r, progress)
	all.Wait()
	rest(longer, 2*time.Second)
	enough()
	r.Watcher = <-followed
	return seen
}

// watch samples the node's memory while the load lasts.
func (w *world) watch(ctx context.Context, r *report, progress io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for second := 1; ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if m, err := w.node.memory(); err == nil {
			r.memory = append(r.memory, m)
		}
		if open, err := w.node.sockets(); err == nil {
			r.PeakSockets = max(r.PeakSockets, open)
		}
		if second%15 == 0 && len(r.memory) > 0 {
			f := w.submits.figures()
			_, _ = fmt.Fprintf(progress, "%4d s  %d recorded, p99 %.0f ms, %d failed, %.0f MiB\n",
				second, f.Tries-f.Failed, f.P99, f.Failed, r.memory[len(r.memory)-1])
		}
	}
}

// collect puts together what everybody counted.
func (w *world) collect(r *report) {
	r.Submits, r.Reads = w.submits.figures(), w.reads.figures()
	for _, a := range append(abusers(), slowClients()...) {
		f := w.did[a.name].figures()
		r.Abuse = append(r.Abuse, abuseFigures{Name: a.name, Clients: a.clients, Tries: f.Tries, Outcomes: f.Outcomes})
	}
	for _, m := range r.memory {
		r.Peak = max(r.Peak, m)
	}
}

// settled ends what this side keeps open and returns what the node holds then:
// once that is no more than before, or when it had time enough.
func (w *world) settled(ctx context.Context, before usage) (usage, error) {
	for _, c := range []*http.Client{w.submitting, w.reading, w.watching, w.abusing} {
		c.CloseIdleConnections()
	}
	var u usage
	var err error
	rest(ctx, 6*time.Second)
	for end := time.Now().Add(settling); ; rest(ctx, time.Second) {
		if u, err = w.node.usage(ctx); err != nil {
			return u, err
		}
		if before.Goroutines == 0 || u.Goroutines <= before.Goroutines && u.Sockets <= before.Sockets || time.Now().After(end) {
			return u, ctx.Err()
		}
	}
}

// lost counts the records that a node does not have.
func lost(ctx context.Context, url string, ids []string) (int, error) {
	c := client.New(url, "", from(""))
	missing := 0
	for _, id := range ids {
		_, err := c.Get(ctx, id)
		var refused *client.Refusal
		switch {
		case errors.As(err, &refused):
			missing++
		case err != nil:
			return missing, err
		}
	}
	return missing, nil
}
