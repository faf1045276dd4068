// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// held is a ledger whose answers are held back, and counted.
type held struct {
	gateway.Ledger
	gate    chan struct{} // nil holds nothing back
	entered atomic.Int32
	err     atomic.Pointer[error]
}

func (s *held) Submit(ctx context.Context, tx []byte) (registry.TxResult, error) {
	s.entered.Add(1)
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return registry.TxResult{}, ctx.Err()
		}
	}
	if err := s.err.Load(); err != nil {
		return registry.TxResult{}, *err
	}
	return s.Ledger.Submit(ctx, tx)
}

// openSlow is a node with a slow ledger before it, which has the endorsements
// that simulated enclaves need.
func openSlow(t testing.TB, gate chan struct{}) (*house, *held) {
	t.Helper()
	h := open(t, "dev", nil)
	h.lives(t, 1)
	s := &held{Ledger: adapter{h.node}, gate: gate}
	return beside(t, h, func(gc *gateway.Config) { gc.Ledger = s }), s
}

func TestTheSameCallWithTheSameKeyIsMadeOnce(t *testing.T) {
	h, s := openSlow(t, nil)
	body := evidenceJSON(quote(t, 2, simtee.Enclave{}))
	first := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`)
	if first.status != http.StatusCreated || first.header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("%d %s", first.status, first.body)
	}
	// With and without quotes it is the same key.
	for _, key := range []string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`, `8e03978e-40d5-43e8-bc93-6894a57f9324`} {
		again := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", key)
		if again.status != first.status || !bytes.Equal(again.body, first.body) || again.header.Get("Idempotency-Replayed") != "true" ||
			again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("%d %s", again.status, again.body)
		}
	}
	if n := s.entered.Load(); n != 1 {
		t.Errorf("%d transactions", n)
	}
	// Without the key it is a call of its own.
	h.post(t, "/v1/evidence", "any", body).wants(t, http.StatusConflict, rats.Replayed)
}

func TestARefusalIsRepeatedToo(t *testing.T) {
	h := open(t, "dev", nil)
	forged := quote(t, 1, simtee.Enclave{})
	forged[100] ^= 1
	for range 2 {
		h.post(t, "/v1/evidence", "any", evidenceJSON(forged), "Idempotency-Key", "forged").wants(t, http.StatusUnprocessableEntity, rats.BadSignature)
	}
	if r := h.post(t, "/v1/evidence", "any", evidenceJSON(forged), "Idempotency-Key", "forged"); r.header.Get("Idempotency-Replayed") != "true" {
		t.Error("it was made again")
	}
}

func TestAKeyThatCameWithAnotherCallIsRefused(t *testing.T) {
	h := open(t, "dev", nil)
	const key = "one-key"
	body := evidenceJSON(quote(t, 1, simtee.Enclave{}))
	if r := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", key); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	h.post(t, "/v1/evidence", "any", evidenceJSON(quote(t, 2, simtee.Enclave{})), "Idempotency-Key", key).wants(t, 422, rats.Malformed)
	h.post(t, "/v1/endorsements", "any", body, "Idempotency-Key", key).wants(t, 422, rats.Malformed)
	h.call(t, http.MethodDelete, "/v1/enclaves/"+strings.Repeat("ab", 32), "any", nil, "Idempotency-Key", key).wants(t, 422, rats.Malformed)
}

