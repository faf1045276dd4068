// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// simulatedPCCS serves what the simulated vendor issued yesterday, which a node
// that makes it by itself does not have.
func simulatedPCCS(t *testing.T) (pcs *pcstest.PCS, url string, items []rats.Endorsement) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	if items, err = pki.EndorsementsFor(rats.SGX, time.Now().Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if pcs, err = pcstest.New(nil, items...); err != nil {
		t.Fatal(err)
	}
	pcs.PCCS = true
	server := httptest.NewServer(pcs)
	t.Cleanup(server.Close)
	return pcs, server.URL, items
}

// simulatedQuote writes a quote of a simulated enclave and returns its file.
func simulatedQuote(t *testing.T, n byte) (file, body string) {
	t.Helper()
	quote, err := simtee.Enclave{ISVSVN: 1, ReportData: [64]byte{n}}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "quote.bin")
	if err := os.WriteFile(file, quote, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, `{"evidence":"` + base64.StdEncoding.EncodeToString(quote) + `"}`
}

// TestEndorsementsComeByThemselves has a node take from a service alone what
// evidence needs.
func TestEndorsementsComeByThemselves(t *testing.T) {
	pcs, url, items := simulatedPCCS(t)
	p := startNode(t, t.TempDir(), "--network", "dev", "--endorsements", url)
	_, body := simulatedQuote(t, 1)
	if status, answer := call(t, http.MethodPost, p.url+"/v1/evidence", "dev", body); status != http.StatusCreated {
		t.Fatalf("%d %s\n%s", status, answer, p.stderr)
	}
	_, list := call(t, http.MethodGet, p.url+"/v1/endorsements", "", "")
	for _, e := range items {
		digest := e.Digest()
		if !strings.Contains(string(list), `"sha256":"`+hex.EncodeToString(digest[:])+`"`) {
			t.Errorf("the ledger does not have the service's %s: %s", e.Kind, list)
		}
	}
	p.says(t, regexp.MustCompile("endorsement fetched"))

	pcs.Break("", pcstest.Down())
	calls := len(pcs.Calls(""))
	_, body = simulatedQuote(t, 2)
	if status, answer := call(t, http.MethodPost, p.url+"/v1/evidence", "dev", body); status != http.StatusCreated || len(pcs.Calls("")) != calls {
		t.Errorf("down, and nothing lacking: %d %s", status, answer)
	}
	other := startNode(t, t.TempDir(), "--network", "dev", "--endorsements", url)
	status, answer := call(t, http.MethodPost, other.url+"/v1/evidence", "dev", body)
	if status != http.StatusFailedDependency || !strings.Contains(string(answer), "TCB info for SGX of FMSPC 00a51e000000") ||
		!strings.Contains(string(answer), strings.TrimPrefix(url, "http://")) {
		t.Errorf("down, and all lacking: %d %s", status, answer)
	}
	pcs.Mend()
	if err := p.stop(t); err != nil {
		t.Errorf("stop: %v\n%s", err, p.stderr)
	}
	if err := other.stop(t); err != nil {
		t.Errorf("stop: %v\n%s", err, other.stderr)
	}
}

func TestVerifyAsksAServiceForWhatEvidenceNeeds(t *testing.T) {
	pcs, url, _ := simulatedPCCS(t)
	file, _ := simulatedQuote(t, 1)
	code, out, errs := command(t, "verify", file, "--endorsements", url, "--trust-simulated")
	if code != 0 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for _, call := range pcs.Calls("/tcb?") {
		if !strings.Contains(call, "update=standard") {
			t.Errorf("asked %s", call)
		}
	}
	code, _, errs = command(t, "verify", file, "--endorsements", url, "--trust-simulated", "--evaluation-number", "early")
	if code != 0 || len(pcs.Calls("update=early")) == 0 {
		t.Errorf("early: exit %d %s", code, errs)
	}
	// Without the simulated root nothing that the service says verifies.
	if code, _, errs = command(t, "verify", file, "--endorsements", url); code != 10 {
		t.Errorf("untrusted: exit %d %s", code, errs)
	}
	pcs.Break("", pcstest.Status(http.StatusServiceUnavailable))
	code, _, errs = command(t, "verify", file, "--endorsements", url, "--trust-simulated")
	if code != 12 || !strings.Contains(errs, "warning: TCB info for SGX of FMSPC 00a51e000000") || !strings.Contains(errs, "503") {
		t.Errorf("down: exit %d %s", code, errs)
	}
}

