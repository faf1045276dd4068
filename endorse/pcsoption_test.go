// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func identityDocument() endorse.Document {
	return endorse.Document{Kind: rats.QEIdentity, TEE: rats.SGX}
}

// waits records how long a client would wait, and waits no longer.
func waits(s *endorse.PCS) *[]time.Duration {
	var out []time.Duration
	s.SetWait(func(_ context.Context, d time.Duration) error {
		out = append(out, d)
		return nil
	})
	return &out
}

func TestAServiceIsTriedAgainAsIntelsClientDoes(t *testing.T) {
	const s = time.Second
	for name, test := range map[string]struct {
		retry *endorse.Retry
		fault pcstest.Fault
		// tries is how often the service is asked, paused the waits between.
		tries  int
		paused []time.Duration
		ok     bool
	}{
		"never, 503":                                 {&endorse.Retry{}, pcstest.Busy(1, 503, 0), 1, nil, false},
		"once, 503 once":                             {&endorse.Retry{Times: 1, Delay: 5 * s}, pcstest.Busy(1, 503, 0), 2, []time.Duration{5 * s}, true},
		"six times, 503 for ever":                    {&endorse.Retry{Times: 6, Delay: 10 * s}, pcstest.Status(503), 7, slices.Repeat([]time.Duration{10 * s}, 6), false},
		"four times, backing off":                    {&endorse.Retry{Times: 4}, pcstest.Status(503), 5, []time.Duration{s, 2 * s, 4 * s, 8 * s}, false},
		"what the service says of it does not count": {&endorse.Retry{Times: 1, Delay: s}, pcstest.Busy(1, 503, 3*s), 2, []time.Duration{s}, true},
		"429 is not tried again":                     {&endorse.Retry{Times: 3}, pcstest.Busy(1, 429, 0), 1, nil, false},
		"500 is not tried again":                     {&endorse.Retry{Times: 3}, pcstest.Busy(1, 500, 0), 1, nil, false},
		"404 is not tried again":                     {&endorse.Retry{Times: 3}, pcstest.Status(404), 1, nil, false},
		"a forgery is not tried again":               {&endorse.Retry{Times: 3}, pcstest.Forged(), 1, nil, false},
		"unless told otherwise once":                 {nil, pcstest.Busy(1, 500, 0), 2, []time.Duration{300 * time.Millisecond}, true},
	} {
		t.Run(name, func(t *testing.T) {
			stand := serve(t, usual(t), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Retry = test.retry })
			paused := waits(stand.client)
			stand.Break("qe/identity", test.fault)
			_, err := stand.client.Fetch(t.Context(), identityDocument())
			if (err == nil) != test.ok || len(stand.Calls("")) != test.tries || !slices.Equal(*paused, test.paused) {
				t.Errorf("%v after %d tries with waits of %v, want %d with %v", err, len(stand.Calls("")), *paused, test.tries, test.paused)
			}
		})
	}
}

func TestWhatCannotBeReachedIsTriedAgainToo(t *testing.T) {
	stand := serve(t, usual(t), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Retry = &endorse.Retry{Times: 2, Delay: time.Second} })
	paused := waits(stand.client)
	stand.stop()
	if _, err := stand.client.Fetch(t.Context(), identityDocument()); err == nil || len(*paused) != 2 {
		t.Errorf("%v, waited %v", err, *paused)
	}
}

func TestAnswersAreKeptForAsLongAsWasSaid(t *testing.T) {
	hours := func(n float64) *time.Duration { d := time.Duration(n * float64(time.Hour)); return &d }
	for name, test := range map[string]struct {
		keep *time.Duration
		// after is when it is asked for once more, calls how many calls there are then.
		after time.Duration
		calls int
	}{
		"not at all":                  {hours(0), 0, 2},
		"two hours, after one":        {hours(2), time.Hour, 1},
		"two hours, after three":      {hours(2), 3 * time.Hour, 2},
		"a week, after six days":      {hours(168), 6 * 24 * time.Hour, 1},
		"a day unless told otherwise": {nil, 30 * time.Hour, 2},
		"and no less":                 {nil, 20 * time.Hour, 1},
		"not beyond its life":         {hours(2160), 40 * 24 * time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			stand := serve(t, usual(t), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Keep = test.keep })
			fetch := func() {
				if _, err := stand.client.Fetch(t.Context(), identityDocument()); err != nil {
					t.Fatal(err)
				}
			}
			fetch()
			stand.clock.advance(test.after)
			fetch()
			// While an answer that holds is at hand its renewal comes by itself.
			for n := 0; len(stand.Calls("")) < test.calls && n < 60_000; n++ {
				time.Sleep(time.Millisecond)
			}
			if got := len(stand.Calls("")); got != test.calls {
				t.Errorf("%d calls, want %d", got, test.calls)
			}
		})
	}
}

