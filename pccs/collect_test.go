// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// stocked is a lab with two platforms and all that verifies their quotes.
func stocked(t testing.TB) *lab {
	t.Helper()
	l := newLab(t, setup{})
	for _, seed := range []uint32{1, 2} {
		l.pcs.Install(machine(t, seed, simtee.Faults{}))
		if err := l.Register(t.Context(), registration(seed), pccs.UpdateAll); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func collect(t testing.TB, l *lab, opt pccs.CollectOptions) (*clienttool.Collateral, []pccs.LeftOut) {
	t.Helper()
	c, left, err := pccs.Collect(t.Context(), l.store, opt)
	if err != nil {
		t.Fatal(err)
	}
	return c, left
}

func marshalled(t testing.TB, c *clienttool.Collateral) []byte {
	t.Helper()
	data, err := c.Marshal(c.Version)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestACacheOnTheOtherSideOfAnAirGapAnswersAsTheFirst(t *testing.T) {
	t.Parallel()
	first := stocked(t)
	c, left := collect(t, first, pccs.CollectOptions{})
	if len(left) != 0 || len(c.PCKCerts) != 2 || len(c.Platforms) != 2 {
		t.Fatalf("%d platforms, left out %v", len(c.PCKCerts), left)
	}
	file, err := clienttool.Parse(marshalled(t, c))
	if err != nil {
		t.Fatal(err)
	}
	second := newLab(t, setup{mode: pccs.Offline})
	report, err := second.PutCollateral(t.Context(), file, "import:file")
	if err != nil || len(report.Refused) != 0 || len(report.Stale) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	want, err := first.PCKCert(t.Context(), request(2))
	if err != nil {
		t.Fatal(err)
	}
	got, err := second.PCKCert(t.Context(), request(2))
	if err != nil || !bytes.Equal(got.Cert, want.Cert) || got.TCBm != want.TCBm || !bytes.Equal(got.Chain, want.Chain) {
		t.Errorf("another certificate: %v", err)
	}
	a, err := pccs.Inventory(t.Context(), first.store)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pccs.Inventory(t.Context(), second.store)
	if err != nil {
		t.Fatal(err)
	}
	if len(a) < 10 {
		t.Fatalf("%d items", len(a))
	}
	for _, change := range clienttool.Compare(a, b) {
		if change.State != clienttool.Same && change.Name != "evaluation_numbers sgx v4" {
			t.Errorf("%s is %s", change.Name, change.State)
		}
	}
	if len(second.pcs.Calls("")) != 0 {
		t.Error("the other side called somebody")
	}
}

// Intel's service refuses a file with platforms whose FMSPC has no TCB info for
// SGX, whose chains end in two texts of the root, or whose first certificate of
// a platform is none.
func TestWhatIntelsServiceWouldRefuseIsLeftOutOfAFile(t *testing.T) {
	t.Parallel()
	l := stocked(t)
	for _, tee := range []rats.TEE{rats.SGX} {
		a := artefact(t, l, tcbKey(tee, store.Standard))
		certs := inDER(a.Chain)
		// Another certificate of the same root, with other dates.
		other := newPKI(t, simtee.Faults{Certificate: func(c *simtee.Certificate) {
			if c.Role == simtee.RootCA {
				c.Template.NotAfter = c.Template.NotAfter.AddDate(-1, 0, 0)
			}
		}})
		chain, err := pccs.ServedChain(certs[:1], other.RootCertificate())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(chain, a.Chain) {
			t.Fatal("it is the same root certificate")
		}
		a.Chain, a.Fetched = chain, a.Fetched.AddDate(0, 0, 1)
		if err := l.store.Write(t.Context(), store.Batch{Artefacts: []store.Artefact{*a}}); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := collect(t, l, pccs.CollectOptions{})
	roots := make(map[string]bool)
	for _, chain := range [][]byte{c.Chains.TCBInfo, c.Chains.Identity, c.Chains.Platform} {
		certs := inDER(chain)
		roots[string(certs[len(certs)-1])] = true
	}
	if len(roots) != 1 {
		t.Errorf("the chains end in %d certificates of one root", len(roots))
	}
	if _, err := clienttool.Parse(marshalled(t, c)); err != nil {
		t.Error(err)
	}
	// Platforms of an FMSPC whose TCB info is not asked for.
	c, left := collect(t, l, pccs.CollectOptions{FMSPCs: []string{"00a51e000001"}})
	if len(c.PCKCerts)+len(c.TCBInfos)+len(left) != 0 || c.RootCRL == nil {
		t.Errorf("of another FMSPC: %d platforms, %d TCB infos, %v", len(c.PCKCerts), len(c.TCBInfos), left)
	}
	c, _ = collect(t, l, pccs.CollectOptions{WithoutPlatforms: true})
	if file := string(marshalled(t, c)); strings.Contains(file, qeid(1)) || !strings.Contains(file, `"pck_certs":[]`) {
		t.Error("a file without platforms names one")
	}
}

func inDER(chain []byte) (out [][]byte) {
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, block.Bytes)
	}
	return out
}

func TestWhatAFileHasNoPlaceForIsSaid(t *testing.T) {
	t.Parallel()
	l := stocked(t)
	if err := l.pcs.Set(recovering(t)...); err != nil {
		t.Fatal(err)
	}
	artefact(t, l, tcbKey(rats.SGX, "21"))
	// The key that signs TCB info changed, and one that the old key signed is left.
	changed := simtee.Faults{Certificate: func(c *simtee.Certificate) {
		if c.Role == simtee.TCBSigning {
			c.Template.NotAfter = c.Template.NotAfter.AddDate(-1, 0, 0)
		}
	}}
	if err := l.pcs.Set(vendor(t, changed, start().AddDate(0, 0, 1))...); err != nil {
		t.Fatal(err)
	}
	l.clock.advance(24 * 60 * 60 * 1e9)
	l.pcs.Break("tcb?", pcstest.Status(503))
	if _, err := l.Refresh(t.Context(), pccs.RefreshRequest{}); err == nil {
		t.Fatal("everything was refreshed")
	}
	c, left := collect(t, l, pccs.CollectOptions{})
	var names []string
	for _, one := range left {
		names = append(names, one.Name)
	}
	for _, want := range []string{"tcb_info sgx 00a51e000000 21 v4", "tcb_info sgx 00a51e000000 standard v4", "PCK certificates of platform " + qeid(1)} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not listed: %v", want, left)
		}
	}
	if len(c.Identities) == 0 || len(c.TCBInfos) != 0 || len(c.PCKCerts) != 0 {
		t.Errorf("%d identities, %d TCB infos, %d platforms", len(c.Identities), len(c.TCBInfos), len(c.PCKCerts))
	}
}

