// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reopen opens a file of answers, and closes it when the test ends.
func reopen(t *testing.T, path string, now *time.Time, log *slog.Logger) *attempts {
	t.Helper()
	a, err := openAttempts(path, func() time.Time { return *now }, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.shut() })
	return a
}

func TestAnswersAreGivenAgainByTheNextNode(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "answers"), time.Unix(1, 0)
	quiet := slog.New(slog.DiscardHandler)
	a := reopen(t, path, &now, quiet)
	at, _, err := a.join("c", "k", [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	a.settle(at, &kept{status: http.StatusCreated, header: http.Header{"Location": {"/x"}, "A": {"1", "2"}}, body: []byte("\x00{}")})
	made(t, a, "d", "k", 100)
	now = now.Add(time.Hour)
	made(t, a, "c", "later", 100)

	// It was not told to stop; what it had begun to write does not end.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"AA`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b := reopen(t, path, &now, quiet)
	again, first, err := b.join("c", "k", [32]byte{1})
	if err != nil || first {
		t.Fatal(first, err)
	}
	<-again.done
	if k := again.answer; k.status != http.StatusCreated || k.header.Get("Location") != "/x" || len(k.header["A"]) != 2 || string(k.body) != "\x00{}" {
		t.Errorf("%+v", k)
	}
	if _, _, err := b.join("c", "k", [32]byte{2}); err == nil {
		t.Error("another call with the key is let in")
	}
	if b.bytes != a.bytes || b.callers["c"] != 2 || b.callers["d"] != 1 || b.running != 0 {
		t.Errorf("%d bytes, %v, %d at work; want %d bytes", b.bytes, b.callers, b.running, a.bytes)
	}
	// A day after it was given, not after the node began.
	now = now.Add(keyLife - time.Hour)
	if made(t, b, "c", "later", 1) || !made(t, b, "c", "k", 1) {
		t.Error("not those of the last day are remembered")
	}
	c := reopen(t, path, &now, quiet)
	if made(t, c, "c", "k", 1) || len(c.all) != 2 {
		t.Errorf("%d are remembered", len(c.all))
	}
}

func TestAClockThatWasSetBackKeepsNoAnswerForLonger(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "answers"), time.Unix(1, 0).Add(1000*time.Hour)
	made(t, reopen(t, path, &now, slog.New(slog.DiscardHandler)), "c", "k", 1)
	now = time.Unix(1, 0)
	a := reopen(t, path, &now, slog.New(slog.DiscardHandler))
	now = now.Add(keyLife)
	if !made(t, a, "c", "k", 1) {
		t.Error("it is remembered for more than a day")
	}
}

func TestWhatCannotBeReadOfTheAnswersIsPassedOverAndLogged(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "answers"), time.Unix(1, 0)
	a := reopen(t, path, &now, slog.New(slog.DiscardHandler))
	for i := range 3 {
		made(t, a, "c", strconv.Itoa(i), 1)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines[1] = bytes.Replace(lines[1], []byte(`"id":"`), []byte(`"id":"AAAA`), 1)
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	a = reopen(t, path, &now, slog.New(slog.NewTextHandler(&logged, nil)))
	if !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), "line=2") {
		t.Errorf("%s", logged.String())
	}
	if made(t, a, "c", "0", 1) || !made(t, a, "c", "1", 1) || made(t, a, "c", "2", 1) {
		t.Error("not the others are remembered")
	}
}

// TestTheFileOfAnswersIsBoundedAsTheyAre: it does not grow for ever.
func TestTheFileOfAnswersIsBoundedAsTheyAre(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "answers"), time.Unix(1, 0)
	a := reopen(t, path, &now, slog.New(slog.DiscardHandler))
	longest := int64(0)
	for i := range 300 {
		now = now.Add(time.Hour)
		if !made(t, a, "c", strconv.Itoa(i), 20_000) {
			t.Fatal(i)
		}
		longest = max(longest, a.journal.size)
	}
	if longest > 3<<20 {
		t.Errorf("it grew to %d bytes", longest)
	}
	if b := reopen(t, path, &now, slog.New(slog.DiscardHandler)); len(b.all) != 24 {
		t.Errorf("%d are remembered, want those of a day", len(b.all))
	}
}
