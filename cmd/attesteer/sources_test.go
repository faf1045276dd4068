// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// commandAt runs one command line of a user whose home is a folder.
func commandAt(t testing.TB, home string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code = run(ctx, args, system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		getenv: func(name string) string { return map[string]string{"HOME": home}[name] },
	})
	return code, out.String(), errs.String()
}

// issuedAgo is a PCCS that has what the simulated vendor issued some days ago.
func issuedAgo(t testing.TB, days int) (pcs *pcstest.PCS, address string) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.EndorsementsFor(rats.SGX, time.Now().AddDate(0, 0, -days))
	if err != nil {
		t.Fatal(err)
	}
	if pcs, err = pcstest.New(nil, items...); err != nil {
		t.Fatal(err)
	}
	pcs.PCCS = true
	server := httptest.NewServer(pcs)
	t.Cleanup(server.Close)
	return pcs, server.URL
}

func hostOf(address string) string { return strings.TrimPrefix(address, "http://") }

func TestVerifyGoesThroughItsSourcesInTheirOrder(t *testing.T) {
	file, _ := simulatedQuote(t, 1)
	stalePCS, stale := issuedAgo(t, 90)
	currentPCS, current := issuedAgo(t, 2)
	thirdPCS, third := issuedAgo(t, 1)
	verify := func(sources ...string) (int, string) {
		args := []string{"verify", file, "--trust-simulated"}
		for _, s := range sources {
			args = append(args, "--endorsements", s)
		}
		code, _, errs := command(t, args...)
		return code, errs
	}
	code, errs := verify(stale, current, third)
	if code != 0 || !strings.Contains(errs, "warning: TCB info for SGX of FMSPC 00a51e000000: that of "+hostOf(stale)+" does not hold: it is stale") ||
		!strings.Contains(errs, "note: TCB info for SGX of FMSPC 00a51e000000, issued ") || !strings.Contains(errs, "is from "+hostOf(current)) {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if len(stalePCS.Calls("/tcb?")) == 0 || len(currentPCS.Calls("/tcb?")) == 0 || len(thirdPCS.Calls("")) != 0 {
		t.Errorf("asked %d, %d, %d times", len(stalePCS.Calls("")), len(currentPCS.Calls("")), len(thirdPCS.Calls("")))
	}
	// A forger in between changes nothing, and a folder helps as well.
	stalePCS.Break("", pcstest.Forged())
	if code, errs = verify(stale, third); code != 0 || !strings.Contains(errs, hostOf(stale)+" answered with what is of no use") {
		t.Errorf("behind a forger: exit %d\n%s", code, errs)
	}
	dir := t.TempDir()
	if code, _, errs := command(t, "endorsements", "fetch", "00a51e000000", "--from", third, "--ca", "platform", "--trust-simulated", "-o", dir); code != 0 {
		t.Fatal(errs)
	}
	if code, errs = verify(stale, dir); code != 0 || !strings.Contains(errs, "is from "+dir) {
		t.Errorf("behind a forger, with a folder: exit %d\n%s", code, errs)
	}
	// When all are stale the verdict says so, by the freshest.
	stalePCS.Mend()
	_, older := issuedAgo(t, 120)
	if code, errs = verify(older, stale); code != 12 || !strings.Contains(errs, "endorsement_expired") {
		t.Errorf("all are stale: exit %d\n%s", code, errs)
	}
}

func TestFetchSaysWhoGaveWhat(t *testing.T) {
	_, stale := issuedAgo(t, 90)
	_, current := issuedAgo(t, 2)
	code, out, errs := command(t, "endorsements", "fetch", "00a51e000000", "--from", stale, "--from", current, "--ca", "platform",
		"--trust-simulated", "-o", t.TempDir(), "--json")
	if code != 0 || strings.Count(out, `"source":"`+hostOf(current)+`"`) != 4 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs = command(t, "endorsements", "fetch", "00a51e000000", "--from", stale, "--trust-simulated", "-o", t.TempDir()); code != 0 || !strings.Contains(out, "stale  from "+hostOf(stale)) {
		t.Errorf("stale alone: exit %d\n%s%s", code, out, errs)
	}
	for _, name := range []string{"aws", "alibaba:", "alibaba:a/b", "ledger:", "ledger:ftp://a", "./collateral"} {
		if code, _, errs := command(t, "endorsements", "fetch", "00a51e000000", "--from", name, "-o", t.TempDir()); code != 2 {
			t.Errorf("%s: exit %d %s", name, code, errs)
		}
	}
}

func TestNamesOfSourcesAreToldFromFolders(t *testing.T) {
	for name, want := range map[string]bool{
		"intel": true, "azure": true, "azure-vm": true, "alibaba:cn-beijing": true, "alibaba-vpc:cn-beijing": true, "alibaba:": true,
		"https://pccs.example/": true, "ledger:https://node.example": true, "/etc/sgx_default_qcnl.conf": true,
		"./intel": false, "./azure": false, "collateral": false, "/tmp/intel": false, "alibaba": false,
	} {
		if isAsked(name) != want {
			t.Errorf("%s is asked: %t", name, !want)
		}
	}
	for name, want := range map[string]string{
		"ledger:https://node.example:2000": "https://node.example:2000", "ledger:http://127.0.0.1:2000/": "http://127.0.0.1:2000",
		"https://node.example/v1/endorsements": "https://node.example", "https://node.example/v1/": "https://node.example",
		"https://node.example/v1": "https://node.example", "https://node.example/": "", "https://pccs.example/sgx/certification/v4/": "", "v1": "",
	} {
		if got, ok := nodeOf(name); got != want || ok != (want != "") {
			t.Errorf("%s: node %q, %t", name, got, ok)
		}
	}
	file, _ := simulatedQuote(t, 1)
	for _, name := range []string{"ledger:http://node.example:2000", "ledger:https://me:secret@node.example", "ledger:node.example", "alibaba:a.b"} {
		if code, _, errs := command(t, "verify", file, "--endorsements", name); code != 2 {
			t.Errorf("%s: exit %d %s", name, code, errs)
		}
	}
}

// TestALedgerIsASourceWhenTheVendorIsDown has a node take endorsements from a
// service, and others take them from that node once the service is gone.
func TestALedgerIsASourceWhenTheVendorIsDown(t *testing.T) {
	pcs, service := issuedAgo(t, 2)
	first := startNode(t, t.TempDir(), "--network", "dev", "--endorsements", service)
	file, body := simulatedQuote(t, 1)
	if status, answer := call(t, http.MethodPost, first.url+"/v1/evidence", "dev", body); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	pcs.Break("", pcstest.Down())
	for _, name := range []string{"ledger:" + first.url, first.url + "/v1/endorsements"} {
		code, out, errs := command(t, "verify", file, "--trust-simulated", "--endorsements", service, "--endorsements", name)
		if code != 0 || !strings.Contains(errs, "is from "+hostOf(first.url)) || !strings.Contains(errs, "hung up") {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
	}
	second := startNode(t, t.TempDir(), "--network", "dev", "--endorsements", service, "--endorsements", "ledger:"+first.url)
	_, body = simulatedQuote(t, 2)
	if status, answer := call(t, http.MethodPost, second.url+"/v1/evidence", "dev", body); status != http.StatusCreated {
		t.Errorf("%d %s\n%s", status, answer, second.stderr)
	}
	for _, p := range []*process{second, first} {
		if err := p.stop(t); err != nil {
			t.Errorf("stop: %v\n%s", err, p.stderr)
		}
	}
	// Nobody's word is taken: without the simulated root nothing of it verifies.
	if code, _, errs := command(t, "verify", file, "--endorsements", "ledger:"+first.url); code != 12 && code != 10 {
		t.Errorf("a node that is gone: exit %d %s", code, errs)
	}
}

// namedQuote writes a quote that names its platform by an encrypted PPID, and
// returns the platform's certificate.
func namedQuote(t testing.TB) (file string, cert rats.Endorsement, name dcap.PlatformName) {
	t.Helper()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.Quote(simtee.Enclave{ISVSVN: 1, Form: simtee.Form{Certification: quote.CertPPIDRSA3072}})
	if err != nil {
		t.Fatal(err)
	}
	if name, _, err = attesteer.NamedPlatform(attesteer.Evidence{Raw: raw}); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "quote.bin")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, platform.PCKCertificate(), name
}

func machine(name dcap.PlatformName, cert rats.Endorsement) pcstest.Machine {
	return pcstest.Machine{
		QEID: strings.ToUpper(hex.EncodeToString(name.QEID[:])), EncryptedPPID: []byte(name.EncryptedPPID), Certs: []rats.Endorsement{cert},
	}
}

// TestEveryOptionOfAConfigurationFileCountsInWhatIsAsked looks at requests that
// were sent, in the order in which they came.
func TestEveryOptionOfAConfigurationFileCountsInWhatIsAsked(t *testing.T) {
	file, cert, name := namedQuote(t)
	collateralPCS, collateral := issuedAgo(t, 1)
	pccsPCS, pccs := issuedAgo(t, 1)
	localPCS, err := pcstest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewServer(pcstest.AzureVM(localPCS))
	t.Cleanup(local.Close)
	pccsPCS.Install(machine(name, cert))
	const path = "/sgx/certification/v4/"
	conf := confFile(t, `{
  "pccs_url": "%s", "collateral_service": "%s", "pccs_api_version": "3.0", "tcb_update_type": "early",
  "local_pck_url": "%s", "retry_times": 1, "retry_delay": 1,
  "pck_cache_expire_hours": 24, "verify_collateral_cache_expire_hours": 0.5,
  "custom_request_options": {"get_cert": {"headers": {"metadata": "true"}, "params": {"api-version": "2021-07-22-preview"}}}
}`, pccs+path, collateral+path, local.URL+"/metadata/THIM"+path)
	home := t.TempDir()
	verify := func() {
		t.Helper()
		if code, out, errs := commandAt(t, home, "verify", file, "--trust-simulated", "--endorsements", conf); code != 0 {
			t.Fatalf("exit %d\n%s%s", code, out, errs)
		}
	}
	collateralPCS.Break("qe/identity", pcstest.Busy(1, http.StatusServiceUnavailable, 0))
	verify()
	// The platform's own service first, then that of pccs_url, which is asked for nothing else.
	for _, p := range []*pcstest.PCS{localPCS, pccsPCS} {
		all := p.Requests("")
		if len(all) != 1 || all[0].Header.Get("Metadata") != "true" || all[0].URL.Query().Get("api-version") != "2021-07-22-preview" {
			t.Errorf("for certificates were asked %v", all)
		}
	}
	calls := collateralPCS.Calls("")
	slices.Sort(calls)
	want := []string{
		path + "pckcrl?ca=platform", path + "pckcrl?ca=processor", path + "qe/identity?update=early", path + "qe/identity?update=early",
		path + "rootcacrl", path + "tcb?fmspc=00A51E000000&update=early",
	}
	// One of two CAs' lists may be known not to be there.
	if calls = slices.DeleteFunc(calls, func(c string) bool { return strings.HasSuffix(c, "=processor") }); !slices.Equal(calls, slices.Delete(want, 1, 2)) {
		t.Errorf("for collateral were asked %q, want %q", calls, want)
	}
	if r := collateralPCS.Requests("")[0]; r.Header.Get("Metadata") != "" || r.URL.Query().Has("api-version") {
		t.Errorf("what goes along with certificates reached others: %s", r.URL)
	}
	// A second run asks for nothing but what is never kept, and what was not there.
	before := len(collateralPCS.Calls("")) - len(collateralPCS.Calls("processor"))
	verify()
	if after := len(collateralPCS.Calls("")) - len(collateralPCS.Calls("processor")); after != before || len(pccsPCS.Calls("")) != 1 || len(localPCS.Calls("")) != 2 {
		t.Errorf("again: %d calls for collateral, %d of the PCCS, %d of the platform's own", after-before, len(pccsPCS.Calls(""))-1, len(localPCS.Calls(""))-1)
	}
}

func TestCertificatesPreparedInAdvanceAreAllThatCountsWhereTheFileSaysSo(t *testing.T) {
	file, cert, name := namedQuote(t)
	pccsPCS, pccs := issuedAgo(t, 1)
	pccsPCS.Install(machine(name, cert))
	conf := confFile(t, `{"pccs_url": "%s/sgx/certification/v4/", "local_cache_only": true}`, pccs)
	home := t.TempDir()
	if code, _, errs := commandAt(t, home, "verify", file, "--trust-simulated", "--endorsements", conf); code != 12 || len(pccsPCS.Calls("pckcert")) != 0 {
		t.Errorf("exit %d %s, asked %v", code, errs, pccsPCS.Calls("pckcert"))
	}
	escape := func(der []byte) string {
		return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	list, err := json.Marshal([]map[string]string{{"cert": escape(cert.Body), "tcbm": ""}})
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte{1, 0, 1, 0, 0, 0}, binary.LittleEndian.AppendUint64(nil, uint64(time.Now().Add(time.Hour).Unix()))...)
	for _, part := range [][]byte{make([]byte, 32), []byte("{}"), []byte(escape(cert.Issuers[0])), list} {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	dir := filepath.Join(home, ".dcap-qcnl")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, hex.EncodeToString(name.QEID[:])+"_0000"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := commandAt(t, home, "verify", file, "--trust-simulated", "--endorsements", conf); code != 0 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestAFolderOfAServicesNameIsReachedByItsPath(t *testing.T) {
	_, current := issuedAgo(t, 2)
	t.Chdir(t.TempDir())
	if code, _, errs := command(t, "endorsements", "fetch", "00a51e000000", "--from", current, "--ca", "platform", "--trust-simulated", "-o", "azure"); code != 0 {
		t.Fatal(errs)
	}
	file, _ := simulatedQuote(t, 1)
	if code, _, errs := command(t, "verify", file, "--trust-simulated", "--endorsements", "./azure"); code != 0 {
		t.Errorf("exit %d %s", code, errs)
	}
}

func TestConfigCheckAsksNobodyAndKeepsNothingOfSources(t *testing.T) {
	pcs, address := issuedAgo(t, 1)
	conf := confFile(t, `{"pccs_url": "%s/sgx/certification/v4/", "verify_collateral_cache_expire_hours": 24}`, address)
	home := t.TempDir()
	const secret = "hunter2"
	code, out, errs := commandAt(t, home, "config", "check", "--network", "main", "--home", filepath.Join(home, "node"), "--endorsements", conf,
		"--endorsements", "azure", "--endorsements", "ledger:"+address, "--listen", "127.0.0.1:0")
	if code != 0 || len(pcs.Calls("")) != 0 {
		t.Errorf("exit %d, asked %v\n%s%s", code, pcs.Calls(""), out, errs)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	code, out, errs = commandAt(t, home, "config", "check", "--home", filepath.Join(home, "node"), "--endorsements", "ledger:https://me:"+secret+"@node.example")
	if code == 0 || strings.Contains(out+errs, secret) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

var _ endorse.Certifier = noCertifier{}
