// SPDX-License-Identifier: Apache-2.0

package epid_test

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

// vectors returns the folder of real reports, or skips the test.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "ias")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no vectors (set ATTESTEER_VECTORS): %v", err)
	}
	return dir
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// real is one report of the folder.
type real struct {
	name      string
	body      []byte
	signature string
}

// status is Intel's word as it stands in the file's name, and unsigned whether
// no signature of it is known.
func (r real) status() epid.QuoteStatus {
	parts := strings.Split(strings.TrimPrefix(r.name, "NOSIG_"), "_")
	return epid.QuoteStatus(strings.Join(parts[2:len(parts)-2], "_"))
}

func (r real) unsigned() bool { return r.signature == "" }

// debug is whether the file's name says so.
func (r real) debug() bool { return strings.Contains(r.name, "_dbg_") }

// envelope returns the report in its JSON form, with the signature of another if
// it has none.
func (r real) envelope(t testing.TB, signature string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{"report": string(r.body), "signature": signature})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reports returns every report of the folder's index.
func reports(t testing.TB) []real {
	t.Helper()
	dir := vectors(t)
	var out []real
	for _, line := range strings.Split(string(read(t, filepath.Join(dir, "INDEX.tsv"))), "\n")[1:] {
		file, _, _ := strings.Cut(line, "\t")
		name, ok := strings.CutSuffix(file, ".json")
		if !ok {
			continue
		}
		r := real{name: name, body: read(t, filepath.Join(dir, file))}
		if !strings.HasPrefix(name, "NOSIG_") {
			r.signature = string(read(t, filepath.Join(dir, name+".sig")))
		}
		out = append(out, r)
	}
	if len(out) < 12 {
		t.Fatalf("%d reports in the index, want 12 or more", len(out))
	}
	return out
}

// late is after all of the reports, and after the end of Intel's certificate.
func late() time.Time { return time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC) }

func TestEveryRealReportComesOutAsItsIndexSays(t *testing.T) {
	all := reports(t)
	refusals := map[epid.QuoteStatus]rats.Kind{epid.SignatureInvalid: rats.BadSignature}
	statuses := map[epid.QuoteStatus]rats.TCBStatus{
		epid.OK: rats.UpToDate, epid.GroupOutOfDate: rats.OutOfDate, epid.SWHardeningNeeded: rats.SWHardeningNeeded,
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			signature := r.signature
			if r.unsigned() {
				signature = all[0].signature
			}
			ev, err := epid.Parse(r.envelope(t, signature))
			if err != nil {
				t.Fatal(err)
			}
			if ev.Report.Status != r.status() || ev.Report.Quote.Report.Debug() != r.debug() {
				t.Errorf("status %s, debug %t", ev.Report.Status, ev.Report.Quote.Report.Debug())
			}
			want := refusals[r.status()]
			if r.unsigned() {
				want = rats.BadSignature
			}
			a := epid.Appraise(ev, nil, late())
			switch {
			case want == rats.None && a.Err != nil:
				t.Fatal(a.Err)
			case want != rats.None && (a.Err == nil || a.Err.Kind != want || a.Status != "" || a.Inputs != nil):
				t.Fatalf("%v and status %q, want %s and none", a.Err, a.Status, want)
			case want == rats.None && (a.Status != statuses[r.status()] || a.Root != rats.IntelRoot || a.Inputs == nil):
				t.Errorf("status %q under root %q", a.Status, a.Root)
			}
		})
	}
}

func TestAReportAloneCanBeReadAndIsNeverGenuine(t *testing.T) {
	for _, r := range reports(t) {
		ev, err := epid.Parse(r.body)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		if a := epid.Appraise(ev, nil, late()); a.Err == nil || a.Err.Kind != rats.BadSignature || a.Root != "" {
			t.Errorf("%s: %v under root %q", r.name, a.Err, a.Root)
		}
	}
}

// TestOnlyIntelsOwnCertificateVouches: the certificate of the signing key that
// the folder has is not Intel's: one digit of its signature is another one.
func TestOnlyIntelsOwnCertificateVouches(t *testing.T) {
	dir := vectors(t)
	root := string(read(t, filepath.Join(dir, "ias_ca_7b42e4.pem")))
	own := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: epid.SigningCertificate()}))
	damaged := string(read(t, filepath.Join(dir, "ias_signing_3eca12.pem")))
	for _, tt := range []struct {
		name, chain string
		want        rats.Kind
	}{
		{"the one that is known", own, rats.None},
		{"with the root", own + root, rats.None},
		{"the root first", root + own, rats.None},
		{"as in the header of the answer", percent(own + root), rats.None},
		{"damaged", damaged + root, rats.BadSignature},
		{"the root alone", root, rats.UntrustedRoot},
		{"two of them", own + damaged, rats.UntrustedRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := firstSigned(t)
			b, err := json.Marshal(map[string]string{"report": string(r.body), "signature": r.signature, "certificate": tt.chain})
			if err != nil {
				t.Fatal(err)
			}
			ev, err := epid.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			a := epid.Appraise(ev, nil, late())
			if got := kindOf(a); got != tt.want {
				t.Errorf("%v, want %q", a.Err, tt.want)
			}
			if tt.name == "damaged" && !strings.Contains(a.Err.Detail, "a damaged copy of Intel's") {
				t.Errorf("%v", a.Err)
			}
		})
	}
}

// kindOf returns the kind of an appraisal, None for one that passed.
func kindOf(a *epid.Appraisal) rats.Kind {
	if a.Err == nil {
		return rats.None
	}
	return a.Err.Kind
}

func firstSigned(t testing.TB) real {
	t.Helper()
	for _, r := range reports(t) {
		if !r.unsigned() && r.status() != epid.SignatureInvalid {
			return r
		}
	}
	t.Fatal("no report with a signature")
	return real{}
}

// percent encodes all of a text as URLs do.
func percent(text string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		out.WriteString("%" + string(digits[text[i]>>4]) + string(digits[text[i]&15]))
	}
	return out.String()
}

func TestPlatformInfoNamesWhatIsBehind(t *testing.T) {
	const group, cpu, pce = "epid_group_out_of_date", "cpu_svn_out_of_date", "pce_svn_out_of_date"
	want := map[string][]string{
		"20180330T220225": {group, cpu, pce},
		"20180416T161349": {group, cpu, pce},
		"20231018T090115": {group, cpu},
		"NOSIG":           {"platform_configuration_needed"},
	}
	seen := 0
	for _, r := range reports(t) {
		ev, err := epid.Parse(r.body)
		if err != nil {
			t.Fatal(err)
		}
		p, q := ev.Report.PlatformInfo, ev.Report.Quote
		if p == nil {
			continue
		}
		seen++
		first, _, _ := strings.Cut(r.name, "_")
		slices.Reverse(q.GroupID[:])
		if !slices.Equal(p.Flags(), want[first]) || p.GroupID != q.GroupID || p.XEID != q.XEID {
			t.Errorf("%s: %v for group %x, where the quote is of %x", r.name, p.Flags(), p.GroupID, q.GroupID)
		}
	}
	if seen != len(want) {
		t.Errorf("%d reports with platform info, want %d", seen, len(want))
	}
}
