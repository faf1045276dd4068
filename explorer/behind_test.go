// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/record"
)

func TestAnIndexKnowsHowFarBehindItIs(t *testing.T) {
	l := newLedger()
	x := openFile(t, filepath.Join(t.TempDir(), "index.sqlite"), l)
	if n := x.Behind(); n != 0 {
		t.Errorf("%d events behind an empty past", n)
	}
	for n := range uint64(3) {
		l.put(record.Recorded, enclave(n))
	}
	if n := x.Behind(); n != 3 {
		t.Errorf("%d events behind, want 3", n)
	}
	sameRecords(t, list(t, x, record.Filter{}), l.newest())
	if n := x.Behind(); n != 0 {
		t.Errorf("%d events behind after it was read", n)
	}
	if size, err := x.Size(); err != nil || size == 0 {
		t.Errorf("%d bytes, %v", size, err)
	}
}
