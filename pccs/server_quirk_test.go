// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
)

func TestQuirk2NoAnswerSaysHowLongToKeepItForQCNLWouldNotHear(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	for _, path := range readPaths(platform, t) {
		if r := s.get(path); r.header.Get("Cache-Control") != "" || r.header.Get("Expires") != "" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
}

func TestQuirk10WithoutAKeyThereIsNoHeaderForOne(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	sent := make(chan bool, 1)
	answer := s.upstream.certs
	s.upstream.certs = func(w http.ResponseWriter, r *http.Request) {
		_, has := r.Header["Ocp-Apim-Subscription-Key"]
		sent <- has
		answer(w, r)
	}
	if _, err := s.client(qcnltest.Conf{}).PCKCert(t.Context(), named(extensionOf(t, platform))); err != nil {
		t.Fatal(err)
	}
	if <-sent {
		t.Error("an empty key was sent")
	}
}

func TestQuirk11ACertificateThatIsNotAvailableSpoilsNoRegistration(t *testing.T) {
	t.Parallel()
	for _, m := range []pccs.Mode{pccs.Lazy, pccs.Req} {
		t.Run(string(m), func(t *testing.T) {
			s, platform := simulated(t, mode(m))
			answer := s.upstream.certs
			s.upstream.certs = func(w http.ResponseWriter, r *http.Request) {
				got := httptest.NewRecorder()
				answer(got, r)
				var list []map[string]any
				if err := json.Unmarshal(got.Body.Bytes(), &list); err != nil {
					t.Error(err)
				}
				// A level above the platform's, for which there is nothing.
				tcb := make(map[string]any)
				for name, svn := range list[0]["tcb"].(map[string]any) {
					tcb[name] = svn
				}
				tcb["sgxtcbcomp01svn"] = 200
				tcbm := list[0]["tcbm"].(string)
				list = append(list, map[string]any{"tcb": tcb, "tcbm": "C8" + tcbm[2:], "cert": "Not available"})
				for name, values := range got.Header() {
					w.Header()[name] = values
				}
				_ = json.NewEncoder(w).Encode(list)
			}
			ext := extensionOf(t, platform)
			status, err := s.client(qcnltest.Conf{}).Register(t.Context(), goodUser, "", qcnltest.PlatformBody(named(ext), nil))
			if err != nil || status != http.StatusOK {
				t.Fatalf("%d, %v\n%s", status, err, s.logged)
			}
			config, err := s.client(qcnltest.Conf{}).PCKCert(t.Context(), named(ext))
			if err != nil || !bytes.Equal(ders(t, config.Chain[:len(config.Chain)-1])[0], platform.PCKCertificate().Body) {
				t.Errorf("%v", err)
			}
			if m == pccs.Req {
				if all := queueOf(s, "source=reg_na"); len(all) != 1 || !strings.HasPrefix(all[0]["enc_ppid"].(string), "5a5a") {
					t.Errorf("%v", all)
				}
			}
		})
	}
}

func TestQuirk13ReadsOfManyAtOnceAskUpstreamOnce(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	path := readPaths(platform, t)[3]
	results := make(chan int, 20)
	for range cap(results) {
		go func() {
			status, _, _, err := s.client(qcnltest.Conf{}).Call(context.Background(), http.MethodGet, s.site+path, nil, nil)
			if err != nil {
				status = 0
			}
			results <- status
		}()
	}
	var all []int
	for range cap(results) {
		all = append(all, <-results)
	}
	if slices.ContainsFunc(all, func(n int) bool { return n != http.StatusOK }) {
		t.Errorf("%v", all)
	}
	if calls := s.upstream.Calls("/tcb?"); len(calls) != 1 {
		t.Errorf("upstream was asked %v", calls)
	}
}
