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

// logged writes versions of two artefacts and returns the heads after each.
func logged(t testing.TB, s *store.Store, n int) []store.Head {
	t.Helper()
	heads := []store.Head{{}}
	for i := 1; i <= n; i++ {
		key := tcbKey
		if i%2 == 0 {
			key.TEE = rats.TDX
		}
		writeArtefacts(t, s, artefact(key, i, fmt.Sprint("version ", i)))
		head, err := s.LogHead(t.Context())
		must(t, err)
		heads = append(heads, head)
	}
	return heads
}

func theLogIsReadInPages(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	heads := logged(t, s, 7)
	var after int64
	var bodies []string
	for {
		page, err := s.Log(ctx, after, 3)
		must(t, err)
		if len(page) == 0 {
			break
		}
		if len(page) > 3 {
			t.Fatalf("%d entries, asked for 3", len(page))
		}
		for _, v := range page {
			if v.Number != after+1 || v.Previous != heads[after].Hash || v.Hash != heads[v.Number].Hash {
				t.Fatalf("entry %d after %d does not follow", v.Number, after)
			}
			after = v.Number
			bodies = append(bodies, string(v.Body))
		}
	}
	if len(bodies) != 7 || bodies[0] != "version 1" || bodies[6] != "version 7" {
		t.Errorf("the log holds %q", bodies)
	}
	is(t, heads[7])(s.VerifyLog(ctx, heads...))
}

func everyChangeOfTheLogIsNoticed(t *testing.T, b *bench) {
	for name, change := range map[string]string{
		"body":              `UPDATE pccs_content SET content = $1 WHERE digest = (SELECT body FROM pccs_log WHERE number = 3)`,
		"chain":             `UPDATE pccs_content SET content = $1 WHERE digest = (SELECT chain FROM pccs_log WHERE number = 3)`,
		"body is missing":   `DELETE FROM pccs_content WHERE digest = (SELECT body FROM pccs_log WHERE number = 3)`,
		"other body":        `UPDATE pccs_log SET body = (SELECT l.body FROM pccs_log l WHERE l.number = 1) WHERE number = 3`,
		"other chain":       `UPDATE pccs_log SET chain = (SELECT l.chain FROM pccs_log l WHERE l.number = 2) WHERE number = 3`,
		"kind":              `UPDATE pccs_log SET kind = 'crl' WHERE number = 3`,
		"tee":               `UPDATE pccs_log SET tee = 'tdx' WHERE number = 3`,
		"scope":             `UPDATE pccs_log SET scope = '' WHERE number = 3`,
		"update":            `UPDATE pccs_log SET update_type = 'early' WHERE number = 3`,
		"version":           `UPDATE pccs_log SET api_version = 3 WHERE number = 3`,
		"issued":            `UPDATE pccs_log SET issued = issued + 1 WHERE number = 3`,
		"next update":       `UPDATE pccs_log SET next_update = next_update + 1 WHERE number = 3`,
		"fetched":           `UPDATE pccs_log SET fetched = fetched + 1 WHERE number = 3`,
		"source":            `UPDATE pccs_log SET source = 'elsewhere' WHERE number = 3`,
		"previous":          `UPDATE pccs_log SET previous = hash WHERE number = 3`,
		"hash":              `UPDATE pccs_log SET hash = previous WHERE number = 3`,
		"short hash":        `UPDATE pccs_log SET hash = $1 WHERE number = 3`,
		"last hash":         `UPDATE pccs_log SET hash = previous WHERE number = 5`,
		"first is gone":     `DELETE FROM pccs_log WHERE number = 1`,
		"one is gone":       `DELETE FROM pccs_log WHERE number = 3`,
		"last is gone":      `DELETE FROM pccs_log WHERE number = 5`,
		"all are gone":      `DELETE FROM pccs_log`,
		"number":            `UPDATE pccs_log SET number = 9 WHERE number = 5`,
		"head":              `UPDATE pccs_meta SET head = 4`,
		"head's hash":       `UPDATE pccs_meta SET head_hash = (SELECT previous FROM pccs_log WHERE number = 5)`,
		"head's short hash": `UPDATE pccs_meta SET head_hash = $1`,
		"current removed":   `DELETE FROM pccs_artefact WHERE tee = 'tdx'`,
		"current is old":    `UPDATE pccs_artefact SET number = 3, body = (SELECT body FROM pccs_log WHERE number = 3) WHERE tee = 'sgx'`,
		"current is other":  `UPDATE pccs_artefact SET body = (SELECT body FROM pccs_log WHERE number = 4) WHERE tee = 'sgx'`,
		"current is new":    `UPDATE pccs_artefact SET scope = 'other' WHERE tee = 'sgx'`,
	} {
		t.Run(name, func(t *testing.T) {
			dsn := b.fresh(t)
			s := open(t, dsn)
			heads := logged(t, s, 5)
			is(t, heads[5])(s.VerifyLog(t.Context(), heads[2]))
			var args []any
			if strings.Contains(change, "$1") {
				args = []any{[]byte("changed")}
			}
			b.run(t, dsn, change, args...)
			if _, err := s.VerifyLog(t.Context()); !errors.Is(err, rats.BindingMismatch) && !errors.Is(err, rats.Malformed) {
				t.Errorf("not noticed: %v", err)
			}
		})
	}
}

