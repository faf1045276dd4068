// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

// badFile is one of the collection's files that must be refused.
type badFile struct {
	name string
	// alone is its kind as the only file, beside with a TCB signing certificate
	// that vouches for other statements: none where it says nothing to refuse.
	alone, beside rats.Kind
}

func badFiles() []badFile {
	return []badFile{
		// A cache's files: the statement as text, its signature in DER, and the chain.
		{"corrupted_00906ea10000.tcb", rats.BadSignature, rats.BadSignature},
		{"corrupted_qe3_identity.id", rats.BadSignature, rats.BadSignature},
		// The API's answer, whose chain came in a header: alone, nobody vouches for it.
		{"dcap-ql_tests_corrupt_qe3_identity.json", rats.UntrustedRoot, rats.BadSignature},
		// The PCK CA's chain where the TCB signer's belongs: certificates say
		// nothing themselves.
		{"tcb_certs_bad.pem", rats.None, rats.None},
	}
}

func TestNothingBadIsTaken(t *testing.T) {
	dir := filepath.Join(collateral(t), "bad")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(badFiles()) {
		t.Errorf("%d bad files, of which %d are judged here", len(entries), len(badFiles()))
	}
	chain := readFile(t, dir, "..", "chain", "tcb_signing_20180521_20330521_bc2241.pem")
	refused := func(t *testing.T, folder *endorse.Folder, want rats.Kind) {
		t.Helper()
		if n := len(folder.All()); n != 0 {
			t.Errorf("taken: %d endorsements", n)
		}
		r := folder.Refusals()
		if want == rats.None {
			if len(r) != 0 {
				t.Errorf("refusals: %v", r)
			}
			return
		}
		if len(r) != 1 || r[0].Foreign || rats.KindOf(r[0].Err) != want {
			t.Errorf("refusals %v, want one of kind %s", r, want)
		}
	}
	for _, bad := range badFiles() {
		t.Run(bad.name, func(t *testing.T) {
			data := readFile(t, dir, bad.name)
			refused(t, endorse.Read(bad.name, data, nil), bad.alone)
			refused(t, folderOf(t, map[string][]byte{bad.name: data}, nil), bad.alone)
			refused(t, folderOf(t, map[string][]byte{bad.name: data, "chain.pem": chain}, nil), bad.beside)
		})
	}
}

func TestAStatementBesideTheWrongChainIsRefused(t *testing.T) {
	dir := collateral(t)
	folder := folderOf(t, map[string][]byte{
		"tcb.json":  readFile(t, dir, "tcbinfo", "00606A000000_SGX_v3_20230913T091956Z_eval15.json"),
		"chain.pem": readFile(t, dir, "bad", "tcb_certs_bad.pem"), // the PCK CA's chain, where the TCB signer's belongs
	}, nil)
	if len(folder.All()) != 0 || len(folder.Refusals()) != 1 {
		t.Fatalf("taken %d, refused %v", len(folder.All()), folder.Refusals())
	}
	r := folder.Refusals()[0]
	if rats.KindOf(r.Err) != rats.UntrustedRoot || !strings.Contains(r.Err.Error(), "TCB signing certificate") {
		t.Errorf("the refusal does not say which certificate is missing: %v", r.Err)
	}
}

