// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/attesteer/attesteer/quote"
)

// allocated returns how many bytes a call of f allocates.
func allocated(f func()) uint64 {
	const runs = 50
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

// TestTheInputBoundsWhatIsAllocated: a size that the input names is believed
// only where the bytes are there. Parse copies its input, ParseShared does not.
func TestTheInputBoundsWhatIsAllocated(t *testing.T) {
	const fixed = 4096
	u32 := binary.LittleEndian.PutUint32
	for _, f := range forms() {
		raw := f.raw()
		large := parse(t, raw)
		large.CertificationData.Data = make([]byte, 1<<20)
		inputs := map[string][]byte{
			"a quote":                  raw,
			"a quote with a long tail": append(bytes.Clone(raw), make([]byte, 1<<20)...),
			"long certification data":  large.Marshal(),
			"cut short":                raw[:len(raw)-1],
		}
		for name, at := range map[string]int{"signature length": f.sigLen, "inner size": f.cert() + 2, "outer size": f.outer + 2, "body size": 50} {
			if at < 50 || f.version < 5 && at == 50 {
				continue
			}
			for _, size := range []uint32{1 << 20, 1<<31 - 1, 1<<32 - 1} {
				hostile := bytes.Clone(raw)
				u32(hostile[at:], size)
				inputs[fmt.Sprintf("%s %#x", name, size)] = hostile
			}
		}
		for name, b := range inputs {
			if n := allocated(func() { _, _ = quote.Parse(b) }); n > uint64(len(b)+len(b)/4+fixed) {
				t.Errorf("%s, %s: Parse allocates %d bytes for %d", f.name, name, n, len(b))
			}
			if n := allocated(func() { _, _ = quote.ParseShared(b) }); n > fixed {
				t.Errorf("%s, %s: ParseShared allocates %d bytes", f.name, name, n)
			}
		}
	}
}

// TestReadingAQuoteTakesAFewAllocations, however much the quote holds.
func TestReadingAQuoteTakesAFewAllocations(t *testing.T) {
	for _, f := range forms() {
		raw := f.raw()
		// Quote and report, what TDX 1.5 adds, and the migration part.
		if n := testing.AllocsPerRun(20, func() { _, _ = quote.ParseShared(raw) }); n > 4 {
			t.Errorf("%s: %.0f allocations", f.name, n)
		}
	}
}
