// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// queue has callers wait for one turn, in their order, and returns the order in
// which they get it.
func queue(t *testing.T, calls ...string) []string {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		all := &turns{free: 1}
		done, err := all.take(t.Context(), "first", false)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards got
		for _, who := range calls {
			go func() {
				done, err := all.take(t.Context(), who, who[0] == 'T')
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got = append(got, who)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				done()
			}()
			synctest.Wait() // it is in the queue
		}
		done()
		time.Sleep(time.Second)
		synctest.Wait()
		if all.free != 1 || all.waiting != 0 {
			t.Errorf("in the end %d are free, %d wait", all.free, all.waiting)
		}
	})
	return got
}

func TestCallersTakeTurnsHoweverManyCallsTheyHave(t *testing.T) {
	if got := queue(t, "a", "a", "a", "a", "b", "c", "b"); !slices.Equal(got, []string{"a", "b", "c", "a", "b", "a", "a"}) {
		t.Errorf("%v", got)
	}
}

func TestTokensGoFirstAndNobodyIsForgotten(t *testing.T) {
	got := queue(t, "a", "b", "T1", "T2", "T1", "T2", "T1", "T2")
	if !slices.Equal(got, []string{"T1", "T2", "T1", "a", "T2", "T1", "T2", "b"}) {
		t.Errorf("%v", got)
	}
}

func TestACallerWhoAsksForTooMuchIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &turns{free: 1}
		done, err := all.take(t.Context(), "a", false)
		if err != nil {
			t.Fatal(err)
		}
		var refused, late atomic.Int32
		for range maxTurnsWaiting + 5 {
			go func() {
				_, err := all.take(t.Context(), "a", false)
				var over *token.QuotaError
				switch {
				case !errors.As(err, &over) || rats.KindOf(err) != rats.QuotaExceeded:
					t.Errorf("%v", err)
				case over.After == turnTimeout:
					late.Add(1)
				default:
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if refused.Load() != 5 {
			t.Errorf("%d were refused at once", refused.Load())
		}
		// Somebody else has room all the same, and whoever goes away leaves none behind.
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := all.take(ctx, "b", false); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}()
		synctest.Wait()
		cancel()
		time.Sleep(2 * turnTimeout)
		synctest.Wait()
		if late.Load() != maxTurnsWaiting {
			t.Errorf("%d waited too long", late.Load())
		}
		done()
		if all.free != 1 || all.waiting != 0 || len(all.others.order) != 0 {
			t.Errorf("in the end %d are free, %d wait, %v", all.free, all.waiting, all.others.order)
		}
	})
}

func TestNoMoreWorkAtOnceThanThereIsRoom(t *testing.T) {
	all := &turns{free: 3}
	var working, most, served atomic.Int32
	var callers sync.WaitGroup
	for i := range 20 {
		for range 20 {
			callers.Go(func() {
				done, err := all.take(t.Context(), fmt.Sprint(i), i%3 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				if n := working.Add(1); n > most.Load() {
					most.Store(n)
				}
				served.Add(1)
				working.Add(-1)
				done()
			})
		}
	}
	callers.Wait()
	if most.Load() > 3 || served.Load() != 400 || all.free != 3 || all.waiting != 0 {
		t.Errorf("%d at once, %d served, %d free, %d wait", most.Load(), served.Load(), all.free, all.waiting)
	}
}
