// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"
)

// A start may take long: a node that joins fetches the state first. Service
// managers are told so, or they would end it and have it begin anew.
const (
	startingEvery   = 30 * time.Second
	notifyExtension = "EXTEND_TIMEOUT_USEC=120000000" // two minutes from when it is told
)

// starting tells the service manager every so often that the start goes on, until
// the function that it returns is called.
func (a *app) starting(every time.Duration) (done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				a.notify(notifyExtension)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); ended.Wait() }
}
