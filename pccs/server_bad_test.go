// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
)

const api = "/sgx/certification/v4/"

func TestParametersOfTheWrongLengthOrCharactersAreRefused(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, mode(pccs.Offline))
	good, err := url.ParseQuery(strings.TrimPrefix(s.client(qcnltest.Conf{}).PCKQuery(named(extensionOf(t, platform))), "pckcert?"))
	if err != nil {
		t.Fatal(err)
	}
	pck := func(name, value string) string {
		q := url.Values{}
		for n, v := range good {
			q[n] = v
		}
		if q.Set(name, value); value == "-" {
			q.Del(name)
		}
		return "pckcert?" + q.Encode()
	}
	digits := func(n int) string { return strings.Repeat("a", n) }
	for path, want := range map[string]int{
		pck("qeid", "-"): 400, pck("qeid", ""): 400, pck("qeid", digits(261)): 400, pck("qeid", digits(260)): 461, pck("qeid", "no hex"): 461, pck("qeid", "é"): 461, pck("qeid", "a\x00b"): 400, pck("qeid", "\xff"): 400,
		pck("cpusvn", "-"): 400, pck("cpusvn", digits(31)): 400, pck("cpusvn", digits(33)): 400, pck("cpusvn", strings.Repeat("g", 32)): 400,
		pck("pcesvn", digits(3)): 400, pck("pcesvn", "00 1"): 400, pck("pceid", ""): 400, pck("pceid", "é00"): 400,
		pck("encrypted_ppid", digits(767)): 400, pck("encrypted_ppid", ""): 400, pck("encrypted_ppid", "-"): 461, pck("encrypted_ppid", digits(768)): 461,
		"pckcrl": 400, "pckcrl?ca=": 400, "pckcrl?ca=root": 400, "pckcrl?CA=processor": 400, "pckcrl?ca=PROCESSOR": 404, "pckcrl?ca=Platform&encoding=pem": 404,
		"tcb": 400, "tcb?fmspc=00606a00000": 400, "tcb?fmspc=00606A000000": 404, "tcb?fmspc=00606a00000%00": 400, "tcb?fmspc=%zz": 400,
		"tcb?fmspc=00606a000000&update=": 400, "tcb?fmspc=00606a000000&update=late": 400, "tcb?fmspc=00606a000000&update=EARLY": 404,
		"tcb?fmspc=00606a000000&tcbEvaluationDataNumber=": 400, "tcb?fmspc=00606a000000&tcbEvaluationDataNumber=0": 400,
		"tcb?fmspc=00606a000000&tcbEvaluationDataNumber=-1": 400, "tcb?fmspc=00606a000000&tcbEvaluationDataNumber=99999999999": 400,
		"tcb?fmspc=00606a000000&tcbEvaluationDataNumber=017": 404, "tcb?fmspc=00606a000000&tcbEvaluationDataNumber=17&update=standard": 400,
		"qe/identity?update=x": 400, "qve/identity?update=Standard": 404, "qae/identity": 404,
		"crl": 400, "crl?uri=": 400, "crl?uri=https://example.org/list": 400, "crl?uri=http://127.0.0.1/IntelSGXRootCA.der": 400,
		"crl?uri=https://certificates.trustedservices.intel.com.example.org/IntelSGXRootCA.der": 400,
		"crl?uri=https://certificates.trustedservices.intel.com@example.org/IntelSGXRootCA.der": 400,
		"crl?uri=https://certificates.trustedservices.intel.com/" + digits(2048):                400,
		"crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der":             404,
		"fmspcs?platform=E4": 400, "fmspcs?platform=E5": 404, "fmspcs": 404, "rootcacrl?update=x": 404,
		"appraisalpolicy": 400, "appraisalpolicy?fmspc=1": 400, "appraisalpolicy?fmspc=00606A000000": 404,
		"tcb?" + strings.Repeat("a=b&", 3000): 400,
	} {
		r := s.get(api + path)
		if r.status != want {
			t.Errorf("%.100s: status %d, want %d (%s)", path, r.status, want, r.header.Get("Error-Message"))
		}
		if r.header.Get("Content-Type") != "text/html; charset=utf-8" || len(r.header.Get("Request-ID")) != 32 {
			t.Errorf("%.100s: %v", path, r.header)
		}
		if want == 400 && string(r.body) != "Invalid request parameters." {
			t.Errorf("%.100s: %q", path, r.body)
		}
	}
}

