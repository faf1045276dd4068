// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var _ endorse.Source = (*endorse.Folder)(nil)

// at is a time for which simulated endorsements are made.
func at() time.Time { return time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC) }

// simulated returns the endorsements of the simulated platform, one of each
// kind and TEE, and the root under which they count.
func simulated(t testing.TB) ([]rats.Endorsement, []rats.TrustRoot) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.EndorsementsFor(rats.SGX, at())
	if err != nil {
		t.Fatal(err)
	}
	for _, make := range []func(rats.TEE, time.Time) (rats.Endorsement, error){pki.TCBInfo, pki.QEIdentity, pki.EvaluationNumbers} {
		e, err := make(rats.TDX, at())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, e)
	}
	return append(items, platform(t)), []rats.TrustRoot{simtee.Root()}
}

// platform returns the certificate of a simulated platform, out of a quote.
func platform(t testing.TB) rats.Endorsement {
	t.Helper()
	raw, err := simtee.Enclave{}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	leaf, rest := pem.Decode(q.CertificationData.Data)
	ca, _ := pem.Decode(rest)
	return rats.Endorsement{Kind: rats.PCKCertificate, Body: leaf.Bytes, Issuers: [][]byte{ca.Bytes}}
}

// simulatedFor returns what of it serves quotes of one TEE.
func simulatedFor(t testing.TB, tee rats.TEE) ([]rats.Endorsement, []rats.TrustRoot) {
	t.Helper()
	items, roots := simulated(t)
	return slices.DeleteFunc(items, func(e rats.Endorsement) bool {
		info, err := attesteer.CheckEndorsement(e, roots)
		if err != nil {
			t.Fatal(err)
		}
		return info.Key.TEE != "" && info.Key.TEE != tee || e.Kind == rats.PCKCertificate
	}), roots
}

// folderOf writes files into a new folder and reads it.
func folderOf(t testing.TB, files map[string][]byte, roots []rats.TrustRoot) *endorse.Folder {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		write(t, filepath.Join(dir, name), data)
	}
	return readFolder(t, dir, roots)
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func toPEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// asSet returns endorsements as a set that cmp can compare.
func asSet(items []rats.Endorsement) map[string]int {
	set := make(map[string]int)
	for _, e := range items {
		set[fmt.Sprintf("%s %x %x", e.Kind, e.Body, e.Issuers)]++
	}
	return set
}

// wantAll checks that a folder holds exactly items, each once.
func wantAll(t *testing.T, folder *endorse.Folder, items []rats.Endorsement) {
	t.Helper()
	if diff := cmp.Diff(asSet(items), asSet(folder.All())); diff != "" {
		t.Errorf("endorsements (-want +got):\n%s", diff)
	}
}

// encodings are the ways in which each part of an endorsement is met in files.
func encodings(kind rats.EndorsementKind, body []byte) map[string][]byte {
	label := "X509 CRL"
	switch kind {
	case rats.PCKCertificate:
		label = "CERTIFICATE"
	case rats.TCBInfo, rats.QEIdentity, rats.EvaluationNumbers:
		return map[string][]byte{
			"as answered": body, "with a line feed": append(bytes.Clone(body), '\n'),
			"with a byte order mark": append([]byte("\xef\xbb\xbf"), body...),
			"in an array":            slices.Concat([]byte(`[ `), body, []byte(` ]`)),
			"in an object":           slices.Concat([]byte(`{"a":{"b": `), body, []byte(`}}`)),
			"as a string":            asJSON(map[string]string{"x": string(body)}),
		}
	}
	return map[string][]byte{
		"DER": body, "PEM": toPEM(label, body), "hex": []byte(hex.EncodeToString(body)),
		"upper-case hex with lines": []byte("0x" + strings.ToUpper(hex.EncodeToString(body[:40])) + "\n" +
			strings.ToUpper(hex.EncodeToString(body[40:])) + "\n"),
		"hex in JSON": asJSON([]string{hex.EncodeToString(body)}),
		"PEM in JSON": asJSON(map[string]string{"crl": string(toPEM(label, body))}),
	}
}

