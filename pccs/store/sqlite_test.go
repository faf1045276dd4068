// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func TestOnlyItsOwnerCanReadTheFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	path := onSQLite().fresh(t)
	s := open(t, path)
	writeArtefacts(t, s, artefact(tcbKey, 1, "x"))
	files, err := filepath.Glob(path + "*")
	must(t, err)
	if !slices.Contains(files, path+"-wal") {
		t.Errorf("no write-ahead log among %v", files)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}

func TestAFileOfSomebodyElseIsLeftAsItIs(t *testing.T) {
	other := func(statements ...string) []byte {
		path := filepath.Join(t.TempDir(), "other.db")
		for _, statement := range statements {
			onSQLite().run(t, path, statement)
		}
		return read(t, path)
	}
	for name, c := range map[string]struct {
		content []byte
		words   string
	}{
		"text":                 {bytes.Repeat([]byte("no database\n"), 1000), "not a database"},
		"one byte":             {[]byte("x"), "made by another one"},
		"another database":     {other(`CREATE TABLE t (x)`), "made by another one"},
		"tables of our names":  {other(`CREATE TABLE pccs_meta (x)`), "made by another one"},
		"another application":  {other(`PRAGMA application_id = 7`), "made by another one"},
		"with write-ahead log": {other(`PRAGMA journal_mode = WAL`, `CREATE TABLE t (x)`), "made by another one"},
	} {
		t.Run(name, func(t *testing.T) {
			path := onSQLite().fresh(t)
			must(t, os.WriteFile(path, c.content, 0o644))
			refused(t, path, rats.Malformed, c.words)
			if !bytes.Equal(read(t, path), c.content) {
				t.Error("the file was changed")
			}
			if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(files) != 1 {
				t.Errorf("files beside it: %v, %v", files, err)
			}
		})
	}
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	must(t, err)
	return b
}

// A store that was closed is one file. Whatever of it is cut off or flipped: it
// is refused, or says that it is damaged, or what it serves is what was written.
func TestADamagedFileNeverServesAnythingElse(t *testing.T) {
	path := onSQLite().fresh(t)
	s, err := store.Open(t.Context(), path)
	must(t, err)
	var want [][]byte
	for i := 1; i < 6; i++ {
		a := artefact(tcbKey, i, strings.Repeat(fmt.Sprint("version ", i, " "), 700))
		writeArtefacts(t, s, a)
		want = append(want, a.Body)
	}
	must(t, s.Close())
	good := read(t, path)
	try := func(name string, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "pccs.db")
		must(t, os.WriteFile(path, content, 0o600))
		s, err := store.Open(t.Context(), path)
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		defer func() { must(t, s.Close()) }()
		a, err := s.Artefact(t.Context(), tcbKey)
		if err == nil && !slices.ContainsFunc(want, func(b []byte) bool { return bytes.Equal(a.Body, b) }) {
			t.Errorf("%s: serves something that was never written", name)
		}
		if _, logErr := s.VerifyLog(t.Context()); err == nil && logErr == nil && !bytes.Equal(a.Body, want[4]) {
			t.Errorf("%s: an old version is current and the log is sound", name)
		}
	}
	for n := 4096; n < len(good); n += 8192 {
		try(fmt.Sprint("cut off at ", n), good[:n])
	}
	for page := 0; page < len(good); page += 4096 {
		for _, at := range []int{page, page + 5, page + 2000, page + 4095} {
			bad := slices.Clone(good)
			bad[at] ^= 0x41
			try(fmt.Sprint("flipped at ", at), bad)
		}
		zero := slices.Clone(good)
		clear(zero[page : page+4096])
		try(fmt.Sprint("no page at ", page), zero)
	}
}

