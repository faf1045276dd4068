// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// ders returns the certificates of a PEM text.
func ders(t testing.TB, text []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		out = append(out, block.Bytes)
	}
}

// endorsements returns what a client got as a verifier takes it. Lists come in
// hex by version 3.0 of the client's API, and in DER by 3.1.
func endorsements(t testing.TB, c *qcnltest.Collateral, inHex bool) *attesteer.Endorsements {
	t.Helper()
	list := func(b []byte) []byte {
		if !inHex {
			return b
		}
		der, err := hex.DecodeString(string(b))
		if err != nil {
			t.Fatalf("a list is not in hex: %v: %.60q", err, b)
		}
		return der
	}
	withoutRoot := func(chain []byte) [][]byte {
		all := ders(t, chain)
		if len(all) != 2 {
			t.Fatalf("%d certificates in a chain: %q", len(all), chain)
		}
		return all[:1]
	}
	set, err := attesteer.ParseEndorsements(
		rats.Endorsement{Kind: rats.TCBInfo, Body: c.TCBInfo, Issuers: withoutRoot(c.TCBInfoChain)},
		rats.Endorsement{Kind: rats.QEIdentity, Body: c.QEIdentity, Issuers: withoutRoot(c.QEIdentityChain)},
		rats.Endorsement{Kind: rats.PCKCRL, Body: list(c.PCKCRL), Issuers: withoutRoot(c.PCKCRLChain)},
		rats.Endorsement{Kind: rats.RootCACRL, Body: list(c.RootCRL)},
	)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func roots() []rats.TrustRoot { return append(attesteer.Roots(), simtee.Root()) }

func TestWhatQCNLGetsVerifiesAQuoteOfASimulatedPlatform(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	for _, tdx := range []bool{false, true} {
		raw, err := platform.Quote(simtee.Enclave{})
		if tdx {
			raw, err = platform.QuoteTD(simtee.TD{})
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.client(qcnltest.Conf{}).Collateral(t.Context(), tdx, extensionOf(t, platform).FMSPC, "platform")
		if err != nil {
			t.Fatal(err)
		}
		set := endorsements(t, got, true)
		if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, set, attesteer.Policy{Roots: roots()}, noon()); err != nil {
			t.Errorf("tdx %t: %v", tdx, err)
		}
	}
}

func TestAQuotingEnclaveGetsItsCertificate(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	ext := extensionOf(t, platform)
	client := s.client(qcnltest.Conf{})
	for range 3 { // from upstream, from memory, from memory
		config, err := client.PCKCert(t.Context(), named(ext))
		if err != nil {
			t.Fatal(err)
		}
		if config.CPUSVN != ext.CPUSVN || config.PCESVN != ext.PCESVN {
			t.Errorf("the certificate is for %x %d", config.CPUSVN, config.PCESVN)
		}
		text := config.Chain
		if text[len(text)-1] != 0 {
			t.Error("the chain does not end with a zero byte")
		}
		all := ders(t, text[:len(text)-1])
		if len(all) != 3 || !bytes.Equal(all[0], platform.PCKCertificate().Body) {
			t.Errorf("%d certificates, or another platform's:\n%s", len(all), text)
		}
	}
	if n := s.upstream.asked.Load(); n != 1 {
		t.Errorf("upstream was asked %d times", n)
	}
}

// flaky answers 503 so often, as handler refuses, and then has next answer.
func flaky(times int, next http.Handler) http.Handler {
	left := times
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left--; left >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestQuirk1A503HasNoBodyForQCNLDoesNotEmptyItsBuffer(t *testing.T) {
	t.Parallel()
	// What goes wrong with a body, so that the imitation is known to see it.
	s, platform := simulated(t)
	body := http.HandlerFunc(func() http.HandlerFunc {
		first := true
		return func(w http.ResponseWriter, r *http.Request) {
			if first {
				first = false
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte("Server is currently unable to process the request."))
				return
			}
			s.server.ServeHTTP(w, r)
		}
	}())
	wrong := httptest.NewServer(body)
	defer wrong.Close()
	client := qcnltest.New(qcnltest.Conf{PCCSURL: wrong.URL + "/sgx/certification/v4/", RetryTimes: 1}, nil)
	fmspc := extensionOf(t, platform).FMSPC
	got, _, err := client.TCBInfo(t.Context(), false, fmspc)
	if err != nil || !bytes.HasPrefix(got, []byte("Server is currently")) {
		t.Fatalf("the imitation does not show the fault: %v, %.60q", err, got)
	}

	// A PCCS that cannot: every read's 503 is empty.
	s, platform = simulated(t)
	fmspc = extensionOf(t, platform).FMSPC
	s.upstream.Break("", pcstest.Status(http.StatusInternalServerError))
	for _, path := range readPaths(platform, t) {
		r := s.get(path)
		if r.status == http.StatusServiceUnavailable && (len(r.body) != 0 || r.header.Get("Content-Length") != "0") {
			t.Errorf("%s: 503 has the body %q", path, r.body)
		}
	}
	// And one that recovers between two tries gives what was signed.
	near := httptest.NewServer(flaky(1, s.server))
	defer near.Close()
	s.upstream.Mend()
	later := noon().Add(time.Hour)
	s.now.Store(&later) // an upstream that failed is left alone for a while
	client = qcnltest.New(qcnltest.Conf{PCCSURL: near.URL + "/sgx/certification/v4/", RetryTimes: 1}, nil)
	got, _, err = client.TCBInfo(t.Context(), false, fmspc)
	if err != nil || !bytes.HasPrefix(got, []byte(`{"tcbInfo":`)) {
		t.Errorf("%v, %.60q", err, got)
	}
}

// readPaths are all that QCNL may read of a platform.
func readPaths(platform *simtee.Platform, t testing.TB) []string {
	ext := extensionOf(t, platform)
	fmspc := hex.EncodeToString(ext.FMSPC[:])
	pck := "/sgx/certification/v4/" + qcnltest.New(qcnltest.Conf{}, nil).PCKQuery(named(ext))
	return []string{
		pck, "/sgx/certification/v4/pckcrl?ca=platform", "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
		"/sgx/certification/v4/tcb?fmspc=" + fmspc, "/sgx/certification/v4/tcb?fmspc=" + fmspc + "&update=early",
		"/tdx/certification/v4/tcb?fmspc=" + fmspc, "/sgx/certification/v4/qe/identity", "/tdx/certification/v4/qe/identity",
		"/sgx/certification/v4/qve/identity", "/sgx/certification/v4/qae/identity", "/sgx/certification/v4/rootcacrl",
		"/sgx/certification/v4/crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
		"/sgx/certification/v4/appraisalpolicy?fmspc=" + fmspc, "/sgx/certification/v4/fmspcs",
		"/sgx/certification/v4/tcbevaluationdatanumbers", "/tdx/certification/v4/tcbevaluationdatanumbers",
		"/sgx/certification/v3/tcb?fmspc=" + fmspc, "/sgx/certification/v3/qe/identity", "/sgx/certification/v3/rootcacrl",
	}
}

func TestQuirk3NothingRedirectsAndNothingAsksToSlowDown(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, func(_ *pccs.Config, c *pccs.ServerConfig) { c.Misses = 1 })
	s.upstream.Break("pckcrl", pcstest.Busy(100, http.StatusTooManyRequests, time.Second))
	s.upstream.Break("qe/identity", pcstest.Redirect("http://127.0.0.1:1/"))
	paths := append(readPaths(platform, t), "/", "/sgx/certification/v4", "/sgx/certification/v4//tcb", "/sgx/certification/v4/tcb/", "/SGX/certification/V4/rootcacrl")
	for _, path := range paths {
		r := s.get(path)
		if r.status >= 300 && r.status < 400 || r.status == http.StatusTooManyRequests {
			t.Errorf("%s answers %d", path, r.status)
		}
	}
	_, _, err := s.client(qcnltest.Conf{}).QEIdentity(t.Context(), false)
	if code := qcnltest.CodeOf(err); code == 0 {
		t.Error("an identity came from nowhere")
	}
}

