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

// FuzzEvidence looks for evidence that is taken and does not add up.
func FuzzEvidence(f *testing.F) {
	quote := seed(f)[16:]
	f.Add(append(header(ecdsa, len(quote)+6), append(bytes.Clone(quote), "claims"...)...))
	f.Add(append(header(report, len(seed(f))), seed(f)...))
	f.Add(header(ecdsa, 0))
	for _, b := range realReports(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		in, err := openenclave.ParseEvidence(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || in != nil {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		if !openenclave.IsEvidence(b) || len(in.Inner)+len(in.Claims) != len(b)-32 || len(in.Claims) > 0 && !in.HasClaims {
			t.Errorf("%d bytes taken apart into %d and %d", len(b), len(in.Inner), len(in.Claims))
		}
	})
}

// FuzzClaims: what is read is written back as it was.
func FuzzClaims(f *testing.F) {
	b, err := openenclave.AppendClaims(nil, openenclave.Claim{Name: "some_name", Value: []byte("some_value\x00")}, openenclave.Claim{Name: "n"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:16])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := openenclave.ParseClaims(b)
		if err != nil {
			if rats.KindOf(err) != rats.Malformed || claims != nil {
				t.Fatalf("%v, %v", claims, err)
			}
			return
		}
		back, err := openenclave.AppendClaims(nil, claims...)
		if err != nil || !bytes.Equal(back, b) && len(claims) > 0 {
			t.Errorf("%x became %x, %v", b, back, err)
		}
	})
}

// FuzzEndorsements: the parts are parts of the input.
func FuzzEndorsements(f *testing.F) {
	for _, b := range realReports(f) {
		f.Add(b)
	}
	f.Add(append([]byte{1, 0, 0, 0, 2, 0, 0, 0, 36, 0, 0, 0, 9, 0, 0, 0}, make([]byte, 36)...))
	f.Add(append([]byte{4, 0, 0, 0, 0x81, 0, 0, 0}, make([]byte, 112)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := openenclave.ParseEndorsements(b)
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || c != nil {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		size := 0
		for _, part := range c.Parts() {
			size += len(part)
		}
		if size > len(b) || !openenclave.IsEndorsements(b) {
			t.Errorf("%d bytes in %d", size, len(b))
		}
	})
}
