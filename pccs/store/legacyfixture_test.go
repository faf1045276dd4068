// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"database/sql"
	"encoding/pem"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// legacyColumns are the tables of Intel's service at schema 5, in the types that
// its ORM declares for SQLite.
func legacyColumns() map[string]string {
	const key = "VARCHAR(255) NOT NULL"
	stamps := ", created_time DATETIME NOT NULL, updated_time DATETIME NOT NULL"
	ids := ", root_cert_id INTEGER, signing_cert_id INTEGER"
	return map[string]string{
		"pcs_version":          "id INTEGER PRIMARY KEY, api_version INTEGER, server_addr VARCHAR(255)" + stamps + ", db_version INT DEFAULT 1",
		"platforms":            "qe_id " + key + ", pce_id " + key + ", platform_manifest BLOB, enc_ppid BLOB, fmspc VARCHAR(255), ca VARCHAR(255)" + stamps + ", PRIMARY KEY (qe_id, pce_id)",
		"platforms_registered": "qe_id " + key + ", pce_id " + key + ", cpu_svn " + key + ", pce_svn " + key + ", enc_ppid BLOB, platform_manifest BLOB, state INTEGER" + stamps + ", PRIMARY KEY (qe_id, pce_id, cpu_svn, pce_svn)",
		"platform_tcbs":        "qe_id " + key + ", pce_id " + key + ", cpu_svn " + key + ", pce_svn " + key + ", tcbm VARCHAR(255)" + stamps + ", PRIMARY KEY (qe_id, pce_id, cpu_svn, pce_svn)",
		"pck_cert":             "qe_id " + key + ", pce_id " + key + ", tcbm " + key + ", pck_cert BLOB" + stamps + ", PRIMARY KEY (qe_id, pce_id, tcbm)",
		"pck_certchain":        "ca VARCHAR(255) PRIMARY KEY, root_cert_id INTEGER, intmd_cert_id INTEGER" + stamps,
		"pck_crl":              "ca VARCHAR(255) PRIMARY KEY, pck_crl BLOB, root_cert_id INTEGER, intmd_cert_id INTEGER" + stamps,
		"pcs_certificates":     "id INTEGER PRIMARY KEY AUTOINCREMENT, cert BLOB, crl BLOB" + stamps,
		"crl_cache":            "cdp_url VARCHAR(255) PRIMARY KEY, crl BLOB" + stamps,
		"fmspc_tcbs":           "fmspc " + key + ", type INTEGER NOT NULL, version INTEGER NOT NULL, update_type " + key + ", tcbinfo BLOB" + ids + stamps + ", PRIMARY KEY (fmspc, type, version, update_type)",
		"enclave_identities":   "id INTEGER NOT NULL, version INTEGER NOT NULL, update_type " + key + ", identity BLOB" + ids + stamps + ", PRIMARY KEY (id, version, update_type)",
		"appraisal_policies":   "id VARCHAR(255) PRIMARY KEY, type INTEGER NOT NULL, policy TEXT NOT NULL, is_default INTEGER NOT NULL, fmspc " + key + stamps,
	}
}

// written is when every row of a fixture was, in the form of the ORM.
const written = "2026-10-01 01:00:02.345 +00:00"

// fixture is a database as Intel's service leaves it.
type fixture struct {
	testing.TB
	path string
	db   *sql.DB
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, path: filepath.Join(t.TempDir(), "pckcache.db")}
	f.db = opened(t, "sqlite", "file:"+f.path+"?_pragma=synchronous(OFF)")
	for table, columns := range legacyColumns() {
		f.run("CREATE TABLE `" + table + "` (" + columns + ")")
	}
	f.put("pcs_version", map[string]any{"id": 1, "api_version": 4, "server_addr": "api.trustedservices.intel.com", "db_version": 5})
	return f
}

func (f *fixture) run(statement string, args ...any) {
	f.Helper()
	if _, err := f.db.ExecContext(f.Context(), statement, args...); err != nil {
		f.Fatalf("%s: %v", statement, err)
	}
}

// put adds a row.
func (f *fixture) put(table string, row map[string]any) {
	f.Helper()
	columns, marks, values := "created_time, updated_time", "?, ?", []any{written, written}
	for column, value := range row {
		columns, marks, values = columns+", "+column, marks+", ?", append(values, value)
	}
	f.run("INSERT INTO "+table+" ("+columns+") VALUES ("+marks+")", values...)
}

