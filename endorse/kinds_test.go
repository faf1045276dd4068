// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

// decodePEM returns the first block of text.
func decodePEM(t testing.TB, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

// pckChain is a real platform's certificate, its CA's and the root's.
func pckChain(t testing.TB) (text []byte, certs [][]byte) {
	t.Helper()
	text = readFile(t, "..", "testdata", "seed", "pck_chain.pem")
	for rest := text; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return text, certs
		}
		certs, rest = append(certs, block.Bytes), after
	}
}

func TestACertificateOfAPlatformIsTakenInEveryEncoding(t *testing.T) {
	text, certs := pckChain(t)
	want := []rats.Endorsement{{Kind: rats.PCKCertificate, Body: certs[0], Issuers: certs[1:2]}}
	for how, files := range map[string]map[string][]byte{
		"a chain":               {"chain.pem": text},
		"a chain in a header":   {"header": []byte(url.QueryEscape(string(text)))},
		"DER beside its issuer": {"leaf": certs[0], "ca.pem": toPEM("CERTIFICATE", certs[1])},
		"in a bundle":           {"bundle.json": asJSON(map[string]string{"pck_certificate_chain": string(text)})},
		"as PCS lists them": {
			"pckcerts.json": asJSON([]map[string]any{{"tcbm": "00", "cert": url.PathEscape(string(toPEM("CERTIFICATE", certs[0])))}}),
			"ca":            certs[1],
		},
		"twice": {"a": text, "b": certs[0]},
	} {
		t.Run(how, func(t *testing.T) {
			folder := folderOf(t, files, nil)
			wantAll(t, folder, want)
			if len(folder.Refusals()) != 0 {
				t.Errorf("refusals: %v", folder.Refusals())
			}
		})
	}
}

func TestACertificateOfAPlatformNeedsItsAuthority(t *testing.T) {
	_, certs := pckChain(t)
	forged := slices.Clone(certs[0])
	forged[len(forged)-1] ^= 1
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		want  rats.Kind
	}{
		{"alone", map[string][]byte{"pck": certs[0]}, rats.UntrustedRoot},
		{"forged", map[string][]byte{"pck": forged, "ca": certs[1]}, rats.BadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := folderOf(t, tt.files, nil)
			r := folder.Refusals()
			if len(folder.All()) != 0 || len(r) != 1 || r[0].Name != "pck" || r[0].Foreign || rats.KindOf(r[0].Err) != tt.want {
				t.Errorf("taken %d, refused %v, want %v", len(folder.All()), r, tt.want)
			}
		})
	}
}

func TestNumbersAndPlatformsAreWrittenAndReadBack(t *testing.T) {
	dir := collateral(t)
	text, _ := pckChain(t)
	items := folderOf(t, map[string][]byte{
		"numbers.json": readFile(t, dir, "tcbeval", "SGX_v1_20250602T024330Z.json"),
		"signer.pem":   readFile(t, dir, "chain", "tcb_signing_20250506_20320506_c0575e.pem"),
		"platform.pem": text,
	}, nil).All()
	if len(items) != 2 {
		t.Fatalf("%d endorsements, want 2", len(items))
	}
	out := t.TempDir()
	if _, err := endorse.WriteFolder(out, items); err != nil {
		t.Fatal(err)
	}
	wantAll(t, readFolder(t, out, nil), items)
	names := strings.Join(sorted(files(t, out)), " ")
	for _, want := range []string{"tcb_evaluation_numbers_sgx_v1_20250602_", "pck_certificate_", "pck_ca_", "tcb_signing_"} {
		if !strings.Contains(names, want) {
			t.Errorf("no name with %s in %s", want, names)
		}
	}
}

// TestACacheOfStatementsAsTextIsTakenApartToTheByte puts real statements into
// the form of a cache that keeps them as strings, with signatures in DER.
func TestACacheOfStatementsAsTextIsTakenApartToTheByte(t *testing.T) {
	dir := collateral(t)
	chain := string(readFile(t, dir, "chain", "tcb_signing_20250506_20320506_c0575e.pem"))
	for _, tt := range []struct {
		name, raw, inner string
		kind             rats.EndorsementKind
	}{
		{"tcbinfo/B0C06F000000_TDX_v3_20260126T074326Z_eval18.json", "raw_tcb_info", "tcbInfo", rats.TCBInfo},
		{"qeidentity/TD_QE_v2_20260126T073517Z_eval18.json", "raw_enclave_identity", "enclaveIdentity", rats.QEIdentity},
		{"tcbeval/SGX_v1_20250602T024330Z.json", "raw_tcb_evaluation_data_numbers", "tcbEvaluationDataNumbers", rats.EvaluationNumbers},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			body := readFile(t, dir, filepath.FromSlash(tt.name))
			var object map[string]json.RawMessage
			if err := json.Unmarshal(body, &object); err != nil {
				t.Fatal(err)
			}
			sig, err := hex.DecodeString(strings.Trim(string(object["signature"]), `"`))
			if err != nil {
				t.Fatal(err)
			}
			value := struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])}
			der, err := asn1.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			cache := func(signature []byte) []byte {
				octets := make([]int, len(signature))
				for i, b := range signature {
					octets[i] = int(b)
				}
				return asJSON(map[string]any{tt.raw: string(object[tt.inner]), "signature": octets, "ca_chain": []string{chain}})
			}
			for _, signature := range [][]byte{der, sig} {
				folder := endorse.Read("cache", cache(signature), nil)
				if items := folder.All(); len(items) != 1 || items[0].Kind != tt.kind || string(items[0].Body) != string(body) {
					t.Errorf("taken %d, refused %v", len(items), folder.Refusals())
				}
			}
			for _, signature := range [][]byte{{}, der[:len(der)-1], append(slices.Clone(der), 0), make([]byte, 63)} {
				folder := endorse.Read("cache", cache(signature), nil)
				if r := folder.Refusals(); len(folder.All()) != 0 || len(r) != 1 || rats.KindOf(r[0].Err) != rats.Malformed {
					t.Errorf("a signature of %d octets: taken %d, refused %v", len(signature), len(folder.All()), r)
				}
			}
		})
	}
}
