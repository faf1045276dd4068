// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"path/filepath"
	"testing"
)

func TestAHomeIsInUseWhileANodeRunsOnIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	if InUse(dir) {
		t.Error("a home that is not there is in use")
	}
	h, err := openHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !InUse(dir) {
		t.Error("a home is free while it is open")
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // to ask must not take it either
		if InUse(dir) {
			t.Error("a home is in use after its node ended, or after somebody asked")
		}
	}
}
