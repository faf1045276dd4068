// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// Raw TCB of a simulated platform that is up to date.
const (
	simCPUSVN = "0E0E0303FFFF01000000000000000000"
	simPCESVN = "0D00"
	simQEID   = "00000000000000000000000000000001"
)

// simulatedPCS stands in for Intel's service: it has a platform, the standard
// evaluation 20, and the early one 22 by which that platform is out of date.
func simulatedPCS(t *testing.T) (pcs *pcstest.PCS, url string) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	var items []rats.Endorsement
	early := simtee.Faults{
		TCBInfo: func(i *simtee.TCBInfo) {
			i.EvaluationDataNumber = 22
			i.Levels[0].Status, i.Levels[0].Advisories = rats.OutOfDate, []string{"SIM-SA-00999"}
		},
		Identity: func(i *simtee.Identity) { i.EvaluationDataNumber = 22 },
	}
	for _, f := range []simtee.Faults{{}, early} {
		pki := simPKI(t, f)
		for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
			of, err := pki.EndorsementsFor(tee, at)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, of...)
		}
	}
	pki := simPKI(t, simtee.Faults{})
	numbers, err := pki.EvaluationNumbers(rats.SGX, at)
	if err != nil {
		t.Fatal(err)
	}
	f := simtee.Faults{Identity: func(i *simtee.Identity) { i.ID = "QVE" }}
	qve, err := simPKI(t, f).QEIdentity(rats.SGX, at)
	if err != nil {
		t.Fatal(err)
	}
	processor, err := simPKI(t, simtee.Faults{ProcessorCA: true}).PCKCRL(at)
	if err != nil {
		t.Fatal(err)
	}
	if pcs, err = pcstest.New(pki.RootCertificate(), append(items, numbers, qve, processor)...); err != nil {
		t.Fatal(err)
	}
	pcs.Standard(20)
	pcs.Install(simMachine(t, pki))
	server := httptest.NewServer(pcs)
	t.Cleanup(server.Close)
	return pcs, server.URL
}

