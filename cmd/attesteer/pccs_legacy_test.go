// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"database/sql"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// legacyTables are those of Intel's service at schema 5, with the columns that
// say something.
func legacyTables() map[string]string {
	return map[string]string{
		"pcs_version":          "id, api_version, server_addr, db_version",
		"platforms":            "qe_id, pce_id, platform_manifest, enc_ppid, fmspc, ca",
		"platforms_registered": "qe_id, pce_id, cpu_svn, pce_svn, enc_ppid, platform_manifest, state",
		"platform_tcbs":        "qe_id, pce_id, cpu_svn, pce_svn, tcbm",
		"pck_cert":             "qe_id, pce_id, tcbm, pck_cert",
		"pck_certchain":        "ca, root_cert_id, intmd_cert_id",
		"pck_crl":              "ca, pck_crl, root_cert_id, intmd_cert_id",
		"pcs_certificates":     "id, cert, crl",
		"crl_cache":            "cdp_url, crl",
		"fmspc_tcbs":           "fmspc, type, version, update_type, tcbinfo, root_cert_id, signing_cert_id",
		"enclave_identities":   "id, version, update_type, identity, root_cert_id, signing_cert_id",
		"appraisal_policies":   "id, type, policy, is_default, fmspc",
	}
}

// legacyDatabase writes a database as Intel's service leaves it: one platform,
// the rest of what verifies its quotes, and a QE identity that somebody forged.
func legacyDatabase(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pckcache.db")
	db, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for table, columns := range legacyTables() {
		run("CREATE TABLE " + table + " (" + columns + ", created_time, updated_time)")
	}
	put := func(table string, values ...any) {
		t.Helper()
		run("INSERT INTO "+table+" VALUES (?"+strings.Repeat(", ?", len(values)+1)+")",
			append(values, "2026-10-01 01:00:02.345 +00:00", "2026-10-01 01:00:02.345 +00:00")...)
	}
	inPEM := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	pki := simPKI(t, simtee.Faults{})
	items, err := pki.EndorsementsFor(rats.SGX, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	platform, err := pki.NewPlatform(1, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	put("pcs_version", 1, 4, "api.trustedservices.intel.com", 5)
	put("pcs_certificates", 1, clienttool.Escape(inPEM(pki.RootCertificate())), items[2].Body)
	put("pcs_certificates", 3, clienttool.Escape(inPEM(items[0].Issuers[0])), nil)
	put("pcs_certificates", 4, clienttool.Escape(inPEM(items[3].Issuers[0])), nil)
	put("fmspc_tcbs", "00A51E000000", 0, 4, "STANDARD", items[0].Body, 1, 3)
	put("enclave_identities", 1, 4, "STANDARD", bytes.Replace(items[1].Body, []byte(`"isvprodid":1`), []byte(`"isvprodid":7`), 1), 1, 3)
	put("pck_crl", "PLATFORM", items[3].Body, 1, 4)
	put("pck_certchain", "PLATFORM", 1, 4)
	put("platforms", simQEID, "0000", "", bytes.Repeat([]byte{0xee}, 384), "00A51E000000", "PLATFORM")
	put("platform_tcbs", simQEID, "0000", simCPUSVN, simPCESVN, simCPUSVN+simPCESVN)
	put("pck_cert", simQEID, "0000", simCPUSVN+simPCESVN, inPEM(platform.PCKCertificate().Body))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheDatabaseOfIntelsServiceIsTakenOverVerified(t *testing.T) {
	name, home := legacyDatabase(t), t.TempDir()
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "pccs", "import", name, "--home", home, "--trust-simulated")
	for _, want := range []string{"tcb_info sgx 00a51e000000 standard v4", "root_crl v4", "pck_crl platform v4", "PCK certificates of platform " + simQEID} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s was not taken: %d\n%s%s", want, code, out, errs)
		}
	}
	if !strings.Contains(errs, "warning: refused qe_identity sgx standard v4: bad_signature") {
		t.Errorf("the forged identity: %s", errs)
	}
	if after, err := os.ReadFile(name); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database changed: %v", err)
	}
	code, out, errs = command(t, "pccs", "platforms", "--state", "cached", "--home", home)
	if code != 0 || !strings.Contains(out, simQEID+" 0000  "+simCPUSVN+" "+simPCESVN+" 00A51E000000") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	// And on to another cache, Intel's too.
	code, out, errs = command(t, "pccs", "export", "--home", home)
	c, err := clienttool.Parse([]byte(out))
	if err != nil || code != 0 || len(c.PCKCerts) != 1 || !bytes.Contains(c.PCKCerts[0].Certs[0].TCB, []byte(`"sgxtcbcomp01svn":14,`)) {
		t.Errorf("%d %v %s", code, err, errs)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, before[:len(before)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "pccs", "import", damaged, "--home", t.TempDir()); code != 14 {
		t.Errorf("half a database: %d %s", code, errs)
	}
}
