// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"
	"sync/atomic"
)

// farewell is how what a gateway serves learns that its end is near.
type farewell struct {
	// leaving: /readyz says no, and all else goes on.
	leaving atomic.Bool
	once    sync.Once
	// over is closed when streams have to end.
	over chan struct{}
}

func newFarewell() *farewell { return &farewell{over: make(chan struct{})} }

// Leave has /readyz say that no more callers should be sent here, while those
// who come are served.
func (g *Gateway) Leave() { g.farewell.leaving.Store(true) }

// leaving reports whether no more callers should be sent here.
func (g *Gateway) leaving() bool { return g.farewell.leaving.Load() }

// ending is closed when the server shuts down: streams end then, at a place from
// which their readers can go on elsewhere.
func (g *Gateway) ending() <-chan struct{} { return g.farewell.over }

// end has streams and WebSockets end.
func (g *Gateway) end() {
	g.Leave()
	g.farewell.once.Do(func() { close(g.farewell.over) })
	g.rpc.sockets.drain()
}

// Drain tells streams and WebSockets to end once what they were asked is
// answered, and waits for the WebSockets until ctx ends.
func (g *Gateway) Drain(ctx context.Context) error {
	g.end()
	return g.rpc.sockets.wait(ctx)
}
