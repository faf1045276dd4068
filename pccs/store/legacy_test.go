// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func TestTheDatabaseOfIntelsServiceIsReadWhole(t *testing.T) {
	f, set, platform := simulated(t)
	before := read(t, f.path)
	l, err := store.ReadLegacy(t.Context(), f.path)
	must(t, err)
	if len(l.Skipped) != 0 || l.Schema != 5 || l.APIVersion != 4 || l.Server != "api.trustedservices.intel.com" {
		t.Errorf("schema %d, API %d, server %q, skipped %q", l.Schema, l.APIVersion, l.Server, l.Skipped)
	}
	seen := time.Date(2026, 10, 1, 1, 0, 2, 345e6, time.UTC)
	is(t, []store.Platform{{PlatformID: machine, EncryptedPPID: []byte{1, 2, 3}, FMSPC: "00606A000000", CA: "platform", Seen: seen}})(l.Platforms, nil)
	is(t, []store.RawTCB{{PlatformID: machine, CPUSVN: "0B0B", PCESVN: "0D00", TCBm: "0B0B0D00"}})(l.RawTCBs, nil)
	is(t, []store.Queued{
		{PlatformID: machine, Manifest: []byte{9}, State: store.New, Seen: seen},
		{PlatformID: machine, CPUSVN: "AA", PCESVN: "0D00", EncryptedPPID: []byte{1}, State: store.Deleted, Seen: seen},
	})(l.Queue, nil)
	is(t, []store.Policy{{ID: "ab", Type: 1, JWT: []byte("a.b.c"), Default: true, FMSPC: "00606A000000"}})(l.Policies, nil)
	slices.SortFunc(l.PCKCerts, func(a, b store.PCKCert) int { return strings.Compare(a.TCBm, b.TCBm) })
	is(t, []store.PCKCert{
		{PlatformID: machine, TCBm: "0A0A0D00", NotAvailable: true},
		{PlatformID: machine, TCBm: "0B0B0D00", Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: platform.PCKCertificate().Body})},
	})(l.PCKCerts, nil)
	key := func(kind store.Kind, tee rats.TEE, scope, update string, version int) store.Key {
		return store.Key{Kind: kind, TEE: tee, Scope: scope, Update: update, Version: version}
	}
	want := map[store.Key][]byte{
		key(store.TCBInfo, rats.SGX, "00606a000000", store.Standard, 4): set[rats.SGX][0].Body,
		key(store.TCBInfo, rats.TDX, "00606a000000", store.Early, 4):    set[rats.TDX][0].Body,
		key(store.QEIdentity, rats.SGX, "", store.Standard, 4):          set[rats.SGX][1].Body,
		key(store.QVEIdentity, rats.SGX, "", store.Standard, 3):         set[rats.SGX][1].Body,
		key(store.QEIdentity, rats.TDX, "", store.Standard, 4):          set[rats.TDX][1].Body,
		key(store.RootCRL, "", "", "", 4):                               set[rats.SGX][2].Body,
		key(store.PCKCRL, "", store.PlatformCA, "", 4):                  set[rats.SGX][3].Body,
		crlKey: set[rats.SGX][2].Body,
	}
	for i := range l.Artefacts {
		a := &l.Artefacts[i]
		if body, ok := want[a.Key]; !ok || !bytes.Equal(a.Body, body) || a.Fetched != seen || a.Source != "import:pckcache.db" || a.Digest != sha256.Sum256(body) {
			t.Errorf("%s: known %v, fetched %v, from %s", a.Key, ok, a.Fetched, a.Source)
		}
		delete(want, a.Key)
		verifySigned(t, a)
	}
	for k := range want {
		t.Errorf("%s is missing", k)
	}
	chain := certificates(t, l.Chains[store.PlatformCA])
	pck, err := x509.ParseCertificate(platform.PCKCertificate().Body)
	must(t, err)
	must(t, pck.CheckSignatureFrom(chain[0]))
	must(t, chain[0].CheckSignatureFrom(chain[1]))
	if !bytes.Equal(read(t, f.path), before) {
		t.Error("reading changed the file")
	}
	if files, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), "*")); err != nil || len(files) != 1 {
		t.Errorf("files beside it: %v, %v", files, err)
	}
}

