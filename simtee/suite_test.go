// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var update = flag.Bool("update", false, "write the conformance suite anew")

// suiteDir is where the suite stands.
const suiteDir = "../conformance"

// manifest is the description of one case, in the form of docs/conformance.md.
type manifest struct {
	Schema       string         `json:"schema"`
	Name         string         `json:"name"`
	Family       string         `json:"family"`
	Clause       string         `json:"clause"`
	Description  string         `json:"description"`
	Note         string         `json:"note,omitempty"`
	At           string         `json:"at"`
	Root         string         `json:"root"`
	Policy       map[string]any `json:"policy"`
	Evidence     string         `json:"evidence"`
	Endorsements []manifestItem `json:"endorsements"`
	Expected     expected       `json:"expected"`
	// Result is the file of the full result, null where there is none.
	Result *string `json:"result"`
}

type manifestItem struct {
	Kind    rats.EndorsementKind `json:"kind"`
	Body    string               `json:"body"`
	Issuers string               `json:"issuers,omitempty"`
}

type expected struct {
	Exit     int             `json:"exit"`
	Kind     rats.Kind       `json:"kind"`
	Accepted bool            `json:"accepted"`
	Status   *rats.TCBStatus `json:"status"`
}

// made is a case as it will be written: its manifest, in which no file is named
// yet, the full result and what the case reads.
type made struct {
	manifest manifest
	result   []byte
	inputs   []input
}

// input is a file that a case reads, the name that it would have if it stood
// alone, and what puts its name into the manifest.
type input struct {
	name    string
	content []byte
	refer   func(name string)
}

func (m *made) reads(name string, content []byte, refer func(string)) {
	m.inputs = append(m.inputs, input{name, content, refer})
}

// make plays a case and holds what comes of it against what must.
func (c testCase) make(t *testing.T, family string) *made {
	t.Helper()
	s, err := set(c.edits)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := s.evidence()
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.endorsements()
	if err != nil {
		t.Fatal(err)
	}
	s.reappraises(t, evidence, items)
	result, err := s.verdict(evidence, items)
	status := rats.TCBStatus("")
	if result != nil && result.TCB != nil {
		status = result.TCB.Status
	}
	if kind := rats.KindOf(err); kind != c.want.kind || c.want.status != "" && status != c.want.status {
		t.Errorf("%q at status %q, want %q at %q: %v", kind, status, c.want.kind, c.want.status, err)
	}
	m := &made{manifest: manifest{
		Schema: "attesteer/conformance/v1", Name: c.name, Family: family, Clause: c.clause, Description: c.text, Note: c.note,
		At: stamp(s.now), Root: "../../root.pem", Policy: s.policy, Endorsements: []manifestItem{},
		Expected: expected{Exit: c.want.kind.ExitCode(), Kind: c.want.kind, Accepted: c.want.kind == rats.None},
	}}
	if c.want.status != "" {
		m.manifest.Expected.Status = &c.want.status
	}
	if result != nil {
		file := "expected.json"
		m.manifest.Result, m.result = &file, encode(t, plain(result))
	}
	m.reads("evidence.bin", evidence, func(name string) { m.manifest.Evidence = name })
	for i, e := range items {
		m.endorse(i, e, s)
	}
	return m
}

