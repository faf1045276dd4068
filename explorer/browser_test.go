// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// startBrowser returns a context of a headless Chromium, or skips the test where
// there is none.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine: apt-get install chromium")
	}
	dir, err := os.MkdirTemp("/tmp", "chromium") // it makes a socket, whose path is at most 107 bytes long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 600 { // children of the browser write for a moment after it has ended
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("the browser's folder cannot be removed")
	})
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Env("TMPDIR="+dir), chromedp.WSURLReadTimeout(2*time.Minute), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	return ctx
}

// populated returns a ledger of enclaves in every condition that pages show.
func populated() (*ledger, map[string]record.Record) {
	l, named := newLedger(), map[string]record.Record{}
	add := func(name string, r record.Record) {
		named[name] = l.put(record.Recorded, r)
	}
	for n := range uint64(30) {
		add(fmt.Sprintf("filler %d", n), enclave(100+n))
	}
	old := enclave(1)
	old.Expires, old.Listings[0].Expires, old.Listings[0].URL = now-day, now-day, "https://retired.enclave.example"
	add("expired", old)
	lapsed := enclave(2)
	lapsed.ValidUntil, lapsed.Listings[0].URL = now-hour, ""
	add("undecided", lapsed)
	debug := withStatus(enclave(3), rats.OutOfDate, rats.Debug)
	debug.Listings[0].URL = "debugging.enclave.example:8443"
	debug.Advisories = []string{"INTEL-SA-00615", "INTEL-SA-00657"}
	add("debug", debug)
	hostile := enclave(4)
	hostile.Listings[0].URL = `javascript:alert(1)//"><script>alert(document.domain)</script><img src=x onerror=alert(2)>`
	add("hostile", hostile)
	simulated := enclave(5)
	simulated.TrustRoot = rats.SimulatedRoot
	simulated.Listings[0].URL = "http://127.0.0.1:9000/try"
	add("simulated", simulated)
	warned := withStatus(enclave(6), rats.SWHardeningNeeded, rats.Production)
	warned.Listings[0].URL = "https://payments.enclave.example"
	add("warned before", warned)
	warned.Attestations, warned.LastAttested = 2, now-hour
	warned.Status, warned.Advisories = rats.ConfigurationAndSWHardeningNeeded, []string{"INTEL-SA-00289", "INTEL-SA-00615", "LOCAL-1"}
	warned.Freshness = record.Freshness{Kind: record.FreshnessBlock, Height: 131}
	named["warned"] = l.put(record.Attested, warned)
	warned.Listings = append(warned.Listings, record.Listing{
		Registrar: record.Registrar(fill("registrar", 9)), URL: "https://mirror.example/payments", Since: now - hour, Expires: now + 5*day,
	})
	named["warned"] = l.put(record.Listed, warned)
	unnamed := withStatus(trustDomain(8), rats.OutOfDate, rats.Debug)
	unnamed.Listings[0].URL = ""
	add("debug TD", unnamed)
	domain := withStatus(trustDomain(9), rats.TDRelaunchAdvised, rats.Production)
	domain.Listings[0].URL = "https://inference.td.example"
	add("TD", domain)
	verified := enclave(7)
	verified.Listings[0].URL = "https://vault.enclave.example"
	add("verified", verified)
	return l, named
}