// encoded returns certificates as the service keeps them: PEM, percent-encoded
// as encodeURIComponent does.
func encoded(certs ...[]byte) string {
	var out string
	for _, der := range certs {
		out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return strings.ReplaceAll(url.QueryEscape(out), "+", "%20")
}

// simulated fills a fixture with what a simulated vendor signed and one platform.
func simulated(t testing.TB) (*fixture, map[rats.TEE][]rats.Endorsement, *simtee.Platform) {
	t.Helper()
	f := newFixture(t)
	pki, err := simtee.NewPKI(simtee.Faults{})
	must(t, err)
	at := day(300)
	set := make(map[rats.TEE][]rats.Endorsement)
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		set[tee], err = pki.EndorsementsFor(tee, at)
		must(t, err)
	}
	tcb, crl := set[rats.SGX][0], set[rats.SGX][3]
	f.put("pcs_certificates", map[string]any{"id": 1, "cert": encoded(pki.RootCertificate()), "crl": set[rats.SGX][2].Body})
	f.put("pcs_certificates", map[string]any{"id": 3, "cert": []byte(encoded(tcb.Issuers[0]))})
	f.put("pcs_certificates", map[string]any{"id": 4, "cert": encoded(crl.Issuers[0])})
	signed := map[string]any{"root_cert_id": 1, "signing_cert_id": 3, "version": 4, "update_type": "STANDARD"}
	with := func(more map[string]any) map[string]any {
		row := map[string]any{}
		for _, from := range []map[string]any{signed, more} {
			for column, value := range from {
				row[column] = value
			}
		}
		return row
	}
	// As text and as a blob: both are found.
	f.put("fmspc_tcbs", with(map[string]any{"fmspc": "00606A000000", "type": 0, "tcbinfo": string(tcb.Body)}))
	f.put("fmspc_tcbs", with(map[string]any{"fmspc": "00606A000000", "type": 1, "tcbinfo": set[rats.TDX][0].Body, "update_type": "EARLY"}))
	f.put("enclave_identities", with(map[string]any{"id": 1, "identity": set[rats.SGX][1].Body}))
	f.put("enclave_identities", with(map[string]any{"id": 2, "identity": set[rats.SGX][1].Body, "version": 3}))
	f.put("enclave_identities", with(map[string]any{"id": 3, "identity": string(set[rats.TDX][1].Body)}))
	f.put("pck_crl", map[string]any{"ca": "PLATFORM", "pck_crl": crl.Body, "root_cert_id": 1, "intmd_cert_id": 4})
	f.put("pck_certchain", map[string]any{"ca": "PLATFORM", "root_cert_id": 1, "intmd_cert_id": 4})
	f.put("crl_cache", map[string]any{"cdp_url": crlKey.Scope, "crl": set[rats.SGX][2].Body})
	platform, err := pki.NewPlatform(1, rats.UpToDate)
	must(t, err)
	id := map[string]any{"qe_id": machine.QEID, "pce_id": machine.PCEID}
	also := func(more map[string]any) map[string]any {
		more["qe_id"], more["pce_id"] = id["qe_id"], id["pce_id"]
		return more
	}
	f.put("platforms", also(map[string]any{"enc_ppid": []byte{1, 2, 3}, "fmspc": "00606A000000", "ca": "PLATFORM"}))
	f.put("platform_tcbs", also(map[string]any{"cpu_svn": "0b0b", "pce_svn": "0D00", "tcbm": "0B0B0D00"}))
	plain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: platform.PCKCertificate().Body})
	f.put("pck_cert", also(map[string]any{"tcbm": "0B0B0D00", "pck_cert": string(plain)}))
	f.put("pck_cert", also(map[string]any{"tcbm": "0A0A0D00", "pck_cert": "Not available"}))
	f.put("platforms_registered", also(map[string]any{"cpu_svn": "", "pce_svn": "", "platform_manifest": []byte{9}, "state": 0}))
	f.put("platforms_registered", also(map[string]any{"cpu_svn": "AA", "pce_svn": "0D00", "enc_ppid": []byte{1}, "state": 9}))
	f.put("appraisal_policies", map[string]any{"id": "ab", "type": 1, "policy": "a.b.c", "is_default": 1, "fmspc": "00606A000000"})
	return f, set, platform
}
