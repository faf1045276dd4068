// SPDX-License-Identifier: Apache-2.0

//go:build !js

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// startBrowser returns a context of a headless Chromium, or skips the test where
// there is none.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium on this machine: apt-get install chromium")
		}
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
		chromedp.Flag("disable-background-networking", true))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
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

// TestAWebWorkerGetsTheSameBytes, under a policy that lets pages run nothing but
// their server's scripts and WebAssembly.
func TestAWebWorkerGetsTheSameBytes(t *testing.T) {
	ctx := startBrowser(t)
	dir := t.TempDir()
	executor := buildModule(t, filepath.Join(dir, "attesteer.wasm"))
	write(t, dir, "wasm_exec.js", read(t, executor))
	write(t, dir, "worker.js", read(t, "testdata", "worker.js"))
	write(t, dir, "index.html", []byte("<!doctype html><title>verify</title>"))
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'")
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	raw, items := simulated(t, simtee.Enclave{MREnclave: [32]byte{0xe1}})
	options := map[string]any{"at": noon, "roots": []rats.TrustRoot{simtee.Root()}}
	// Arguments as JSON: the quote is in base64, which verify takes too.
	call, err := json.Marshal([]any{"verify", raw, items, options})
	if err != nil {
		t.Fatal(err)
	}
	optionsJSON, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	want, err := newModule(clock).verify(raw, items, optionsJSON)
	if err != nil {
		t.Fatal(err)
	}

	script := fmt.Sprintf(`new Promise((resolve, reject) => {
		const worker = new Worker("worker.js");
		worker.onerror = (e) => reject(new Error(e.message));
		worker.onmessage = ({data}) => resolve(data);
		worker.postMessage(%s);
	})`, call)
	if _, err := chromedp.Run(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[outcome](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if got.Error != nil || got.Result == nil || *got.Result != want {
		t.Errorf("the worker: %s\nwant %s", got, want)
	}
}
