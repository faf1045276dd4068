// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func newPages(t *testing.T, l *ledger, network string) http.Handler {
	t.Helper()
	return explorer.Pages(explorer.PagesConfig{
		Index: openFile(t, filepath.Join(t.TempDir(), "index"), l), Registry: l, Network: network,
	})
}

// get asks for a path and returns the answer and its body.
func get(t *testing.T, h http.Handler, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result(), w.Body.String()
}

// words returns the text of a page, as a reader without style sheets sees it.
func words(body string) string {
	text := regexp.MustCompile(`(?s)<head>.*?</head>|<svg.*?</svg>`).ReplaceAllString(body, " ")
	text = regexp.MustCompile(`</?(span|wbr|code|strong|a)\b[^>]*>`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " ")
	return strings.Join(strings.Fields(html.UnescapeString(text)), " ")
}

func wantWords(t *testing.T, body string, want ...string) {
	t.Helper()
	text := words(body)
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in %q", w, text)
		}
	}
}

func TestTheListShowsEveryRecordOnceNewestFirst(t *testing.T) {
	l, _ := populated()
	h := newPages(t, l, "dev")
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`)
	entry := regexp.MustCompile(`href="/enclaves/([0-9a-f]{64})"`)
	var got []string
	for path := "/"; ; {
		res, body := get(t, h, path)
		if res.StatusCode != http.StatusOK {
			t.Fatal(path, res.Status)
		}
		for _, m := range entry.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		m := next.FindStringSubmatch(body)
		if m == nil {
			wantWords(t, body, "First page")
			break
		}
		path = html.UnescapeString(m[1])
	}
	want := l.newest()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != hexOf(want[i].ID) {
			t.Fatalf("entry %d is %s, want %x", i, got[i], want[i].ID)
		}
	}
}

func TestARecordIsShownInTheWordsOfPeopleAndOfVendors(t *testing.T) {
	l, named := populated()
	r := named["warned"]
	_, body := get(t, newPages(t, l, "dev"), "/enclaves/"+hexOf(r.ID))
	wantWords(t, body,
		"fingerprint (MRENCLAVE) "+hashText(r.Fingerprint), "vendor (MRSIGNER) "+hashText(r.MRSigner),
		"build mode production", "signer (report data) "+hashText(r.Subject), "platform model (FMSPC) 00606a000000",
		"status (Intel TCB status) ConfigurationAndSWHardeningNeeded", "registrar (Ed25519 key) "+hashText(r.Listings[0].Registrar[:]),
		"url https://payments.enclave.example", "url https://mirror.example/payments", "on whose word (trust root) intel",
		"last attested 21 Nov 2026, 03:46:37 UTC (1 hour ago)", "expires 19 Dec 2026, 04:46:37 UTC (in 28 days)",
		"INTEL-SA-00289 INTEL-SA-00615 LOCAL-1", "freshness bound to block 131", hashText(r.AppraisedWith[2][:]), hashText(r.EvidenceSHA256[:]),
		"Verified, with warnings", "Your browser has not checked this; the registry’s validators have.",
		"The status moved from SWHardeningNeeded to ConfigurationAndSWHardeningNeeded.", "Listed", "Attested again", "Recorded",
		"attesteer enclaves proof "+hexOf(r.ID)+" --node http://example.com > bundle.json && attesteer proof verify bundle.json --trust genesis.json",
	)
	for _, path := range []string{"", "/proof", "/evidence", "/history"} {
		if !strings.Contains(body, `href="/v1/enclaves/`+hexOf(r.ID)+path+`"`) {
			t.Errorf("no link to %q", path)
		}
	}
	if strings.Count(body, `href="https://www.intel.com/`) != 2 {
		t.Error("not exactly the two advisories of Intel are linked")
	}
}

