// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"errors"
	"testing"
	"time"
)

func TestAServiceIsUpUntilItFailedThriceAndAgainOnceItAnswers(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	s := &PCS{breaker: &breaker{now: func() time.Time { return now }}}
	failed := &fault{class: down, err: errors.New("no answer")}
	for n := range tolerated {
		if !s.Up() {
			t.Fatalf("it is down after %d failures", n)
		}
		s.breaker.done(false, failed)
	}
	if s.Up() {
		t.Errorf("it is up after %d failures", tolerated)
	}
	now = now.Add(firstPause)
	if s.Up() {
		t.Error("it is up since time passed, and nobody asked it")
	}
	trial, err := s.breaker.admit(t.Context())
	if !trial || err != nil {
		t.Fatalf("%t, %v", trial, err)
	}
	s.breaker.done(trial, nil)
	if !s.Up() {
		t.Error("it answered, and is down")
	}
}