func TestQuirk5AnAddressWithoutASlashAsksForWhatThereIsNot(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	client := s.client(qcnltest.Conf{PCCSURL: strings.TrimSuffix(s.base, "/")})
	_, _, err := client.QEIdentity(t.Context(), false)
	var failed *qcnltest.Error
	if !errors.As(err, &failed) || failed.Code != qcnltest.NoCacheData || !strings.Contains(failed.URL, "v4qe/identity") {
		t.Errorf("%v", err)
	}
}

func TestQuirk6HTTP1KeepsTheNamesOfHeadersAndHTTP2DoesNotNeedThem(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	address, err := url.Parse(s.site)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", address.Host, &tls.Config{RootCAs: s.authorities, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it was only read
	path := readPaths(platform, t)[0]
	if _, err := conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(conn); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	for _, name := range []string{"SGX-TCBm", "SGX-FMSPC", "SGX-PCK-Certificate-CA-Type", "SGX-PCK-Certificate-Issuer-Chain", "Request-ID", "Content-Type"} {
		if !strings.Contains(head, "\r\n"+name+": ") {
			t.Errorf("%s is not in\n%s", name, head)
		}
	}
	var protocol string
	probe := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: s.authorities}}}
	answer, err := probe.Get(s.site + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if protocol = answer.Proto; protocol != "HTTP/2.0" || answer.Header.Get("SGX-TCBm") == "" {
		t.Errorf("%s, %v", protocol, answer.Header)
	}
}

