// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// wantShortage demands an error that says what is missing and who said what.
func wantShortage(t *testing.T, s *service, err error, words ...string) {
	t.Helper()
	if rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("error %v, want endorsement_unavailable", err)
		return
	}
	for _, word := range append(words, strings.TrimPrefix(s.url, "http://")) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

func TestWhatIsWrongWithAServiceIsSaidAndNothingIsKeptOfIt(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirection was followed")
	}))
	defer elsewhere.Close()
	never := make(chan struct{})
	for name, test := range map[string]struct {
		fault   pcstest.Fault
		want    string
		outcome endorse.Outcome
	}{
		"down":                 {pcstest.Down(), "hung up", endorse.Down},
		"hanging":              {pcstest.Hanging(never), "did not answer in time", endorse.Down},
		"broken":               {pcstest.Status(500), "answered 500", endorse.Down},
		"busy":                 {pcstest.Status(429), "answered 429", endorse.Down},
		"half an answer":       {pcstest.Half(), "cut its answer short", endorse.Down},
		"a web page":           {pcstest.WebPage(), "a web page", endorse.Down},
		"a redirection":        {pcstest.Redirect(elsewhere.URL), "redirection (302)", endorse.Down},
		"over the limit":       {pcstest.Huge(), "more than 1048576 bytes", endorse.Down},
		"compressed":           {pcstest.Compressed(), "compressed", endorse.Down},
		"nothing there":        {pcstest.Status(404), "does not have it (404)", endorse.Absent},
		"not for us":           {pcstest.Status(403), "answered 403", endorse.Absent},
		"forged":               {pcstest.Forged(), "bad_signature", endorse.Refused},
		"without its chain":    {pcstest.Headless(), "TCB-Info-Issuer-Chain", endorse.Refused},
		"with another chain":   {pcstest.Chained(otherChain(t)), "untrusted_root", endorse.Refused},
		"with a strange chain": {pcstest.Chained(strangeChain()), "0 issuer certificates", endorse.Refused},
		"with half a chain":    {pcstest.Chained("-----BEGIN%20CERTIFICATE-----%0AMIIB"), "without an end", endorse.Refused},
		"with a broken chain":  {pcstest.Chained("-----BEGIN%20CERTIFICATE%ZZ"), "percent-encoding", endorse.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, usual(t), nil)
			if name == "hanging" { // else a busy machine takes its time
				s.client.SetTimeout(2 * time.Second)
			}
			s.Break("/tcb?", test.fault)
			got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
			wantShortage(t, s, err, test.want, "TCB info for SGX of FMSPC 00a51e000000")
			if err != nil && strings.Contains(err.Error(), "identity for") {
				t.Errorf("says that more is missing: %v", err)
			}
			if len(got) != 3 {
				t.Errorf("%d endorsements beside the error, want the 3 others", len(got))
			}
			if said := s.said(); !slices.Contains(said, test.outcome) {
				t.Errorf("reported %v, want %s", said, test.outcome)
			}
			for _, f := range s.client.Kept() {
				if f.Document.Kind == rats.TCBInfo {
					t.Errorf("kept %s", f.Document)
				}
			}
			s.Mend()
			s.clock.advance(10 * time.Minute)
			if got, err = s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil || len(got) != 4 {
				t.Errorf("mended, ten minutes later: %d, %v", len(got), err)
			}
		})
	}
}

// otherChain is an issuer chain of the vendor's, for revocation lists.
func otherChain(t testing.TB) string {
	t.Helper()
	for _, e := range usual(t) {
		if e.Kind == rats.PCKCRL {
			return toPEMHeader(e.Issuers[0])
		}
	}
	t.Fatal("no revocation list")
	return ""
}

// strangeChain is one that leads nowhere.
func strangeChain() string {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return toPEMHeader(server.Certificate().Raw)
}

func toPEMHeader(der []byte) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(string(toPEM("CERTIFICATE", der)))
}

func TestAListThatIsForgedIsNotKept(t *testing.T) {
	s := serve(t, usual(t), nil)
	s.Break("crl", pcstest.Forged())
	s.Break("IntelSGXRootCA", pcstest.Forged())
	got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
	wantShortage(t, s, err, "revocation list of the root CA", "revocation list of the PCK CA")
	if len(got) != 2 || len(s.client.Kept()) != 2 {
		t.Errorf("%d endorsements, %d kept, want TCB info and identity", len(got), len(s.client.Kept()))
	}
	before := len(s.Calls(""))
	if _, err = s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("asked again: %v", err)
	}
	if after := len(s.Calls("")); after != before {
		t.Errorf("what was forged is asked for again at once: %d calls", after-before)
	}
}