func TestClaimsKeyAndEnvelopeAreShown(t *testing.T) {
	key, err := x509.MarshalPKIXPublicKey(ed25519.NewKeyFromSeed(make([]byte, 32)).Public())
	if err != nil {
		t.Fatal(err)
	}
	l, r := newLedger(), enclave(1)
	r.Envelope, r.Key = []rats.Format{rats.OEEvidence, rats.SGXQuoteV3}, key
	r.Claims = []record.Claim{
		{Name: "Event", Value: []byte("start\x00")}, {Name: "<b>hash", Value: []byte{1, 2, 0xff}}, {Name: "nothing"},
		{Name: "turned", Value: []byte("a\u202eb")},
	}
	l.put(record.Recorded, r)
	_, body := get(t, newPages(t, l, "dev"), "/enclaves/"+hexOf(r.ID))
	sum := sha256.Sum256(key)
	wantWords(t, body, "its key (SHA-256) "+hashText(sum[:])+" ed25519, 256 bits.", "Event start <b>hash 0102ff nothing empty turned 61e280ae62",
		"It came as oe-evidence, in it sgx-quote-v3.")
	if strings.Contains(body, "<b>hash") {
		t.Error("a claim's name is markup")
	}
	l, r = newLedger(), enclave(1)
	l.put(record.Recorded, r)
	_, body = get(t, newPages(t, l, "dev"), "/enclaves/"+hexOf(r.ID))
	if text := words(body); strings.Contains(text, "its key") || strings.Contains(text, "claims") || strings.Contains(text, "It came as") {
		t.Error("what a record does not have is shown")
	}
}

