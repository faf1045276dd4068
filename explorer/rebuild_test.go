// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestAFileThatIsNoIndexIsBuiltAgain(t *testing.T) {
	l := newLedger()
	for n := range uint64(300) {
		l.put(record.Recorded, enclave(n))
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := openFile(t, whole, l).Close(); err != nil {
		t.Fatal(err)
	}
	intact, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	middle := append([]byte{}, intact...)
	for i := 4096; i < len(middle); i++ {
		middle[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("this is not a database, and longer than a header is, by some way, so that it is read"),
		"cut short": intact[:len(intact)/2], "no tables": intact[:4096], "damaged": middle,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			sameRecords(t, list(t, openFile(t, path, l), record.Filter{Limit: 200}), l.newest()[:200])
		})
	}
}

func TestAFileThatBreaksWhileOpenIsBuiltAgain(t *testing.T) {
	l := newLedger()
	for n := range uint64(300) {
		l.put(record.Recorded, enclave(n))
	}
	path := filepath.Join(t.TempDir(), "index")
	x := openFile(t, path, l)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`UPDATE explorer_record SET body = x'00' WHERE sequence > 100`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	sameRecords(t, list(t, x, record.Filter{Limit: 200}), l.newest()[:200])
	l.put(record.Recorded, enclave(5000))
	sameRecords(t, list(t, x, record.Filter{Limit: 5}), l.newest()[:5])
}

func TestTablesOfOthersInTheSameDatabaseStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, s := range []string{`CREATE TABLE mine (a)`, `INSERT INTO mine VALUES (42)`, `CREATE TABLE explorer_meta (b)`} {
		if _, err := raw.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	l := newLedger()
	l.put(record.Recorded, enclave(1))
	sameRecords(t, list(t, openFile(t, path, l), record.Filter{}), l.newest())
	var n int
	if err := raw.QueryRow(`SELECT a FROM mine`).Scan(&n); err != nil || n != 42 {
		t.Fatalf("%d, %v", n, err)
	}
}

func TestAPathWithUnusualCharactersIsAPath(t *testing.T) {
	l := newLedger()
	l.put(record.Recorded, enclave(1))
	path := filepath.Join(t.TempDir(), "a b?mode=memory#c%20'd")
	sameRecords(t, list(t, openFile(t, path, l), record.Filter{}), l.newest())
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestAnIndexNeedsOneUsablePlace(t *testing.T) {
	l := newLedger()
	for name, cfg := range map[string]explorer.IndexConfig{
		"none": {}, "a folder": {Path: t.TempDir()}, "no folder": {Path: filepath.Join(t.TempDir(), "no", "such", "folder")},
		"two": {Path: "x", DB: &sql.DB{}},
	} {
		if x, err := explorer.OpenIndex(t.Context(), cfg, l); rats.KindOf(err) != rats.Internal || x != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
