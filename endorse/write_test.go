// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// files returns the content of every file in dir by name.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, entry := range entries {
		out[entry.Name()] = string(readFile(t, dir, entry.Name()))
	}
	return out
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	items, roots := simulated(t)
	dir := filepath.Join(t.TempDir(), "made", "here")
	written, err := endorse.WriteFolder(dir, items)
	if err != nil {
		t.Fatal(err)
	}
	first := files(t, dir)
	if want := len(items) + 2; written != len(first) || written != want { // with two certificates
		t.Errorf("wrote %d files, %d are there, want %d", written, len(first), want)
	}
	wantAll(t, readFolder(t, dir, roots), items)
	again, err := endorse.WriteFolder(dir, items)
	if err != nil || again != 0 {
		t.Errorf("writing the same again wrote %d files: %v", again, err)
	}
	if diff := cmp.Diff(first, files(t, dir)); diff != "" {
		t.Errorf("writing the same again changed files:\n%s", diff)
	}
}

func TestAllRealEndorsementsSurviveWritingAndReading(t *testing.T) {
	before := readFolder(t, collateral(t), nil)
	dir := t.TempDir()
	if _, err := endorse.WriteFolder(dir, before.All()); err != nil {
		t.Fatal(err)
	}
	after := readFolder(t, dir, nil)
	if diff := cmp.Diff(asSet(before.All()), asSet(after.All())); diff != "" {
		t.Errorf("endorsements (-before +after):\n%s", diff)
	}
	if len(after.Refusals()) != 0 {
		t.Errorf("refusals: %v", after.Refusals())
	}
}

func TestNamesSayWhatIsInside(t *testing.T) {
	items, _ := simulated(t)
	dir := t.TempDir()
	if _, err := endorse.WriteFolder(dir, items); err != nil {
		t.Fatal(err)
	}
	names := strings.Join(sorted(files(t, dir)), "\n")
	for _, want := range []string{
		`(?m)^tcb_info_[0-9a-f]{12}_sgx_v3_e\d+_[0-9a-f]{8}\.json$`,
		`(?m)^qe_identity_qe_sgx_v2_e\d+_[0-9a-f]{8}\.json$`,
		`(?m)^tcb_info_[0-9a-f]{12}_tdx_v3_e\d+_[0-9a-f]{8}\.json$`,
		`(?m)^qe_identity_td_qe_tdx_v2_e\d+_[0-9a-f]{8}\.json$`,
		`(?m)^tcb_evaluation_numbers_tdx_v1_20260304_[0-9a-f]{8}\.json$`,
		`(?m)^pck_certificate_\d{8}_[0-9a-f]{8}\.pem$`,
		`(?m)^root_ca_crl_20260304_[0-9a-f]{8}\.crl$`,
		`(?m)^pck_crl_20260304_[0-9a-f]{8}\.crl$`,
		`(?m)^tcb_signing_[0-9a-f]{8}\.pem$`,
		`(?m)^pck_ca_[0-9a-f]{8}\.pem$`,
	} {
		if !regexp.MustCompile(want).MatchString(names) {
			t.Errorf("no name like %s in\n%s", want, names)
		}
	}
	for _, e := range items {
		digest := e.Digest()
		if !strings.Contains(names, hex.EncodeToString(digest[:4])) {
			t.Errorf("no name carries the digest of the %s", e.Kind)
		}
	}
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func TestTwoDaysOfTheSameStatementLieSideBySide(t *testing.T) {
	today, roots := simulated(t)
	today = slices.DeleteFunc(today, func(e rats.Endorsement) bool { return e.Kind == rats.PCKCertificate })
	tomorrow, err := simtee.Endorsements(at().Add(24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, items := range [][]rats.Endorsement{today, tomorrow} {
		if _, err := endorse.WriteFolder(dir, items); err != nil {
			t.Fatal(err)
		}
	}
	wantAll(t, readFolder(t, dir, roots), append(today, tomorrow...))
}

func TestADamagedFileIsWrittenAnew(t *testing.T) {
	items, roots := simulated(t)
	dir := t.TempDir()
	if _, err := endorse.WriteFolder(dir, items); err != nil {
		t.Fatal(err)
	}
	for name := range files(t, dir) {
		write(t, filepath.Join(dir, name), []byte("damaged"))
		if written, err := endorse.WriteFolder(dir, items); err != nil || written != 1 {
			t.Errorf("after damage to %s: wrote %d, %v", name, written, err)
		}
	}
	wantAll(t, readFolder(t, dir, roots), items)
}

func TestWritingLeavesOtherFilesAloneAndNoneOfItsOwn(t *testing.T) {
	items, _ := simulated(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes.txt"), []byte("mine"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := endorse.WriteFolder(dir, items); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	there := files(t, dir)
	if there["notes.txt"] != "mine" || len(there) != len(items)+3 { // with two certificates
		t.Errorf("files: %v", sorted(there))
	}
}

func TestAnEndorsementThatDoesNotParseIsNotWritten(t *testing.T) {
	items, _ := simulated(t)
	dir := filepath.Join(t.TempDir(), "new")
	items = append(items, rats.Endorsement{Kind: rats.TCBInfo, Body: []byte("{}")})
	written, err := endorse.WriteFolder(dir, items)
	if rats.KindOf(err) != rats.Malformed || written != 0 {
		t.Errorf("wrote %d, %v", written, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made all the same")
	}
}

func TestAFolderThatCannotBeWrittenToIsAnError(t *testing.T) {
	items, _ := simulated(t)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := endorse.WriteFolder(file, items); err == nil {
		t.Error("a file was taken for a folder")
	}
}