func TestAnswersOutliveAProgramForAsLongAsWasSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "answers")
	keep := 48 * time.Hour
	var stand *service
	open := func(stale bool) *endorse.PCS {
		roots := []rats.TrustRoot{simtee.Root()}
		if stale {
			roots = nil // another program trusts others
		}
		one, err := endorse.NewPCS(endorse.PCSConfig{Base: stand.url, Roots: roots, Now: stand.clock.Now, Keep: &keep, Cache: endorse.NewAnswerCache(dir)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(one.Close)
		return one
	}
	stand = serve(t, usual(t), nil)
	fetch := func(one *endorse.PCS) error {
		_, err := one.Fetch(t.Context(), identityDocument())
		return err
	}
	if err := fetch(open(false)); err != nil || len(stand.Calls("")) != 1 {
		t.Fatalf("%v, %d calls", err, len(stand.Calls("")))
	}
	stand.clock.advance(47 * time.Hour)
	if err := fetch(open(false)); err != nil || len(stand.Calls("")) != 1 {
		t.Errorf("after 47 hours: %v, %d calls", err, len(stand.Calls("")))
	}
	if err := fetch(open(true)); err == nil || len(stand.Calls("")) != 2 {
		t.Errorf("what another root signed is taken from the cache: %v, %d calls", err, len(stand.Calls("")))
	}
	stand.clock.advance(2 * time.Hour)
	if err := fetch(open(false)); err != nil || len(stand.Calls("")) != 3 {
		t.Errorf("after 49 hours: %v, %d calls", err, len(stand.Calls("")))
	}
	// What was changed on the disk is no answer.
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	name := filepath.Join(dir, files[0].Name())
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"cut": string(b[:len(b)/2]), "forged": strings.Replace(string(b), `"body":"ey`, `"body":"fy`, 1), "empty": "",
		"of another time": strings.Replace(string(b), `"fetched":"20`, `"fetched":"21`, 1),
	} {
		if text == string(b) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		calls := len(stand.Calls(""))
		if err := fetch(open(false)); err != nil || len(stand.Calls("")) != calls+1 {
			t.Errorf("%s: %v, %d calls more", what, err, len(stand.Calls(""))-calls)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the folder is open to others: %v %v", st.Mode(), err)
	}
}

func TestListsAreAskedForInTheWayOfAVersion(t *testing.T) {
	for plain, want := range map[bool]string{
		true:  "/sgx/certification/v4/pckcrl?ca=platform",
		false: "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
	} {
		stand := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) { p.PCCS, cfg.PlainLists = true, plain })
		_, err := stand.client.Fetch(t.Context(), endorse.Document{Kind: rats.PCKCRL, CA: endorse.PlatformCA})
		if calls := stand.Calls("pckcrl"); err != nil || !slices.Equal(calls, []string{want}) {
			t.Errorf("%v, asked %v, want %s", err, calls, want)
		}
	}
}

func TestWhatGoesAlongReachesItsServiceAlone(t *testing.T) {
	var elsewhere []*http.Request
	stand := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			elsewhere = append(elsewhere, r)
			p.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		cfg.RootCRL = server.URL + "/IntelSGXRootCA.der"
		cfg.Custom = endorse.Custom{Headers: []endorse.Pair{{Name: "metadata", Value: "true"}}, Params: []endorse.Pair{{Name: "api-version", Value: "1"}}}
		cfg.Certificates = endorse.Custom{Headers: []endorse.Pair{{Name: "x-cert", Value: "y"}}, Params: []endorse.Pair{{Name: "cert", Value: "2"}}}
	})
	if _, err := stand.client.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil {
		t.Fatal(err)
	}
	for _, r := range stand.Requests("/sgx/") {
		if r.Header.Get("Metadata") != "true" || r.URL.Query().Get("api-version") != "1" || r.Header.Get("X-Cert") != "" || r.URL.Query().Has("cert") {
			t.Errorf("%s: %v", r.URL, r.Header)
		}
	}
	if len(elsewhere) != 1 || elsewhere[0].Header.Get("Metadata") != "" || elsewhere[0].URL.RawQuery != "" {
		t.Errorf("the other host: %v", elsewhere)
	}
	for name, custom := range map[string]endorse.Custom{
		"a line feed in a header": {Headers: []endorse.Pair{{Name: "a", Value: "b\r\nc: d"}}},
		"a header without a name": {Headers: []endorse.Pair{{Value: "b"}}},
		"a blank in a parameter":  {Params: []endorse.Pair{{Name: "a", Value: "b c"}}},
		"a broken escape":         {Params: []endorse.Pair{{Name: "a", Value: "%zz#"}}},
	} {
		if _, err := endorse.NewPCS(endorse.PCSConfig{Base: "http://127.0.0.1:1", Now: at, Custom: custom}); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