func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestEveryEncodingIsRecognisedByItsContent(t *testing.T) {
	items, roots := simulated(t)
	for _, e := range items {
		for how, content := range encodings(e.Kind, e.Body) {
			t.Run(string(e.Kind)+" "+how, func(t *testing.T) {
				files := map[string][]byte{"deep/er/README.txt": content}
				for i, der := range e.Issuers {
					files[fmt.Sprint(i)] = toPEM("CERTIFICATE", der)
				}
				folder := folderOf(t, files, roots)
				wantAll(t, folder, []rats.Endorsement{e})
				if len(folder.Refusals()) != 0 {
					t.Errorf("refusals: %v", folder.Refusals())
				}
			})
		}
	}
}

func TestEveryEncodingOfAChainIsRecognised(t *testing.T) {
	items, roots := simulated(t)
	i := slices.IndexFunc(items, func(e rats.Endorsement) bool { return e.Kind == rats.TCBInfo })
	e := items[i]
	crl := items[slices.IndexFunc(items, func(e rats.Endorsement) bool { return e.Kind == rats.PCKCRL })]
	leaf, other := toPEM("CERTIFICATE", e.Issuers[0]), toPEM("CERTIFICATE", crl.Issuers[0])
	both := slices.Concat(other, leaf)
	for how, chain := range map[string][]byte{
		"DER":                        e.Issuers[0],
		"hex":                        []byte(hex.EncodeToString(e.Issuers[0])),
		"PEM":                        leaf,
		"PEM with CRLF":              bytes.ReplaceAll(leaf, []byte("\n"), []byte("\r\n")),
		"PEM on one line":            bytes.ReplaceAll(leaf, []byte("\n"), nil),
		"PEM with a trailing NUL":    append(bytes.Clone(leaf), 0),
		"PEM after words":            append([]byte("subject=100 % fine\n"), leaf...),
		"PEM after a private key":    slices.Concat(toPEM("PRIVATE KEY", []byte("no")), leaf),
		"two, the wrong one first":   both,
		"END and BEGIN on one line":  bytes.ReplaceAll(both, []byte("-----\n-----"), []byte("----------")),
		"encoded by JavaScript":      []byte(strings.ReplaceAll(url.QueryEscape(string(both)), "+", "%20")),
		"encoded by url.QueryEscape": []byte(url.QueryEscape(string(both))),
		"encoded by url.PathEscape":  []byte(url.PathEscape(string(both))),
		"in JSON":                    asJSON(map[string]string{"chain": string(both)}),
	} {
		t.Run(how, func(t *testing.T) {
			folder := folderOf(t, map[string][]byte{"a": e.Body, "b": chain}, roots)
			wantAll(t, folder, []rats.Endorsement{e})
		})
	}
}

// bundle returns items in the form in which libraries keep what goes with one
// quote: every part a string, statement and signature apart.
func bundle(t testing.TB, items []rats.Endorsement) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, e := range items {
		var chain []byte
		for _, der := range e.Issuers {
			chain = append(chain, toPEM("CERTIFICATE", der)...)
		}
		var statement map[string]json.RawMessage
		var signature string
		if e.Kind == rats.TCBInfo || e.Kind == rats.QEIdentity {
			if err := json.Unmarshal(e.Body, &statement); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(statement["signature"], &signature); err != nil {
				t.Fatal(err)
			}
		}
		switch e.Kind {
		case rats.TCBInfo:
			out["tcb_info"], out["tcb_info_signature"] = string(statement["tcbInfo"]), signature
			out["tcb_info_issuer_chain"] = string(chain)
		case rats.QEIdentity:
			out["qe_identity"], out["qe_identity_signature"] = string(statement["enclaveIdentity"]), signature
			out["qe_identity_issuer_chain"] = string(chain)
		case rats.RootCACRL:
			out["root_ca_crl"] = hex.EncodeToString(e.Body)
		case rats.PCKCRL:
			out["pck_crl"], out["pck_crl_issuer_chain"] = hex.EncodeToString(e.Body), string(chain)
		}
	}
	return out
}

func TestABundleIsTakenApartToTheByte(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	folder := endorse.Read("bundle.json", asJSON(bundle(t, items)), roots)
	wantAll(t, folder, items)
	if len(folder.Refusals()) != 0 {
		t.Errorf("refusals: %v", folder.Refusals())
	}
}