func TestATrustDomainIsShownWithoutTheWordsOfEnclaves(t *testing.T) {
	l, named := populated()
	h := newPages(t, l, "dev")
	r := named["TD"]
	_, body := get(t, h, "/enclaves/"+hexOf(r.ID))
	wantWords(t, body,
		"Intel TDX virtual machine, listed by its registrar as https://inference.td.example",
		"fingerprint (SHA-384 of MRTD and RTMRs) "+hashText(r.Fingerprint), "status (Intel TCB status) TDRelaunchAdvised",
		"what it measured since (RTMR0 to RTMR3)", "whoever holds that key speaks for the virtual machine",
	)
	_, debug := get(t, h, "/enclaves/"+hexOf(named["debug TD"].ID))
	wantWords(t, debug, "Virtual machine without a url", "can read and change the virtual machine’s memory")
	for _, page := range []string{body, debug} {
		for _, word := range []string{"MRENCLAVE", "MRSIGNER", "the enclave"} {
			if strings.Contains(page, word) {
				t.Errorf("the page of a trust domain says %q", word)
			}
		}
	}
	for name, path := range map[string]string{
		"by its fingerprint": "/?fingerprint=0x" + strings.ToUpper(hashText(r.Fingerprint)),
		"by a part of it":    "/?q=" + hashText(r.Fingerprint)[:90],
	} {
		res, list := get(t, h, path)
		if res.StatusCode != http.StatusOK || strings.Count(list, `href="/enclaves/`) != 1 || !strings.Contains(list, hexOf(r.ID)) {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

// hashText is a value as a reader copies it: the page's cuts are margins, not spaces.
func hashText(b []byte) string { return hex.EncodeToString(b) }

func TestEveryTierStateAndStatusHasItsWords(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(r *record.Record)
		word, sentence string
		tone           string
	}{
		{"affirming", func(*record.Record) {}, "Verified", "This is a genuine Intel SGX enclave, on a platform that its vendor calls up to date.", "good"},
		{"warning", func(r *record.Record) { *r = withStatus(*r, rats.OutOfDate, rats.Production) }, "Verified, with warnings", "lacks security updates", "warn"},
		{"debug", func(r *record.Record) { *r = withStatus(*r, rats.UpToDate, rats.Debug) }, "Rejected", "a debug build", "bad"},
		{"not supported", func(r *record.Record) { *r = withStatus(*r, rats.NotSupported, rats.Production) }, "Rejected", "fits none of the levels", "bad"},
		{"none", func(r *record.Record) { r.Tier = rats.TierNone }, "Not checked", "Nothing could be established", "idle"},
		{"expired", func(r *record.Record) { r.Expires = now }, "Expired", "ended on 21 November 2026", "idle"},
		{"undecided", func(r *record.Record) { r.ValidUntil = now - 1 }, "Undecided", "lapsed on 21 November 2026", "idle"},
		{"withdrawn", func(r *record.Record) { r.State = record.Withdrawn }, "Withdrawn", "has withdrawn the record", "idle"},
		{"revoked", func(r *record.Record) { r.State = record.Revoked }, "Revoked", "its vendor’s word is withdrawn", "bad"},
		{"not supported any more", func(r *record.Record) {
			r.State, r.StatusReason = record.Revoked, record.ReasonNotSupported
		}, "Revoked", "fits none of the levels", "bad"},
		{"mismatch", func(r *record.Record) { r.State, r.StatusReason = record.Revoked, record.ReasonMismatch }, "Revoked", "is not what its vendor describes", "bad"},
		{"certificate over", func(r *record.Record) {
			r.State, r.StatusReason = record.Expired, record.ReasonCertificate
		}, "Expired", "a certificate that vouches for its platform", "idle"},
		{"undecided by an event", func(r *record.Record) { r.State = record.Undecided }, "Undecided", "lapsed on", "idle"},
		{"about to change", func(r *record.Record) {
			r.WillChange = &record.WillChange{At: now, To: rats.OutOfDate, Reason: record.ReasonRecovery}
		}, "Verified", "From 21 November 2026 on it will be OutOfDate", "good"},
		{"simulated", func(r *record.Record) { r.TrustRoot = rats.SimulatedRoot }, "Verified, but simulated", "No hardware vouches for this", "warn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, r := newLedger(), enclave(1)
			c.change(&r)
			l.put(record.Recorded, r)
			h := newPages(t, l, "dev")
			_, page := get(t, h, "/enclaves/"+hexOf(r.ID))
			wantWords(t, page, c.word+" ", c.sentence)
			if !strings.Contains(page, `<section class="verdict `+c.tone+`"`) {
				t.Errorf("the verdict is not %s", c.tone)
			}
			_, list := get(t, h, "/")
			if !strings.Contains(list, `<span class="chip `+c.tone+`">`) || !strings.Contains(list, "<span>"+c.word+"</span>") {
				t.Errorf("the list does not say %s in %s", c.word, c.tone)
			}
		})
	}
	for _, status := range rats.TCBStatuses() {
		l, r := newLedger(), withStatus(enclave(1), status, rats.Production)
		l.put(record.Recorded, r)
		if _, body := get(t, newPages(t, l, "main"), "/enclaves/"+hexOf(r.ID)); strings.Contains(body, "not known here") {
			t.Errorf("no words for status %s", status)
		}
	}
}

func TestWhatStrangersWroteIsTextAndNoMore(t *testing.T) {
	for text, href := range map[string]string{
		`javascript:alert(1)`:                           "",
		`"><script>alert(1)</script>`:                   "",
		`data:text/html,<b>x</b>`:                       "",
		`wss://enclave.example:2000`:                    "",
		`https://bank.example@evil.example/`:            "",
		`https://`:                                      "",
		`//evil.example`:                                "",
		`a word`:                                        "",
		`localhost`:                                     "",
		`https://enclave.example/path?a=b&c=d`:          "https://enclave.example/path?a=b&amp;c=d",
		`my.enclave.example:8443`:                       "https://my.enclave.example:8443",
		`http://127.0.0.1:9000/`:                        "http://127.0.0.1:9000/",
		`https://enclave.example/"onmouseover="alert(1`: "https://enclave.example/%22onmouseover=%22alert%281",
	} {
		t.Run(text, func(t *testing.T) {
			l, r := newLedger(), enclave(1)
			r.Listings[0].URL = text
			r.Advisories = []string{`<img src=x onerror=alert(1)>`, "INTEL-SA-00615"}
			l.put(record.Recorded, r)
			h := newPages(t, l, "dev")
			for _, path := range []string{"/", "/enclaves/" + hexOf(r.ID)} {
				_, body := get(t, h, path)
				wantText(t, body, text)
				for _, bad := range []string{"<script", "<img src=x", `"onmouseover="`, `href="javascript`, `href="data`} {
					if strings.Contains(body, bad) {
						t.Errorf("%s: %q", path, bad)
					}
				}
			}
			_, body := get(t, h, "/enclaves/"+hexOf(r.ID))
			m := regexp.MustCompile(`<dt>url</dt><dd><a class="out" href="([^"]*)" rel="noopener noreferrer nofollow">`).FindStringSubmatch(body)
			if (m == nil) != (href == "") || m != nil && m[1] != href {
				t.Errorf("link %v, want %q", m, href)
			}
		})
	}
}

// wantText finds a text between tags, whatever it holds.
func wantText(t *testing.T, body, text string) {
	t.Helper()
	if !strings.Contains(html.UnescapeString(body), text) {
		t.Errorf("the page does not show %q", text)
	}
}

func TestASearchIsKeptInTheFormAndInTheLinks(t *testing.T) {
	l, _ := populated()
	h := newPages(t, l, "dev")
	vendor := hexOf(fill("vendor", 1))
	_, body := get(t, h, `/?q=%22%3E%3Cscript%3E1&tee=SGX&status=UpToDate&state=active&mr_signer=`+vendor)
	for _, want := range []string{
		`value="&#34;&gt;&lt;script&gt;1"`, `<option value="sgx" selected>`, `<option value="UpToDate" selected>`, `<option value="active" selected>`,
		`<input type="hidden" name="mr_signer" value="` + vendor + `">`, "No enclave matches",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	_, body = get(t, h, "/?mr_signer="+vendor)
	if n := strings.Count(body, `href="/enclaves/`); n == 0 || n == 25 {
		t.Errorf("%d enclaves of one vendor", n)
	}
	if !strings.Contains(body, `href="/v1/enclaves?mr_signer=`+vendor+`"`) {
		t.Error("the JSON form of the list is not the same list")
	}
	_, body = get(t, h, "/?q=example")
	m := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(body)
	if m == nil || !strings.Contains(m[1], "q=example") || !strings.Contains(m[1], "cursor=") {
		t.Errorf("next page: %v", m)
	}
}

func TestWhatCannotBeShownIsSaidInTheSameLook(t *testing.T) {
	l, named := populated()
	h := newPages(t, l, "dev")
	id := hexOf(named["verified"].ID)
	for _, c := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"GET", "/enclaves/" + strings.Repeat("ab", 32), 404, "No such enclave"},
		{"GET", "/enclaves/" + id[:63], 400, "not the id"},
		{"GET", "/enclaves/nonsense", 400, "not the id"},
		{"GET", "/enclaves/", 404, "no such page"},
		{"GET", "/favicon.ico", 404, "no such page"},
		{"GET", "/assets/style.0000000000000000.css", 404, "no such page"},
		{"GET", "/assets/..%2f..%2findex.go", 404, "no such page"},
		{"GET", "/?status=fine", 400, "This search cannot be read: status: want one of UpToDate"},
		{"GET", "/?cursor=AAAA", 400, "This search cannot be read: cursor"},
		{"GET", "/?q=" + strings.Repeat("x", 600), 400, "This search cannot be read: q"},
		{"POST", "/", 405, "only GET and HEAD"},
		{"DELETE", "/enclaves/" + id, 405, "only GET and HEAD"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || !strings.Contains(strings.ToLower(words(w.Body.String())), strings.ToLower(c.text)) {
			t.Errorf("%s %s: %d, %q", c.method, c.path, w.Code, words(w.Body.String()))
		}
		if !strings.Contains(w.Body.String(), `<header class="top">`) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s: another look", c.method, c.path)
		}
	}
	for _, spelling := range []string{"0x" + id, strings.ToUpper(id)} {
		if res, _ := get(t, h, "/enclaves/"+spelling); res.StatusCode != 301 || res.Header.Get("Location") != "/enclaves/"+id {
			t.Errorf("%s: %s to %q", spelling, res.Status, res.Header.Get("Location"))
		}
	}
	if res, _ := get(t, h, "/enclaves"); res.StatusCode != 301 || res.Header.Get("Location") != "/" {
		t.Errorf("/enclaves: %s", res.Status)
	}
}