func TestAnAnswerAboutSomethingElseIsRefused(t *testing.T) {
	s := serve(t, usual(t), nil)
	s.Break("/qe/identity", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "/sgx/", "/tdx/", 1)
			next.ServeHTTP(w, r)
		})
	})
	_, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
	wantShortage(t, s, err, "QE identity for SGX", "it is for tdx")
}

func TestABusyServiceIsAskedOnceMore(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		s := serve(t, usual(t), nil)
		s.Break("/tcb?", pcstest.Busy(1, status, 2*time.Second))
		var waited []time.Duration
		s.client.SetWait(func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			return nil
		})
		if _, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if calls := s.Calls("/tcb?"); len(calls) != 2 || !slices.Equal(waited, []time.Duration{2 * time.Second}) {
			t.Errorf("%d: %d calls, waited %v, want 2 calls two seconds apart", status, len(calls), waited)
		}
	}
}

func TestAServiceThatAsksForLongerIsLeftAlone(t *testing.T) {
	s := serve(t, usual(t), nil)
	s.Break("", pcstest.Busy(1000, 429, 2*time.Minute))
	_, err := s.client.Fetch(t.Context(), endorse.Document{Kind: rats.RootCACRL})
	if err == nil || len(s.Calls("")) != 1 {
		t.Fatalf("%v after %d calls, want an error after one", err, len(s.Calls("")))
	}
	s.Mend()
	s.clock.advance(2*time.Minute - time.Second)
	if _, err = s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err == nil || len(s.Calls("")) != 1 {
		t.Errorf("%v after %d calls, before the two minutes were over", err, len(s.Calls("")))
	}
	wantShortage(t, s, err, "is down: answered 429")
	s.clock.advance(2 * time.Second)
	if got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil || len(got) != 4 {
		t.Errorf("after the two minutes: %d, %v", len(got), err)
	}
}

func TestAServiceThatIsDownIsLeftAloneForAGrowingTime(t *testing.T) {
	s := serve(t, usual(t), nil)
	s.Break("", pcstest.Status(http.StatusBadGateway))
	s.client.SetWait(func(context.Context, time.Duration) error { return nil })
	ask := func() int {
		before := len(s.Calls(""))
		got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
		wantShortage(t, s, err, "TCB info for SGX of FMSPC 00a51e000000", "QE identity for SGX",
			"revocation list of the PCK CA", "revocation list of the root CA", "answered 502")
		if len(got) != 0 {
			t.Errorf("%d endorsements", len(got))
		}
		return len(s.Calls("")) - before
	}
	if n := ask(); n < 3 {
		t.Fatalf("%d calls at first", n)
	}
	for _, pause := range []time.Duration{5, 10, 20, 40, 60, 60} {
		if n := ask(); n != 0 {
			t.Errorf("%d calls while it counts as down", n)
		}
		s.clock.advance(pause*time.Second - time.Millisecond)
		if n := ask(); n != 0 {
			t.Errorf("%d calls before the pause of %d s was over", n, pause)
		}
		s.clock.advance(time.Millisecond)
		if n := ask(); n != 2 {
			t.Errorf("%d calls after %d s, want one trial and its second try", n, pause)
		}
	}
	s.Mend()
	s.clock.advance(time.Minute)
	// All that is needed comes, though only one of its documents is the trial.
	if got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil || len(got) != 4 {
		t.Errorf("up again: %d, %v", len(got), err)
	}
}

func TestWhoWillNotWaitIsToldInTime(t *testing.T) {
	s := serve(t, usual(t), nil)
	open := make(chan struct{})
	s.Break("", pcstest.Hanging(open))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.client.Endorsements(ctx, simulatedNeeds(t), at())
	wantShortage(t, s, err, "did not answer in time")
	close(open) // the call goes on for whoever waits longer
	if got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil || len(got) != 4 {
		t.Errorf("%d, %v", len(got), err)
	}
	if n := len(s.Calls("/tcb?")); n != 1 {
		t.Errorf("%d calls for the TCB info, want that which was under way", n)
	}
}

func TestClosingEndsWhatIsUnderWay(t *testing.T) {
	s := serve(t, usual(t), nil)
	s.Break("", pcstest.Hanging(nil))
	var waiting sync.WaitGroup
	for range 5 {
		waiting.Go(func() {
			_, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
			if rats.KindOf(err) != rats.EndorsementUnavailable {
				t.Errorf("closed: %v", err)
			}
		})
	}
	for len(s.Calls("")) < 5 {
		time.Sleep(time.Millisecond)
	}
	s.client.Close()
	waiting.Wait()
	if said := s.said(); len(said) != 0 {
		t.Errorf("reported %v, though nothing is wrong with the service", said)
	}
	if _, err := s.client.Fetch(t.Context(), endorse.Document{Kind: rats.RootCACRL}); rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("after Close: %v", err)
	}
}

