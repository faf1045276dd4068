// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

func TestABatchSaysOfEachWhatVerifySays(t *testing.T) {
	good, en := seed(t, "quote.bin"), everything(t)
	flipped := bytes.Clone(good)
	flipped[100] ^= 1
	var evs []attesteer.Evidence
	for i := range 40 {
		raw := [][]byte{good, flipped, good[:500], nil, seed(t, "oe_report.bin")}[i%5]
		evs = append(evs, attesteer.Evidence{Raw: raw})
	}
	v := attesteer.NewVerifier(1000)
	out := v.VerifyAll(evs, en, lenient(), midsummer)
	if len(out) != len(evs) {
		t.Fatalf("%d outcomes of %d", len(out), len(evs))
	}
	for i, o := range out {
		want, err := attesteer.Verify(evs[i], en, lenient(), midsummer)
		if rats.KindOf(o.Err) != rats.KindOf(err) || marshal(t, o.Result) != marshal(t, want) {
			t.Errorf("%d: %v, want %v", i, o.Err, err)
		}
	}
	if out := v.VerifyAll(nil, en, lenient(), midsummer); len(out) != 0 {
		t.Errorf("%d outcomes of nothing", len(out))
	}
}