func simPKI(t *testing.T, f simtee.Faults) *simtee.PKI {
	t.Helper()
	pki, err := simtee.NewPKI(f)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

func simMachine(t *testing.T, pki *simtee.PKI) pcstest.Machine {
	t.Helper()
	m := pcstest.Machine{EncryptedPPID: bytes.Repeat([]byte{0xee}, 384), QEID: simQEID}
	for _, status := range []rats.TCBStatus{rats.UpToDate, rats.OutOfDate} {
		p, err := pki.NewPlatform(1, status)
		if err != nil {
			t.Fatal(err)
		}
		m.Certs = append(m.Certs, p.PCKCertificate())
	}
	return m
}

// queued makes a home in which one platform waits.
func queued(t *testing.T, home string) {
	t.Helper()
	list := fmt.Sprintf(`[{"enc_ppid":"%s","pce_id":"0000","cpu_svn":"%s","pce_svn":"%s","qe_id":"%s","platform_manifest":""}]`,
		strings.Repeat("EE", 384), simCPUSVN, simPCESVN, simQEID)
	file := filepath.Join(t.TempDir(), "platforms.json")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := command(t, "pccs", "import", file, "--home", home); code != 0 || !strings.Contains(out, simQEID) {
		t.Fatalf("%d %s %s", code, out, errs)
	}
}

// TestTheDocumentedWalkOverAnAirGapWorks runs what docs/pccs-airgap.md tells a
// user, inside, outside and inside again.
func TestTheDocumentedWalkOverAnAirGapWorks(t *testing.T) {
	pcs, url := simulatedPCS(t)
	dir, home := t.TempDir(), t.TempDir()
	queued(t, home)
	inside := []string{"ATTESTEER_HOME=" + home, "ATTESTEER_TRUST_SIMULATED=true"}
	outside := []string{"ATTESTEER_TRUST_SIMULATED=true", "ATTESTEER_UPSTREAM=pcs+" + url, "ATTESTEER_UPSTREAM_ROOT_CRL=" + url + "/IntelSGXRootCA.der"}

	if got := shell(t, dir, block(t, "pccs-airgap.md", "sh", 1), inside...); !strings.Contains(got, simQEID) {
		t.Errorf("nothing waits: %s", got)
	}
	shell(t, dir, block(t, "pccs-airgap.md", "sh", 2), outside...)
	if len(pcs.Calls("pckcerts")) != 1 {
		t.Errorf("outside asked %q", pcs.Calls(""))
	}
	asked := len(pcs.Calls(""))
	got := shell(t, dir, block(t, "pccs-airgap.md", "sh", 3), inside...)
	for _, want := range []string{
		"added    tcb_info sgx 00a51e000000 standard v4", "added    pck_cert " + simQEID[:16], "number 22 of ",
		"tcb_info tdx 00a51e000000 early v4\n", "PCK certificates of platform " + simQEID,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if code, out, _ := command(t, "pccs", "platforms", "--state", "new", "--home", home); code != 0 || out != "" {
		t.Errorf("it waits still: %d %s", code, out)
	}
	got = shell(t, dir, block(t, "pccs-airgap.md", "sh", 4), inside...)
	for _, want := range []string{"sgx  number 20   UpToDate", "sgx  number 22   OutOfDate", "SIM-SA-00999", "sgx  WILL FALL to OutOfDate with number 22", "tdx  WILL FALL"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if len(pcs.Calls("")) != asked {
		t.Error("inside asked somebody outside")
	}
	wantNothingNew(t, home, filepath.Join(dir, "platform_collaterals.json"))
}

// wantNothingNew checks that a second import of a file changes nothing, and that
// what is exported is what was imported.
func wantNothingNew(t *testing.T, home, file string) {
	t.Helper()
	inside := []string{"--home", home, "--trust-simulated"}
	code, out, errs := command(t, append([]string{"pccs", "diff", file, "--json"}, inside...)...)
	var diff diffReport
	if err := json.Unmarshal([]byte(out), &diff); err != nil || code != 0 || len(diff.Changes) != 0 || diff.Counts["same"] < 10 {
		t.Fatalf("after the import: %d %s %s", code, out, errs)
	}
	again := filepath.Join(t.TempDir(), "again.json")
	if code, _, errs = command(t, append([]string{"pccs", "export", "-o", again}, inside...)...); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	code, out, errs = command(t, "pccs", "diff", file, again, "--json")
	if err := json.Unmarshal([]byte(out), &diff); err != nil || code != 0 || len(diff.Changes) != 0 {
		t.Errorf("exported again: %d %s %s", code, out, errs)
	}
	// As pccsadmin.py and Intel's service would put it: TCB info written anew.
	folder := filepath.Join(t.TempDir(), "folder")
	if code, _, errs = command(t, append([]string{"pccs", "export", "--folder", "-o", folder}, inside...)...); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	other := t.TempDir()
	code, out, errs = command(t, "pccs", "import", folder, "--home", other, "--trust-simulated", "--json")
	var report importReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Refused) != 0 {
		t.Fatalf("the folder: %d %s %s", code, out, errs)
	}
	kept, err := store.Open(t.Context(), filepath.Join(other, "data", "pccs.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close() //nolint:errcheck // opened for reading
	for update, number := range map[string]uint32{store.Standard: 20, store.Early: 22} {
		a, err := kept.Artefact(t.Context(), store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00a51e000000", Update: update, Version: 4})
		if err != nil || !strings.Contains(string(a.Body), fmt.Sprintf(`"tcbEvaluationDataNumber":%d,`, number)) {
			t.Errorf("%s is not number %d: %v", update, number, err)
		}
	}
}

func TestAnImportTakesWhatVerifiesAndSaysWhatItRefuses(t *testing.T) {
	_, url := simulatedPCS(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "c.json")
	code, _, errs := command(t, "pccs", "fetch", "--fmspc", "00a51e000000", "--trust-simulated", "--upstream", "pcs+"+url,
		"--upstream-root-crl", url+"/IntelSGXRootCA.der", "-o", file)
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Replace(good, []byte(`\"isvprodid\":1`), []byte(`\"isvprodid\":7`), 1)
	if bytes.Equal(forged, good) {
		t.Fatal("nothing to forge")
	}
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	code, out, errs := command(t, "pccs", "import", write("forged.json", forged), "--home", t.TempDir(), "--trust-simulated")
	if code != 0 || !strings.Contains(errs, "warning: refused qe_identity sgx standard v4: bad_signature") || !strings.Contains(out, "tcb_info sgx") {
		t.Errorf("forged: %d\n%s%s", code, out, errs)
	}
	// Nobody vouches for the simulated root unless told to.
	code, _, errs = command(t, "pccs", "import", file, "--home", t.TempDir())
	if code != 10 || !strings.Contains(errs, "error: untrusted_root: nothing was taken") {
		t.Errorf("an unknown root: %d %s", code, errs)
	}
	code, _, errs = command(t, "pccs", "import", write("broken.json", bytes.Replace(good, []byte(`"version":4`), []byte(`"version":5`), 1)), "--home", t.TempDir())
	if code != 14 || !strings.Contains(errs, "broken.json: line 1, column ") {
		t.Errorf("broken: %d %s", code, errs)
	}
	// A chain of the vendor's own root among those of the simulated one.
	root := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pccs.IntelRootCertificate()}))
	escaped := strings.ReplaceAll(neturl.QueryEscape(root), "+", "%20")
	name := []byte(`"SGX-Enclave-Identity-Issuer-Chain":"`)
	mixed := bytes.Replace(good, name, append(name, escaped+`","x":"`...), 1)
	code, _, errs = command(t, "pccs", "import", write("mixed.json", mixed), "--home", t.TempDir(), "--trust-simulated")
	if code != 10 || !strings.Contains(errs, "error: untrusted_root: the import has chains of different roots") {
		t.Errorf("two roots: %d %s", code, errs)
	}
	strange := bytes.Replace(good, []byte(`"version":4`), []byte(`"version":4,"a":1`+manyMembers(20)), 1)
	code, _, errs = command(t, "pccs", "import", write("strange.json", strange), "--home", t.TempDir(), "--trust-simulated")
	if code != 0 || strings.Count(errs, "warning: passed over line 1, column ") != 10 || !strings.Contains(errs, "warning: passed over 11 more") {
		t.Errorf("strange members: %d %s", code, errs)
	}
	for name, want := range map[string]int{write("empty.json", nil): 14, filepath.Join(dir, "no-such-file"): 1, write("page.html", []byte("<html>")): 14} {
		if code, _, errs = command(t, "pccs", "import", name, "--home", t.TempDir()); code != want {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
}

// manyMembers returns so many members that nobody knows.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":null`, i)
	}
	return b.String()
}

func TestPlatformsAreTakenOffTheQueueByTheirNumbers(t *testing.T) {
	home := t.TempDir()
	queued(t, home)
	type listing struct {
		Platforms []platformRow `json:"platforms"`
	}
	list := func(args ...string) []platformRow {
		code, out, errs := command(t, append([]string{"pccs", "platforms", "--json", "--home", home}, args...)...)
		if code != 0 {
			t.Fatalf("%d %s", code, errs)
		}
		return decode[listing](t, []byte(out)).Platforms
	}
	first := list()
	if len(first) != 1 || first[0].QEID != simQEID || first[0].CPUSVN != simCPUSVN || first[0].State != "new" || first[0].ID == 0 {
		t.Fatalf("%+v", first)
	}
	if again := list(); len(again) != 1 {
		t.Fatal("reading took it off")
	}
	if code, _, errs := command(t, "pccs", "platforms", "--home", home, "--ack", "99"); code != exitUsage || !strings.Contains(errs, "99 is not in the queue") {
		t.Errorf("%d %s", code, errs)
	}
	if acked := list("--ack", fmt.Sprint(first[0].ID)); len(acked) != 1 || !acked[0].Acknowledged {
		t.Errorf("%+v", acked)
	}
	if left := list(); len(left) != 0 {
		t.Errorf("still there: %+v", left)
	}
	code, out, _ := command(t, "pccs", "export", "--platforms", "--home", home)
	if code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("%d %s", code, out)
	}
}

// TestANewCacheFillsItselfFromTheLedger has a cache publish what it fetched on a
// real node, and another fill itself from there when the vendor's service is
// down.
func TestANewCacheFillsItselfFromTheLedger(t *testing.T) {
	pcs, url := simulatedPCS(t)
	ledger := startNode(t, t.TempDir(), "--network", "dev")
	vendor := []string{"--upstream", "pcs+" + url, "--upstream-root-crl", url + "/IntelSGXRootCA.der", "--trust-simulated", "--plain-http"}
	first := startCache(t, append([]string{"--push", ledger.url}, vendor...)...)
	paths := []string{
		"/sgx/certification/v4/tcb?fmspc=00A51E000000", "/tdx/certification/v4/tcb?fmspc=00A51E000000",
		"/sgx/certification/v4/qe/identity", "/tdx/certification/v4/qe/identity", "/sgx/certification/v4/pckcrl?ca=platform",
		"/sgx/certification/v4/rootcacrl",
	}
	answers := make(map[string]string)
	for _, path := range paths {
		status, body := call(t, "GET", first.url+path, "", "")
		if status != 200 {
			t.Fatalf("%s: %d\n%s", path, status, first.stderr)
		}
		answers[path] = string(body)
	}
	awaitPushed(t, ledger, len(paths))

	pcs.Break("", pcstest.Status(503))
	second := startCache(t, append([]string{"--upstream", "ledger:" + ledger.url}, vendor...)...)
	for _, path := range paths {
		status, body := call(t, "GET", second.url+path, "", "")
		if status != 200 || string(body) != answers[path] {
			t.Errorf("%s from the ledger: %d, %d bytes, not %d\n%s", path, status, len(body), len(answers[path]), second.stderr)
		}
	}
	// Without the ledger there is nothing.
	third := startCache(t, vendor...)
	if status, _ := call(t, "GET", third.url+paths[0], "", ""); status == 200 {
		t.Error("the vendor's service is not down")
	}
	// A quote is verified by what the second has.
	quote, _ := simulatedQuote(t, 3)
	code, out, errs := command(t, "verify", quote, "--trust-simulated", "--endorsements", second.url+"/sgx/certification/v4/")
	if code != 0 {
		t.Errorf("a quote by what came from the ledger: %d %s%s", code, out, errs)
	}
	// The ledger being down holds up no answer.
	ledger.kill()
	pcs.Mend()
	if status, _ := call(t, "GET", first.url+"/sgx/certification/v4/tcb?fmspc=00A51E000000&update=early", "", ""); status != 200 {
		t.Errorf("with the ledger down: %d", status)
	}
}

// TestANodeOfALedgerIsKnownByItsKeyOrItsAuthority asks a ledger that has nothing:
// who believes the node that it is it hears so, and 404.
func TestANodeOfALedgerIsKnownByItsKeyOrItsAuthority(t *testing.T) {
	ledger := startNode(t, t.TempDir(), "--network", "dev", "--tls-self-signed")
	pin := ledger.says(t, regexp.MustCompile(`--node-pin (sha256//[A-Za-z0-9+/=]+)`))
	other := "sha256//" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, c := range map[string]struct {
		status int
		args   []string
	}{
		"nobody vouches for it": {502, nil}, "another key": {502, []string{"--node-pin", other}}, "its key": {404, []string{"--node-pin", pin[1]}},
		"its authority": {404, []string{"--node-ca", filepath.Join(ledger.home, "config", "tls", "cert.pem")}},
	} {
		cache := startCache(t, append([]string{"--plain-http", "--upstream", "ledger:" + ledger.url}, c.args...)...)
		if status, _ := call(t, "GET", cache.url+"/sgx/certification/v4/rootcacrl", "", ""); status != c.status {
			t.Errorf("%s: %d, not %d\n%s", name, status, c.status, cache.stderr)
		}
		cache.kill()
	}
}

// startCache starts "attesteer pccs serve" and waits until it is ready.
func startCache(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := tryProcess(t.TempDir(), append([]string{"pccs", "serve"}, args...)...)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, p.stderr)
	}
	t.Cleanup(p.kill)
	return p
}

// awaitPushed waits until a node has so many endorsements.
func awaitPushed(t *testing.T, ledger *process, n int) {
	t.Helper()
	type list struct {
		Endorsements []struct{} `json:"endorsements"`
	}
	for range 1200 {
		if _, body := call(t, "GET", ledger.url+"/v1/endorsements", "", ""); len(decode[list](t, body).Endorsements) >= n {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("what was fetched is not on the ledger")
}
