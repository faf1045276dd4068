// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// flightBudget bounds one flight, with all the calls that it makes.
const flightBudget = time.Minute

// flights let all who want the same thing at the same time wait for one call.
// What it brings stands in the store; a flight gives its error alone. Nobody
// waits for another's flight, and a flight goes on when who began it has left.
type flights struct {
	mu    sync.Mutex // guards what follows
	under map[string]*flight
	all   sync.WaitGroup
	// life ends with close; calls are made in it, since many may wait for one.
	life context.Context //nolint:containedctx // see above
	end  context.CancelFunc
}

type flight struct {
	done chan struct{}
	err  error
}

func (f *flights) open() {
	f.under = make(map[string]*flight)
	f.life, f.end = context.WithCancel(context.Background())
}

// do calls once for all who come with the same name while the call lasts.
func (f *flights) do(ctx context.Context, name string, call func(context.Context) error) error {
	f.mu.Lock()
	if f.life.Err() != nil {
		f.mu.Unlock()
		return refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable, "the service is closing")
	}
	one := f.under[name]
	if one == nil {
		one = &flight{done: make(chan struct{})}
		f.under[name] = one
		f.all.Go(func() {
			ctx, cancel := context.WithTimeout(f.life, flightBudget)
			defer cancel()
			one.err = call(ctx)
			f.mu.Lock()
			delete(f.under, name)
			f.mu.Unlock()
			close(one.done)
		})
	}
	f.mu.Unlock()
	select {
	case <-one.done:
		return one.err
	case <-ctx.Done():
		return refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable, "%s was not had in time", name)
	}
}

// close ends all flights and waits for them.
func (f *flights) close() {
	f.mu.Lock()
	f.end()
	f.mu.Unlock()
	f.all.Wait()
}