func TestPagesInABrowser(t *testing.T) {
	ctx := startBrowser(t)
	l, named := populated()
	server := httptest.NewServer(explorer.Pages(explorer.PagesConfig{
		Index: openFile(t, filepath.Join(t.TempDir(), "index"), l), Registry: l, Governance: sitting(), Network: "dev",
	}))
	defer server.Close()
	shots := os.Getenv("ATTESTEER_SCREENSHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	var complaints []string
	done := make(chan struct{})
	console := chromedp.Console(ctx)
	go func() {
		defer close(done)
		for m, err := range console {
			if err != nil {
				return
			}
			complaints = append(complaints, fmt.Sprintf("%s: %s (%s)", m.Type, m.Text, m.URL))
		}
	}()
	for _, page := range []struct {
		name, path string
		want       []string
	}{
		{"list", "/", []string{"Enclaves", "https://vault.enclave.example", "Verified, with warnings", "Rejected", "Expired", "simulated", "fingerprint (MRENCLAVE)", "fingerprint (SHA-384 of MRTD and RTMRs)", "Next page"}},
		{"search", "/?q=0x" + hexOf(named["warned"].ID)[:16] + "&tee=sgx", []string{"payments.enclave.example"}},
		{"nothing", "/?q=nothing-of-the-kind", []string{"No enclave matches"}},
		{"malformed", "/?fingerprint=xyz", []string{"This search cannot be read"}},
		{"verified", "/enclaves/" + hexOf(named["verified"].ID), []string{"Verified", "Your browser has not checked this; the registry’s validators have.", "vendor (MRSIGNER)", "signer (report data)", "build mode", "attesteer proof verify"}},
		{"warned", "/enclaves/" + hexOf(named["warned"].ID), []string{"Verified, with warnings", "The status moved from SWHardeningNeeded to ConfigurationAndSWHardeningNeeded", "bound to block 131", "INTEL-SA-00289"}},
		{"debug", "/enclaves/" + hexOf(named["debug"].ID), []string{"Rejected", "a debug build"}},
		{"simulated", "/enclaves/" + hexOf(named["simulated"].ID), []string{"simulated", "No hardware vouches for this"}},
		{"expired", "/enclaves/" + hexOf(named["expired"].ID), []string{"Expired"}},
		{"td", "/enclaves/" + hexOf(named["TD"].ID), []string{"Intel TDX virtual machine", "fingerprint (SHA-384 of MRTD and RTMRs)", "RTMR0 to RTMR3", "it should be started again"}},
		{"tds", "/?tee=tdx&fingerprint=" + hex.EncodeToString(named["TD"].Fingerprint), []string{"https://inference.td.example", "tdx"}},
		{"hostile", "/enclaves/" + hexOf(named["hostile"].ID), []string{`<script>alert(document.domain)</script>`}},
		{"governance", "/governance", []string{"Governance", "Proposal 3: parameters", "10 of 40 for it, 10 against", "max_listings: 32, in place of 16"}},
		{"unknown", "/enclaves/" + strings.Repeat("0", 64), []string{"404", "No such enclave"}},
	} {
		t.Run(page.name, func(t *testing.T) {
			for _, view := range []struct {
				scheme string
				width  int64
			}{{"light", 1280}, {"dark", 1280}, {"light", 390}, {"dark", 390}} {
				look(ctx, t, server.URL+page.path, view.scheme, view.width, page.want, filepath.Join(shots, fmt.Sprintf("%s-%s-%d.png", page.name, view.scheme, view.width)))
			}
		})
	}
	if err := chromedp.Cancel(ctx); err != nil {
		t.Error(err)
	}
	<-done
	if len(complaints) == 0 {
		t.Error("not even the two pages that are errors were noted")
	}
	for _, c := range complaints {
		if !strings.Contains(c, "status of 400") && !strings.Contains(c, "status of 404") { // two of the pages are such answers
			t.Error("the browser complains:", c)
		}
	}
}

// look opens a page, reads it and keeps a picture of it.
func look(ctx context.Context, t *testing.T, address, scheme string, width int64, want []string, picture string) {
	t.Helper()
	media := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
	if err := chromedp.Do(ctx, media, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(text), " ")
	for _, w := range want {
		if !strings.Contains(flat, w) {
			t.Errorf("%s, %s, %d px: no %q in the text", address, scheme, width, w)
		}
	}
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	if err != nil {
		t.Fatal(err)
	}
	if wide > width {
		t.Errorf("%s: %d px wide on a screen of %d", address, wide, width)
	}
	measureContrast(ctx, t, address+" "+scheme)
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(picture, shot, 0o600); err != nil {
		t.Fatal(err)
	}
}

// measureContrast demands WCAG 2.2's 4.5:1 (success criterion 1.4.3) of every
// text that is shown.
func measureContrast(ctx context.Context, t *testing.T, where string) {
	t.Helper()
	low, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](contrastScript))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range low {
		t.Errorf("%s: %s", where, l)
	}
}

// contrastScript returns each text whose colour is too close to its ground.
const contrastScript = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
    const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const ground = e => { const layers = []; for (; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, l) => over(l, below), [255, 255, 255, 1]); };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const low = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walker.nextNode();) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility() || e.closest('option, .hidden, .skip')) continue;
    const g = ground(e), x = light(over(rgba(getComputedStyle(e).color), g)), y = light(g);
    const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    if (ratio < 4.5) low.push(n.data.trim().slice(0, 40) + ': contrast ' + ratio.toFixed(2));
  }
  return low;
})()`
