// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/endorse/pcstest"
)

// confFile writes a configuration file of Intel's client and returns its name.
func confFile(t *testing.T, format string, args ...any) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sgx_default_qcnl.conf")
	if err := os.WriteFile(name, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestVerifyAsksWhomAConfigurationFileOfIntelsClientNames goes all the way: a
// file as people have it, a service as Intel's cache answers, and a verdict.
func TestVerifyAsksWhomAConfigurationFileOfIntelsClientNames(t *testing.T) {
	pcs, url, _ := simulatedPCCS(t)
	file, _ := simulatedQuote(t, 1)
	conf := confFile(t, `{
  // certificates come from elsewhere, and are not asked for
  "pccs_url": "http://127.0.0.1:1/sgx/certification/v4/"
  ,"collateral_service": "%s/sgx/certification/v4/"
  ,"tcb_update_type": "EARLY"
}`, url)
	code, out, errs := command(t, "verify", file, "--endorsements", conf, "--trust-simulated")
	if code != 0 || errs != "" {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if len(pcs.Calls("update=early")) == 0 || len(pcs.Calls("update=standard")) != 0 || len(pcs.Calls("rootcacrl")) == 0 {
		t.Errorf("asked %q", pcs.Calls(""))
	}
	// What the caller says of the evaluation counts more than the file.
	if code, _, errs = command(t, "verify", file, "--endorsements", conf, "--trust-simulated", "--evaluation-number", "standard"); code != 0 || len(pcs.Calls("update=standard")) == 0 {
		t.Errorf("standard: exit %d %s", code, errs)
	}
	// A legacy file does as well, and the next source helps where one is down.
	down := confFile(t, "PCCS_URL=http://127.0.0.1:1/sgx/certification/v4/\n")
	legacy := confFile(t, "# by hand\nPCCS_URL = %s/sgx/certification/v4/\n", url)
	code, _, errs = command(t, "verify", file, "--endorsements", down, "--endorsements", legacy, "--trust-simulated")
	if code != 0 || !strings.Contains(errs, "warning: TCB info for SGX of FMSPC 00a51e000000") {
		t.Errorf("fallback: exit %d %s", code, errs)
	}
	if code, _, errs = command(t, "verify", file, "--endorsements", down, "--trust-simulated"); code != 12 {
		t.Errorf("down: exit %d %s", code, errs)
	}
}

func TestAVersionOf31AsksForTheRootsListByItsURL(t *testing.T) {
	pcs, _, _ := simulatedPCCS(t)
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/v4/crl") {
			asked = r.URL.Query().Get("uri")
			r.URL.Path = strings.TrimSuffix(r.URL.Path, "crl") + "rootcacrl"
		}
		pcs.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	file, _ := simulatedQuote(t, 1)
	conf := confFile(t, `{"pccs_url": "%s/sgx/certification/v4/", "pccs_api_version": "3.1"}`, server.URL)
	code, out, errs := command(t, "verify", file, "--endorsements", conf, "--trust-simulated")
	if code != 0 || asked != "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der" {
		t.Errorf("exit %d, asked for %q\n%s%s", code, asked, out, errs)
	}
}

func TestTLSIsCheckedUnlessBothFileAndFlagSayOtherwise(t *testing.T) {
	pcs, _, _ := simulatedPCCS(t)
	server := httptest.NewTLSServer(pcs)
	t.Cleanup(server.Close)
	file, _ := simulatedQuote(t, 1)
	write := func(der []byte) string {
		name := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	own := write(server.Certificate().Raw)
	stranger := write(strangerCertificate(t))
	conf := func(secure bool) string {
		return confFile(t, `{"pccs_url": "%s/sgx/certification/v4/", "use_secure_cert": %t}`, server.URL, secure)
	}
	const skip = "--unsafe-endorsements-skip-tls"
	for name, c := range map[string]struct {
		want int
		args []string
	}{
		"vouched for":              {0, []string{"--endorsements", conf(true), "--endorsements-tls-ca", own}},
		"not vouched for":          {12, []string{"--endorsements", conf(true), "--endorsements-tls-ca", stranger}},
		"the flag alone":           {12, []string{"--endorsements", conf(true), "--endorsements-tls-ca", stranger, skip}},
		"the file alone":           {2, []string{"--endorsements", conf(false), "--endorsements-tls-ca", own}},
		"both the file and a flag": {0, []string{"--endorsements", conf(false), "--endorsements-tls-ca", stranger, skip}},
	} {
		code, _, errs := command(t, append([]string{"verify", file, "--trust-simulated"}, c.args...)...)
		if code != c.want {
			t.Errorf("%s: exit %d, want %d: %s", name, code, c.want, errs)
		}
		if c.want == 2 && (!strings.Contains(errs, "use_secure_cert is false on line 1") || !strings.Contains(errs, skip)) {
			t.Errorf("%s: %s", name, errs)
		}
	}
}

// strangerCertificate is one that vouches for nobody here.
func strangerCertificate(t *testing.T) []byte {
	t.Helper()
	k, err := certificate.SelfMade(t.TempDir(), []string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return k.Leaf().Raw
}

func TestFilesThatTheClientWouldMisreadAreRefusedWithTheirPlace(t *testing.T) {
	_, url, _ := simulatedPCCS(t)
	file, _ := simulatedQuote(t, 1)
	for text, want := range map[string]string{
		`{"pccs_url": "` + url + `/sgx/certification/v4/",` + "\n}":      "line 2, column 1: a comma before the closing brace",
		`{"pccs_url": "` + url + `/sgx/certification/v4"}`:               "line 1, column 14: pccs_url has no slash at its end",
		`{"use_secure_cert": "FALSE"}`:                                   "line 1, column 21: use_secure_cert is ignored",
		`{"tcb_update_type": "newest"}`:                                  "line 1, column 21: tcb_update_type",
		`{"pccs_url": "http://pccs.example:8081/sgx/certification/v4/"}`: "plain http is for this machine alone",
	} {
		code, _, errs := command(t, "verify", file, "--endorsements", confFile(t, "%s", text), "--trust-simulated")
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d %s", text, code, errs)
		}
		if code, _, errs := command(t, "serve", "--home", t.TempDir(), "--listen", "127.0.0.1:0", "--endorsements", confFile(t, "%s", text)); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("serve %s: exit %d %s", text, code, errs)
		}
	}
	if code, _, errs := command(t, "verify", file, "--endorsements", filepath.Join(t.TempDir(), "none.conf")); code != 1 || !strings.Contains(errs, "none.conf") {
		t.Errorf("no file: exit %d %s", code, errs)
	}
}

func TestANodeTakesItsEndorsementsFromAConfigurationFile(t *testing.T) {
	pcs, url, _ := simulatedPCCS(t)
	conf := confFile(t, `{"pccs_url": "%s/sgx/certification/v4/"}`, url)
	p := startNode(t, t.TempDir(), "--network", "dev", "--endorsements", conf)
	_, body := simulatedQuote(t, 1)
	if status, answer := call(t, http.MethodPost, p.url+"/v1/evidence", "dev", body); status != http.StatusCreated || len(pcs.Calls("/tcb?")) == 0 {
		t.Errorf("%d %s, asked %q\n%s", status, answer, pcs.Calls(""), p.stderr)
	}
	pcs.Break("", pcstest.Down())
	if err := p.stop(t); err != nil {
		t.Errorf("stop: %v\n%s", err, p.stderr)
	}
}