func TestQuirk7ChainsStandInHeadersAsJavaScriptEscapesThem(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	r := s.want(s.get(readPaths(platform, t)[3]), http.StatusOK)
	chain := r.header.Get("TCB-Info-Issuer-Chain")
	if !strings.HasPrefix(chain, "-----BEGIN%20CERTIFICATE-----%0A") || strings.ContainsAny(chain, "+/= \n") {
		t.Errorf("%.120s", chain)
	}
	byPath, err := url.PathUnescape(chain)
	byQuery, err2 := url.QueryUnescape(chain) // some clients undo it in this way
	if err != nil || err2 != nil || byPath != byQuery || len(ders(t, []byte(byPath))) != 2 {
		t.Errorf("%v, %v: %s", err, err2, byPath)
	}
}

func TestQuirk8AnEvaluationNumberIsHeard(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	fmspc := hex.EncodeToString(func() []byte { f := extensionOf(t, platform).FMSPC; return f[:] }())
	s.want(s.get("/sgx/certification/v4/tcb?fmspc="+fmspc), http.StatusOK)
	s.want(s.get("/sgx/certification/v4/tcb?fmspc="+fmspc+"&tcbEvaluationDataNumber=4000"), http.StatusNotFound)
	s.want(s.get("/sgx/certification/v4/tcb?fmspc="+fmspc+"&tcbEvaluationDataNumber=4000&update=standard"), http.StatusBadRequest)
	s.want(s.get("/tdx/certification/v4/tcbevaluationdatanumbers"), http.StatusOK)
	if calls := s.upstream.Calls("tcbEvaluationDataNumber=4000"); len(calls) != 1 {
		t.Errorf("upstream was asked %v", calls)
	}
}

func TestQuirk9WhatIsStaleIsMarked(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	path := readPaths(platform, t)[3]
	fresh := s.want(s.get(path), http.StatusOK)
	if fresh.header.Get(pccs.HeaderStale) != "" || fresh.header.Get(pccs.HeaderNextUpdate) == "" {
		t.Errorf("%v", fresh.header)
	}
	s.upstream.Break("", pcstest.Down())
	later := noon().Add(40 * 24 * time.Hour)
	s.now.Store(&later)
	stale := s.want(s.get(path), http.StatusOK)
	if stale.header.Get(pccs.HeaderStale) != fresh.header.Get(pccs.HeaderNextUpdate) || !bytes.Equal(stale.body, fresh.body) {
		t.Errorf("%v", stale.header)
	}
	if !strings.Contains(s.logged.String(), "what is stale is served") {
		t.Errorf("the log does not say so: %s", s.logged)
	}
	if _, n := s.server.Counts(); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

func TestQuirk12RefreshTakesWhatPccsadminSends(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	if _, err := s.client(qcnltest.Conf{}).PCKCert(t.Context(), named(extensionOf(t, platform))); err != nil {
		t.Fatal(err)
	}
	fmspc := extensionOf(t, platform).FMSPC
	one := strings.ToUpper(hex.EncodeToString(fmspc[:]))
	for _, list := range []string{"", "all", one, one + "," + one, "[" + one + "]", "[" + one + ", " + one + "]"} {
		path := "/sgx/certification/v4/" + qcnltest.RefreshPath(list)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if r := s.admin(method, path, ""); r.status != http.StatusOK || string(r.body) != "Operation successful." {
				t.Errorf("%s %s: %d %q %v", method, path, r.status, r.body, r.header)
			}
		}
	}
	for _, wrong := range []string{"refresh?type=certs&fmspc=12", "refresh?type=certs&fmspc=[" + one, "refresh?type=everything", "refresh?type=certs&fmspc=" + one + ",x"} {
		s.want(s.admin(http.MethodPost, "/sgx/certification/v4/"+wrong, ""), http.StatusBadRequest)
	}
}