// TestKeysAreTheirCallersOwn: nobody meets another's answers.
func TestKeysAreTheirCallersOwn(t *testing.T) {
	h := open(t, "dev", nil)
	for n, token := range []string{"one", "two", "secret-word"} {
		r := h.post(t, "/v1/evidence", token, evidenceJSON(quote(t, uint64(n), simtee.Enclave{})), "Idempotency-Key", "shared")
		if r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: %d %s", token, r.status, r.body)
		}
	}
	body := pushBody(t, endorsements(t, time.Now()))
	if r := h.post(t, "/v1/endorsements", "", body, "Idempotency-Key", "shared"); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestACallWithTheSameKeyWaitsForTheOneThatIsUnderWay(t *testing.T) {
	gate := make(chan struct{})
	h, s := openSlow(t, gate)
	body := evidenceJSON(quote(t, 2, simtee.Enclave{}))
	var mu sync.Mutex
	var answers []reply
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			r := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", "busy")
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, r)
		})
	}
	for s.entered.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	// Another call with the key does not wait to be refused.
	h.post(t, "/v1/evidence", "any", `{}`, "Idempotency-Key", "busy").wants(t, 422, rats.Malformed)
	close(gate)
	all.Wait()
	for _, r := range answers {
		if r.status != http.StatusCreated || !bytes.Equal(r.body, answers[0].body) {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if n := s.entered.Load(); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

// TestACallerWhoWentAwayFindsTheAnswerWithTheKey is what keys are for.
func TestACallerWhoWentAwayFindsTheAnswerWithTheKey(t *testing.T) {
	gate := make(chan struct{})
	h, s := openSlow(t, gate)
	body := evidenceJSON(quote(t, 2, simtee.Enclave{}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/v1/evidence", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer any"}, "Idempotency-Key": {"lost"}}
	gone := make(chan error)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		gone <- err
	}()
	for s.entered.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(gate)
	r := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", "lost")
	if r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "true" || s.entered.Load() != 1 {
		t.Errorf("%d %s, %d transactions", r.status, r.body, s.entered.Load())
	}
}

// TestWhatCameToNothingMayBeTriedAgainWithItsKey: a key stands for what was done.
func TestWhatCameToNothingMayBeTriedAgainWithItsKey(t *testing.T) {
	h, s := openSlow(t, nil)
	body := evidenceJSON(quote(t, 2, simtee.Enclave{}))
	for _, fault := range []error{errors.New("a fault"), rats.Errorf(rats.QuotaExceeded, "too many"), rats.Errorf(rats.EndorsementUnavailable, "none")} {
		s.err.Store(&fault)
		if r := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", "again"); r.status < 400 || r.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	s.err.Store(nil)
	if r := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", "again"); r.status != http.StatusCreated {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestAReceiptAndAWithdrawalAreGivenOncePerKey(t *testing.T) {
	h := open(t, "dev", nil)
	first, _ := h.receipted(t, quote(t, 1, simtee.Enclave{}), "Idempotency-Key", "async")
	again, r := h.receipted(t, quote(t, 1, simtee.Enclave{}), "Idempotency-Key", "async")
	if again.Tx != first.Tx || r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%+v, %+v", first, again)
	}
	id := h.settled(t, first.Tx).Recorded.Record.ID
	var answers []reply
	for range 2 {
		r := h.call(t, http.MethodDelete, "/v1/enclaves/"+id, "secret-word", nil, "Idempotency-Key", "withdraw")
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		answers = append(answers, r)
	}
	if !bytes.Equal(answers[0].body, answers[1].body) {
		t.Errorf("%s and %s", answers[0].body, answers[1].body)
	}
	if n := h.node.Registry().EventCount(); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestABadKeyIsMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	body := evidenceJSON(quote(t, 1, simtee.Enclave{}))
	for _, key := range []string{
		"", " ", `"`, `""`, `"a`, `a"`, `a b`, `a,b`, `"a";x=1`, `"a", "b"`, `"a"b"`, `"a\b"`, `a\b`, "a\tb", "\"\u00e9\"", strings.Repeat("k", 256),
	} {
		p := h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", key).wants(t, http.StatusBadRequest, rats.Malformed)
		if !strings.HasPrefix(p.Detail, "Idempotency-Key: ") {
			t.Errorf("%q: %s", key, p.Detail)
		}
	}
	if n := h.node.Registry().EventCount(); n != 0 {
		t.Errorf("%d events", n)
	}
	for i, key := range []string{`"a b, c; \"d\" \\"`, strings.Repeat("k", 255), `~!#$%&'()*+-./:<=>?@[]^_{|}`} {
		if r := h.post(t, "/v1/evidence", "any", evidenceJSON(quote(t, uint64(10+i), simtee.Enclave{})), "Idempotency-Key", key); r.status != http.StatusCreated {
			t.Errorf("%q: %d %s", key, r.status, r.body)
		}
	}
}

// TestAKeySparesNobodyTheToken: what is remembered is told to its caller alone,
// for as long as that is one.
func TestAKeySparesNobodyTheToken(t *testing.T) {
	h := open(t, "test", func(_ *ledger.Config, gc *gateway.Config) { gc.Source = nil })
	body := evidenceJSON(quote(t, 1, simtee.Enclave{})) // refused there, for its root
	h.post(t, "/v1/evidence", "secret-word", body, "Idempotency-Key", "k").wants(t, 422, rats.UntrustedRoot)
	h.post(t, "/v1/evidence", "", body, "Idempotency-Key", "k").wants(t, http.StatusUnauthorized, rats.Unauthorized)
	h.post(t, "/v1/evidence", "wrong-word", body, "Idempotency-Key", "k").wants(t, http.StatusUnauthorized, rats.Unauthorized)
}

func TestATooLargeBodyWithAKeyIsTooLarge(t *testing.T) {
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.MaxBody = 4096 })
	body := `{"evidence":"` + strings.Repeat("A", 4096) + `"}`
	h.post(t, "/v1/evidence", "any", body, "Idempotency-Key", "k").wants(t, http.StatusRequestEntityTooLarge, rats.TooLarge)
	// Without its length being said before.
	r := h.call(t, http.MethodPost, "/v1/evidence", "any", struct{ *strings.Reader }{strings.NewReader(body)}, "Idempotency-Key", "k")
	r.wants(t, http.StatusRequestEntityTooLarge, rats.TooLarge)
}

// TestAKeyOutlivesTheNode: who lost the answer because the node went away asks the
// next one.
func TestAKeyOutlivesTheNode(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	path := filepath.Join(t.TempDir(), "answers")
	begin := func() *house { return beside(t, h, func(gc *gateway.Config) { gc.Answers = path }) }
	one := begin()
	body := evidenceJSON(quote(t, 2, simtee.Enclave{}))
	first := one.post(t, "/v1/evidence", "secret-word", body, "Idempotency-Key", "a-key")
	if first.status != http.StatusCreated {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if err := one.gateway.Close(); err != nil {
		t.Fatal(err)
	}
	two := begin()
	again := two.post(t, "/v1/evidence", "secret-word", body, "Idempotency-Key", "a-key")
	if again.status != first.status || !bytes.Equal(again.body, first.body) || again.header.Get("Idempotency-Replayed") != "true" ||
		again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("%d %v %s", again.status, again.header, again.body)
	}
	two.post(t, "/v1/evidence", "secret-word", body+" ", "Idempotency-Key", "a-key").wants(t, 422, rats.Malformed)
	two.post(t, "/v1/evidence", "another", body, "Idempotency-Key", "a-key").wants(t, http.StatusConflict, rats.Replayed)
	// Neither keys nor tokens are written down.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || bytes.Contains(b, []byte("a-key")) || bytes.Contains(b, []byte("secret-word")) || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: %s", err, st.Mode(), b)
	}
	if err := two.gateway.Close(); err != nil {
		t.Error(err)
	}
}
