// SPDX-License-Identifier: Apache-2.0

//go:build unix

package secretfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/secretfile"
)

func secret(t testing.TB, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(path, []byte("word"), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileThatOthersMayUseIsNoSecret(t *testing.T) {
	for mode := range fs.FileMode(0o1000) {
		if mode&0o400 == 0 && os.Geteuid() != 0 {
			continue // its owner cannot read it either
		}
		path := secret(t, mode)
		good := mode&0o077 == 0
		b, _, err := secretfile.Read(path, 100)
		if good != (err == nil) || good && string(b) != "word" || !good && !errors.Is(err, secretfile.ErrMode) {
			t.Errorf("%v: %q %v", mode, b, err)
		}
		// This process owns the file, and needs no group to read it.
		if _, _, handed := secretfile.ReadHanded(path, 100); (handed == nil) != good {
			t.Errorf("%v, handed: %v", mode, handed)
		}
		if check := secretfile.Check(path); (check == nil) != good {
			t.Errorf("%v, checked: %v", mode, check)
		}
	}
}

func TestAFileThatSomebodyElseHandsOverMayBeItsGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	for mode, good := range map[fs.FileMode]bool{
		0o400: true, 0o440: true, 0o600: true, 0o640: true, 0o660: false, 0o650: false, 0o444: false, 0o644: false, 0o604: false, 0o601: false,
	} {
		path := secret(t, mode)
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		_, _, err := secretfile.ReadHanded(path, 100)
		if good != (err == nil) || !good && !errors.Is(err, secretfile.ErrMode) {
			t.Errorf("%v: %v", mode, err)
		}
		if _, _, err := secretfile.Read(path, 100); (err == nil) != (mode&0o077 == 0) {
			t.Errorf("%v, one's own: %v", mode, err)
		}
	}
}

func TestFaultsNameTheFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, _, err := secretfile.Read(path, 100)
	var file *secretfile.Error
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &file) || file.Path != path || strings.Count(err.Error(), path) != 1 {
		t.Errorf("%v", err)
	}
	if _, _, err := secretfile.Read(secret(t, 0o600), 3); !errors.Is(err, secretfile.ErrLarge) {
		t.Errorf("%v", err)
	}
	if _, _, err := secretfile.Read(secret(t, 0o600), 4); err != nil {
		t.Errorf("%v", err)
	}
	if secretfile.Fault("x", nil) != nil {
		t.Error("a fault of nothing")
	}
}

func TestAFileIsReplacedWholeAndForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "secret")
	for _, text := range []string{"first", "second"} {
		if err := secretfile.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		b, st, err := secretfile.Read(path, 100)
		if err != nil || string(b) != text || st.Mode().Perm() != 0o600 {
			t.Errorf("%q %v", b, err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // a replacement mends it
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(path)
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	if err := secretfile.Write(filepath.Join(path, "below a file"), nil); err == nil {
		t.Error("a file is no folder")
	}
}