// TestVerificationGoesOnBesideBadFiles adds every bad file to what a quote is
// judged by, and the verdict must stay to the byte.
func TestVerificationGoesOnBesideBadFiles(t *testing.T) {
	dir := collateral(t)
	type parts map[string][]byte
	part := func(names ...string) parts {
		out := parts{}
		for _, name := range names {
			out[filepath.Base(name)] = readFile(t, dir, name)
		}
		return out
	}
	for _, tt := range []struct {
		name, quote string
		at          time.Time
		good        parts
		want        rats.Kind
	}{
		{
			"TDX", "tdx/td10_v4_B0C06F000000_plat_prod_f1c85033.bin", time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC),
			part("dcap-qvl/tdx_quote_collateral.json"), rats.None,
		},
		{ // the platform that the bad TCB info is about, and the identity's kind
			"SGX", "sgx/sgx_v3_00906EA10000_proc_dbg_e9794f00.bin", time.Date(2022, 11, 17, 18, 0, 0, 0, time.UTC),
			part("tcbinfo/00906EA10000_SGX_v3_20221117T124532Z_eval12.json", "qeidentity/QE_v2_20221117T143449Z_eval12.json",
				"crl/root_20220419T083118Z.crl.der", "crl/processor_20221018T220505Z.crl.der",
				"chain/tcb_signing_20180521_20250521_ec37d9.pem", "chain/pck_processor_ca_20180521_20330521_13b2dc.pem"),
			rats.TCBRejected,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			quote := readFile(t, dir, "..", "quotes", tt.quote)
			judge := func(files parts) (rats.Kind, rats.TCBStatus) {
				en, err := attesteer.ParseEndorsements(folderOf(t, files, nil).All()...)
				if err != nil {
					t.Fatal(err)
				}
				result, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, en, attesteer.Policy{AllowDebug: true}, tt.at)
				if result == nil || result.TCB == nil {
					t.Fatalf("undecided: %v", err)
				}
				return rats.KindOf(err), result.TCB.Status
			}
			kind, status := judge(tt.good)
			if kind != tt.want {
				t.Fatalf("without bad files: %v, want %v", kind, tt.want)
			}
			all := maps.Clone(tt.good)
			for _, bad := range badFiles() {
				one := maps.Clone(tt.good)
				one[bad.name] = readFile(t, dir, "bad", bad.name)
				all[bad.name] = one[bad.name]
				if k, s := judge(one); k != kind || s != status {
					t.Errorf("beside %s: %s %s, want %s %s", bad.name, k, s, kind, status)
				}
			}
			if k, s := judge(all); k != kind || s != status {
				t.Errorf("beside all of them: %s %s, want %s %s", k, s, kind, status)
			}
		})
	}
}

// TestVerifyRefusesBadStatements hands the bad statements to verification
// itself, past the folder that keeps them out.
func TestVerifyRefusesBadStatements(t *testing.T) {
	dir := collateral(t)
	at := time.Date(2020, 5, 20, 0, 0, 0, 0, time.UTC)
	signer := [][]byte{decodePEM(t, readFile(t, dir, "chain", "tcb_signing_20180521_20330521_bc2241.pem"))}
	authority := [][]byte{decodePEM(t, readFile(t, dir, "bad", "tcb_certs_bad.pem"))}
	for _, tt := range []struct {
		name string
		e    rats.Endorsement
		want rats.Kind
	}{
		{"a corrupt identity", rats.Endorsement{
			Kind: rats.QEIdentity, Issuers: signer, Body: readFile(t, dir, "bad", "dcap-ql_tests_corrupt_qe3_identity.json"),
		}, rats.BadSignature},
		{"TCB info by the wrong chain", rats.Endorsement{
			Kind: rats.TCBInfo, Issuers: authority, Body: readFile(t, dir, "tcbinfo", "00606A000000_SGX_v3_20230913T091956Z_eval15.json"),
		}, rats.UntrustedRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := attesteer.CheckEndorsement(tt.e, nil); rats.KindOf(err) != tt.want {
				t.Errorf("checked: %v, want %v", err, tt.want)
			}
			en, err := attesteer.ParseEndorsements(tt.e)
			if err != nil {
				t.Fatal(err)
			}
			quote := readFile(t, dir, "..", "quotes", "sgx", "sgx_v3_00606A000000_plat_prod_187b50a4.bin")
			if tt.e.Kind == rats.TCBInfo {
				at = time.Date(2023, 9, 20, 0, 0, 0, 0, time.UTC)
			}
			if _, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, en, attesteer.Policy{}, at); rats.KindOf(err) != tt.want {
				t.Errorf("verified with: %v, want %v", err, tt.want)
			}
		})
	}
}

// TestVerifyRefusesStatementsOutOfACorruptedCache does so too: a statement that
// ends before it begins is refused when it is parsed, before its signature.
func TestVerifyRefusesStatementsOutOfACorruptedCache(t *testing.T) {
	dir := collateral(t)
	signer := [][]byte{decodePEM(t, readFile(t, dir, "chain", "tcb_signing_20180521_20330521_bc2241.pem"))}
	for _, tt := range []struct {
		name, raw, inner string
		kind             rats.EndorsementKind
	}{
		{"corrupted_00906ea10000.tcb", "raw_tcb_info", "tcbInfo", rats.TCBInfo},
		{"corrupted_qe3_identity.id", "raw_enclave_identity", "enclaveIdentity", rats.QEIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cache map[string]json.RawMessage
			var text string
			if err := json.Unmarshal(readFile(t, dir, "bad", tt.name), &cache); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(cache[tt.raw], &text); err != nil {
				t.Fatal(err)
			}
			body := `{"` + tt.inner + `":` + text + `,"signature":"` + strings.Repeat("01", 64) + `"}`
			_, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: tt.kind, Body: []byte(body), Issuers: signer}, nil)
			wantEvidenceExit(t, err)
		})
	}
}