func TestTheKeyGoesToTheServiceAlone(t *testing.T) {
	var mu sync.Mutex
	var foreign []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		foreign = append(foreign, r.Header)
		w.WriteHeader(http.StatusNotFound)
	}))
	defer other.Close()
	s := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
		p.SetKey("0123456789abcdef")
		cfg.APIKey, cfg.RootCRL = "0123456789abcdef", other.URL+"/IntelSGXRootCA.der"
	})
	_, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
	wantShortage(t, s, err, "revocation list of the root CA")
	if strings.Contains(err.Error(), "TCB info") {
		t.Errorf("the key was not taken: %v", err)
	}
	if len(foreign) != 1 || foreign[0].Get("Ocp-Apim-Subscription-Key") != "" || foreign[0].Get("Accept-Encoding") != "" {
		t.Errorf("sent elsewhere: %v", foreign)
	}
	wrong := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
		p.SetKey("a")
		cfg.APIKey = "b"
	})
	if _, err := wrong.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err == nil || !strings.Contains(err.Error(), "answered 401") {
		t.Errorf("a wrong key: %v", err)
	}
}

func TestTLSIsVouchedForUnlessTheServiceIsOnThisMachine(t *testing.T) {
	pcs, err := pcstest.New(nil, usual(t)...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(pcs)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // that it is not trusted is wanted
	server.StartTLS()
	defer server.Close()
	good, wrong := x509.NewCertPool(), x509.NewCertPool()
	good.AddCert(server.Certificate())
	for name, test := range map[string]struct {
		pool   *x509.CertPool
		unsafe bool
		want   string
	}{
		"none for this machine":      {nil, false, ""},
		"the right one":              {good, false, ""},
		"a wrong one":                {wrong, false, "a certificate that is not trusted"},
		"a wrong one, none demanded": {wrong, true, ""},
	} {
		s, err := endorse.NewPCS(endorse.PCSConfig{
			Base: server.URL, RootCAs: test.pool, UnsafeSkipTLS: test.unsafe, Now: at, Roots: []rats.TrustRoot{simtee.Root()},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Fetch(t.Context(), endorse.Document{Kind: rats.QEIdentity, TEE: rats.SGX})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestServicesAreAskedInTurn(t *testing.T) {
	items := usual(t)
	first := serve(t, items[1:], nil) // all but TCB info for SGX
	second := serve(t, items, nil)
	third := serve(t, items, nil)
	order := func(services ...*service) *endorse.Order {
		var all []endorse.Named
		for _, s := range services {
			all = append(all, endorse.Named{Name: s.client.Name(), Source: s.client})
		}
		return endorse.InOrder(endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Now: first.clock.Now}, all...)
	}
	got := order(first, second, third).Ask(t.Context(), simulatedNeeds(t), at())
	if got.Short != nil || len(got.Items) != 4 {
		t.Errorf("%d, %v", len(got.Items), got.Short)
	}
	if len(first.Calls("")) == 0 || len(second.Calls("")) == 0 || len(third.Calls("")) != 0 {
		t.Errorf("calls: %d, %d, %d", len(first.Calls("")), len(second.Calls("")), len(third.Calls("")))
	}
	if n, ok := got.Standard[rats.SGX]; n != 20 || !ok {
		t.Errorf("standard %d, %t", n, ok)
	}
	if len(got.Complaints) != 1 || got.Complaints[0].Source != first.client.Name() {
		t.Errorf("complaints %v", got.Complaints)
	}
	second.Break("", pcstest.Down())
	second.clock.advance(48 * time.Hour)
	if _, err := order(first).Endorsements(t.Context(), simulatedNeeds(t), at()); err == nil {
		t.Error("the first has all")
	}
	down := serve(t, items, nil)
	down.Break("", pcstest.Down())
	some, err := order(down, first).Endorsements(t.Context(), simulatedNeeds(t), at())
	wantShortage(t, down, err, "hung up", "does not have it (404)", strings.TrimPrefix(first.url, "http://"))
	if len(some) != 3 {
		t.Errorf("%d endorsements of the one that is up, want 3", len(some))
	}
	if got := order().Ask(t.Context(), nil, at()); got.Short != nil || got.Items != nil {
		t.Errorf("nothing needed of nobody: %+v", got)
	}
	if err := order().Ask(t.Context(), simulatedNeeds(t), at()).Short; rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("nobody to ask: %v", err)
	}
}