func TestAllOfTheDatabaseOfIntelsServiceFitsIntoAStore(t *testing.T) {
	f, _, _ := simulated(t)
	l, err := store.ReadLegacy(t.Context(), f.path)
	must(t, err)
	s := open(t, onSQLite().fresh(t))
	must(t, s.Write(t.Context(), store.Batch{
		Artefacts: l.Artefacts, Platforms: l.Platforms, RawTCBs: l.RawTCBs, PCKCerts: l.PCKCerts, Chains: l.Chains, Policies: l.Policies, Enqueue: l.Queue,
	}))
	for i := range l.Artefacts {
		is(t, &l.Artefacts[i])(s.Artefact(t.Context(), l.Artefacts[i].Key))
	}
	is(t, l.Platforms)(s.Platforms(t.Context()))
	is(t, l.Chains[store.PlatformCA])(s.Chain(t.Context(), store.PlatformCA))
}

// certificates reads a chain, which must be whole.
func certificates(t testing.TB, chain []byte) []*x509.Certificate {
	t.Helper()
	var out []*x509.Certificate
	for len(chain) > 0 {
		block, rest := pem.Decode(chain)
		if block == nil {
			t.Fatalf("no certificate in %q", chain)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		must(t, err)
		out, chain = append(out, c), rest
	}
	return out
}

// verifySigned makes sure that an artefact came through byte for byte: its
// signature is that of the first certificate of its chain, by the last.
func verifySigned(t testing.TB, a *store.Artefact) {
	t.Helper()
	chain := certificates(t, a.Chain)
	if a.Kind == store.RootCRL || a.Kind == store.CRL {
		if len(chain) != 0 {
			t.Errorf("%s has a chain", a.Key)
		}
		return
	}
	if len(chain) != 2 {
		t.Fatalf("%s has a chain of %d", a.Key, len(chain))
	}
	must(t, chain[0].CheckSignatureFrom(chain[1]))
	if a.Kind == store.PCKCRL {
		list, err := x509.ParseRevocationList(a.Body)
		must(t, err)
		must(t, list.CheckSignatureFrom(chain[0]))
		return
	}
	var outer map[string]json.RawMessage
	must(t, json.Unmarshal(a.Body, &outer))
	var digits string
	must(t, json.Unmarshal(outer["signature"], &digits))
	signature, err := hex.DecodeString(digits)
	must(t, err)
	body := outer["tcbInfo"]
	if body == nil {
		body = outer["enclaveIdentity"]
	}
	digest := sha256.Sum256(body)
	if public, ok := chain[0].PublicKey.(*ecdsa.PublicKey); !ok ||
		!ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Errorf("%s: the signature does not verify", a.Key)
	}
}