// failing is an index whose disk is gone.
type failing struct{}

func (failing) List(context.Context, record.Filter) (record.Page, error) {
	return record.Page{}, rats.Errorf(rats.Internal, "index: %w", errors.New("secret path /var/lib"))
}

func TestAFaultIsNotExplainedToStrangers(t *testing.T) {
	res, body := get(t, explorer.Pages(explorer.PagesConfig{Index: failing{}, Registry: newLedger()}), "/")
	if res.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Fatalf("%s: %s", res.Status, body)
	}
	wantWords(t, body, "This page could not be made")
}

func TestAssetsAreKeptForGoodUnderNamesThatChangeWithThem(t *testing.T) {
	h := newPages(t, newLedger(), "dev")
	_, body := get(t, h, "/")
	found := regexp.MustCompile(`(?:href|src)="(/assets/[^"]*)"`).FindAllStringSubmatch(body, -1)
	if len(found) < 3 {
		t.Fatalf("%d assets on the page", len(found))
	}
	for _, m := range found {
		res, content := get(t, h, m[1])
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || content == "" {
			t.Errorf("%s: %s, %v", m[1], res.Status, res.Header)
		}
		if kind := res.Header.Get("Content-Type"); kind != "text/css; charset=utf-8" && kind != "image/svg+xml" {
			t.Errorf("%s is %s", m[1], kind)
		}
		again := httptest.NewRequest(http.MethodGet, m[1], nil)
		again.Header.Set("If-None-Match", res.Header.Get("ETag"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, again)
		if w.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", m[1], w.Code)
		}
	}
	if res, _ := get(t, h, "/assets/logo.svg"); res.StatusCode != 200 || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("plain name: %s, %v", res.Status, res.Header)
	}
}

