// SPDX-License-Identifier: Apache-2.0

package attester_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/rats"
)

// laid makes files below a folder of its own, as root of a machine.
func laid(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestGraminesFilesAreReadAndWrittenOnDisk: files of the system, as they are in
// an enclave, but for the quote, which knows what it will be asked for.
func TestGraminesFilesAreReadAndWrittenOnDisk(t *testing.T) {
	raw, err := sgx(asked())
	if err != nil {
		t.Fatal(err)
	}
	root := laid(t, map[string]string{
		"dev/attestation/attestation_type": "dcap", "dev/attestation/user_report_data": "", "dev/attestation/quote": string(raw),
	})
	a, err := attester.Open(attester.Auto, attester.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Evidence(t.Context(), asked())
	if err != nil || string(got) != string(raw) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	written, err := os.ReadFile(filepath.Join(root, "dev/attestation/user_report_data"))
	if want := asked(); err != nil || string(written) != string(want[:]) {
		t.Errorf("%x, %v", written, err)
	}
	_, err = a.Evidence(t.Context(), [64]byte{9})
	wantKind(t, err, rats.BindingMismatch, "was asked for 0900", "")
}

// TestWhatIsNoConfigfsIsLeftAsItWas: where a new folder gets no attributes,
// nothing is written beside it.
func TestWhatIsNoConfigfsIsLeftAsItWas(t *testing.T) {
	root := laid(t, map[string]string{"sys/kernel/config/tsm/report/.keep": ""})
	a, err := attester.Open(attester.Auto, attester.Options{Root: root})
	if err != nil || a.Name() != attester.ConfigFS {
		t.Fatal(a, err)
	}
	_, err = a.Evidence(t.Context(), asked())
	wantKind(t, err, rats.Unsupported, "provider: no such file", "")
	left, err := os.ReadDir(filepath.Join(root, "sys/kernel/config/tsm/report"))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestReportDataMakeNoFileWhereThereIsNoDevice(t *testing.T) {
	root := laid(t, map[string]string{"dev/attestation/user_report_data": ""})
	a, err := attester.Open(attester.Gramine, attester.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "dev/attestation/user_report_data")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = a.Evidence(t.Context(), asked())
	wantKind(t, err, rats.Unsupported, file, "")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}