func TestQuirk14Version3IsServedFromWhatIsKeptAndSaysThatItEnds(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	for _, path := range readPaths(platform, t) {
		if !strings.Contains(path, "/v3/") {
			continue
		}
		r := s.get(path)
		if !strings.HasPrefix(r.header.Get("Warning"), "299 - ") {
			t.Errorf("%s: no warning: %v", path, r.header)
		}
		if strings.Contains(path, "tcb") && r.status != http.StatusGone {
			t.Errorf("%s answers %d", path, r.status)
		}
	}
	// Nor is anything fetched for who registers or refreshes by it.
	body := qcnltest.PlatformBody(named(extensionOf(t, platform)), nil)
	user := map[string]string{"user-token": goodUser}
	post := func(version string) reply {
		return s.call(http.MethodPost, "/sgx/certification/"+version+"/platforms", user, []byte(body))
	}
	if r := s.want(post("v3"), http.StatusGone); !strings.HasPrefix(r.header.Get("Warning"), "299 - ") {
		t.Errorf("%v", r.header)
	}
	s.want(s.admin(http.MethodPost, "/sgx/certification/v3/refresh", ""), http.StatusGone)
	s.want(s.admin(http.MethodPost, "/sgx/certification/v3/refresh?type=x", ""), http.StatusBadRequest)
	if calls := s.upstream.Calls(""); len(calls) != 0 {
		t.Errorf("upstream was asked %v", calls)
	}
	s.want(post("v4"), http.StatusOK)
	s.want(post("v3"), http.StatusOK) // it is there
	if r := s.get("/sgx/certification/v4/rootcacrl"); r.header.Get("Warning") != "" {
		t.Error("version 4 warns too")
	}
}

func TestARetiredEvaluationIsNotTakenForTheEndOfVersion3(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	fmspc := extensionOf(t, platform).FMSPC
	s.upstream.Retire(17)
	r := s.want(s.get(api+"tcb?tcbEvaluationDataNumber=17&fmspc="+hex.EncodeToString(fmspc[:])), http.StatusGone)
	if strings.Contains(string(r.body), "version 3") || r.header.Get("Warning") != "" {
		t.Errorf("%q %v", r.body, r.header)
	}
}

func TestQCNLAsksInItsOwnWayAndGetsTheSameByEither(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	ext := extensionOf(t, platform)
	client := s.client(qcnltest.Conf{Params: [][2]string{{"api-version", "2021-07-22-preview"}}, Headers: [][2]string{{"metadata", "true"}}, CustomParam: "YWJj+/=="})
	if _, err := client.PCKCert(t.Context(), named(ext)); err != nil {
		t.Error(err)
	}
	if _, err := client.Collateral(t.Context(), false, ext.FMSPC, "platform"); err != nil {
		t.Error(err)
	}
	if _, _, err := client.QvEIdentity(t.Context()); qcnltest.CodeOf(err) != qcnltest.NoCacheData {
		t.Error(err)
	}
	want := []string{"pckcert?qeid=", "pckcrl?ca=platform", "tcb?fmspc=", "qe/identity?update=standard", "rootcacrl?", "qve/identity?update=standard"}
	for i, asked := range client.Asked {
		if !strings.Contains(asked, want[i]) {
			t.Errorf("call %d is %s, want %s", i, asked, want[i])
		}
	}
	unknown := named(ext)
	unknown.QEID, unknown.EncryptedPPID = []byte("somebody else   "), nil
	if _, err := client.PCKCert(t.Context(), unknown); qcnltest.CodeOf(err) != qcnltest.NoCacheData {
		t.Errorf("%v", err)
	}
	if _, err := client.Policy(t.Context(), ext.FMSPC); qcnltest.CodeOf(err) != qcnltest.NoCacheData {
		t.Errorf("%v", err)
	}
	elsewhere := qcnltest.New(qcnltest.Conf{PCCSURL: s.base}, nil)
	if _, _, err := elsewhere.QEIdentity(t.Context(), true); err != nil {
		t.Errorf("without a look at the certificate: %v", err)
	}
}

func TestACertificateThatNobodyTrustsStopsQCNL(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	other := httptest.NewTLSServer(s.server)
	defer other.Close()
	strange := s.authorities.Clone()
	client := qcnltest.New(qcnltest.Conf{PCCSURL: strings.Replace(s.base, "127.0.0.1", "localhost", 1)}, strange)
	if _, _, err := client.QEIdentity(t.Context(), false); qcnltest.CodeOf(err) != qcnltest.UntrustedTLS {
		t.Errorf("%v", err)
	}
}