func TestWhatIntelSignedComesThroughByteForByte(t *testing.T) {
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap", "collateral")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	f := newFixture(t)
	der := func(name string) []byte {
		block, _ := pem.Decode(read(t, dir, "chain", name))
		return block.Bytes
	}
	f.put("pcs_certificates", map[string]any{"id": 1, "cert": encoded(der("root_20180521_20491231_44a019.pem"))})
	f.put("pcs_certificates", map[string]any{"id": 3, "cert": encoded(der("tcb_signing_20250506_20320506_c0575e.pem"))})
	f.put("pcs_certificates", map[string]any{"id": 4, "cert": encoded(der("pck_platform_ca_20180521_20330521_22eb77.pem"))})
	infos, err := filepath.Glob(filepath.Join(dir, "tcbinfo", "*"))
	must(t, err)
	count := 0
	for _, file := range infos {
		body := read(t, file)
		// Of the current signing key's: those issued after it was certified.
		var v struct {
			TCBInfo struct {
				FMSPC     string `json:"fmspc"`
				ID        string `json:"id"`
				IssueDate time.Time
				Version   int
			}
		}
		if json.Unmarshal(body, &v) != nil || v.TCBInfo.Version != 3 || v.TCBInfo.IssueDate.Before(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)) {
			continue
		}
		count++
		f.run("DELETE FROM fmspc_tcbs WHERE fmspc = ? AND type = ?", v.TCBInfo.FMSPC, len(v.TCBInfo.ID)&1)
		f.put("fmspc_tcbs", map[string]any{"fmspc": v.TCBInfo.FMSPC, "type": len(v.TCBInfo.ID) & 1, "version": 4, "update_type": "STANDARD",
			"tcbinfo": string(body), "root_cert_id": 1, "signing_cert_id": 3})
	}
	f.put("pck_crl", map[string]any{"ca": "PLATFORM", "pck_crl": read(t, dir, "crl", "platform_20260716T081709Z.crl.der"), "root_cert_id": 1, "intmd_cert_id": 4})
	l, err := store.ReadLegacy(t.Context(), f.path)
	must(t, err)
	if count < 5 || len(l.Artefacts) < 5 {
		t.Fatalf("%d TCB infos among the vectors, %d artefacts were read", count, len(l.Artefacts))
	}
	for i := range l.Artefacts {
		verifySigned(t, &l.Artefacts[i])
	}
}

func TestRowsThatTheServiceWouldNotServeAreSkippedAndNamed(t *testing.T) {
	f, _, _ := simulated(t)
	f.run(`UPDATE fmspc_tcbs SET tcbinfo = NULL WHERE type = 0`)
	f.run(`UPDATE fmspc_tcbs SET type = 7 WHERE type = 1`)
	f.run(`UPDATE enclave_identities SET signing_cert_id = 99`)
	f.run(`UPDATE enclave_identities SET id = 5 WHERE id = 3`)
	f.run(`UPDATE pck_crl SET pck_crl = x''`)
	f.run(`UPDATE pck_certchain SET intmd_cert_id = NULL`)
	f.run(`UPDATE crl_cache SET crl = NULL`)
	f.run(`UPDATE pcs_certificates SET crl = NULL`)
	f.run(`UPDATE platform_tcbs SET tcbm = NULL`)
	f.run(`UPDATE pck_cert SET pck_cert = NULL`)
	f.run(`UPDATE platforms SET enc_ppid = NULL, fmspc = NULL, ca = NULL`)
	l, err := store.ReadLegacy(t.Context(), f.path)
	must(t, err)
	if len(l.Artefacts) != 0 || len(l.PCKCerts) != 0 || len(l.RawTCBs) != 0 || len(l.Chains) != 0 || len(l.Platforms) != 1 {
		t.Errorf("not skipped: %v, %v, %v", l.Artefacts, l.PCKCerts, l.Chains)
	}
	if len(l.Skipped) != 11 {
		t.Errorf("%d rows are named: %q", len(l.Skipped), l.Skipped)
	}
}

func TestOlderSchemasOfIntelsServiceAreRead(t *testing.T) {
	for schema := 3; schema < 5; schema++ {
		f, set, _ := simulated(t)
		f.run(`DELETE FROM fmspc_tcbs WHERE update_type = 'EARLY'`)
		for _, table := range []string{"fmspc_tcbs", "enclave_identities"} {
			f.run("CREATE TABLE narrow AS SELECT * FROM " + table)
			f.run("ALTER TABLE narrow DROP COLUMN update_type")
			f.run("DROP TABLE " + table)
			f.run("ALTER TABLE narrow RENAME TO " + table)
		}
		if schema == 3 {
			f.run(`DROP TABLE appraisal_policies`)
		}
		f.run(`UPDATE pcs_version SET db_version = ?`, schema)
		l, err := store.ReadLegacy(t.Context(), f.path)
		must(t, err)
		k := store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00606a000000", Update: store.Standard, Version: 4}
		i := slices.IndexFunc(l.Artefacts, func(a store.Artefact) bool { return a.Key == k })
		if i < 0 || !bytes.Equal(l.Artefacts[i].Body, set[rats.SGX][0].Body) || len(l.Policies) != schema-3 {
			t.Errorf("schema %d: %v, %d policies", schema, l.Artefacts, len(l.Policies))
		}
	}
}

