// SPDX-License-Identifier: Apache-2.0

package clienttool_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/rats"
)

func TestAFileThatIsWrittenIsReadBackWhole(t *testing.T) {
	want := sample(t, day)
	got := must(clienttool.Parse(marshal(t, want, 4)))(t)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	want.Version = 3
	want.TCBInfos[0].TDX, want.Identities = nil, want.Identities[:2]
	if got := must(clienttool.Parse(marshal(t, want, 3)))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("version 3: got %+v\nwant %+v", got, want)
	}
}

// The members and their types are those that Intel's PCCS demands by its schema
// for PUT platformcollateral, versions 4 and 3.
func TestQuirk15AFileHasTheShapeThatIntelsServiceTakes(t *testing.T) {
	for version, want := range map[int]map[string]string{
		4: {
			"platforms": "array", "collaterals.version": "number", "collaterals.pck_certs": "array",
			"collaterals.pck_certs.0.qe_id": "string", "collaterals.pck_certs.0.pce_id": "string",
			"collaterals.pck_certs.0.enc_ppid": "string", "collaterals.pck_certs.0.platform_manifest": "string",
			"collaterals.pck_certs.0.certs.0.tcb": "object", "collaterals.pck_certs.0.certs.0.tcbm": "string",
			"collaterals.pck_certs.0.certs.0.cert": "string", "collaterals.tcbinfos.0.fmspc": "string",
			"collaterals.tcbinfos.0.sgx_tcbinfo.tcbInfo": "object", "collaterals.tcbinfos.0.sgx_tcbinfo.signature": "string",
			"collaterals.tcbinfos.0.tdx_tcbinfo": "object", "collaterals.tcbinfos.0.sgx_tcbinfo_early": "object",
			"collaterals.pckcacrl.platformCrl": "string", "collaterals.qeidentity": "string",
			"collaterals.qeidentity_early": "string", "collaterals.tdqeidentity": "string",
			"collaterals.certificates.SGX-PCK-Certificate-Issuer-Chain.PLATFORM": "string",
			"collaterals.certificates.TCB-Info-Issuer-Chain":                     "string",
			"collaterals.certificates.SGX-Enclave-Identity-Issuer-Chain":         "string",
			"collaterals.rootcacrl_cdp":                                          "string", "collaterals.rootcacrl": "string",
			"collaterals.pckcacrl.processorCrl": "absent", "collaterals.qveidentity": "absent",
		},
		3: {
			"collaterals.tcbinfos.0.tcbinfo.tcbInfo": "object", "collaterals.tcbinfos.0.tcbinfo_early": "object",
			"collaterals.tcbinfos.0.sgx_tcbinfo": "absent", "collaterals.tdqeidentity": "absent",
			"collaterals.certificates.SGX-TCB-Info-Issuer-Chain": "string",
			"collaterals.certificates.TCB-Info-Issuer-Chain":     "absent",
		},
	} {
		var got any
		if err := json.Unmarshal(marshal(t, sample(t, day), version), &got); err != nil {
			t.Fatal(err)
		}
		for path, form := range want {
			if f := formAt(got, strings.Split(path, ".")); f != form {
				t.Errorf("version %d: %s is %s, want %s", version, path, f, form)
			}
		}
	}
}

func formAt(v any, path []string) string {
	if len(path) > 0 {
		switch v := v.(type) {
		case map[string]any:
			return formAt(v[path[0]], path[1:])
		case []any:
			if path[0] == "0" && len(v) > 0 {
				return formAt(v[0], path[1:])
			}
		}
		return "absent"
	}
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case float64:
		return "number"
	default:
		return "absent"
	}
}

