// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The budget of what a reader downloads to verify, in bytes. Most of it is the
// standard library's crypto/x509 with what it brings, and a tenth is CBOR. Brotli
// is what servers send, and where the promise is; the others show growth where
// there is no Node. Measured when they were set: 8,685,635, 2,126,258 and
// 1,531,179. Without inlining, which the build leaves out but in cryptography and
// arithmetic, a module is longer and what is downloaded a tenth shorter.
const (
	maxWASM   = 9_200_000
	maxGzip   = 2_300_000
	maxBrotli = 1_600_000
	wasmEntry = "./cmd/attesteer-wasm"
)

// wasmEnv is the environment in which the go command builds for JavaScript.
func wasmEnv() []string {
	return []string{"GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly"}
}

// wasmFlags are those of `make wasm`.
func wasmFlags() []string {
	return []string{"build", "-trimpath", "-ldflags=-s -w", "-gcflags=all=-l", "-gcflags=crypto/...=", "-gcflags=math/...="}
}

// browserModule builds the program for JavaScript as it is published.
func browserModule(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "attesteer.wasm")
	goCommand(t, wasmEnv(), append(wasmFlags(), "-o", file, wasmEntry)...)
	return file
}

func TestVerificationFitsABrowser(t *testing.T) {
	env := wasmEnv()
	var buildable []string
	for _, name := range browser {
		buildable = append(buildable, "./"+name)
	}
	goCommand(t, env, append([]string{"build"}, buildable...)...)

	linked := strings.Fields(goCommand(t, env, "list", "-deps", wasmEntry))
	for _, name := range browser {
		path := strings.TrimSuffix(modulePath+"/"+name, "/")
		if !slices.Contains(linked, path) {
			t.Errorf("the program that is weighed does not hold %q", name)
		}
	}
	for _, path := range linked {
		if path == "net/http" || path == "log/slog" {
			t.Errorf("verification in the browser links %s", path)
		}
	}

	file := browserModule(t)
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(module), "\x00asm") {
		t.Fatal("what was built is no WebAssembly module")
	}
	zipped := gzipped(t, module)
	t.Logf("%d bytes of at most %d; gzip -9 %d of at most %d", len(module), maxWASM, zipped, maxGzip)
	if len(module) > maxWASM {
		t.Errorf("%d bytes, over the budget of %d", len(module), maxWASM)
	}
	if zipped > maxGzip {
		t.Errorf("%d bytes after gzip -9, over the budget of %d", zipped, maxGzip)
	}
}

// TestVerificationFitsABrowserAfterBrotli, of the strongest quality and the
// largest window that browsers take. Only Node has an encoder to hand.
func TestVerificationFitsABrowserAfterBrotli(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Node on this machine: apt-get install nodejs")
		}
		t.Skip("no Node on this machine: apt-get install nodejs")
	}
	const script = `const zlib = require("node:zlib"), c = zlib.constants, module_ = require("node:fs").readFileSync(process.argv[1]);
		console.log(zlib.brotliCompressSync(module_, {params: {
			[c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_LGWIN]: 24, [c.BROTLI_PARAM_SIZE_HINT]: module_.length}}).length);`
	out, err := exec.Command(node, "-e", script, browserModule(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	size, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("brotli %d of at most %d", size, maxBrotli)
	if size > maxBrotli {
		t.Errorf("%d bytes after brotli, over the budget of %d", size, maxBrotli)
	}
}

// gzipped returns the length of data after the strongest gzip.
func gzipped(t *testing.T, data []byte) int {
	t.Helper()
	counter := new(countingWriter)
	w, err := gzip.NewWriterLevel(counter, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return counter.n
}

// countingWriter keeps the length of what is written and forgets the rest.
type countingWriter struct{ n int }

var _ io.Writer = (*countingWriter)(nil)

func (c *countingWriter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