func TestACertificateWhoseLevelWasNotToldGetsOneThatIntelsServiceTakes(t *testing.T) {
	t.Parallel()
	l := stocked(t)
	id := store.PlatformID{QEID: qeid(1), PCEID: "0000"}
	certs, err := l.store.PCKCerts(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range certs {
		certs[i].TCB = nil
	}
	if err := l.store.Write(t.Context(), store.Batch{ReplacePCK: []store.PlatformID{id}, PCKCerts: certs}); err != nil {
		t.Fatal(err)
	}
	c, _ := collect(t, l, pccs.CollectOptions{})
	var level map[string]int
	if err := json.Unmarshal(c.PCKCerts[0].Certs[0].TCB, &level); err != nil {
		t.Fatal(err)
	}
	if len(level) != 17 || level["sgxtcbcomp01svn"] == 0 || level["sgxtcbcomp05svn"] != 255 || level["pcesvn"] == 0 {
		t.Errorf("got %v", level)
	}
}

func TestAFolderKeepsWhichEvaluationIsWhich(t *testing.T) {
	t.Parallel()
	l := stocked(t)
	if err := l.pcs.Set(recovering(t)...); err != nil {
		t.Fatal(err)
	}
	l.pcs.Standard(20)
	if err := l.FetchForecast(t.Context()); err != nil {
		t.Fatal(err)
	}
	artefact(t, l, qeKey(rats.SGX, "22"))
	all, err := l.store.ArtefactsWithBodies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	groups := pccs.ToEndorsements(all)
	for update, items := range groups {
		if _, err := endorse.WriteFolder(filepath.Join(dir, update), items); err != nil {
			t.Fatal(err)
		}
	}
	if got := slices.Sorted(maps.Keys(groups)); !slices.Equal(got, []string{"", "21", "22", "early", "standard"}) {
		t.Errorf("groups %q", got)
	}
	folder, err := endorse.ReadFolder(t.Context(), dir, []rats.TrustRoot{simtee.Root()})
	if err != nil {
		t.Fatal(err)
	}
	opt := pccs.FolderOptions{Roots: [][]byte{newPKI(t, simtee.Faults{}).RootCertificate()}}
	highest, refused := pccs.FromEndorsements(folder.All(), opt)
	opt.Number = 20
	twenty, _ := pccs.FromEndorsements(folder.All(), opt)
	if len(refused) != 0 {
		t.Errorf("refused %v", refused)
	}
	for name, c := range map[string]struct {
		batch store.Batch
		want  string
	}{"highest": {highest, "22"}, "20": {twenty, "20"}} {
		second := newLab(t, setup{mode: pccs.Offline})
		if report, err := second.PutBatch(t.Context(), c.batch, "import:folder"); err != nil {
			t.Fatalf("%s: %+v, %v", name, report, err)
		}
		standard, err := second.Artefact(t.Context(), tcbKey(rats.SGX, store.Standard))
		if err != nil {
			t.Fatal(err)
		}
		numbered, err := second.Artefact(t.Context(), tcbKey(rats.SGX, c.want))
		if err != nil || numbered.Digest != standard.Digest {
			t.Errorf("%s: the standard one is not number %s: %v", name, c.want, err)
		}
		if chain := inDER(standard.Chain); len(chain) != 2 {
			t.Errorf("%s: a chain of %d certificates is served", name, len(chain))
		}
		if _, err := second.Artefact(t.Context(), tcbKey(rats.SGX, "21")); err != nil {
			t.Errorf("%s: number 21: %v", name, err)
		}
	}
}

func TestAPlatformsCertificateInAFolderHasNoPlace(t *testing.T) {
	p, err := newPKI(t, simtee.Faults{}).NewPlatform(1, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	batch, refused := pccs.FromEndorsements([]rats.Endorsement{p.PCKCertificate()}, pccs.FolderOptions{})
	if len(batch.Artefacts) != 0 || len(refused) != 1 || rats.KindOf(refused[0].Err) != rats.Unsupported {
		t.Errorf("%+v, %+v", batch, refused)
	}
	items := vendor(t, simtee.Faults{}, start())
	if _, refused = pccs.FromEndorsements(items[:1], pccs.FolderOptions{}); len(refused) != 1 || rats.KindOf(refused[0].Err) != rats.UntrustedRoot {
		t.Errorf("without the root's certificate: %+v", refused)
	}
}

// Statements of many platforms, gathered over a long time: each gets a standard
// one, the shared evaluation if it has that.
func TestEachFMSPCOfAFolderGetsAStandardEvaluation(t *testing.T) {
	var items []rats.Endorsement
	add := func(number int, fmspc string, identity bool) {
		f := revised(number)
		f.TCBInfo = func(i *simtee.TCBInfo) { i.EvaluationDataNumber, i.FMSPC = number, fmspc }
		of, err := newPKI(t, f).EndorsementsFor(rats.SGX, start())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, of[0])
		if identity {
			items = append(items, of[1])
		}
	}
	add(17, "000000000001", true)
	add(18, "000000000001", true)
	add(19, "000000000001", false)
	add(16, "000000000002", false)
	add(20, "000000000003", false)
	batch, _ := pccs.FromEndorsements(items, pccs.FolderOptions{Roots: [][]byte{newPKI(t, simtee.Faults{}).RootCertificate()}})
	var got []string
	for _, a := range batch.Artefacts {
		got = append(got, strings.TrimPrefix(a.Scope, "00000000000")+" "+a.Update)
	}
	slices.Sort(got)
	want := []string{" 17", " standard", "1 17", "1 19", "1 standard", "2 standard", "3 standard"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnImportTakesThoseOffTheQueueWhoseCertificatesItBrought(t *testing.T) {
	t.Parallel()
	c, _ := collect(t, stocked(t), pccs.CollectOptions{})
	l := newLab(t, setup{mode: pccs.Offline})
	below := registration(1)
	below.CPUSVN = rawNone
	for _, r := range []pccs.Registration{registration(1), registration(2), registration(3), below} {
		if err := l.Register(t.Context(), r, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Settle(t.Context()); n != 0 || err != nil {
		t.Fatalf("before the import: %d, %v", n, err)
	}
	if report, err := l.PutCollateral(t.Context(), c, ""); err != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	if n, err := l.Settle(t.Context()); n != 2 || err != nil {
		t.Errorf("settled %d, %v", n, err)
	}
	left, err := l.Queue(t.Context(), store.New)
	if err != nil || len(left) != 2 {
		t.Fatalf("%+v, %v", left, err)
	}
	for _, q := range left {
		if q.QEID != qeid(3) && q.CPUSVN != rawNone {
			t.Errorf("%s at %s waits still", q.QEID, q.CPUSVN)
		}
	}
}

func TestOfTwoCertificatesOfOneSignerTheOneThatHoldsLongerIsServed(t *testing.T) {
	folder, err := endorse.ReadFolder(t.Context(), collateral(t), []rats.TrustRoot{dcap.Intel()})
	if err != nil {
		t.Fatal(err)
	}
	batch, _ := pccs.FromEndorsements(folder.All(), pccs.FolderOptions{})
	seen := 0
	for _, a := range batch.Artefacts {
		if a.Kind != store.TCBInfo && a.Kind != store.QEIdentity {
			continue
		}
		block, _ := pem.Decode(a.Chain)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		issued, until := window(t, a.Body)
		// That of 2018 ended in 2025.
		if seen++; cert.NotAfter.Before(until) || cert.NotBefore.After(issued) {
			t.Errorf("%s, which holds until %v, is served with a certificate that ended %v", a.Key, until, cert.NotAfter)
		}
	}
	if seen < 40 {
		t.Errorf("only %d were looked at", seen)
	}
}

// window returns the dates of TCB info or an identity.
func window(t *testing.T, body []byte) (issued, until time.Time) {
	t.Helper()
	var dates struct {
		IssueDate  time.Time `json:"issueDate"`
		NextUpdate time.Time `json:"nextUpdate"`
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		t.Fatal(err)
	}
	for name, part := range parts {
		if name == "signature" {
			continue
		}
		if err := json.Unmarshal(part, &dates); err != nil {
			t.Fatal(err)
		}
	}
	return dates.IssueDate, dates.NextUpdate
}
