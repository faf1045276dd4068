// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// asked is what a node was asked.
type asked struct {
	method, path, query, token, contentType, body string
}

// node answers every call alike and keeps what it was asked.
func node(t *testing.T, status int, contentType, answer string) (*client.Client, *asked) {
	t.Helper()
	var got asked
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return client.New(s.URL+"/", "word", nil), &got
}

func TestEachCallAsksWhatItSays(t *testing.T) {
	c, got := node(t, 200, "application/json", `{}`)
	ctx := t.Context()
	for _, call := range []struct {
		name string
		do   func() error
		want asked
	}{
		{"SubmitEvidence", func() error {
			_, err := c.SubmitEvidence(ctx, client.Submission{Evidence: []byte{1, 2}, URL: "u", ValidFor: "30d", RuntimeData: []byte{3}})
			return err
		}, asked{"POST", "/v1/evidence", "", "Bearer word", "application/json", `{"evidence":"AQI=","url":"u","valid_for":"30d","runtime_data":"Aw=="}`}},
		{"Get", func() error { _, err := c.Get(ctx, "ab"); return err }, asked{"GET", "/v1/enclaves/ab", "", "Bearer word", "", ""}},
		{"Get with a strange id", func() error { _, err := c.Get(ctx, "../x?y#z"); return err }, asked{"GET", "/v1/enclaves/..%2Fx%3Fy%23z", "", "Bearer word", "", ""}},
		{"List", func() error { _, err := c.List(ctx, url.Values{"q": {"a b"}}); return err }, asked{"GET", "/v1/enclaves", "q=a+b", "Bearer word", "", ""}},
		{"History", func() error { _, err := c.History(ctx, "ab"); return err }, asked{"GET", "/v1/enclaves/ab/history", "", "Bearer word", "", ""}},
		{"Evidence", func() error { _, err := c.Evidence(ctx, "ab"); return err }, asked{"GET", "/v1/enclaves/ab/evidence", "", "Bearer word", "", ""}},
		{"Proof", func() error { _, err := c.Proof(ctx, "ab"); return err }, asked{"GET", "/v1/enclaves/ab/proof", "", "Bearer word", "", ""}},
		{"ListEndorsements", func() error { _, err := c.ListEndorsements(ctx, url.Values{"kind": {"tcb_info"}}); return err }, asked{"GET", "/v1/endorsements", "kind=tcb_info", "Bearer word", "", ""}},
		{"PushEndorsements", func() error {
			_, err := c.PushEndorsements(ctx, []rats.Endorsement{{Kind: rats.PCKCRL, Body: []byte{1}, Issuers: [][]byte{{2}}}})
			return err
		}, asked{"POST", "/v1/endorsements", "", "Bearer word", "application/json", `{"endorsements":[{"kind":"pck_crl","body":"AQ==","issuers":["Ag=="]}]}`}},
		{"Ledger", func() error { _, err := c.Ledger(ctx); return err }, asked{"GET", "/v1/ledger", "", "Bearer word", "", ""}},
		{"Challenge", func() error { _, err := c.Challenge(ctx); return err }, asked{"GET", "/v1/challenge", "", "Bearer word", "", ""}},
	} {
		t.Run(call.name, func(t *testing.T) {
			if err := call.do(); err != nil {
				t.Fatal(err)
			}
			if *got != call.want {
				t.Errorf("asked %+v\nwant  %+v", *got, call.want)
			}
		})
	}
}

func TestARefusalHasItsKindAndWhatItNames(t *testing.T) {
	c, _ := node(t, 409, "application/problem+json", `{"type":"urn:attesteer:kind:replayed","title":"replayed","status":409,
		"kind":"replayed","check":"replay","detail":"recorded before","record":"aa","tx":"bb","result":{"schema":"attesteer/result/v1","kind":"replayed"},"later":1}`)
	_, err := c.SubmitEvidence(t.Context(), client.Submission{})
	var refusal *client.Refusal
	var typed *rats.Error
	if !errors.As(err, &refusal) || !errors.As(err, &typed) || !errors.Is(err, rats.Replayed) || rats.KindOf(err) != rats.Replayed {
		t.Fatalf("%v", err)
	}
	if refusal.Status != 409 || refusal.Record != "aa" || refusal.Tx != "bb" || refusal.Result == nil || typed.Check != "replay" {
		t.Errorf("%+v", refusal)
	}
	if err.Error() != "replayed: recorded before" {
		t.Errorf("%q", err)
	}
}

func TestEveryKindComesBackAsItself(t *testing.T) {
	for _, kind := range rats.Kinds() {
		b, err := json.Marshal(client.Problem{Kind: kind, Detail: "d"})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := node(t, kind.HTTPStatus(), "application/problem+json", string(b))
		if _, err := c.Get(t.Context(), "x"); rats.KindOf(err) != kind || !strings.Contains(err.Error(), "d") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAnAnswerThatIsNoProblemIsJudgedByItsStatus(t *testing.T) {
	for _, body := range []string{``, `<html>`, `{}`, `{"kind":1}`, `{"kind":"of a later version"}`, `null`} {
		for status, want := range map[int]rats.Kind{
			502: rats.Internal, 404: rats.Internal, 401: rats.Unauthorized, 429: rats.QuotaExceeded, 413: rats.TooLarge, 302: rats.Internal,
		} {
			c, _ := node(t, status, "text/html", body)
			_, err := c.Get(t.Context(), "x")
			if rats.KindOf(err) != want || !strings.Contains(err.Error(), "the node answered") {
				t.Errorf("%d %s: %v, want %s", status, body, err, want)
			}
		}
	}
}

func TestAnAnswerThatIsNotWhatWasAskedForIsAnError(t *testing.T) {
	for _, body := range []string{``, `<html>`, `{"enclaves":1}`} {
		c, _ := node(t, 200, "application/json", body)
		if _, err := c.List(t.Context(), nil); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
	c, _ := node(t, 200, "application/json", `{"enclaves":[],"next_cursor":null,"added_later":true}`)
	if _, err := c.List(t.Context(), nil); err != nil {
		t.Errorf("a field that was added later: %v", err)
	}
}

func TestANodeThatDoesNotAnswerIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = client.New(gone, "", nil).Ledger(t.Context())
	var network *url.Error
	if !errors.As(err, &network) || !strings.Contains(err.Error(), gone) {
		t.Errorf("%v", err)
	}
	if kind := rats.KindOf(err); kind.ExitCode() != 1 {
		t.Errorf("exit %d", kind.ExitCode())
	}
	for _, bad := range []string{"", "127.0.0.1:2000", "::", "ftp://x"} {
		if _, err := client.New(bad, "", nil).Ledger(t.Context()); err == nil {
			t.Errorf("%q is no address", bad)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, _ := node(t, 200, "application/json", `{}`)
	if _, err := c.Ledger(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWithoutATokenNoneIsSent(t *testing.T) {
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		_, _ = io.WriteString(w, `{}`)
	}))
	defer s.Close()
	if _, err := client.New(s.URL, "", nil).Ledger(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, sent := header["Authorization"]; sent {
		t.Errorf("%v", header)
	}
}

func TestATokenDoesNotFollowToAnotherHost(t *testing.T) {
	var seen string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = "asked " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{}`)
	}))
	defer other.Close()
	here := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	s := httptest.NewServer(http.RedirectHandler(here, http.StatusTemporaryRedirect))
	defer s.Close()
	_, _ = client.New(s.URL, "word", nil).Ledger(t.Context())
	if strings.Contains(seen, "word") {
		t.Errorf("another host got %q", seen)
	}
}
