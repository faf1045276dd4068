// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// setRight is how long a validator whose clock was set right may take until it
// takes registrations again and calls itself ready.
const setRight = 30 * time.Second

// stepTime has the clock of one validator step ten minutes ahead while it runs, be
// set right again, step as much behind, and be set right again, as a service does
// that sets clocks and is wrong at times. CometBFT lives by that clock too.
func stepTime(ctx context.Context, bin, dir string, progress io.Writer) (*faultReport, error) {
	r := &faultReport{Name: "step", What: "one of four validators, whose clock steps ten minutes ahead and back while it runs, and then ten minutes behind and back"}
	wrong, err := buildWrong(ctx, dir)
	if err != nil {
		return nil, err
	}
	clock, err := newClockFile(dir)
	if err != nil {
		return nil, err
	}
	n, err := initNetwork(ctx, bin, dir, validators)
	if err != nil {
		return nil, err
	}
	defer n.close()
	m := n.members[3]
	m.bin, m.within = wrong, clock.words()
	l, err := n.underLoadAt(ctx, 10, n.members[:3])
	if err != nil {
		return nil, err
	}
	defer l.stop()
	r.add("registrations at the others, before", "", paceOf(l.measure(ctx, rightClock)), true)
	for _, by := range []time.Duration{wrongBy, -wrongBy} {
		_, _ = fmt.Fprintf(progress, "the clock of one steps by %v\n", by)
		if err := clock.set(by); err != nil {
			return nil, err
		}
		if err := n.wrong(ctx, r, l, m, by); err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintln(progress, "its clock is set right")
		if err := clock.set(0); err != nil {
			return nil, err
		}
		if err := n.right(ctx, r, l, m); err != nil {
			return nil, err
		}
	}
	r.add("the one whose clock stepped", "ran all the time", map[bool]string{true: "it did", false: "it ended"}[m.node.alive()], m.node.alive())
	return r, n.check(ctx, r, l.end())
}

// right looks at the network once a member's clock was set right.
func (n *network) right(ctx context.Context, r *faultReport, l *load, m *member) error {
	start := time.Now()
	answer, ready := "", ""
	for answer != "recorded" || !strings.HasPrefix(ready, "200") {
		if time.Since(start) > setRight || ctx.Err() != nil {
			break
		}
		if answer != "recorded" {
			answer = n.ask(ctx, l, m)
		}
		var err error
		if ready, err = readiness(ctx, m); err != nil {
			return err
		}
		rest(ctx, 100*time.Millisecond)
	}
	took := time.Since(start).Round(time.Millisecond)
	r.add("with its clock right, a registration there, and what it says", "recorded, ready",
		fmt.Sprintf("%s, %s, after %v", answer, ready, took), answer == "recorded" && strings.HasPrefix(ready, "200"))
	seen := watchTime(ctx, n.members[0])
	pace := l.measure(ctx, rightClock)
	times := seen()
	r.add("registrations at the others then", "go on", paceOf(pace), pace.Tries > 0 && pace.Failed == 0)
	r.add("ledger time and a right clock", "never back, 5 s ahead at most", times.String(), times.err == nil && times.ahead <= toleration)
	return ctx.Err()
}