func TestPagesRunNothingAndLoadNothingFromElsewhere(t *testing.T) {
	l, named := populated()
	h := explorer.Pages(explorer.PagesConfig{
		Index: openFile(t, filepath.Join(t.TempDir(), "index"), l), Registry: l, Governance: sitting(), Network: "dev",
	})
	for _, path := range []string{"/", "/enclaves/" + hexOf(named["warned"].ID), "/governance"} {
		res, body := get(t, h, path)
		for _, part := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self' data:", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(res.Header.Get("Content-Security-Policy"), part) {
				t.Errorf("%s: no %s", path, part)
			}
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if res.Header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, res.Header.Get(name))
			}
		}
		for _, bad := range []string{"<script", "style=", "onclick", "<iframe", `src="http`, "@import", `<link rel="stylesheet" href="http`} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %s", path, bad)
			}
		}
	}
}

func TestTheNetworkIsNamedWhereItAcceptsMore(t *testing.T) {
	for network, want := range map[string]string{"dev": "simulated enclaves are accepted", "test": "debug builds are accepted", "main": ""} {
		_, body := get(t, newPages(t, newLedger(), network), "/")
		if want != "" {
			wantWords(t, body, want)
		} else if strings.Contains(body, `class="banner"`) {
			t.Error("a banner on the main network")
		}
		wantWords(t, body, "No enclave yet", "Ledger attesteer-dev-7f3a, block 100")
	}
}

func TestTheCommandNeverRepeatsAnUnusualHost(t *testing.T) {
	l, named := populated()
	h := newPages(t, l, "dev")
	for host, want := range map[string]string{
		"node.example:2000": "--node http://node.example:2000 ", "$(reboot)": "--node http://127.0.0.1:2000 ",
		"a;b": "--node http://127.0.0.1:2000 ", "": "--node http://127.0.0.1:2000 ", "[::1]:2000": "--node 'http://[::1]:2000' ",
	} {
		r := httptest.NewRequest(http.MethodGet, "/enclaves/"+hexOf(named["verified"].ID), nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		wantText(t, w.Body.String(), want)
	}
}

func TestALongHistoryIsCutAndSaysSo(t *testing.T) {
	l, r := newLedger(), enclave(1)
	l.put(record.Recorded, r)
	for range 120 {
		l.put(record.Attested, r)
	}
	_, body := get(t, newPages(t, l, "dev"), "/enclaves/"+hexOf(r.ID))
	if n := strings.Count(body, "<h3>Attested again"); n != 50 {
		t.Errorf("%d entries", n)
	}
	wantWords(t, body, "71 earlier entries are in the whole history")
}
