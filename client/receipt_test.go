// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// listening is a node that answers by a function, and a client of it.
func listening(t *testing.T, answer func(r *http.Request) (int, string)) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return client.New(s.URL, "word", nil)
}

func TestAKeyIsSentAsAStringAndLeavesTheClientAsItWas(t *testing.T) {
	var got []string
	c := listening(t, func(r *http.Request) (int, string) {
		got = append(got, r.Header.Get("Idempotency-Key"))
		return http.StatusOK, `{}`
	})
	ctx := t.Context()
	keyed := c.Idempotent(`a "key" \`)
	for _, call := range []func() error{
		func() error { _, err := keyed.SubmitEvidence(ctx, client.Submission{}); return err },
		func() error { _, err := keyed.PushEndorsements(ctx, nil); return err },
		func() error { _, err := keyed.Withdraw(ctx, "ab", nil); return err },
		func() error { _, err := c.SubmitEvidence(ctx, client.Submission{}); return err },
		func() error { _, err := c.Idempotent("b").SubmitAsync(ctx, client.Submission{}, 0); return err },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`"a \"key\" \\"`, `"a \"key\" \\"`, `"a \"key\" \\"`, "", `"b"`}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d: %q, want %q", i, got[i], want[i])
		}
	}
}

func TestASubmissionThatIsNotWaitedForGivesAReceiptWhateverTheNodeDoes(t *testing.T) {
	var prefer string
	status, body := http.StatusAccepted, `{"receipt":"ab","tx":"ab","status":"pending","location":"/v1/receipts/ab"}`
	c := listening(t, func(r *http.Request) (int, string) {
		prefer = r.Header.Get("Prefer")
		return status, body
	})
	r, err := c.SubmitAsync(t.Context(), client.Submission{Evidence: []byte{1}}, 2500*time.Millisecond)
	if err != nil || r.Status != client.ReceiptPending || r.Tx != "ab" || r.Err() != nil || prefer != "respond-async, wait=2" {
		t.Errorf("%+v, %v, %q", r, err, prefer)
	}
	status, body = http.StatusCreated, `{"tx":"cd","height":7}`
	r, err = c.SubmitAsync(t.Context(), client.Submission{Evidence: []byte{1}}, 0)
	if err != nil || r.Status != client.ReceiptRecorded || r.Tx != "cd" || r.Recorded.Height != 7 || r.Location != "/v1/receipts/cd" || prefer != "respond-async" {
		t.Errorf("%+v, %v, %q", r, err, prefer)
	}
	status, body = http.StatusConflict, `{"kind":"replayed","detail":"recorded before","tx":"ef"}`
	var refusal *client.Refusal
	if _, err = c.SubmitAsync(t.Context(), client.Submission{}, 0); !errors.As(err, &refusal) || refusal.Tx != "ef" || !errors.Is(err, rats.Replayed) {
		t.Errorf("%v", err)
	}
}

func TestAReceiptIsAwaitedUntilItSaysWhatBecameOfIt(t *testing.T) {
	var asked atomic.Int32
	end := `{"tx":"ab","status":"recorded","recorded":{"tx":"ab","height":7}}`
	c := listening(t, func(r *http.Request) (int, string) {
		if r.URL.Path != "/v1/receipts/ab" {
			return http.StatusNotFound, `{"kind":"not_found"}`
		}
		if asked.Add(1) == 1 {
			return http.StatusOK, `{"tx":"ab","status":"pending"}`
		}
		return http.StatusOK, end
	})
	got, err := c.Await(t.Context(), "ab")
	if err != nil || got.Height != 7 || asked.Load() != 2 {
		t.Errorf("%+v, %v after %d", got, err, asked.Load())
	}
	end = `{"tx":"ab","status":"refused","problem":{"kind":"replayed","status":409,"detail":"before","record":"01"}}`
	var refusal *client.Refusal
	if _, err = c.Await(t.Context(), "ab"); !errors.As(err, &refusal) || refusal.Status != 409 || refusal.Record != "01" || !errors.Is(err, rats.Replayed) {
		t.Errorf("%v", err)
	}
	end = `{"tx":"ab","status":"lost in thought"}`
	if _, err = c.Await(t.Context(), "ab"); err == nil {
		t.Error("a status that nobody knows passed for an end")
	}
	if _, err = c.Await(t.Context(), "cd"); !errors.Is(err, rats.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestAnAppraisalAsksForAResultOrForAToken(t *testing.T) {
	var accept, body, path string
	c := listening(t, func(r *http.Request) (int, string) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		accept, body, path = r.Header.Get("Accept"), string(b), r.URL.Path
		if accept == "application/json" {
			return http.StatusOK, `{"accepted":false,"kind":"tcb_rejected"}`
		}
		return http.StatusOK, "a.b.c"
	})
	a := client.Appraisal{Evidence: []byte{1, 2}, Policy: []byte(`{"allow_debug":true}`)}
	r, err := c.Appraise(t.Context(), a)
	if err != nil || r.Accepted || r.Kind != rats.TCBRejected || path != "/v1/appraisals" || body != `{"evidence":"AQI=","policy":{"allow_debug":true}}` {
		t.Errorf("%+v, %v, %s %s", r, err, path, body)
	}
	token, err := c.AppraiseSigned(t.Context(), a, client.Wish{Profile: "veraison-2023", Nonce: []byte("12345678")})
	want := `{"evidence":"AQI=","policy":{"allow_debug":true},"profile":"veraison-2023","nonce":"3132333435363738"}`
	if err != nil || token != "a.b.c" || accept != "application/eat+jwt" || body != want {
		t.Errorf("%s, %v, %s %s", token, err, accept, body)
	}
	if _, err = c.AppraiseSigned(t.Context(), client.Appraisal{Evidence: []byte{1}}, client.Wish{}); err != nil || body != `{"evidence":"AQ=="}` {
		t.Errorf("%v, %s", err, body)
	}
}
