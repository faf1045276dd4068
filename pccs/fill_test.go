// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func TestEveryKindIsFetchedOnceAndServedAsItWasSigned(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.SetFMSPCs([]byte(`[{"fmspc":"00A51E000000","platform":"E5"}]`))
	want := make(map[string][]byte)
	for _, e := range vendor(t, setup{}.faults, start()) {
		want[string(e.Body)] = e.Body
	}
	keys := []store.Key{
		tcbKey(rats.SGX, "standard"), tcbKey(rats.TDX, "standard"), tcbKey(rats.SGX, "early"), tcbKey(rats.SGX, "20"),
		qeKey(rats.SGX, ""), qeKey(rats.TDX, "early"), qeKey(rats.SGX, "20"),
		{Kind: store.QVEIdentity, Version: 4}, {Kind: store.QAEIdentity, Version: 4},
		{Kind: store.EvaluationNumbers, TEE: rats.SGX, Version: 4}, {Kind: store.EvaluationNumbers, TEE: rats.TDX, Version: 4},
		rootKey(), pckKey("platform"), pckKey("Processor"), {Kind: store.FMSPCs, Version: 4},
	}
	for _, k := range keys {
		a := l.must(t, k)
		if k.Kind != store.FMSPCs && want[string(a.Body)] == nil {
			t.Errorf("%s is not as it was signed", k)
		}
		if signed := k.Kind != store.RootCRL && k.Kind != store.FMSPCs; signed != (bytes.Count(a.Chain, []byte("BEGIN CERT")) == 2) {
			t.Errorf("%s has a chain of %d bytes", k, len(a.Chain))
		}
		if again := l.must(t, k); again.Digest != a.Digest || !again.Fetched.Equal(a.Fetched) {
			t.Errorf("%s is another one the second time", k)
		}
	}
	calls := l.pcs.Calls("")
	for i, call := range calls {
		if slices.Contains(calls[:i], call) {
			t.Errorf("%s is asked for twice", call)
		}
	}
}