func TestABrokenPartOfABundleDoesNotStopTheRest(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	parts := bundle(t, items)
	parts["pck_crl"] = parts["pck_crl"][:len(parts["pck_crl"])-20]
	folder := endorse.Read("bundle.json", asJSON(parts), roots)
	want := slices.DeleteFunc(items, func(e rats.Endorsement) bool { return e.Kind == rats.PCKCRL })
	wantAll(t, folder, want)
	if r := folder.Refusals(); len(r) != 1 || r[0].Foreign || rats.KindOf(r[0].Err) != rats.Malformed {
		t.Errorf("refusals: %v", r)
	}
}

func TestTheResultDependsOnContentAlone(t *testing.T) {
	items, roots := simulated(t)
	one, two := make(map[string][]byte), make(map[string][]byte)
	for i, e := range items {
		one[fmt.Sprintf("%d", i)] = e.Body
		two[fmt.Sprintf("x/%d/y", 100-i)] = e.Body
		two[fmt.Sprintf("again/%d", i)] = e.Body
		for j, der := range e.Issuers {
			one[fmt.Sprintf("%d.%d", i, j)] = toPEM("CERTIFICATE", der)
			two[fmt.Sprintf("z%d.%d", 100-i, j)] = der
		}
	}
	a, b := folderOf(t, one, roots), folderOf(t, two, roots)
	if diff := cmp.Diff(a.All(), b.All()); diff != "" {
		t.Errorf("the same content in other files:\n%s", diff)
	}
	wantAll(t, a, items)
}

func TestAFlippedBitIsRefusedAndHurtsNothingElse(t *testing.T) {
	items, roots := simulated(t)
	for i, e := range items {
		for _, at := range []int{40, len(e.Body) / 2, len(e.Body) - 12} {
			files := make(map[string][]byte)
			for j, other := range items {
				body := bytes.Clone(other.Body)
				if i == j {
					body[at] ^= 1
				}
				files[fmt.Sprint(j)] = body
				for k, der := range other.Issuers {
					files[fmt.Sprintf("%d.%d", j, k)] = der
				}
			}
			folder := folderOf(t, files, roots)
			wantAll(t, folder, slices.Delete(slices.Clone(items), i, i+1))
			if len(folder.Refusals()) == 0 {
				t.Errorf("%s with bit flipped at %d: no refusal", e.Kind, at)
			}
			for _, r := range folder.Refusals() {
				wantEvidenceExit(t, r.Err)
			}
		}
	}
}

func TestAMissingCertificateIsNamed(t *testing.T) {
	items, roots := simulated(t)
	for _, e := range items {
		if len(e.Issuers) == 0 {
			continue
		}
		r := folderOf(t, map[string][]byte{"it": e.Body}, roots).Refusals()
		want := "TCB signing certificate"
		switch e.Kind {
		case rats.PCKCRL:
			want = "SGX-PCK-CRL-Issuer-Chain"
		case rats.PCKCertificate:
			want = "SGX-PCK-Certificate-Issuer-Chain"
		default:
		}
		if len(r) != 1 || r[0].Foreign || !strings.Contains(r[0].Err.Error(), want) {
			t.Errorf("%s: refusals %v, want one that says %q", e.Kind, r, want)
		}
	}
}

func TestASimulatedRootCountsOnlyWhereItIsNamed(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	data := asJSON(bundle(t, items))
	if n := len(endorse.Read("b", data, nil).All()); n != 0 {
		t.Errorf("%d simulated endorsements are taken under the vendors' roots", n)
	}
	if n := len(endorse.Read("b", data, roots).All()); n != len(items) {
		t.Errorf("%d of %d are taken under their own root", n, len(items))
	}
}

