// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// realTDFingerprint is SHA-384 over MRTD and RTMR0 to RTMR3 of a real TD.
const realTDFingerprint = "fa13bff786ec94614334ea98d2b49c80d3d029670e86b5615c02afcf50ad9d7a3b02f453567bb20d598b5acf7014d598"

// recordedTD is what submit --json prints.
type recordedTD struct {
	Record map[string]any `json:"record"`
}

// wantFound looks for a record as its readers do: by its fingerprint, on its
// page and by its proof.
func wantFound(t *testing.T, p *process, record map[string]any) {
	t.Helper()
	id, _ := record["id"].(string)
	fingerprint, _ := record["fingerprint"].(string)
	if len(fingerprint) != 96 {
		t.Fatalf("fingerprint %q", fingerprint)
	}
	for _, args := range [][]string{{"get", id}, {"list", "--fingerprint", "0x" + strings.ToUpper(fingerprint)}, {"list", "--tee", "tdx"}} {
		code, out, errs := command(t, append(append([]string{"enclaves"}, args...), "--node", p.url, "--json")...)
		if code != 0 || !strings.Contains(out, id) {
			t.Errorf("enclaves %v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	code, out, errs := command(t, "enclaves", "get", id, "--node", p.url)
	if code != 0 || !strings.Contains(out, tdFingerprint) || strings.Contains(out, "MRENCLAVE") || strings.Contains(out, "MRSIGNER") {
		t.Errorf("enclaves get: exit %d\n%s%s", code, out, errs)
	}
	status, page := call(t, http.MethodGet, p.url+"/enclaves/"+id, "", "")
	if status != http.StatusOK || !strings.Contains(string(page), "MRTD and RTMRs") || strings.Contains(string(page), "MRENCLAVE") {
		t.Errorf("page: %d", status)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.json")
	if code, _, errs := command(t, "enclaves", "proof", id, "--node", p.url, "-o", bundle); code != 0 {
		t.Fatalf("enclaves proof: exit %d %s", code, errs)
	}
	code, out, errs = command(t, "proof", "verify", bundle, "--trust", filepath.Join(p.home, "config", "genesis.json"), "--json")
	if code != 0 || !strings.Contains(out, fingerprint) {
		t.Errorf("proof verify: exit %d\n%s%s", code, out, errs)
	}
}

// TestARealTDBecomesAPublicRecord follows a real TDX quote through the whole
// house.
func TestARealTDBecomesAPublicRecord(t *testing.T) {
	dir := vectors()
	if dir == "" {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	p := startNode(t, t.TempDir(), "--network", "dev", "--clock", seedTime, "--endorsements", filepath.Join(dir, "dcap", "collateral"))
	quote := filepath.Join(dir, "dcap", "quotes", "tdx", "td10_v4_B0C06F000000_plat_prod_f1c85033.bin")
	code, out, errs := command(t, "submit", quote, "--url", "https://td.enclave.example", "--node", p.url, "--json")
	if code != 0 {
		t.Fatalf("submit: exit %d\n%s%s", code, out, errs)
	}
	got := decode[recordedTD](t, []byte(out))
	for name, want := range map[string]any{
		"fingerprint": realTDFingerprint, "tee": "tdx", "mr_signer": "", "build_mode": "production", "status": "UpToDate",
		"tier": "affirming", "trust_root": "intel", "fmspc": "b0c06f000000", "state": "active",
	} {
		if got.Record[name] != want {
			t.Errorf("record.%s = %v, want %v", name, got.Record[name], want)
		}
	}
	wantFound(t, p, got.Record)
	if code, out, errs := command(t, "submit", quote, "--node", p.url); code != 11 || !strings.Contains(errs, "replayed") {
		t.Errorf("again: exit %d\n%s%s", code, out, errs)
	}
}

// TestASimulatedTDBecomesARecordOfADevelopmentNetwork needs no vectors.
func TestASimulatedTDBecomesARecordOfADevelopmentNetwork(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev")
	quote := filepath.Join(t.TempDir(), "td.bin")
	if code, _, errs := command(t, "attest", "--tee", "sim-tdx", "--sim-tcb", "TDRelaunchAdvised", "--report-data", "07", "-o", quote); code != 0 {
		t.Fatalf("attest: exit %d %s", code, errs)
	}
	code, out, errs := command(t, "submit", quote, "--node", p.url, "--json")
	if code != 0 {
		t.Fatalf("submit: exit %d\n%s%s", code, out, errs)
	}
	got := decode[recordedTD](t, []byte(out))
	if got.Record["status"] != "TDRelaunchAdvised" || got.Record["trust_root"] != "simulated" || got.Record["tier"] != "warning" {
		t.Errorf("%v", got.Record)
	}
	wantFound(t, p, got.Record)
}