// A page that was lost is seen at the start, wherever it lies: what is left is not
// served.
func TestAFileWithAPageMissingIsNotOpened(t *testing.T) {
	path := onSQLite().fresh(t)
	s, err := store.Open(t.Context(), path)
	must(t, err)
	must(t, s.Write(t.Context(), everything()))
	must(t, s.Close())
	good := read(t, path)
	pages := 0
	for at := 4096; at < len(good); at += 4096 {
		// Types of pages that hold rows and keys (SQLite, "Database File Format",
		// section 1.6).
		if !slices.Contains([]byte{2, 5, 10, 13}, good[at]) {
			continue
		}
		pages++
		bad := slices.Clone(good)
		clear(bad[at : at+4096])
		must(t, os.WriteFile(path, bad, 0o600))
		if s, err := store.Open(t.Context(), path); err == nil || rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("no page at %d: %v", at, err)
			if err == nil {
				must(t, s.Close())
			}
		}
	}
	if pages < 10 {
		t.Errorf("only %d pages hold anything", pages)
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	path := onSQLite().fresh(t)
	s := open(t, path)
	writeArtefacts(t, s, artefact(tcbKey, 1, "before"))
	must(t, store.OnWrite(t.Context(), s, `PRAGMA max_page_count = 1`)) // no page more than there is
	large := artefact(tcbKey, 2, strings.Repeat("x", 1<<20))
	err := s.Write(t.Context(), store.Batch{Platforms: []store.Platform{{PlatformID: machine}}, Artefacts: []store.Artefact{large}})
	if rats.KindOf(err) != rats.Internal || err == nil || !strings.Contains(err.Error(), "the disk is full, nothing was written") {
		t.Errorf("a full disk: %v", err)
	}
	if _, err := s.Platform(t.Context(), machine); !errors.Is(err, rats.NotFound) {
		t.Errorf("a part of what failed: %v", err)
	}
	must(t, store.OnWrite(t.Context(), s, `PRAGMA max_page_count = 1000000`))
	writeArtefacts(t, s, large)
	is(t, &large)(s.Artefact(t.Context(), tcbKey))
	_, err = s.VerifyLog(t.Context())
	must(t, err)
}

func TestAFileThatCanOnlyBeReadSaysSo(t *testing.T) {
	s := open(t, onSQLite().fresh(t))
	must(t, store.OnWrite(t.Context(), s, `PRAGMA query_only = ON`))
	err := s.Write(t.Context(), everything())
	if err == nil || !strings.Contains(err.Error(), "can only be read") || !strings.Contains(err.Error(), s.Place()) {
		t.Errorf("a write: %v", err)
	}
}

func TestWhatNamesNoDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	for dsn, want := range map[string]rats.Kind{
		"":                      rats.Malformed,
		":memory:":              rats.Malformed,
		"file::memory:":         rats.Malformed,
		"file:x.db?mode=memory": rats.Malformed,
		"file://elsewhere/x.db": rats.Malformed,
		"file:%zz":              rats.Malformed,
		"x\x00.db":              rats.Malformed,
		"mysql://host/db":       rats.Unsupported,
		"sqlite:///x.db":        rats.Unsupported,
		dir:                     rats.Malformed,
		filepath.Join(dir, "no", "such", "folder.db"): rats.Internal,
	} {
		s, err := store.Open(t.Context(), dsn)
		if err == nil {
			must(t, s.Close())
		}
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", dsn, err, want)
		}
	}
	if _, err := store.Open(t.Context(), filepath.Join(dir, "no", "such", "folder.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestAFileIsNamedByPathOrURL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	want := filepath.Join(dir, "a b%#?.db")
	for _, dsn := range []string{want, "a b%#?.db", "file:" + strings.NewReplacer(" ", "%20", "%", "%25", "#", "%23", "?", "%3F").Replace("a b%#?.db"),
		"file://" + filepath.ToSlash(strings.NewReplacer(" ", "%20", "%", "%25", "#", "%23", "?", "%3F").Replace(want))} {
		is(t, want)(store.SQLitePath(dsn))
		s, err := store.Open(t.Context(), dsn)
		must(t, err)
		if s.Place() != want {
			t.Errorf("%s is at %s", dsn, s.Place())
		}
		must(t, s.Close())
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("files: %v", entries)
	}
	for dsn, want := range map[string]bool{
		"postgres://u@h/d": true, "postgresql:///d?host=/run": true, "POSTGRES://h/d": true,
		"postgres.db": false, "/var/postgres:/x": false, "file:postgres://x": false, "": false,
	} {
		if got := store.IsPostgreSQL(dsn); got != want {
			t.Errorf("%q is for PostgreSQL: %v", dsn, got)
		}
	}
}

// What nobody wrote yet is taken for a new store: a file made by mktemp or touch.
func TestAnEmptyFileBecomesAStore(t *testing.T) {
	path := onSQLite().fresh(t)
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, open(t, path).Write(t.Context(), everything()))
}
