// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// patience is after how long one input counts as hanging the parser.
const patience = 30 * time.Second

// allocating returns how many bytes f allocates, and ends the process when it
// does not come to an end.
func allocating(f func()) uint64 {
	hung := time.AfterFunc(patience, func() { panic("one input takes longer than " + patience.String()) })
	defer hung.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// realSamples returns what quotes the folder of real evidence holds, if there
// is one: the fuzz target begins with them, and does without.
func realSamples(t testing.TB) [][]byte {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	var out [][]byte
	for _, pattern := range []string{"sgx/*.bin", "sgx/*/*.bin", "tdx/*.bin", "tdx/*/*.bin"} {
		files, err := filepath.Glob(filepath.Join(dir, "dcap", "quotes", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
	}
	return out
}

// FuzzParse looks for input that makes the parser panic, that it takes and does
// not give back, that it refuses for a reason that is not the input's, or for
// which it allocates more than a few times the input.
func FuzzParse(f *testing.F) {
	raw := seed(f)
	f.Add(raw)
	f.Add(raw[:1020])
	f.Add(smallest())
	f.Add(append(bytes.Clone(raw), 0, 0, 0, 0))
	f.Add([]byte{})
	for _, layout := range forms() {
		f.Add(layout.raw())
		f.Add(append(layout.raw(), strings.Repeat("\x00", 40)...))
	}
	for _, sample := range realSamples(f) {
		f.Add(sample)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		var q *quote.Quote
		var err error
		// What others of the process allocate is counted too, hence the margin.
		if n, limit := allocating(func() { q, err = quote.Parse(b) }), uint64(2*len(b)+1<<20); n > limit {
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || q != nil {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		if !bytes.Equal(q.Marshal(), b) || !bytes.Equal(q.AppendSigned(nil), q.Signed) || !bytes.Equal(q.QEReport.Marshal(), q.QEReportRaw) {
			t.Fatal("the marshalled quote differs")
		}
		if len(q.ReportData()) != 64 || q.Format() == "" || (q.SGX == nil) == (q.TD == nil) {
			t.Fatalf("half a quote: format %q", q.Format())
		}
		if whole := len(b) - len(q.Trailing); whole > 0 {
			if _, err := quote.Parse(b[:whole-1]); rats.KindOf(err) != rats.Malformed {
				t.Fatalf("one byte short: %v", err)
			}
		}
	})
}