func TestAPlatformsEndorsementsAreFetchedIntoAFolder(t *testing.T) {
	pcs, url, _ := simulatedPCCS(t)
	file, _ := simulatedQuote(t, 1)
	dir := filepath.Join(t.TempDir(), "collateral")
	code, out, errs := command(t, "endorsements", "fetch", "0x00A51E000000", "--from", url, "--ca", "platform", "--trust-simulated", "-o", dir)
	if code != 0 || !strings.Contains(out, "00a51e000000") || !strings.Contains(errs, "fetched 4") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs = command(t, "verify", file, "--endorsements", dir, "--trust-simulated"); code != 0 {
		t.Errorf("verify: exit %d\n%s%s", code, out, errs)
	}
	home := t.TempDir()
	code, _, errs = command(t, "endorsements", "fetch", "00a51e000000", "--from", url, "--trust-simulated", "--home", home)
	if code != 0 || !strings.Contains(errs, "warning: revocation list of the PCK processor CA") {
		t.Errorf("exit %d %s, want a warning for the CA that there is not", code, errs)
	}
	if code, out, _ = command(t, "endorsements", "list", "--home", home); code != 0 || !strings.Contains(out, "tcb_info sgx") {
		t.Errorf("list: exit %d %s", code, out)
	}
	// Nobody vouches for it without the simulated root.
	code, _, errs = command(t, "endorsements", "fetch", "00a51e000000", "--from", url, "-o", filepath.Join(dir, "none"))
	if code != 10 || !strings.Contains(errs, "nothing was fetched") {
		t.Errorf("untrusted: exit %d %s", code, errs)
	}
	pcs.Break("", pcstest.Status(404))
	if code, _, errs = command(t, "endorsements", "fetch", "00a51e000000", "--from", url, "-o", filepath.Join(dir, "none")); code != 12 {
		t.Errorf("nothing there: exit %d %s", code, errs)
	}
}

func TestSourcesThatCannotBeMeantAreUsageErrors(t *testing.T) {
	file, _ := simulatedQuote(t, 1)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"no service":      {"verify", file, "--endorsements", "ftp://localhost/"},
		"plain http":      {"verify", file, "--endorsements", "http://pccs.example/"},
		"no FMSPC":        {"endorsements", "fetch", "12345"},
		"no TEE":          {"endorsements", "fetch", "00a51e000000", "--tee", "snp"},
		"no CA":           {"endorsements", "fetch", "00a51e000000", "--ca", "root"},
		"no number":       {"endorsements", "fetch", "00a51e000000", "--evaluation-number", "new"},
		"no certificates": {"endorsements", "fetch", "00a51e000000", "--from", "http://127.0.0.1:1", "--endorsements-tls-ca", empty},
	} {
		if code, _, errs := command(t, args...); code != 2 {
			t.Errorf("%s: exit %d %s", name, code, errs)
		}
	}
	for base, want := range map[string]bool{
		"https://api.trustedservices.intel.com/": true, "http://api.trustedservices.intel.com/": false,
		"https://trustedservices.intel.com.example/": false, "http://127.0.0.1:1/": true, "https://pccs.example/": false,
	} {
		if got := takesKey(base); got != want {
			t.Errorf("%s is told the key: %t", base, got)
		}
	}
}
