// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// made joins and settles an attempt, and reports whether it was the first.
func made(t *testing.T, a *attempts, caller, key string, bytes int) bool {
	t.Helper()
	at, first, err := a.join(caller, key, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if first {
		a.settle(at, &kept{status: http.StatusOK, body: make([]byte, bytes)})
	}
	return first
}

func TestKeysAreForgottenAfterADay(t *testing.T) {
	now := time.Unix(1, 0)
	a := newAttempts(func() time.Time { return now })
	if !made(t, a, "c", "k", 1) || made(t, a, "c", "k", 1) {
		t.Error("it is not remembered")
	}
	now = now.Add(keyLife - time.Second)
	if made(t, a, "c", "k", 1) {
		t.Error("it was forgotten early")
	}
	now = now.Add(time.Second)
	if !made(t, a, "c", "k", 1) {
		t.Error("it is remembered for ever")
	}
	if len(a.all) != 1 || a.settled.Len() != 1 || len(a.callers) != 1 {
		t.Errorf("%d, %d, %d", len(a.all), a.settled.Len(), len(a.callers))
	}
}

func TestACallerWithTooManyKeysLosesItsOwn(t *testing.T) {
	a := newAttempts(time.Now)
	made(t, a, "quiet", "k", 1)
	for i := range maxCallerAttempts + 10 {
		made(t, a, "loud", strconv.Itoa(i), 1)
	}
	if made(t, a, "quiet", "k", 1) || made(t, a, "loud", "10", 1) || !made(t, a, "loud", "9", 1) {
		t.Error("not the oldest of its own were forgotten")
	}
	if a.callers["loud"] != maxCallerAttempts {
		t.Errorf("%d keys", a.callers["loud"])
	}
}

func TestAnswersStayWithinTheirBytes(t *testing.T) {
	a := newAttempts(time.Now)
	const size = 1 << 20
	for i := range 200 {
		made(t, a, strconv.Itoa(i), "k", size)
		if a.bytes > maxAttemptBytes {
			t.Fatalf("%d bytes", a.bytes)
		}
	}
	if len(a.all) != maxAttemptBytes/(size+attemptOverhead) || len(a.callers) != len(a.all) || !made(t, a, "0", "k", 1) || made(t, a, "199", "k", 1) {
		t.Errorf("%d answers of %d callers", len(a.all), len(a.callers))
	}
}

func TestTooManyCallsAtWorkAreRefusedAndNoneIsLost(t *testing.T) {
	a := newAttempts(time.Now)
	var running []*attempt
	for i := range maxRunning {
		at, first, err := a.join("c", strconv.Itoa(i), [32]byte{})
		if err != nil || !first {
			t.Fatal(first, err)
		}
		running = append(running, at)
	}
	if _, _, err := a.join("c", "one more", [32]byte{}); rats.KindOf(err) != rats.QuotaExceeded {
		t.Errorf("%v", err)
	}
	a.settle(running[0], nil)
	if _, first, err := a.join("c", "one more", [32]byte{}); err != nil || !first {
		t.Errorf("%v, %v", first, err)
	}
	select {
	case <-running[0].done:
	default:
		t.Error("who waits for it waits on")
	}
}
