// SPDX-License-Identifier: Apache-2.0

package openenclave_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// seed returns a real remote report: 16 bytes of header and a quote of 4,730.
func seed(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/oe_report.bin")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors returns the folder of real evidence, or skips the test.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no vectors (set ATTESTEER_VECTORS): %v", err)
	}
	return dir
}

func TestARemoteReportHoldsItsQuote(t *testing.T) {
	report := seed(t)
	if !openenclave.IsReport(report) {
		t.Fatal("not recognised as a report")
	}
	inner, err := openenclave.ParseReport(report)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(inner, report[16:]) {
		t.Error("the inner bytes are not those after the header")
	}
	if inner[0] != 3 || inner[2] != 2 {
		t.Errorf("the inner bytes begin % x, not like a quote of version 3 with an ECDSA P-256 key", inner[:4])
	}
}

// The envelopes of these are sound; what is bad about them is the quote's
// chain and signature, which is not this package's affair.
func TestReportsWithBadQuotesStillOpen(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(vectors(t), "oe", "host_verify__sgx_report_bad*.bin"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("%d samples, want 2 (%v)", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			inner, err := openenclave.ParseReport(b)
			if err != nil {
				t.Fatal(err)
			}
			if !openenclave.IsReport(b) || !bytes.Equal(inner, b[16:]) {
				t.Error("the report is not taken apart after its header")
			}
		})
	}
}

func TestAReportCutAnywhereIsMalformed(t *testing.T) {
	report := seed(t)
	for n := range report {
		if _, err := openenclave.ParseReport(report[:n]); !errors.Is(err, rats.Malformed) {
			t.Fatalf("cut to %d bytes: %v, want malformed", n, err)
		}
	}
}

func TestBytesAfterTheReportAreMalformed(t *testing.T) {
	if _, err := openenclave.ParseReport(append(seed(t), 0)); !errors.Is(err, rats.Malformed) {
		t.Fatalf("%v, want malformed", err)
	}
}

func TestHeadersOfOtherKindsAreToldApart(t *testing.T) {
	tests := []struct {
		name       string
		version    uint32
		kind       uint32
		size       uint64
		want       rats.Kind
		recognised bool
	}{
		{"a local report is recognised and unsupported", 1, 1, 4, rats.Unsupported, true},
		{"a remote report is taken", 1, 2, 4, rats.None, true},
		{"an unknown report type is unsupported", 1, 3, 4, rats.Unsupported, false},
		{"report type zero is unsupported", 1, 0, 4, rats.Unsupported, false},
		{"an obsolete evidence header is unsupported", 2, 2, 4, rats.Unsupported, false},
		{"an evidence header is unsupported", 3, 2, 4, rats.Unsupported, false},
		{"version zero is malformed", 0, 2, 4, rats.Malformed, false},
		{"a bare quote is malformed", 0x00020003, 0, 4, rats.Malformed, false},
		{"a size one short is malformed", 1, 2, 3, rats.Malformed, true},
		{"a size one over is malformed", 1, 2, 5, rats.Malformed, true},
		{"a local report with a wrong size is malformed", 1, 1, 5, rats.Malformed, true},
		{"a size beyond 63 bits is malformed", 1, 2, 1<<63 + 4, rats.Malformed, true},
		{"a size whose low half would fit is malformed", 1, 2, 1<<32 + 4, rats.Malformed, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := binary.LittleEndian.AppendUint32(nil, tt.version)
			b = binary.LittleEndian.AppendUint32(b, tt.kind)
			b = binary.LittleEndian.AppendUint64(b, tt.size)
			b = append(b, "body"...)
			if got := openenclave.IsReport(b); got != tt.recognised {
				t.Errorf("recognised = %t, want %t", got, tt.recognised)
			}
			inner, err := openenclave.ParseReport(b)
			if got := rats.KindOf(err); got != tt.want {
				t.Fatalf("kind %q (%v), want %q", got, err, tt.want)
			}
			if err == nil && string(inner) != "body" {
				t.Errorf("inner bytes %q", inner)
			}
		})
	}
}

// TestNoBitOfAReportsHeaderIsIgnored: whichever is flipped, the report is refused.
func TestNoBitOfAReportsHeaderIsIgnored(t *testing.T) {
	for bit := range 16 * 8 {
		report := seed(t)
		report[bit/8] ^= 1 << (bit % 8)
		_, err := openenclave.ParseReport(report)
		if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
}

func TestOpeningAReportAllocatesNothing(t *testing.T) {
	report := seed(t)
	if n := testing.AllocsPerRun(20, func() { _, _ = openenclave.ParseReport(report) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}