// The reference splits a chain at the last percent-encoded beginning of a
// certificate and compares what follows, the root, as text.
func TestChainsAreWrittenAsTheReferenceSplitsAndComparesThem(t *testing.T) {
	c := sample(t, day)
	block, rest := pem.Decode(c.Chains.TCBInfo)
	root, _ := pem.Decode(rest)
	crlf := strings.ReplaceAll(string(inPEM(block.Bytes)), "\n", "\r\n") + "\n\n" + string(inPEM(root.Bytes)) + "\n"
	c.Chains.TCBInfo = []byte(crlf)
	var file struct {
		Collaterals struct {
			Certificates map[string]any `json:"certificates"`
		} `json:"collaterals"`
	}
	if err := json.Unmarshal(marshal(t, c, 4), &file); err != nil {
		t.Fatal(err)
	}
	const begin = "-----BEGIN%20CERTIFICATE-----"
	roots := make(map[string]bool)
	for _, name := range []string{"TCB-Info-Issuer-Chain", "SGX-Enclave-Identity-Issuer-Chain"} {
		chain := file.Collaterals.Certificates[name].(string)
		if strings.Count(chain, begin) != 2 || strings.ContainsAny(chain, "+/= \n") {
			t.Errorf("%s is not encoded as encodeURIComponent does: %.60s", name, chain)
		}
		roots[chain[strings.LastIndex(chain, begin):]] = true
	}
	if len(roots) != 1 {
		t.Errorf("one root is written in %d ways", len(roots))
	}
}

func TestTCBInfoThatWasParsedAndWrittenWithSpacesStillVerifies(t *testing.T) {
	c := sample(t, day)
	signer, _ := pem.Decode(c.Chains.TCBInfo)
	file := marshal(t, c, 4)
	got := must(clienttool.Parse(spaced(file)))(t)
	if bytes.Equal(got.TCBInfos[0].SGX, c.TCBInfos[0].SGX) {
		t.Fatal("nothing was spaced out")
	}
	form := verifies(t, rats.TCBInfo, got.TCBInfos[0].SGX, signer.Bytes)
	if !bytes.Equal(form, c.TCBInfos[0].SGX) {
		t.Errorf("the signed bytes are not found again: %.80s", form)
	}
	if !bytes.Equal(got.Identities[0].Body, c.Identities[0].Body) {
		t.Error("an identity, which is a string, is not as it was")
	}
	if s := c.TCBInfos[0].SGX; len(s.Forms()) != 1 || !bytes.Equal(s.Forms()[0], s) {
		t.Error("what has no white space has one form, itself")
	}
}

func TestRealTCBInfoComesBackByteForByteThroughAFile(t *testing.T) {
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "dcap", "collateral", "tcbinfo", "*_v3_*.json"))
	if len(names) == 0 {
		t.Skip("no real endorsements here: set ATTESTEER_VECTORS")
	}
	for _, name := range names {
		body := must(os.ReadFile(name))(t)
		c := &clienttool.Collateral{Version: 4, TCBInfos: []clienttool.TCBInfos{{FMSPC: strings.ToUpper(filepath.Base(name)[:12]), SGX: body}}}
		file := marshal(t, c, 4)
		if got := must(clienttool.Parse(file))(t).TCBInfos[0].SGX; !bytes.Equal(got, bytes.TrimSpace(body)) {
			t.Errorf("%s: is not as it was", filepath.Base(name))
		}
		forms := must(clienttool.Parse(spaced(file)))(t).TCBInfos[0].SGX.Forms()
		if !bytes.Equal(forms[len(forms)-1], bytes.TrimSpace(body)) {
			t.Errorf("%s: is not found again after json.dumps", filepath.Base(name))
		}
	}
}

func TestWhatHTMLWouldEscapeIsLeftAsItIsSigned(t *testing.T) {
	c := sample(t, day)
	body := []byte(`{"tcbInfo":{"fmspc":"00a51e000000","x":"<&>\u2028é"},"signature":"00"}`)
	c.TCBInfos[0].SGX = body
	got := must(clienttool.Parse(marshal(t, c, 4)))(t)
	if !bytes.Equal(got.TCBInfos[0].SGX, body) {
		t.Errorf("got %s", got.TCBInfos[0].SGX)
	}
	c.Identities[0].Body = []byte(`{"enclaveIdentity":{"x":"<&>é\u2028"},"signature":"00"}`)
	got = must(clienttool.Parse(marshal(t, c, 4)))(t)
	if !bytes.Equal(got.Identities[0].Body, c.Identities[0].Body) {
		t.Errorf("got %s", got.Identities[0].Body)
	}
}

