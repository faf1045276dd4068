// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// vectors returns the folder of real quotes and endorsements.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return dir
}

// row is one line of a table with a header line.
type row map[string]string

func table(t testing.TB, file string) []row {
	t.Helper()
	b := read(t, file)
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	names := strings.Split(lines[0], "\t")
	var out []row
	for _, line := range lines[1:] {
		r := row{}
		for i, cell := range strings.Split(line, "\t") {
			r[names[i]] = cell
		}
		out = append(out, r)
	}
	return out
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// certificates returns the DER of the certificates of a folder whose names
// begin with prefix.
func certificates(t testing.TB, dir, prefix string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "collateral", "chain", prefix+"*.pem"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no certificates %s: %v", prefix, err)
	}
	var out [][]byte
	for _, file := range files {
		block, _ := pem.Decode(read(t, file))
		out = append(out, block.Bytes)
	}
	return out
}

// candidates returns one statement for each certificate that may vouch for a body.
func candidates(t testing.TB, kind rats.EndorsementKind, body []byte, issuers [][]byte) []*dcap.Statement {
	t.Helper()
	items := []rats.Endorsement{{Kind: kind, Body: body}}
	if issuers != nil {
		items = nil
		for _, der := range issuers {
			items = append(items, rats.Endorsement{Kind: kind, Body: body, Issuers: [][]byte{der}})
		}
	}
	var out []*dcap.Statement
	for _, e := range items {
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if s.Verify(nil, nil) == nil {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s: no certificate vouches for it", kind)
	}
	return out
}

// statementsOf gathers the endorsements that a row of cases.tsv names.
func statementsOf(t testing.TB, dir string, r row) []*dcap.Statement {
	t.Helper()
	signing, cas := certificates(t, dir, "tcb_signing"), certificates(t, dir, "pck_")
	at := func(name string) []byte { return read(t, filepath.Join(dir, r[name])) }
	var out []*dcap.Statement
	out = append(out, candidates(t, rats.TCBInfo, at("tcb_info"), signing)...)
	out = append(out, candidates(t, rats.QEIdentity, at("qe_identity"), signing)...)
	out = append(out, candidates(t, rats.RootCACRL, at("root_crl"), nil)...)
	return append(out, candidates(t, rats.PCKCRL, at("pck_crl"), cas)...)
}
