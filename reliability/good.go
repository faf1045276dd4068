// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// acknowledged are the records that the node said it made.
type acknowledged struct {
	mu  sync.Mutex // guards ids
	ids []string
}

func (a *acknowledged) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, id)
}

func (a *acknowledged) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, a.ids...)
}

// some returns one of them; ok is false before there is one.
func (a *acknowledged) some() (id string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ids) == 0 {
		return "", false
	}
	return a.ids[rand.IntN(len(a.ids))], true
}

// mint makes evidence of enclaves that all differ.
type mint struct {
	platform *simtee.Platform
	made     atomic.Uint64
}

func newMint() (*mint, error) {
	p, err := simtee.NewPlatform(7, rats.UpToDate)
	m := &mint{platform: p}
	m.made.Store(rand.Uint64() >> 1) // no two of them make the same enclave
	return m, err
}

func (m *mint) quote() ([]byte, error) {
	e := simtee.Enclave{MREnclave: sha256.Sum256([]byte("load")), ISVProdID: 1, ISVSVN: 1, Platform: 7}
	binary.BigEndian.PutUint64(e.ReportData[:], m.made.Add(1))
	return m.platform.Quote(e)
}

// from returns an HTTP client with an address of its own in 127.0.0.0/8, so that
// what is counted by address counts for it alone; an empty address is any.
func from(address string) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if address != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(address)}
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second},
		Timeout:   time.Minute,
	}
}

// The addresses of good clients.
const (
	submitterAddress = "127.0.0.2"
	readerAddress    = "127.0.0.3"
	watcherAddress   = "127.0.0.4"
)

// submitter registers one enclave after the other.
func submitter(ctx context.Context, w *world, pause time.Duration) {
	c := client.New(w.node.url, "operator", w.submitting)
	for ctx.Err() == nil {
		quote, err := w.mint.quote()
		if err != nil {
			w.submits.add(0, err)
			return
		}
		start := time.Now()
		got, err := c.SubmitEvidence(ctx, client.Submission{Evidence: quote, URL: "https://enclave.example"})
		if err != nil && ctx.Err() != nil {
			return // it was cut off in the middle, by us
		}
		w.submits.add(time.Since(start), err)
		if err == nil {
			w.acks.add(got.Record.ID)
		}
		rest(ctx, pause)
	}
}

// reader looks at records, as a page or a relying party does.
func reader(ctx context.Context, w *world, pause time.Duration) {
	c := client.New(w.node.url, "", w.reading)
	for turn := 0; ctx.Err() == nil; turn++ {
		id, ok := w.acks.some()
		if !ok {
			rest(ctx, pause)
			continue
		}
		start := time.Now()
		var err error
		switch turn % 4 {
		case 0:
			_, err = c.Get(ctx, id)
		case 1:
			_, err = c.List(ctx, nil)
		case 2:
			_, err = c.History(ctx, id)
		default:
			_, err = c.Proof(ctx, id)
		}
		if err != nil && ctx.Err() != nil {
			return
		}
		w.reads.add(time.Since(start), err)
		rest(ctx, pause)
	}
}

// watcher follows the events and keeps the ids of the records that were made.
type watcher struct {
	mu   sync.Mutex // guards seen
	seen map[string]bool
}

// follow reads the stream until ctx ends; a stream that ends before is an error.
func (s *watcher) follow(ctx context.Context, w *world) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.node.url+"/v1/events?after=start", nil)
	if err != nil {
		return err
	}
	c := *w.watching
	c.Timeout = 0 // it lasts as long as we look
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // we go away first
	if resp.StatusCode != http.StatusOK {
		return errors.New("events: " + resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		if _, rest, ok := strings.Cut(data, `"record":{`); ok {
			if _, rest, ok = strings.Cut(rest, `"id":"`); ok && len(rest) >= 64 {
				s.mu.Lock()
				s.seen[rest[:64]] = true
				s.mu.Unlock()
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errors.New("the stream ended"), lines.Err())
}

// missing counts the ids that it did not see.
func (s *watcher) missing(ids []string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if !s.seen[id] {
			n++
		}
	}
	return n
}

// rest waits, or ends with ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
