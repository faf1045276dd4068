// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

func TestAStoreThatIsAwayIs503AndADamagedOneIs500(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, []byte(strings.Repeat("no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for dsn, want := range map[string]int{
		"postgres://x:s3cret@127.0.0.1:1/db?connect_timeout=5": http.StatusServiceUnavailable, damaged: http.StatusInternalServerError,
	} {
		_, err := store.Open(t.Context(), dsn)
		if err == nil {
			t.Fatalf("%s was opened", dsn)
		}
		refusal := storeFault(err)
		if refusal.Status != want {
			t.Errorf("%s: %d, not %d: %v", dsn, refusal.Status, want, err)
		}
		if got := messageOf(refusal, false); got != "" {
			t.Errorf("%s: a caller is told %q", dsn, got)
		}
	}
}

func FuzzEscapedTextIsReadByEitherOfGosWays(f *testing.F) {
	for _, text := range []string{"", "-----BEGIN CERTIFICATE-----\nMIIB+/=\n", "a b+c%2B\x00\xff~!*'()_.-"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := escapeComponent(text)
		if strings.ContainsAny(escaped, " +/=\r\n\"<>&") {
			t.Errorf("%q", escaped)
		}
		for _, undo := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
			if plain, err := undo(escaped); err != nil || plain != text {
				t.Errorf("%q became %q, %v", text, plain, err)
			}
		}
	})
}

func FuzzAQueryIsReadAsTheFirstOfEachParameter(f *testing.F) {
	for _, raw := range []string{"fmspc=1&fmspc=2", "a&b=&fmspc", "%66mspc=%zz&update=+", "uri=https://a/b?ca=x&encoding=der", strings.Repeat("&", 100)} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var q query
		q.read(raw)
		for p := range params {
			if !q.has(p) && q.get(p) != "" {
				t.Errorf("%q: parameter %d was not given and is %q", raw, p, q.get(p))
			}
		}
		want, err := url.ParseQuery(raw)
		if err == nil && !strings.Contains(raw, ";") && want.Has("fmspc") && q.get(paramFMSPC) != want.Get("fmspc") {
			t.Errorf("%q: %q, want %q", raw, q.get(paramFMSPC), want.Get("fmspc"))
		}
	})
}

func numberedAsk(n int) ask { return ask{args: [4]string{strconv.Itoa(n)}} }

func TestMemoryKeepsToItsBoundAndWhatIsAskedForStays(t *testing.T) {
	const limit = 100 * (entryBytes + 1000)
	c := newAnswers(limit)
	now := time.Unix(1_800_000_000, 0)
	body := make([]byte, 1000)
	wanted := numberedAsk(-1)
	c.put(wanted, newAnswer("", body), c.now())
	for n := range 5000 {
		c.put(numberedAsk(n), newAnswer("", body), c.now())
		if c.get(wanted, now) == nil {
			t.Fatalf("what is asked for all the time was forgotten after %d others", n)
		}
		if held := len(c.young) + len(c.old); held > 100 {
			t.Fatalf("%d answers are held", held)
		}
	}
	if c.get(numberedAsk(0), now) != nil {
		t.Error("what nobody asked for stays")
	}
	c.put(numberedAsk(0), newAnswer("", make([]byte, limit)), c.now())
	if c.get(numberedAsk(0), now) != nil {
		t.Error("an answer of the size of the memory was kept")
	}
}

func TestWhatWasReadBeforeAChangeIsNotKeptAfterIt(t *testing.T) {
	c := newAnswers(1 << 20)
	epoch := c.now()
	c.forget()
	c.put(numberedAsk(1), newAnswer("", nil), epoch)
	if c.get(numberedAsk(1), time.Now()) != nil {
		t.Error("it was kept")
	}
	c.put(numberedAsk(1), newAnswer("", nil), c.now())
	if c.get(numberedAsk(1), time.Now()) == nil {
		t.Error("what was read after it was not kept")
	}
}

func TestAnAnswerIsMadeAnewWhenItBecomesStale(t *testing.T) {
	c := newAnswers(1 << 20)
	end := time.Unix(1_800_000_000, 0)
	a := newAnswer("", nil)
	a.until = end
	c.put(numberedAsk(1), a, c.now())
	if c.get(numberedAsk(1), end.Add(-1)) == nil || c.get(numberedAsk(1), end) != nil {
		t.Error("it counts until another time than its end")
	}
}

func TestMemoryIsUsedByManyAtOnce(t *testing.T) {
	c := newAnswers(50 * entryBytes)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for n := range 2000 {
				what := numberedAsk((w * n) % 100)
				if c.get(what, time.Unix(1, 0)) == nil {
					c.put(what, newAnswer("", nil), c.now())
				}
				if n%500 == 0 {
					c.forget()
				}
			}
		})
	}
	all.Wait()
}