func TestHostileDatabasesAreRefusedWithAReason(t *testing.T) {
	drop := func(table string) []string { return []string{"DROP TABLE " + table} }
	type trial struct {
		change []string
		kind   rats.Kind
		words  string
	}
	trials := map[string]trial{
		"older schema":     {[]string{`UPDATE pcs_version SET db_version = 2`}, rats.Unsupported, "schema 2 is older than 3"},
		"newer schema":     {[]string{`UPDATE pcs_version SET db_version = 6`}, rats.Unsupported, "schema 6 is newer than 5"},
		"no schema":        {[]string{`UPDATE pcs_version SET db_version = NULL`}, rats.Unsupported, "schema -1"},
		"schema in words":  {[]string{`UPDATE pcs_version SET db_version = 'five'`}, rats.Malformed, "db_version is no integer"},
		"no version row":   {[]string{`DELETE FROM pcs_version`}, rats.Malformed, "pcs_version has no row"},
		"no updates":       {[]string{`ALTER TABLE fmspc_tcbs RENAME COLUMN update_type TO u`}, rats.Malformed, "not the database of Intel's service"},
		"number as body":   {[]string{`UPDATE fmspc_tcbs SET tcbinfo = 5`}, rats.Malformed, "row 1 of fmspc_tcbs: tcbinfo is no blob"},
		"float as state":   {[]string{`UPDATE platforms_registered SET state = 0.5`}, rats.Malformed, "state is no integer"},
		"unknown state":    {[]string{`UPDATE platforms_registered SET state = 3`}, rats.Malformed, "state is no state"},
		"no state":         {[]string{`UPDATE platforms_registered SET state = NULL`}, rats.Malformed, "state is no state"},
		"blob as name":     {[]string{`UPDATE platforms SET qe_id = x'0102'`}, rats.Malformed, "qe_id is no text"},
		"no name":          {[]string{`UPDATE platforms SET qe_id = ''`}, rats.Malformed, "qe_id is no identity"},
		"zero in a name":   {[]string{`UPDATE platforms SET qe_id = CAST(x'410042' AS TEXT)`}, rats.Malformed, "qe_id is no text"},
		"long name":        {[]string{`UPDATE platforms SET fmspc = hex(zeroblob(3000))`}, rats.Malformed, "fmspc is no text"},
		"other update":     {[]string{`UPDATE enclave_identities SET update_type = 'SOON'`}, rats.Malformed, "update_type is no"},
		"escape":           {[]string{`UPDATE pcs_certificates SET cert = '-----BEGIN%2'`}, rats.Malformed, "a bad escape"},
		"no policy":        {[]string{`DROP TABLE appraisal_policies`, `CREATE TABLE appraisal_policies (id, type, policy, is_default, fmspc)`, `INSERT INTO appraisal_policies (id) VALUES ('x')`}, rats.Malformed, "no policy"},
		"huge blob":        {[]string{fmt.Sprintf(`UPDATE pck_crl SET pck_crl = zeroblob(%d)`, store.MaxContent+1)}, rats.TooLarge, "too large"},
		"a view":           {[]string{`DROP TABLE crl_cache`, `CREATE VIEW crl_cache AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS cdp_url, x AS crl, x AS updated_time FROM n`}, rats.Malformed, "crl_cache is no table"},
		"computed columns": {[]string{`DROP TABLE crl_cache`, `CREATE TABLE crl_cache (cdp_url TEXT, crl BLOB AS (zeroblob(16000000)), updated_time TEXT)`, `INSERT INTO crl_cache (cdp_url) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40) SELECT x FROM n`}, rats.TooLarge, "more than 256 MiB"},
	}
	for table := range legacyColumns() {
		trials["without "+table] = trial{drop(table), rats.Malformed, "no table " + table}
	}
	whole, _, _ := simulated(t)
	good := read(t, whole.path)
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			f := &fixture{TB: t, path: filepath.Join(t.TempDir(), "pckcache.db")}
			must(t, os.WriteFile(f.path, good, 0o600))
			f.db = opened(t, "sqlite", "file:"+f.path+"?_pragma=synchronous(OFF)")
			for _, statement := range c.change {
				f.run(statement)
			}
			_, err := store.ReadLegacy(t.Context(), f.path)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want %v with %q", err, c.kind, c.words)
			}
		})
	}
}

