// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/rats"
)

// TestANodeThatAsksToBeLeftAloneIsNotLookedAtEither: what looks and follows leaves
// it alone as what attests does.
func TestANodeThatAsksToBeLeftAloneIsNotLookedAtEither(t *testing.T) {
	inTime(t, func(s *scene) {
		s.node.tells = time.Hour
		_, end := s.keep(s.config())
		defer end()
		id := s.id()
		busy := refusal(rats.Errorf(rats.QuotaExceeded, "too many"))
		busy.RetryAfter = 30 * time.Minute
		s.node.set(func(n *node) { n.busy, n.asked = busy, nil })
		time.Sleep(6 * time.Hour)
		calls := 0
		s.node.set(func(n *node) { calls, n.busy = len(n.asked), nil })
		// A round, a look and the stream, each every half an hour.
		if calls < 6 || calls > 40 {
			t.Errorf("it was called %d times in six hours", calls)
		}
		time.Sleep(40 * time.Minute)
		if last := s.all()[len(s.all())-1]; last.Outcome != agent.Recorded || last.Record != id {
			t.Errorf("%+v", last)
		}
	})
}
