// SPDX-License-Identifier: Apache-2.0

package openenclave_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// realReports returns what Open Enclave's tests and users left in the folder of
// real evidence, if there is one: reports, evidence and endorsements.
func realReports(t testing.TB) [][]byte {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	files, err := filepath.Glob(filepath.Join(dir, "oe", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// FuzzReport looks for a header that is taken and is not one, and for an inner
// quote that is anything but what follows it.
func FuzzReport(f *testing.F) {
	report := seed(f)
	f.Add(report)
	f.Add(report[:16])
	f.Add(append(bytes.Clone(report), 0))
	f.Add([]byte{})
	for _, b := range realReports(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		inner, err := openenclave.ParseReport(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || inner != nil {
				t.Fatalf("kind %q, %d bytes", kind, len(inner))
			}
			return
		}
		// The inner bytes are a part of the input, so that nothing is allocated.
		if !openenclave.IsReport(b) || len(inner) != len(b)-16 || len(inner) > 0 && &inner[0] != &b[16] {
			t.Error("taken, yet not a header and what follows it")
		}
	})
}
