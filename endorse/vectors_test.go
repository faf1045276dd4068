// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

// collateral returns the folder of real endorsements.
func collateral(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap", "collateral")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real endorsements here: set ATTESTEER_VECTORS")
	}
	return dir
}

func readFolder(t testing.TB, dir string, roots []rats.TrustRoot) *endorse.Folder {
	t.Helper()
	folder, err := endorse.ReadFolder(t.Context(), dir, roots)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// kindsByDigest maps the digest of each statement to its kind.
func kindsByDigest(folder *endorse.Folder) map[[32]byte]rats.EndorsementKind {
	out := make(map[[32]byte]rats.EndorsementKind)
	for _, e := range folder.All() {
		out[e.Digest()] = e.Kind
	}
	return out
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryGenuineEndorsementOfTheCollectionIsTaken(t *testing.T) {
	dir := collateral(t)
	folder := readFolder(t, dir, nil)
	got := kindsByDigest(folder)
	counts := make(map[string]int)
	for row := range strings.Lines(string(readFile(t, dir, "..", "INDEX.tsv"))) {
		name, rest, _ := strings.Cut(row, "\t")
		what, _, _ := strings.Cut(rest, "\t")
		name, ok := strings.CutPrefix(name, "collateral/")
		if !ok {
			continue
		}
		group, _, _ := strings.Cut(name, "/")
		var want rats.EndorsementKind
		switch {
		case group == "tcbinfo":
			want = rats.TCBInfo
		case group == "qeidentity":
			want = rats.QEIdentity
		case group == "tcbeval":
			want = rats.EvaluationNumbers
		case group == "crl" && strings.Contains(what, "Root CA"):
			want = rats.RootCACRL
		case group == "crl":
			want = rats.PCKCRL
		default:
			continue
		}
		counts[group]++
		if kind := got[sha256.Sum256(readFile(t, dir, name))]; kind != want {
			t.Errorf("%s: taken as %q, want %q", name, kind, want)
		}
	}
	if counts["tcbinfo"] < 90 || counts["qeidentity"] < 80 || counts["crl"] < 70 || counts["tcbeval"] < 2 {
		t.Errorf("the index lists fewer endorsements than expected: %v", counts)
	}
	for _, r := range folder.Refusals() {
		group, _, _ := strings.Cut(r.Name, "/")
		switch group {
		case "tcbinfo", "qeidentity", "tcbeval", "crl", "chain", "dcap-qvl":
			t.Errorf("%s is refused: %v", r.Name, r.Err)
		}
		t.Logf("foreign=%v %s: %v", r.Foreign, r.Name, r.Err)
	}
}

func TestEveryBundleGivesItsFourStatements(t *testing.T) {
	dir := collateral(t)
	for _, name := range []string{
		"dcap-qvl/sgx_quote_collateral.json", "dcap-qvl/tdx_quote_collateral.json",
		"dcap-qvl/tdx_quote_outdated_collateral.json", "near-mpc/collateral.json",
	} {
		t.Run(name, func(t *testing.T) {
			folder := endorse.Read(name, readFile(t, dir, name), nil)
			if len(folder.Refusals()) != 0 {
				t.Errorf("refused: %v", folder.Refusals())
			}
			count := make(map[rats.EndorsementKind]int)
			for _, kind := range kindsByDigest(folder) {
				count[kind]++
			}
			for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.RootCACRL, rats.PCKCRL} {
				if count[kind] != 1 {
					t.Errorf("%d of kind %s, want 1", count[kind], kind)
				}
			}
		})
	}
}

// wantEvidenceExit checks that err has a kind with one of the exit codes for
// input that is not genuine, not supported or malformed.
func wantEvidenceExit(t *testing.T, err error) {
	t.Helper()
	switch code := rats.KindOf(err).ExitCode(); code {
	case 10, 13, 14:
	default:
		t.Errorf("exit code %d for %v", code, err)
	}
}

func TestAnotherVendorsSamplesCountUnderItsOwnRootOnly(t *testing.T) {
	dir := filepath.Join(collateral(t), "intel-qvl-sample")
	folder := readFolder(t, dir, nil)
	if n := len(folder.All()); n != 0 {
		t.Errorf("%d endorsements under a test root are taken as Intel's", n)
	}
	for _, r := range folder.Refusals() {
		wantEvidenceExit(t, r.Err)
	}
	block, _ := pem.Decode(readFile(t, dir, "trustedRootCaCert.pem"))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	folder = readFolder(t, dir, []rats.TrustRoot{{
		Name: "sample", Subject: root.RawSubject, PublicKey: root.RawSubjectPublicKeyInfo,
	}})
	count := make(map[rats.EndorsementKind]int)
	for _, kind := range kindsByDigest(folder) {
		count[kind]++
	}
	if count[rats.RootCACRL] < 1 || count[rats.PCKCRL] < 1 {
		t.Errorf("under the sample root both CRLs are not taken: %v", count)
	}
	if count[rats.PCKCertificate] != 1 { // that of its TDX set is under another root
		t.Errorf("%d PCK certificates are taken, want 1", count[rats.PCKCertificate])
	}
	for _, r := range folder.Refusals() {
		t.Logf("%s: %v", r.Name, r.Err)
	}
}

func TestAStatementComesOnceForEachCertificateThatVouchesForIt(t *testing.T) {
	dir := collateral(t)
	files := map[string][]byte{
		"tcb.json": readFile(t, dir, "tcbinfo", "00606A000000_SGX_v3_20230913T091956Z_eval15.json"),
	}
	signers, err := filepath.Glob(filepath.Join(dir, "chain", "tcb_signing_*.pem"))
	if err != nil || len(signers) < 2 {
		t.Fatalf("signing certificates: %v, %v", signers, err)
	}
	for _, name := range signers {
		files[filepath.Base(name)] = readFile(t, name)
	}
	issuers := make(map[string]bool)
	for _, e := range folderOf(t, files, nil).All() {
		issuers[string(e.Issuers[0])] = true
	}
	if len(issuers) != len(signers) {
		t.Errorf("the statement comes with %d certificates, want %d", len(issuers), len(signers))
	}
}
