// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// FuzzVerify: whatever comes in, the answer keeps its promises, and nothing is
// accepted or has a decided status but the seed quote with another tail.
func FuzzVerify(f *testing.F) {
	seeds := [][]byte{seed(f, "quote.bin"), seed(f, "oe_report.bin")}
	for _, raw := range seeds {
		f.Add(raw)
		f.Add(raw[:1500])
	}
	f.Add([]byte("0x03000200"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		defer func(given []byte) {
			if !bytes.Equal(given, before) {
				t.Error("the input was written to")
			}
		}(raw)
		if text, err := attesteer.Decode(raw); err == nil {
			raw = text
		}
		r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, lenient(), midsummer)
		checkAnswer(t, r, err)
		if err == nil {
			t.Fatal("accepted without endorsements")
		}
		if code := rats.KindOf(err).ExitCode(); code == 11 || code == 1 {
			t.Errorf("%v", err)
		}
		if _, inspectErr := attesteer.Inspect(attesteer.Evidence{Raw: raw}); (inspectErr == nil) != (r != nil) {
			t.Errorf("inspecting: %v, verifying: %v", inspectErr, err)
		}
		if format, recogniseErr := attesteer.Recognise(raw); r != nil && (recogniseErr != nil || format != r.Format) {
			t.Errorf("recognised as %q, %v, verified as %q", format, recogniseErr, r.Format)
		}
	})
}
