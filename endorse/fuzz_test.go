// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
)

// FuzzRead reads anything: it must not panic, must take nothing that does not
// verify again alone, and must refuse with a kind that says what is wrong with
// the input.
func FuzzRead(f *testing.F) {
	items, roots := simulated(f)
	f.Add([]byte(nil))
	f.Add([]byte("-----BEGIN%20CERTIFICATE-----%0A"))
	f.Add([]byte(`[{"tcbInfo":{},"signature":""},{"signature":1},"30820000"]`))
	f.Add([]byte(`{"raw_tcb_info":"{}","signature":[48,6,2,1,1,2,1,1],"ca_chain":[]}`))
	f.Add(asJSON(bundle(f, items)))
	for _, e := range items {
		for _, data := range encodings(e.Kind, e.Body) {
			f.Add(data)
		}
		for _, der := range e.Issuers {
			f.Add(der)
			f.Add(toPEM("CERTIFICATE", der))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := endorse.Read("fuzzed", data, roots)
		for _, e := range folder.All() {
			if _, err := attesteer.CheckEndorsement(e, roots); err != nil {
				t.Errorf("took what does not verify: %v", err)
			}
		}
		for _, r := range folder.Refusals() {
			wantEvidenceExit(t, r.Err)
		}
	})
}