func TestOfAParameterThatIsGivenTwiceTheFirstCountsAndOthersArePassedOver(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	fmspc := extensionOf(t, platform).FMSPC
	good := hex.EncodeToString(fmspc[:])
	s.want(s.get(api+"tcb?a=b&fmspc="+good+"&FMSPC=1&fmspc=1&update=standard&update=nonsense&customParameter=%2B"), http.StatusOK)
	s.want(s.get(api+"tcb?fmspc=1&fmspc="+good), http.StatusBadRequest)
	s.want(s.get(api+"tcb?%66mspc="+strings.ToUpper(good)), http.StatusOK)
	if calls := s.upstream.Calls("/tcb?"); len(calls) != 1 {
		t.Errorf("one and the same thing was fetched by %v", calls)
	}
}

func TestPathsAndMethodsThatThereAreNotAre404(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	for _, c := range []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/sgx/certification/v4/"}, {"GET", "/sgx/certification/v2/rootcacrl"}, {"GET", "/tdx/certification/v4/pckcrl?ca=platform"},
		{"GET", "/tdx/certification/v3/tcb?fmspc=00606a000000"}, {"GET", "/sgx/certification/v3/fmspcs"}, {"POST", api + "tcb"}, {"DELETE", api + "platforms"},
		{"GET", api + "platformcollateral"}, {"PUT", api + "refresh"}, {"OPTIONS", api + "tcb"}, {"GET", api + "tcb/../tcb"}, {"GET", "/sgx/certification/v4qe/identity"},
	} {
		if r := s.call(c.method, c.path, nil, nil); r.status != http.StatusNotFound || len(r.header.Get("Request-ID")) != 32 || r.header.Get("Allow") != "" {
			t.Errorf("%s %s: %d %v", c.method, c.path, r.status, r.header)
		}
	}
	for path, warned := range map[string]bool{"/sgx/certification/v3/fmspcs": true, "/SGX/certification/V3/": true, "/tdx/certification/v3/tcb": false, api: false} {
		if got := s.get(path).header.Get("Warning"); strings.HasPrefix(got, `299 - "PCS API version 3 is no longer available. `) != warned {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestListsAreNamedByAnyAddressThatIntelHasThemAt(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	want := s.want(s.get(api+"rootcacrl"), http.StatusOK)
	for uri, status := range map[string]int{
		"https://certificates.trustedservices.intel.com/IntelSGXRootCA.der": 200, "https://certificates.trustedservices.intel.com/IntelSGXRootCA.crl": 200,
		"https://certprx.adsdcsp.com/IntelSGXRootCA.crl": 200, "https://certprx.adsdcsp.com/IntelSGXRootCA": 400, "https://adsdcsp.com/IntelSGXRootCA.crl": 400,
		"https://evil.example/?https://certificates.trustedservices.intel.com/IntelSGXRootCA.der": 400, "https://certificates.trustedservices.intel.com.evil.example/IntelSGXRootCA.der": 400,
		"https://certificates.trustedservices.intel.com:444/IntelSGXRootCA.der": 400, "http://certificates.trustedservices.intel.com/IntelSGXRootCA.der": 400,
	} {
		r := s.want(s.get(api+"crl?uri="+uri), status)
		if status == 200 && hex.EncodeToString(r.body) != string(want.body) {
			t.Errorf("%s: %x", uri, r.body)
		}
	}
}

func TestARequestHasTheNameThatItsCallerGaveItIfThatIsSane(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	for given, kept := range map[string]bool{
		"0123456789abcdef0123456789abcdef": true, "a-b_c.D": true, "": false, "with blank": false, `"quoted"`: false, strings.Repeat("x", 65): false,
	} {
		r := s.call(http.MethodGet, api+"rootcacrl", map[string]string{"Request-ID": given}, nil)
		if got := r.header.Get("Request-ID"); (got == given) != kept || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestHeadAsksForTheSameAndGetsNoBody(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	path := readPaths(platform, t)[3]
	get, head := s.want(s.get(path), http.StatusOK), s.want(s.call(http.MethodHead, path, nil, nil), http.StatusOK)
	if len(head.body) != 0 || head.header.Get("Content-Length") != get.header.Get("Content-Length") || head.header.Get("ETag") != get.header.Get("ETag") {
		t.Errorf("%v\n%v", get.header, head.header)
	}
	again := s.want(s.call(http.MethodGet, path, map[string]string{"If-None-Match": get.header.Get("ETag")}, nil), http.StatusNotModified)
	if len(again.body) != 0 {
		t.Errorf("%q", again.body)
	}
	s.want(s.call(http.MethodGet, path, map[string]string{"If-None-Match": `"another"`}, nil), http.StatusOK)
}

func TestNothingIsCompressedWhoeverAsks(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	r := s.call(http.MethodGet, readPaths(platform, t)[3], map[string]string{"Accept-Encoding": "gzip"}, nil)
	if r.header.Get("Content-Encoding") != "" || !bytes.HasPrefix(r.body, []byte("{")) {
		t.Errorf("%v", r.header)
	}
}

func TestABodyOf25MegabytesIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	address := strings.TrimPrefix(s.site, "https://")
	for _, head := range []string{"PUT " + api + "platformcollateral", "POST " + api + "platforms", "POST " + api + "refresh", "PUT " + api + "appraisalpolicy"} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: s.authorities, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		// Of the body nothing is ever sent.
		_, _ = io.WriteString(conn, head+" HTTP/1.1\r\nHost: "+address+"\r\nContent-Length: 26214400\r\nadmin-token: "+goodAdmin+"\r\nuser-token: "+goodUser+"\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", head, err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = conn.Close()
		if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge || string(text) != "Content too large." {
			t.Errorf("%s: %v, %d %q", head, err, answer.StatusCode, text)
		}
	}
	// Nor is one that does not say how long it is.
	var answer *http.Response
	// Half a second after its answer the server hangs up: a client that is not awake
	// until then may hear of that alone.
	for tries := 0; answer == nil; tries++ {
		request, err := http.NewRequest(http.MethodPut, s.site+api+"platformcollateral", io.MultiReader(strings.NewReader(`{"a":"`), endless{}))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("admin-token", goodAdmin)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authorities}}}
		if answer, err = client.Do(request); err != nil && tries == 5 {
			t.Fatal(err)
		}
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", answer.StatusCode)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

// TestWhoSendsAllBeforeHeReadsHearsWhyHeIsRefused is of clients in Python: of a
// connection that is closed while they send they make an error of TLS.
func TestWhoSendsAllBeforeHeReadsHearsWhyHeIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	address := strings.TrimPrefix(s.site, "https://")
	const size = 8 << 20 // far more than lies in buffers on the way
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"too large":        {"PUT " + api + "platformcollateral HTTP/1.1\r\nadmin-token: " + goodAdmin, http.StatusRequestEntityTooLarge},
		"without a token":  {"PUT " + api + "appraisalpolicy HTTP/1.1\r\nadmin-token: wrong", http.StatusRequestEntityTooLarge},
		"to nowhere":       {"POST " + api + "tcb HTTP/1.1", http.StatusNotFound},
		"of unsaid length": {"POST " + api + "platforms HTTP/1.1\r\nTransfer-Encoding: chunked\r\nuser-token: wrong", http.StatusUnauthorized},
	} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: s.authorities, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		body, end := "", ""
		if strings.Contains(c.head, "chunked") {
			body, end = fmt.Sprintf("%x\r\n", size), "\r\n0\r\n\r\n"
		} else {
			c.head += fmt.Sprintf("\r\nContent-Length: %d", size)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.WriteString(conn, c.head+"\r\nHost: "+address+"\r\n\r\n"+body+strings.Repeat("x", size)+end)
		if err != nil {
			t.Fatalf("%s: what was sent was not heard out: %v", name, err)
		}
		answers := bufio.NewReader(conn)
		for _, status := range []int{c.status, http.StatusOK} {
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != status {
				t.Errorf("%s: %v, status %d, not %d", name, err, answer.StatusCode, status)
			}
			// The connection is as good as it was.
			_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: "+address+"\r\n\r\n")
		}
		_ = conn.Close()
	}
}

func TestABodyThatEndsEarlyIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	r := httptest.NewRequest(http.MethodPost, api+"platforms", io.MultiReader(strings.NewReader(`{"qe_id"`), iotest.ErrReader(net.ErrClosed)))
	r.Header.Set("user-token", goodUser)
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestAnUpstreamThatFailsCostsNothingThatIsKept(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, c := range map[string]struct {
		fault  pcstest.Fault
		status []int
	}{
		"hangs up": {pcstest.Down(), []int{502, 503}}, "500": {pcstest.Status(500), []int{502, 503}}, "half an answer": {pcstest.Half(), []int{502, 503}},
		"HTML": {pcstest.WebPage(), []int{502, 503}}, "forged": {pcstest.Forged(), []int{460, 502}}, "no chain": {pcstest.Headless(), []int{460, 502}},
		"404": {pcstest.Status(404), []int{404}}, "redirect": {pcstest.Redirect("http://127.0.0.1:1/"), []int{502, 503}},
		"too much": {pcstest.Huge(), []int{502, 503}}, "401": {pcstest.Status(401), []int{502}},
	} {
		t.Run(name, func(t *testing.T) {
			s, platform := simulated(t)
			path := readPaths(platform, t)[3]
			s.upstream.Break("/tcb", c.fault)
			r := s.get(path)
			if !containsInt(c.status, r.status) {
				t.Errorf("status %d, want one of %v: %q", r.status, c.status, r.body)
			}
			if r.status == 503 && len(r.body) != 0 {
				t.Errorf("503 with %q", r.body)
			}
			s.upstream.Mend()
			later := noon().Add(2 * time.Minute)
			s.now.Store(&later)
			good := s.want(s.get(path), http.StatusOK)
			s.upstream.Break("", c.fault)
			s.server.Forget()
			if r := s.want(s.get(path), http.StatusOK); !bytes.Equal(r.body, good.body) {
				t.Errorf("%q", r.body)
			}
		})
	}
}

