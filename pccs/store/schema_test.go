// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// refused opens a database that must be refused for a reason.
func refused(t testing.TB, dsn string, kind rats.Kind, words string) {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	if err == nil {
		must(t, s.Close())
	}
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("%v, want %v with %q", err, kind, words)
	}
}

func anOlderSchemaIsBroughtUpToDate(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s := open(t, dsn)
	must(t, s.Write(t.Context(), everything()))
	// A migration that breaks half-way leaves the schema as it was.
	good := []string{`ALTER TABLE pccs_policy ADD COLUMN note TEXT NOT NULL DEFAULT 'none'`, `CREATE TABLE pccs_note (id BIGINT PRIMARY KEY)`}
	if err := store.Migrate(t.Context(), s, good, []string{`CREATE TABLE pccs_note (id BIGINT PRIMARY KEY)`}); err == nil {
		t.Fatal("a table was made twice")
	}
	must(t, open(t, dsn).Write(t.Context(), step("W", 1)))
	must(t, store.Migrate(t.Context(), s, good))
	must(t, store.Migrate(t.Context(), s, good))
	var note string
	must(t, b.raw(t, dsn).QueryRowContext(t.Context(), `SELECT note FROM pccs_policy`).Scan(&note))
	if note != "none" {
		t.Errorf("the new column holds %q", note)
	}
	_, err := s.Artefact(t.Context(), tcbKey)
	must(t, err)
	// This release does not know that schema.
	refused(t, dsn, rats.Unsupported, fmt.Sprintf("schema %d and this program knows %d", store.Schemas()+1, store.Schemas()))
}

func foreignDatabasesAreRefused(t *testing.T, b *bench) {
	for name, c := range map[string]struct {
		change string
		words  string
	}{
		"another application":  {`UPDATE pccs_meta SET application = 'something else'`, "another program"},
		"no row":               {`DELETE FROM pccs_meta`, "a row of pccs_meta is missing"},
		"a table is missing":   {`DROP TABLE pccs_queue`, "damaged"},
		"meta is missing":      {`DROP TABLE pccs_meta`, "another program"},
		"another kind of meta": {`ALTER TABLE pccs_meta RENAME COLUMN application TO app`, "another program"},
		"another table":        {`CREATE TABLE pccs_mine (id BIGINT)`, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := b.fresh(t)
			must(t, open(t, dsn).Write(t.Context(), everything()))
			b.run(t, dsn, c.change)
			before := contents(t, b, dsn)
			refused(t, dsn, rats.Malformed, c.words)
			if after := contents(t, b, dsn); after != before {
				t.Errorf("it was changed from %s to %s", before, after)
			}
		})
	}
}

// contents says how many rows each table has.
func contents(t testing.TB, b *bench, dsn string) string {
	t.Helper()
	db := b.raw(t, dsn)
	var out []string
	for _, table := range append(store.Tables(), "pccs_mine") {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil {
			n = -1
		}
		out = append(out, fmt.Sprint(table, " ", n))
	}
	return strings.Join(out, ", ")
}
