// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// step is what a writer writes at once: an artefact, a platform and a request
// of the same number.
func step(writer string, i int) store.Batch {
	id := store.PlatformID{QEID: fmt.Sprintf("%s-%d", writer, i), PCEID: "0000"}
	key := tcbKey
	key.Scope = fmt.Sprintf("%s-%d", strings.ToLower(writer), i%3)
	return store.Batch{
		Artefacts: []store.Artefact{artefact(key, i, fmt.Sprintf("%s wrote %d", writer, i))},
		Platforms: []store.Platform{{PlatformID: id, Manifest: make([]byte, 20_000)}},
		Enqueue:   []store.Queued{{PlatformID: id}},
	}
}

// check makes sure that what a writer did up to and with last is there, and of
// every step all or nothing; it returns the last step that is there.
func check(t testing.TB, s *store.Store, writer string, last int) int {
	t.Helper()
	log, err := s.Log(t.Context(), 0, 0)
	must(t, err)
	have := make(map[string]bool)
	for i := range log {
		have[string(log[i].Body)] = true
	}
	queue, err := s.Queue(t.Context(), store.New)
	must(t, err)
	for i := range queue {
		have[queue[i].QEID] = true
	}
	for i := 1; ; i++ {
		_, err := s.Platform(t.Context(), store.PlatformID{QEID: fmt.Sprintf("%s-%d", writer, i), PCEID: "0000"})
		if err != nil && !errors.Is(err, rats.NotFound) {
			t.Fatal(err)
		}
		there := err == nil
		if logged, queued := have[fmt.Sprintf("%s wrote %d", writer, i)], have[fmt.Sprintf("%s-%d", writer, i)]; logged != there || queued != there {
			t.Fatalf("step %d of %s: platform %v, log %v, queue %v", i, writer, there, logged, queued)
		}
		if !there {
			if i <= last {
				t.Fatalf("step %d of %s was acknowledged and is lost", i, writer)
			}
			return i - 1
		}
	}
}

func manyWriteAndReadAtOnce(t *testing.T, b *bench) {
	const writers, steps = 4, 12
	dsn := b.fresh(t)
	shared := open(t, dsn)
	var wg, reading sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			var last int64
			for {
				select {
				case <-done:
					return
				default:
				}
				generation, err := shared.Generation(t.Context())
				if err != nil || generation < last {
					t.Errorf("generation %d after %d: %v", generation, last, err)
				}
				last = generation
				if _, err := shared.VerifyLog(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := shared.ArtefactsWithBodies(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range writers {
		s := shared // two writers share a handle, two have their own
		if w%2 == 1 {
			s = open(t, dsn)
		}
		wg.Go(func() {
			for i := 1; i <= steps; i++ {
				if err := s.Write(t.Context(), step(fmt.Sprint("W", w), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	reading.Wait()
	for w := range writers {
		if last := check(t, shared, fmt.Sprint("W", w), steps); last != steps {
			t.Errorf("writer %d wrote %d steps, %d are there", w, steps, last)
		}
	}
	head, err := shared.VerifyLog(t.Context())
	must(t, err)
	if head.Number != writers*steps {
		t.Errorf("%d entries after %d writes", head.Number, writers*steps)
	}
}

func readersDoNotWait(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s := open(t, dsn)
	must(t, s.Write(t.Context(), everything()))
	tx, err := b.raw(t, dsn).BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), `UPDATE pccs_meta SET generation = 100`)
	must(t, err)
	// The other writer is not done, and what it wrote is not to be seen.
	is[int64](t, 1)(s.Generation(t.Context()))
	_, err = s.Artefact(t.Context(), tcbKey)
	must(t, err)
	_, err = open(t, dsn).VerifyLog(t.Context())
	must(t, err)
	must(t, tx.Commit())
	is[int64](t, 100)(s.Generation(t.Context()))
}

func manyOpenAtOnce(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Write(t.Context(), step("W"+strconv.Itoa(i), 1)); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	head, err := open(t, dsn).VerifyLog(t.Context())
	must(t, err)
	if head.Number != 8 {
		t.Errorf("%d entries of 8", head.Number)
	}
}

// writer is another process: it opens the store, writes steps from one number
// to another and says after each that it was written. The rest of dsn after
// "|" says which.
func writer(argument string) error {
	parts := strings.Split(argument, "|")
	from, errFrom := strconv.Atoi(parts[2])
	to, errTo := strconv.Atoi(parts[3])
	if err := errors.Join(errFrom, errTo); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := store.Open(ctx, parts[0])
	if err != nil {
		return err
	}
	for i := from; i <= to; i++ {
		if err := s.Write(ctx, step(parts[1], i)); err != nil {
			return err
		}
		if _, err := fmt.Println(i); err != nil {
			return err
		}
	}
	return s.Close()
}

// process starts a writer; each calls for every step that it acknowledged, until
// it returns false. It returns the last one that was heard of.
func process(t testing.TB, dsn, name string, from, to int, each func(i int) bool) int {
	exe, err := os.Executable()
	if err != nil {
		t.Error(err)
		return 0
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d|%d", writerEnv, dsn, name, from, to))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return 0
	}
	last, killed := 0, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("writer %s: %q", name, lines.Text())
			break
		}
		last = n
		if !killed && !each(n) {
			killed = true // and read what it still acknowledged
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil && !killed {
		t.Errorf("writer %s: %v", name, err)
	}
	return last
}

func severalProcessesShare(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	const steps = 15
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() { process(t, dsn, fmt.Sprint("P", w), 1, steps, func(int) bool { return true }) })
	}
	wg.Wait()
	s := open(t, dsn)
	for w := range 3 {
		check(t, s, fmt.Sprint("P", w), steps)
	}
	head, err := s.VerifyLog(t.Context())
	must(t, err)
	if head.Number != 3*steps {
		t.Errorf("%d entries after %d writes", head.Number, 3*steps)
	}
}

func aKilledProcessLosesNothing(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	var noted []store.Head
	next := 1
	for range 4 {
		stop := next + rand.IntN(8)
		last := process(t, dsn, "K", next, next+1000, func(i int) bool { return i < stop })
		if last < next {
			t.Fatalf("the writer acknowledged nothing")
		}
		s, err := store.Open(t.Context(), dsn)
		must(t, err)
		next = check(t, s, "K", last) + 1
		head, err := s.VerifyLog(t.Context(), noted...)
		must(t, err)
		noted = append(noted, head)
		must(t, s.Close())
	}
}
