// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// suite returns the folder of the conformance suite that comes with the project.
func suite(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "conformance"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// conformanceLines runs attesteer conformance and returns its lines and exit code.
func conformanceLines(t testing.TB, args ...string) ([]conformanceLine, int) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"conformance"}, args...), system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(string) string { return "" },
	})
	var lines []conformanceLine
	for _, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var line conformanceLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v; %s", text, err, errs.String())
		}
		lines = append(lines, line)
	}
	return lines, code
}

// copied returns a suite of one case, which a test may change.
func copied(t testing.TB, family, name string) (top, dir string) {
	t.Helper()
	a := &app{}
	c, err := a.readCase(filepath.Join(suite(t), family, name, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	top = t.TempDir()
	dir = filepath.Join(top, family, name)
	for _, file := range append(c.files(), manifestName, "expected.json") {
		to := filepath.Join(dir, file)
		data, err := os.ReadFile(c.path(file))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return top, dir
}

func TestWhatDoesNotComeOutAsItMustIsNamed(t *testing.T) {
	edit := func(file, old, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			file := filepath.Join(dir, file)
			data, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(data, []byte(old)) {
				t.Fatalf("%s: %v", data, err)
			}
			if err := os.WriteFile(file, bytes.Replace(data, []byte(old), []byte(with), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		edit    func(*testing.T, string)
		differs []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"another exit code", edit(manifestName, `"exit": 11`, `"exit": 0`), []string{"exit"}},
		{"another kind", edit(manifestName, `"kind": "tcb_rejected"`, `"kind": "revoked"`), []string{"kind"}},
		{"another status", edit(manifestName, `"status": "OutOfDate"`, `"status": "UpToDate"`), []string{"status"}},
		{"acceptance", edit(manifestName, `"accepted": false`, `"accepted": true`), []string{"accepted"}},
		{"no status", edit(manifestName, `"status": "OutOfDate"`, `"status": null`), nil},
		{"another result", edit("expected.json", `"isv_svn":2`, `"isv_svn":3`), []string{"result"}},
		{"another outcome of a check", edit("expected.json", `"outcome":"pass"`, `"outcome":"fail"`), []string{"result"}},
		{"no result", edit(manifestName, `"result": "expected.json"`, `"result": null`), []string{"result"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top, dir := copied(t, "tcb-status", "sgx-old-qe-old")
			tt.edit(t, dir)
			lines, code := conformanceLines(t, top)
			want := 0
			if tt.differs != nil {
				want = 1
			}
			if len(lines) != 1 || !slices.Equal(lines[0].Differs, tt.differs) || lines[0].OK != (tt.differs == nil) || code != want {
				t.Errorf("exit code %d, %+v", code, lines)
			}
		})
	}
}

func TestACaseThatCannotBeReadDoesNotAgree(t *testing.T) {
	top, dir := copied(t, "endorsement-signature", "none-at-all")
	if err := os.Remove(filepath.Join(top, "root.pem")); err != nil {
		t.Fatal(err)
	}
	lines, code := conformanceLines(t, dir)
	if len(lines) != 1 || lines[0].OK || code != 1 || !strings.Contains(lines[0].Detail, "root.pem") {
		t.Errorf("exit code %d, %+v", code, lines)
	}
}

func TestTheAnswerOfAnotherProgramIsReadWhereItSaysSomething(t *testing.T) {
	old := rats.OutOfDate
	want := expected{Exit: 11, Kind: rats.TCBRejected, Status: &old}
	for _, tt := range []struct {
		exit    int
		output  string
		differs []string
	}{
		{11, "", nil},
		{11, "rejected: OutOfDate", nil},
		{11, "[]", nil},
		{11, `{"note":"old"}`, nil},
		{11, `{"kind":"tcb_rejected","status":"OutOfDate"}`, nil},
		{11, `{"kind":"tcb_rejected","tcb":{"status":"OutOfDate"}}` + "\n", nil},
		{11, `{"kind":null}`, []string{"kind"}},
		{11, `{"kind":"expired"}`, []string{"kind"}},
		{11, `{"status":"UpToDate"}`, []string{"status"}},
		{11, `{"tcb":{"status":"UpToDate"}}`, []string{"status"}},
		{11, `{"tcb":null}`, nil},
		{10, "", []string{"exit"}},
		{0, `{"kind":null,"status":"OutOfDate"}`, []string{"exit", "accepted", "kind"}},
	} {
		if got := readVerdict(tt.exit, []byte(tt.output)).differs(want); !slices.Equal(got, tt.differs) {
			t.Errorf("exit code %d, %q: %v, want %v", tt.exit, tt.output, got, tt.differs)
		}
	}
}

func TestAnotherProgramGetsAFolderOfItsOwn(t *testing.T) {
	a := &app{}
	c, err := a.readCase(filepath.Join(suite(t), "evaluation-number", "chosen-20", manifestName))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "case")
	if err := a.layOut(c, dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{
		"evidence.bin", "manifest.json", "pck.crl", "pck_crl_issuer_chain.pem",
		"qe_identity-2.json", "qe_identity.json", "qe_identity_issuer_chain-2.pem", "qe_identity_issuer_chain.pem", "root.pem", "root_ca.crl",
		"tcb_info-2.json", "tcb_info.json", "tcb_signing_chain-2.pem", "tcb_signing_chain.pem",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	laid, err := a.readCase(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	if laid.Expected != (expected{}) || laid.Result != nil {
		t.Errorf("it is told what is expected: %+v", laid.Expected)
	}
	result, err := a.judge(laid)
	if err != nil || !result.Accepted || result.TCB.EvaluationDataNumber != 20 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestOfAProgramsOutputTheBeginningIsKept copies as os/exec does, which asks its
// target for ReadFrom first.
func TestOfAProgramsOutputTheBeginningIsKept(t *testing.T) {
	var b bounded
	n, err := io.Copy(&b, io.LimitReader(zeros{}, maxInput+1))
	if err != nil || n != maxInput+1 || b.kept.Len() != maxInput {
		t.Errorf("of %d bytes %d are kept: %v", n, b.kept.Len(), err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRevocationListsAreReadInEveryForm(t *testing.T) {
	der := []byte{0x30, 0x03, 0x02, 0x01, 0x05}
	for _, form := range []string{
		string(der), "3003020105", "3003020105\n", "3003020105\r\n",
		string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})),
	} {
		if got := listDER([]byte(form)); !bytes.Equal(got, der) {
			t.Errorf("%q: %x", form, got)
		}
	}
	for _, other := range []string{"", "\x00", "list", "30030"} {
		if got := listDER([]byte(other)); string(got) != other {
			t.Errorf("%q: %x", other, got)
		}
	}
}
