// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"slices"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
)

// asks returns that a platform asks for certificates.
func asks(qe, cpuSVN string, ppid byte) store.Queued {
	return store.Queued{PlatformID: store.PlatformID{QEID: qe, PCEID: "0000"}, CPUSVN: cpuSVN, PCESVN: "0B00", EncryptedPPID: []byte{ppid}, Seen: day(1)}
}

func enqueue(t testing.TB, s *store.Store, all ...store.Queued) {
	t.Helper()
	must(t, s.Write(t.Context(), store.Batch{Enqueue: all}))
}

// ids returns the IDs of what is queued in a state.
func ids(t testing.TB, s *store.Store, state store.QueueState) []int64 {
	t.Helper()
	all, err := s.Queue(t.Context(), state)
	must(t, err)
	var out []int64
	for i := range all {
		out = append(out, all[i].ID)
	}
	return out
}

func readingTheQueueLosesNothing(t *testing.T, b *bench) {
	s := open(t, b.fresh(t))
	enqueue(t, s, asks("01", "AA", 1), asks("01", "BB", 1), asks("02", "AA", 1))
	for range 2 {
		is(t, []int64{1, 2, 3})(ids(t, s, store.New), nil)
	}
	must(t, s.Acknowledge(t.Context(), []int64{1, 3, 99}))
	is(t, []int64{2})(ids(t, s, store.New), nil)
	is(t, []int64{1, 3})(ids(t, s, store.Deleted), nil)
	must(t, s.Acknowledge(t.Context(), []int64{1}))
	must(t, s.Write(t.Context(), store.Batch{Mark: map[int64]store.QueueState{2: store.NotAvailable, 77: store.New}}))
	is(t, []int64{2})(ids(t, s, store.NotAvailable), nil)
	is[[]int64](t, nil)(ids(t, s, store.New), nil)
}

func acknowledgingSwallowsNothingLater(t *testing.T, b *bench) {
	s := open(t, b.fresh(t))
	enqueue(t, s, asks("01", "AA", 1))
	read := ids(t, s, store.New)
	// The same words again are the same request.
	enqueue(t, s, asks("01", "AA", 1))
	is(t, read)(ids(t, s, store.New), nil)
	// Other words, after the reader read and before it acknowledges.
	enqueue(t, s, asks("01", "AA", 2))
	must(t, s.Acknowledge(t.Context(), read))
	all, err := s.Queue(t.Context(), store.New)
	must(t, err)
	if len(all) != 1 || all[0].EncryptedPPID[0] != 2 || slices.Contains(read, all[0].ID) {
		t.Fatalf("after an acknowledgement of %v: %v", read, all)
	}
	// The same words, after the acknowledgement: it asks anew.
	must(t, s.Acknowledge(t.Context(), []int64{all[0].ID}))
	enqueue(t, s, asks("01", "AA", 2))
	if now := ids(t, s, store.New); len(now) != 1 || now[0] <= all[0].ID {
		t.Errorf("queued anew as %v after %d", now, all[0].ID)
	}
	is[[]int64](t, nil)(ids(t, s, store.Deleted), nil)
}

func theQueueIsTakenOnce(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	var all []store.Queued
	for i := range 20 {
		all = append(all, asks(string(rune('A'+i)), "AA", 1))
	}
	enqueue(t, open(t, dsn), all...)
	// Each is handed out once, however many take at once.
	taken := make(chan []store.Queued)
	for range 4 {
		s := open(t, dsn)
		go func() {
			got, err := s.TakeQueue(t.Context(), store.New)
			if err != nil {
				t.Error(err)
			}
			taken <- got
		}()
	}
	count := 0
	for range 4 {
		count += len(<-taken)
	}
	if s := open(t, dsn); count != len(all) || ids(t, s, store.New) != nil || len(ids(t, s, store.Deleted)) != len(all) {
		t.Errorf("%d of %d were handed out, %v are left", count, len(all), ids(t, s, store.New))
	}
}