func TestForeignFilesStayOutOfTheWay(t *testing.T) {
	folder := folderOf(t, map[string][]byte{
		"README.md": []byte("# Read me\n"), "INDEX.tsv": []byte("a\tb\n"), "empty": nil,
		"quote.bin": {3, 0, 2, 0, 0, 0}, "config.json": []byte(`{"a":[1,2,{"b":null}],"c":"3000"}`),
		"conf.ini": []byte("[section]\nkey=value\n"), "number": []byte("30"),
		"key.pem": toPEM("PRIVATE KEY", []byte("secret")),
	}, nil)
	if len(folder.All()) != 0 || len(folder.Refusals()) != 8 {
		t.Fatalf("taken %d, refused %d", len(folder.All()), len(folder.Refusals()))
	}
	for _, r := range folder.Refusals() {
		if !r.Foreign || rats.KindOf(r.Err) != rats.Malformed {
			t.Errorf("%s: foreign=%v %v", r.Name, r.Foreign, r.Err)
		}
	}
	if !slices.IsSortedFunc(folder.Refusals(), func(a, b endorse.Refusal) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("refusals are not in the order of names")
	}
}

func TestBrokenEndorsementsAreNotForeign(t *testing.T) {
	items, _ := simulated(t)
	cert := items[0].Issuers
	for name, data := range map[string][]byte{
		"cut TCB info":     []byte(`{"tcbInfo":{"id":"SGX"`),
		"unknown form":     []byte(`{"tcbEvaluationDataNumbers":{},"signature":"00"}`),
		"cut certificate":  []byte("-----BEGIN CERTIFICATE-----\nMIIC"),
		"PEM of nonsense":  toPEM("CERTIFICATE", []byte("nonsense")),
		"broken base64":    []byte("-----BEGIN X509 CRL-----\n!!\n-----END X509 CRL-----"),
		"broken escapes":   []byte("-----BEGIN%20CERTIFICATE-----%zz"),
		"DER of something": append([]byte{0x30, 0x82, 0x01, 0x00}, make([]byte, 256)...),
		"cut hex":          []byte(hex.EncodeToString(append([]byte{0x30, 0x82, 0x01, 0x00}, make([]byte, 90)...))),
	} {
		r := endorse.Read(name, data, nil).Refusals()
		if len(r) != 1 || r[0].Foreign {
			t.Errorf("%s: refusals %v", name, r)
			continue
		}
		wantEvidenceExit(t, r[0].Err)
	}
	if len(cert) > 0 {
		if r := endorse.Read("certificate", cert[0], nil).Refusals(); len(r) != 0 {
			t.Errorf("a certificate alone is refused: %v", r)
		}
	}
}

func TestAHostileFolderCostsLittle(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	dir := t.TempDir()
	deep := bytes.Repeat([]byte("["), 400_000)
	nested := append(bytes.Repeat([]byte(`{"a":`), 2000), append([]byte("1"), bytes.Repeat([]byte("}"), 2000)...)...)
	write(t, filepath.Join(dir, "huge"), make([]byte, 1<<20+1))
	write(t, filepath.Join(dir, "deep"), deep)
	write(t, filepath.Join(dir, "nested"), nested)
	write(t, filepath.Join(dir, "many"), bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----"), 30_000))
	write(t, filepath.Join(dir, "good"), asJSON(bundle(t, items)))
	for link, to := range map[string]string{"loop": ".", "self": "self", "out": "/etc/passwd", "dir/up": ".."} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	folder, err := endorse.ReadFolder(ctx, dir, roots)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, folder, items)
	for _, name := range []string{"huge", "loop", "self", "out", "dir/up", "pipe"} {
		if !slices.ContainsFunc(folder.Refusals(), func(r endorse.Refusal) bool { return r.Name == name }) {
			t.Errorf("%s is not refused", name)
		}
	}
}

func TestAFolderBehindASymbolicLinkIsRead(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "real", "b"), asJSON(bundle(t, items)))
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	wantAll(t, readFolder(t, filepath.Join(dir, "link"), roots), items)
}

func TestAFolderThatCannotBeReadIsAnError(t *testing.T) {
	_, err := endorse.ReadFolder(t.Context(), filepath.Join(t.TempDir(), "none"), nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := endorse.ReadFolder(t.Context(), file, nil); err == nil {
		t.Error("a file is read as a folder")
	}
}

func TestReadingStopsWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := endorse.ReadFolder(ctx, t.TempDir(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