func TestWhatIsNoDatabaseOfIntelsIsRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	must(t, os.WriteFile(text, bytes.Repeat([]byte("text\n"), 1000), 0o600))
	empty := filepath.Join(dir, "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	ours := onSQLite().fresh(t)
	must(t, open(t, ours).Write(t.Context(), everything()))
	for path, want := range map[string]rats.Kind{
		filepath.Join(dir, "none"): rats.NotFound, dir: rats.Malformed, text: rats.Malformed, empty: rats.Malformed, ours: rats.Malformed,
	} {
		if _, err := store.ReadLegacy(t.Context(), path); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("files: %v, %v", entries, err)
	}
}

// The service may run meanwhile: what it has not finished is not to be seen.
func TestADatabaseInUseIsReadAsItWasLast(t *testing.T) {
	f, _, _ := simulated(t)
	tx, err := f.db.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), `DELETE FROM platforms`)
	must(t, err)
	l, err := store.ReadLegacy(t.Context(), f.path)
	must(t, err)
	if len(l.Platforms) != 1 {
		t.Errorf("%d platforms", len(l.Platforms))
	}
	must(t, tx.Rollback())
}

// A copy that was made in the middle of a write is not a state of the database.
func TestADatabaseCopiedInTheMiddleOfAWriteIsRefused(t *testing.T) {
	f, _, _ := simulated(t)
	f.db.SetMaxOpenConns(1)
	f.run(`PRAGMA cache_size = 1`) // so that pages reach the file before the end
	tx, err := f.db.BeginTx(t.Context(), nil)
	must(t, err)
	for _, statement := range []string{`DELETE FROM platforms`, `UPDATE crl_cache SET crl = zeroblob(1000000)`} {
		_, err = tx.ExecContext(t.Context(), statement)
		must(t, err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-journal"} {
		must(t, os.WriteFile(path+suffix, read(t, f.path+suffix), 0o600))
	}
	must(t, tx.Rollback())
	if _, err := store.ReadLegacy(t.Context(), path); err == nil || !strings.Contains(err.Error(), "in the middle of a write") {
		t.Errorf("half a write: %v", err)
	}
}

// FuzzReadLegacy flips and cuts the file: what comes back has the bounds that
// the store has.
func FuzzReadLegacy(f *testing.F) {
	fixture, _, _ := simulated(f)
	good := read(f, fixture.path)
	f.Add(uint32(0), byte(0), uint32(len(good)))
	f.Add(uint32(100), byte(0xff), uint32(len(good)))
	f.Add(uint32(4096*3+5), byte(0x80), uint32(len(good)))
	f.Add(uint32(28), byte(1), uint32(8192))
	path := filepath.Join(f.TempDir(), "pckcache.db")
	f.Fuzz(func(t *testing.T, at uint32, flip byte, length uint32) {
		bad := slices.Clone(good)[:min(int(length), len(good))]
		if int(at) < len(bad) {
			bad[at] ^= flip
		}
		must(t, os.WriteFile(path, bad, 0o600))
		l, err := store.ReadLegacy(t.Context(), path)
		if err != nil {
			if rats.KindOf(err) == rats.None || err.Error() == "" {
				t.Error("an error without a kind")
			}
			return
		}
		for i := range l.Artefacts {
			if a := &l.Artefacts[i]; len(a.Body) == 0 || len(a.Body) > store.MaxContent || a.Digest != sha256.Sum256(a.Body) {
				t.Errorf("%s with %d bytes", a.Key, len(a.Body))
			}
		}
	})
}