// endorse adds the files of one endorsement: its body, and the certificate that
// vouches for it with the root's, as PCS sends them.
func (m *made) endorse(i int, e rats.Endorsement, s *scene) {
	m.manifest.Endorsements = append(m.manifest.Endorsements, manifestItem{Kind: e.Kind})
	name := map[rats.EndorsementKind]string{
		rats.TCBInfo: "tcb_info.json", rats.QEIdentity: "qe_identity.json", rats.RootCACRL: "root_ca.crl", rats.PCKCRL: "pck.crl",
		rats.EvaluationNumbers: "tcb_evaluation_numbers.json", rats.PCKCertificate: "pck_certificate.der",
	}[e.Kind]
	content := e.Body
	if f := s.encoding[e.Kind]; f != nil {
		content = f(content)
	}
	m.reads(name, content, func(name string) { m.manifest.Endorsements[i].Body = name })
	if len(e.Issuers) == 0 {
		return
	}
	chain := "tcb_signing_chain.pem"
	if e.Kind == rats.PCKCRL || e.Kind == rats.PCKCertificate {
		chain = "pck_crl_issuer_chain.pem"
	}
	var text []byte
	for _, der := range append(slices.Clone(e.Issuers), s.pki.RootCertificate()) {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	m.reads(chain, text, func(name string) { m.manifest.Endorsements[i].Issuers = name })
}

// encode writes a value as the command prints it.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func indent(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, encode(t, v), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// lay returns the suite's files by their paths. What several cases read stands
// once, in the folder shared, under a name that ends in its digest's beginning.
func lay(t testing.TB, cases []*made) map[string][]byte {
	t.Helper()
	readers := map[[32]byte]map[*made]bool{}
	for _, m := range cases {
		for _, in := range m.inputs {
			digest := sha256.Sum256(in.content)
			if readers[digest] == nil {
				readers[digest] = map[*made]bool{}
			}
			readers[digest][m] = true
		}
	}
	files := map[string][]byte{}
	for _, m := range cases {
		dir := path.Join(m.manifest.Family, m.manifest.Name)
		for _, in := range m.inputs {
			name := ownName(files, dir, in)
			if digest := sha256.Sum256(in.content); len(readers[digest]) > 1 {
				base, ext, _ := strings.Cut(in.name, ".")
				name = fmt.Sprintf("../../shared/%s-%x.%s", base, digest[:4], ext)
			}
			files[path.Join(dir, name)] = in.content
			in.refer(name)
		}
		if m.result != nil {
			files[path.Join(dir, "expected.json")] = m.result
		}
		files[path.Join(dir, "manifest.json")] = indent(t, m.manifest)
	}
	return files
}

// ownName returns a name that is free in a case's folder, or taken by the same.
func ownName(files map[string][]byte, dir string, in input) string {
	base, ext, _ := strings.Cut(in.name, ".")
	for name, n := in.name, 2; ; n++ {
		if other, taken := files[path.Join(dir, name)]; !taken || bytes.Equal(other, in.content) {
			return name
		}
		name = fmt.Sprintf("%s-%d.%s", base, n, ext)
	}
}

// families are the suite, in the order in which a verifier comes upon what they
// test.
func families() []family {
	return []family{
		quoteForms(), quoteHeaders(), quoteSizes(), quoteBodies(), quoteSignatures(),
		chainForms(), chainTrust(), chainRoles(), pckExtension(), certificationData(),
		endorsementSignatures(), tcbInfoForms(), tcbInfoFaults(), identityForms(), revocationLists(), evaluationNumbers(),
		revocation(), validity(), qeIdentity(), tdxModule(), tcbMatching(), tcbStatus(), relaunch(), policies(), iasReports(),
	}
}

// TestTheConformanceSuite plays every case, and compares what its files must be
// with those on disk; with -update it writes them.
func TestTheConformanceSuite(t *testing.T) {
	var cases []*made
	names := map[string]bool{}
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			for _, c := range f.cases {
				t.Run(c.name, func(t *testing.T) {
					if names[f.name+"/"+c.name] {
						t.Fatal("there are two cases of this name")
					}
					names[f.name+"/"+c.name] = true
					if c.clause == "" || c.text == "" || strings.Trim(c.name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
						t.Errorf("clause %q, description %q", c.clause, c.text)
					}
					cases = append(cases, c.make(t, f.name))
				})
			}
		})
	}
	covers(t, cases)
	described(t)
	files := lay(t, cases)
	root := simtee.Root()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	files["root.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki.RootCertificate()})
	if !bytes.Contains(pki.RootCertificate(), root.PublicKey) {
		t.Fatal("the root's certificate is not the root's")
	}
	if *update {
		write(t, files)
	}
	compare(t, files)
}

// covers checks that no outcome that verification can have is without a case.
func covers(t *testing.T, cases []*made) {
	t.Helper()
	kinds, statuses := map[rats.Kind]int{}, map[rats.TCBStatus]int{}
	for _, m := range cases {
		kinds[m.manifest.Expected.Kind]++
		if s := m.manifest.Expected.Status; s != nil {
			statuses[*s]++
		}
	}
	for _, k := range rats.Kinds() {
		switch k {
		case rats.Replayed, rats.NotFound, rats.Unauthorized, rats.QuotaExceeded, rats.TooLarge, rats.Internal:
			// Services say these; verification does not.
		default:
			if kinds[k] == 0 {
				t.Errorf("no case comes to %s", k)
			}
		}
	}
	for _, s := range rats.TCBStatuses() {
		if statuses[s] == 0 {
			t.Errorf("no case comes to %s", s)
		}
	}
	if len(cases) < 180 {
		t.Errorf("%d cases are fewer than 180", len(cases))
	}
	t.Logf("%d cases: %v, %v", len(cases), kinds, statuses)
}

// described checks that the suite's document names every family.
func described(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families() {
		if !bytes.Contains(text, []byte("`"+f.name+"`")) {
			t.Errorf("docs/conformance.md does not speak of %s", f.name)
		}
	}
}

// maxSuite bounds the suite, which everybody has to fetch.
const maxSuite = 8 << 20

// handWritten are files of the suite's folder that people write.
var handWritten = []string{"README.md", ".gitattributes"}

// compare holds the files on disk against those that there must be.
func compare(t *testing.T, files map[string][]byte) {
	t.Helper()
	seen, size := map[string]bool{}, 0
	var wrong []string
	err := filepath.WalkDir(suiteDir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(suiteDir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if slices.Contains(handWritten, rel) {
			return nil
		}
		seen[rel] = true
		got, err := os.ReadFile(name)
		size += len(got)
		if want, known := files[rel]; !known || !bytes.Equal(got, want) {
			wrong = append(wrong, rel)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !seen[name] {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("%d files are missing, too many or not what the suite has, such as %s: run go generate ./simtee", len(wrong), wrong[0])
	}
	if size > maxSuite {
		t.Errorf("the suite has %d bytes, over %d", size, maxSuite)
	}
	t.Logf("%d files, %d bytes", len(seen), size)
}

func write(t *testing.T, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(suiteDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains(handWritten, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(suiteDir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(suiteDir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, files[name], 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// policyOf reads a manifest's policy, with the simulated root pinned.
func policyOf(fields map[string]any) (attesteer.Policy, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return attesteer.Policy{}, err
	}
	p, err := attesteer.ParsePolicy(text)
	p.Roots = []rats.TrustRoot{simtee.Root()}
	return p, err
}

// plain returns a result without the words that people read of its checks: what
// they say may change, how they ended may not.
func plain(r *attesteer.Result) *attesteer.Result {
	out := *r
	out.Checks = slices.Clone(r.Checks)
	for i := range out.Checks {
		out.Checks[i].Detail, out.Checks[i].Spec = "", ""
	}
	return &out
}