// Whoever owns the database can write another log that is sound in itself; the
// head that somebody noted tells.
func aLogWrittenAnewIsNoticed(t *testing.T, b *bench) {
	noted := logged(t, open(t, b.fresh(t)), 5)
	for name, n := range map[string]int{"shorter": 3, "of the same length": 5, "longer": 8} {
		s := open(t, b.fresh(t))
		writeArtefacts(t, s, artefact(crlKey, 1, "another past"))
		logged(t, s, n-1)
		_, err := s.VerifyLog(t.Context())
		must(t, err)
		if _, err := s.VerifyLog(t.Context(), noted[5]); !errors.Is(err, rats.BindingMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cut off, with what the store says of itself made to fit.
	dsn := b.fresh(t)
	s := open(t, dsn)
	heads := logged(t, s, 5)
	b.run(t, dsn, `DELETE FROM pccs_artefact`)
	b.run(t, dsn, `DELETE FROM pccs_log`)
	b.run(t, dsn, `UPDATE pccs_meta SET head = 0, head_hash = $1`, make([]byte, 32))
	is(t, store.Head{})(s.VerifyLog(t.Context()))
	if _, err := s.VerifyLog(t.Context(), heads[1]); !errors.Is(err, rats.BindingMismatch) {
		t.Errorf("cut off: %v", err)
	}
}

func anEditedBodyIsNotServed(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s := open(t, dsn)
	writeArtefacts(t, s, artefact(tcbKey, 1, "signed"))
	b.run(t, dsn, `UPDATE pccs_content SET content = $1 WHERE digest = (SELECT body FROM pccs_artefact)`, []byte("forged"))
	_, one := s.Artefact(t.Context(), tcbKey)
	_, all := s.ArtefactsWithBodies(t.Context())
	_, log := s.Log(t.Context(), 0, 0)
	for name, err := range map[string]error{"Artefact": one, "ArtefactsWithBodies": all, "Log": log} {
		if !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// To fetch it again makes it good.
	again := artefact(tcbKey, 1, "signed")
	again.Fetched = day(2)
	writeArtefacts(t, s, again)
	is(t, &again)(s.Artefact(t.Context(), tcbKey))
	_, err := s.VerifyLog(t.Context())
	must(t, err)
}

func TestAHeadIsReadAsItIsWritten(t *testing.T) {
	h := store.Head{Number: 12, Hash: [32]byte{1, 31: 255}}
	is(t, h)(store.ParseHead(h.String()))
	for _, bad := range []string{"", "12", "12:", "12:01", "-1" + h.String()[2:], " " + h.String(), h.String() + "0", "012" + h.String()[2:], "x" + h.String()} {
		if got, err := store.ParseHead(bad); !errors.Is(err, rats.Malformed) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}
