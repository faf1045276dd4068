// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The budget of what a reader downloads to check a proof, in bytes. It leaves a
// tenth over what was measured when it was set, 7,272,678 and 2,005,747; growth
// beyond that should be somebody's decision. Most of it is the standard library's
// crypto/x509 with what it brings, and a tenth is CBOR.
const (
	maxWASM   = 8_000_000
	maxGzip   = 2_200_000
	wasmEntry = "./testdata/wasm"
)

func TestVerificationFitsABrowser(t *testing.T) {
	env := []string{"GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly"}
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

	file := filepath.Join(t.TempDir(), "attesteer.wasm")
	goCommand(t, env, "build", "-trimpath", "-ldflags=-s -w", "-o", file, wasmEntry)
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
