// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// TestWhatIsNoEvidenceSaysWhatItLooksLike, to people who passed the wrong file.
func TestWhatIsNoEvidenceSaysWhatItLooksLike(t *testing.T) {
	endorsements, _ := hex.DecodeString("0100000002000000" + "9b320000" + "09000000" + strings.Repeat("00", 36))
	dump, _ := hex.DecodeString("0400000081000000" + strings.Repeat("00", 112))
	quote, certificate := seed(t, "quote.bin"), inPEM(seed(t, "quote.bin"))
	digits, text := hex.EncodeToString(quote), base64.StdEncoding.EncodeToString(quote)
	for _, tt := range []struct{ raw, says string }{
		{string(endorsements), "Open Enclave's endorsements are no evidence"},
		{string(wrapped("SGX_ECDSA", endorsements)), "Open Enclave's endorsements are no evidence"},
		{string(dump), "Open Enclave's endorsements"},
		{"\x03\x00\x00\x00", "open enclave evidence: 4 bytes"},
		{"-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n", `"X509 CRL" in PEM`},
		{string(seed(t, "enclave_held_data.bin")), `"PUBLIC KEY" in PEM`},
		{string(seed(t, "pck_chain.pem")), "Intel SGX PCK Certificate"},
		{`{"Quote":"AQ","EnclaveHeldData":"AQ"}`, "request to Azure's attestation service"},
		{`{"report":"AQ","runtimeData":{}}`, "request to Azure's attestation service"},
		{`{"Report":"AQ","RuntimeData":{}}`, "request to Azure's attestation service"},
		{`{"MrEnclaveHex":"00","EnclaveHeldDataHex":""}`, "QuoteGeneration JSON without QuoteHex"},
		{`{"evidence":"AQ"}`, "request to a node's API"},
		{`{"schema":"attesteer/result/v1","accepted":true}`, `what this program prints (schema "attesteer/result/v1")`},
		{`{"jsonrpc":"2.0","id":1}`, "a message of JSON-RPC"},
		{`{"tcbInfo":{},"signature":"00"}`, "endorsement of Intel's"},
		{`{"b":1,"a":2}`, `JSON of the members "a", "b"`},
		{`{"e":1,"d":1,"c":1,"b":1,"a":2}`, `"a", "b", "c", "d", …`},
		{`{"a":`, "broken JSON"},
		{`[1]`, "a list in JSON"},
		{"eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2ln", "JSON Web Token"},
		{strings.Repeat("\x01", 432), "local report"},
		{"<html>", "HTML"},
		{"hello", "so short an input"},
		{"\n" + string(quote), "white space around it"},
		{`"` + digits + `"`, "text in quotation marks"},
		{"data:application/octet-stream;base64," + text, "a data: URI"},
		{strings.Join(strings.SplitAfter(digits, "0"), ":"), "hex with signs between its digits"},
		{"0x" + strings.Join(strings.SplitAfter(digits, "00"), ", 0x"), "hex with signs between its digits"},
		{text, "encoded once too often"},
		{digits, "encoded once too often"},
		{"\n\ufeff" + digits, "behind a mark"},
		{"\xff\xfe0\x003\x00" + strings.Repeat("0\x00", 40), "UTF-16"},
		{"00000000: 0300 0200 0000 0000 0700 0c00 939a 7233  ......\n", "a listing of bytes"},
		{"\x1f\x8b\x08" + strings.Repeat("\x00", 60), "a compressed file"},
		{"0\x05\x06\x03\x2a\x03\x04" + strings.Repeat("\x00", 60), "DER (and not a certificate)"},
		{"Verifying the enclave took four seconds, and then it was done.", `text that begins with "Verifying the en"`},
		{string(certificate[30:]), "text that begins with"},
		{"\xde\xad\xbe\xef" + strings.Repeat("\x80", 60), "an input of 64 bytes that begins with deadbeef80808080"},
	} {
		if _, err := attesteer.Recognise([]byte(tt.raw)); rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%.40q: %v, want %q", tt.raw, err, tt.says)
		}
	}
}

// TestEvidenceThatIsNotVerifiedHereIsCalledByItsName: that of other vendors, and
// what only the machine or the service that made it could verify.
func TestEvidenceThatIsNotVerifiedHereIsCalledByItsName(t *testing.T) {
	epid := append([]byte{2, 0, 1, 0}, make([]byte, 1112)...)
	for name, tt := range map[string]struct {
		raw  []byte
		says string
	}{
		"an EPID quote":              {epid, "an EPID quote"},
		"an unlinkable one":          {append([]byte{1, 0, 0, 0, 9}, make([]byte, 1111)...), "an EPID quote"},
		"one in a report":            {reported(epid), "an EPID quote"},
		"one in JSON":                {[]byte(`{"QuoteHex":"` + hex.EncodeToString(epid) + `"}`), "an EPID quote"},
		"a report of a trust domain": {append([]byte{0x81}, make([]byte, 1023)...), "a report of a trust domain"},
		"COSE of Nitro's":            {append([]byte{0xd2, 0x84, 0x44, 0xa1, 0x01, 0x38, 0x22}, make([]byte, 500)...), "Nitro"},
	} {
		_, err := attesteer.Inspect(attesteer.Evidence{Raw: tt.raw})
		if rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for pattern, says := range map[string]string{
		"snp/*report.bin": "SEV-SNP", "snp/*report.hex": "SEV-SNP", "nitro/*.cbor": "Nitro", "nitro/*.b64": "Nitro",
		"cca/*.cbor": "Arm CCA", "keystone/testkey-valid.report.bin": "Keystone",
	} {
		for _, file := range glob(t, filepath.Dir(vectors(t)), pattern) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := attesteer.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attesteer.Recognise(raw); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
