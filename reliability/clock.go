// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
)

// How wrong a clock is, and how long the network is looked at with it.
const (
	wrongBy     = 10 * time.Minute
	wrongClock  = time.Minute
	rightClock  = 30 * time.Second
	toleration  = 5 * time.Second // by which ledger time may be ahead of a right clock
	wrongAnswer = 20 * time.Second
)

// wrongTime has one validator's clock ten minutes ahead, and then as much behind.
// No clock of a system can be set for one process, and Go asks the system by a way
// that no library stands in: so the program is built with a time package that
// adds what an environment variable says. All of it, CometBFT too, then lives by
// that clock, as on a machine whose clock is wrong.
func wrongTime(ctx context.Context, bin, dir string, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "clock", What: "one of four validators, whose clock is ten minutes ahead, and then ten minutes behind"}
	wrong, err := buildWrong(ctx, dir)
	if err != nil {
		return nil, err
	}
	// A day ago: a node waits for the time of its genesis.
	n, err := initNetworkBy(ctx, append(clockOff(-24*time.Hour), wrong), dir, validators)
	if err != nil {
		return nil, err
	}
	defer n.close()
	n.bin = bin
	m := n.members[3]
	m.bin = wrong
	l, err := n.underLoadAt(ctx, 10, n.members[:3])
	if err != nil {
		return nil, err
	}
	defer l.stop()
	r.add("registrations at the others, before", "", paceOf(l.measure(ctx, rightClock)), true)
	for _, by := range []time.Duration{wrongBy, -wrongBy} {
		_, _ = fmt.Fprintf(progress, "the clock of one is off by %v\n", by)
		if err := n.restart(ctx, m, clockOff(by)); err != nil {
			return nil, err
		}
		if err := n.wrong(ctx, r, l, m, by); err != nil {
			return nil, err
		}
	}
	_, _ = fmt.Fprintln(progress, "its clock is right again")
	if err := n.restart(ctx, m, nil); err != nil {
		return nil, err
	}
	return r, n.check(ctx, r, l.end())
}

// clockOff are the words that go before a program of [buildWrong].
func clockOff(by time.Duration) []string {
	return []string{"env", clockVariable + "=" + strconv.Itoa(int(by/time.Second))}
}

// restart stops a member and starts it with other words before the program.
func (n *network) restart(ctx context.Context, m *member, within []string) error {
	if err := m.node.stop(time.Minute); err != nil {
		return err
	}
	m.within = within
	return n.start(ctx, m)
}

// wrong looks at the network while a member's clock is off.
func (n *network) wrong(ctx context.Context, r *faultReport, l *load, m *member, by time.Duration) error {
	which := "behind"
	if by > 0 {
		which = "ahead"
	}
	others := n.members[:3]
	refused := lines(others, "proposal refused")
	seen := watchTime(ctx, n.members[0])
	pace := l.measure(ctx, wrongClock)
	times := seen()
	r.add("registrations at the others, one "+which, "go on", paceOf(pace), pace.Tries > 0 && pace.Failed == 0)
	r.add("ledger time and a right clock", "never back, 5 s ahead at most", times.String(), times.err == nil && times.ahead <= toleration)
	refused = lines(others, "proposal refused") - refused
	r.add("proposals that the others refused", map[bool]string{true: "some", false: "none"}[by > 0], fmt.Sprint(refused), (refused > 0) == (by > 0))

	ready, err := readiness(ctx, m)
	if err != nil {
		return err
	}
	r.add("what the one "+which+" says of itself", map[bool]string{true: "not ready", false: "ready"}[by > 0], ready, strings.HasPrefix(ready, "503") == (by > 0))
	answer := n.ask(ctx, l, m)
	r.add("a registration at the one "+which, map[bool]string{true: "", false: "recorded"}[by > 0], answer, by > 0 || answer == "recorded")
	return ctx.Err()
}

// paceOf says what registrations came to.
func paceOf(f figures) string {
	return fmt.Sprintf("%d, p50 %.0f ms, p99 %.0f ms, longest %.0f ms, %d failed", f.Tries-f.Failed, f.P50, f.P99, f.Max, f.Failed)
}

// lines counts those with some words in the logs of members.
func lines(members []*member, words string) (count int) {
	for _, m := range members {
		b, _ := os.ReadFile(m.home + ".log") // one that said nothing has none
		count += bytes.Count(b, []byte(words))
	}
	return count
}

// ask registers an enclave at one member, and returns what came of it.
func (n *network) ask(ctx context.Context, l *load, m *member) string {
	quote, err := l.mint.quote()
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, wrongAnswer)
	defer cancel()
	_, err = m.api().SubmitEvidence(ctx, client.Submission{Evidence: quote})
	switch {
	case err == nil:
		return "recorded"
	case ctx.Err() != nil:
		return fmt.Sprintf("no answer within %v", wrongAnswer)
	default:
		return word(err)
	}
}

// readiness is what a member answers at /readyz.
func readiness(ctx context.Context, m *member) (string, error) {
	resp, err := get(ctx, "http://"+m.listen+"/readyz")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	var said struct {
		Status  string `json:"status"`
		Reasons []struct {
			Code string `json:"code"`
		} `json:"reasons"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return "", err
	}
	text := resp.Status[:3] + " " + said.Status
	for _, reason := range said.Reasons {
		text += ", " + reason.Code
	}
	return text, nil
}

// times is what was seen of ledger time beside a right clock.
type times struct {
	looks         int
	ahead, behind time.Duration
	err           error
}

// String says how far it was from the clock.
func (t times) String() string {
	if t.err != nil {
		return t.err.Error()
	}
	return fmt.Sprintf("%d looks: ahead by %v at most, behind by %v at most",
		t.looks, t.ahead.Round(time.Millisecond), t.behind.Round(time.Millisecond))
}

// watchTime looks at a member's ledger time until the function that it returns
// is called.
func watchTime(ctx context.Context, m *member) (enough func() times) {
	ctx, cancel := context.WithCancel(ctx)
	var t times
	var all sync.WaitGroup
	all.Go(func() {
		api := m.api()
		var last time.Time
		for ; ctx.Err() == nil; rest(ctx, 100*time.Millisecond) {
			before := time.Now()
			l, err := api.Ledger(ctx)
			if err != nil {
				if ctx.Err() == nil {
					t.err = err
				}
				return
			}
			now := l.Time.Time()
			if now.Before(last) {
				t.err = errors.New("ledger time went back")
				return
			}
			last = now
			t.looks++
			t.ahead, t.behind = max(t.ahead, time.Until(now)), max(t.behind, before.Sub(now))
		}
	})
	return func() times { cancel(); all.Wait(); return t }
}