func TestCertificatesThatAreNotAvailableAreReadAndLeftOutOfFiles(t *testing.T) {
	c := sample(t, day)
	missing := clienttool.Cert{TCB: []byte(level), TCBm: strings.Repeat("0", 36)}
	file := marshal(t, c, 4)
	entry := `{"tcb":` + level + `,"tcbm":"` + missing.TCBm + `","cert":"Not available"},`
	file = bytes.Replace(file, []byte(`"certs":[`), []byte(`"certs":[`+entry), 1)
	got := must(clienttool.Parse(file))(t)
	if !reflect.DeepEqual(got.PCKCerts[0].Certs[0], missing) {
		t.Errorf("got %+v", got.PCKCerts[0].Certs[0])
	}
	// The reference takes the first entry's certificate for one whatever it says.
	if again := marshal(t, got, 4); bytes.Contains(again, []byte("Not available")) {
		t.Error("a file says that a certificate is not available")
	}
	got.PCKCerts[0].Certs = got.PCKCerts[0].Certs[:1]
	if again := marshal(t, got, 4); !bytes.Contains(again, []byte(`"pck_certs":[]`)) {
		t.Error("a platform without a certificate is in the file")
	}
}

func TestAPlatformListIsReadAsTheReferenceAndItsToolWriteIt(t *testing.T) {
	const ppid = "ab"
	list := `[{"qe_id":"0123abcd","pce_id":"000a","cpu_svn":"` + strings.Repeat("0e", 16) + `","pce_svn":"0d00",` +
		`"enc_ppid":"` + strings.Repeat(ppid, 384) + `","platform_manifest":null},` + "\n" +
		`{"enc_ppid": "", "pce_id": "0000", "cpu_svn": "", "pce_svn": "", "qe_id": "x1", "platform_manifest": "c0ffee", "pckid_filename": "host"}]`
	got := must(clienttool.ParsePlatforms([]byte(list)))(t)
	want := []clienttool.Platform{
		{QEID: "0123ABCD", PCEID: "000A", CPUSVN: strings.Repeat("0E", 16), PCESVN: "0D00", EncryptedPPID: strings.Repeat("AB", 384)},
		{QEID: "X1", PCEID: "0000", Manifest: "C0FFEE"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if again := must(clienttool.ParsePlatforms(clienttool.MarshalPlatforms(got)))(t); !reflect.DeepEqual(again, want) {
		t.Errorf("written and read again: %+v", again)
	}
	if got := string(clienttool.MarshalPlatforms(nil)); got != "[]" {
		t.Errorf("no platform is %q", got)
	}
}

func TestFilesAreRecognisedByTheirContent(t *testing.T) {
	for text, want := range map[string]clienttool.Form{
		string(marshal(t, sample(t, day), 4)):                         clienttool.CollateralFile,
		"\ufeff \n" + string(marshal(t, sample(t, day), 3)):           clienttool.CollateralFile,
		string(clienttool.MarshalPlatforms(sample(t, day).Platforms)): clienttool.PlatformList,
		" []\n":                         clienttool.PlatformList,
		"":                              "",
		"[1]":                           "",
		`{"tcbInfo":{},"signature":""}`: "",
		"SQLite format 3\x00":           "",
	} {
		if form, ok := clienttool.Recognise([]byte(text)); form != want || ok != (want != "") {
			t.Errorf("%.20q: got %q, %v", text, form, ok)
		}
	}
	file := append([]byte("\ufeff"), marshal(t, sample(t, day), 4)...)
	must(clienttool.Parse(file))(t)
}

func TestEscapeIsTheEncodingOfEncodeURIComponent(t *testing.T) {
	const text = "-----BEGIN CERTIFICATE-----\nMII+/=\n"
	const want = "-----BEGIN%20CERTIFICATE-----%0AMII%2B%2F%3D%0A"
	if got := clienttool.Escape(text); got != want {
		t.Errorf("got %s", got)
	}
	if back, err := url.PathUnescape(want); err != nil || back != text {
		t.Errorf("%q, %v", back, err)
	}
}