func containsInt(list []int, n int) bool {
	for _, one := range list {
		if one == n {
			return true
		}
	}
	return false
}

func TestACallerWhoWaitsForASlowUpstreamBlocksNobody(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	paths := readPaths(platform, t)
	hang := make(chan struct{})
	s.upstream.Break("/tcb", pcstest.Hanging(hang))
	slow := make(chan int, 1)
	go func() {
		status, _, _, err := s.client(qcnltest.Conf{}).Call(context.Background(), http.MethodGet, s.site+paths[3], nil, nil)
		if err != nil {
			status = -1
		}
		slow <- status
	}()
	for len(s.upstream.Calls("/tcb")) == 0 {
		time.Sleep(time.Millisecond)
	}
	s.want(s.get(api+"qe/identity"), http.StatusOK)
	select {
	case status := <-slow:
		t.Errorf("it did not wait: %d", status)
	default:
	}
	close(hang)
	if status := <-slow; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestReadsThatAreTooManyAreAskedToComeAgain(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, func(_ *pccs.Config, c *pccs.ServerConfig) { c.Misses = 1 })
	hang := make(chan struct{})
	s.upstream.Break("/tcb", pcstest.Hanging(hang))
	first := make(chan struct{})
	go func() {
		defer close(first)
		_, _, _, _ = s.client(qcnltest.Conf{}).Call(context.Background(), http.MethodGet, s.site+readPaths(platform, t)[3], nil, nil)
	}()
	for len(s.upstream.Calls("/tcb")) == 0 {
		time.Sleep(time.Millisecond)
	}
	if r := s.want(s.get(api+"rootcacrl"), http.StatusServiceUnavailable); len(r.body) != 0 {
		t.Errorf("%q", r.body)
	}
	close(hang)
	<-first
	s.want(s.get(api+"rootcacrl"), http.StatusOK)
}
