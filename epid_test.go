// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// iasReport returns a real report of the given name's beginning in its JSON form.
func iasReport(t testing.TB, name string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(vectors(t)), "ias", name+"*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v (%v)", files, err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	signature, err := os.ReadFile(strings.TrimSuffix(files[0], ".json") + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{"report": string(body), "signature": string(signature)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// retired is a time after the end of Intel's service and of its certificate.
func retired() time.Time { return time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC) }

func TestARealIASReportComesToAResult(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy attesteer.Policy
		want   rats.Kind
		status rats.TCBStatus
		tier   rats.Tier
	}{
		{"20190821", attesteer.Policy{}, rats.DebugForbidden, rats.UpToDate, rats.Contraindicated},
		{"20190821", attesteer.Policy{AllowDebug: true}, rats.None, rats.UpToDate, rats.Contraindicated},
		{"20210912", attesteer.Policy{}, rats.TCBRejected, rats.SWHardeningNeeded, rats.Warning},
		{"20210912", attesteer.Policy{AcceptTCB: []rats.TCBStatus{rats.SWHardeningNeeded}}, rats.None, rats.SWHardeningNeeded, rats.Warning},
		{"20231018", attesteer.Policy{AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}, rats.None, rats.OutOfDate, rats.Warning},
		{"20231018", attesteer.Policy{GracePeriod: 24 * time.Hour}, rats.TCBRejected, rats.OutOfDate, rats.Warning},
		{"20180330", attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}, rats.None, rats.OutOfDate, rats.Contraindicated},
		{"20180824", attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses()}, rats.BadSignature, "", rats.Contraindicated},
		{"20210912", attesteer.Policy{Roots: []rats.TrustRoot{dcap.Intel()}}, rats.UntrustedRoot, "", rats.Contraindicated},
		{"20210912", attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}, rats.UntrustedRoot, "", rats.Contraindicated},
	} {
		r, err := attesteer.Verify(attesteer.Evidence{Raw: iasReport(t, tt.name)}, nil, tt.policy, retired())
		if rats.KindOf(err) != tt.want || r.Kind != tt.want || r.Accepted != (err == nil) || r.Tier != tt.tier {
			t.Errorf("%s: %v, tier %s", tt.name, err, r.Tier)
		}
		if got := statusOf(r); got != tt.status || r.TEE != rats.EPID || r.Format != rats.IASReport || r.EPID == nil || r.PCK != nil {
			t.Errorf("%s: status %q, %s as %s", tt.name, got, r.TEE, r.Format)
		}
		if tt.status != "" && (*r.TrustRoot != rats.IntelRoot || r.TCB.QEStatus != "" || len(r.Endorsements) != 0 || !r.ValidFrom.Equal(r.EPID.Time)) {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

func statusOf(r *attesteer.Result) rats.TCBStatus {
	if r.TCB == nil {
		return ""
	}
	return r.TCB.Status
}

// TestNeitherOfIntelsRootsVouchesForTheOthersEvidence, though both are "intel".
func TestNeitherOfIntelsRootsVouchesForTheOthersEvidence(t *testing.T) {
	ias := attesteer.Policy{Roots: []rats.TrustRoot{epid.Intel()}}
	raw, err := os.ReadFile(filepath.Join("testdata", "seed", "quote.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, ias, retired()); rats.KindOf(err) != rats.UntrustedRoot {
		t.Errorf("a quote under the root of report signing keys: %v", err)
	}
	for _, p := range []attesteer.Policy{ias, {Roots: attesteer.Roots()}, {Roots: append(attesteer.Roots(), simtee.Root())}} {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := attesteer.ParsePolicy(b); err != nil || len(read.Roots) != len(p.Roots) {
			t.Errorf("%d roots became %d (%v)", len(p.Roots), len(read.Roots), err)
		}
	}
	twisted := epid.Intel()
	twisted.Subject = dcap.Intel().Subject
	for _, r := range []rats.TrustRoot{twisted, {Name: "other", Subject: twisted.Subject, PublicKey: twisted.PublicKey}} {
		if err := (attesteer.Policy{Roots: []rats.TrustRoot{r}}).Validate(); err == nil {
			t.Errorf("the RSA key is taken for a root %q of another name", r.Name)
		}
	}
}

func TestAPolicyBoundsTheAgeOfAReport(t *testing.T) {
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, time.March, 1, 12, 0, 0, 500000000, time.UTC)
	report, err := pki.IASReport(simtee.IAS{Time: made})
	if err != nil {
		t.Fatal(err)
	}
	roots := append(attesteer.Roots(), simtee.Root())
	for _, tt := range []struct {
		name string
		at   time.Time
		age  time.Duration
		want rats.Kind
	}{
		{"no demand", made.AddDate(50, 0, 0), 0, rats.None},
		{"just in time", made.Add(24 * time.Hour), 24 * time.Hour, rats.None},
		{"a moment late", made.Add(24*time.Hour + 1), 24 * time.Hour, rats.Expired},
		{"from the future", made.Add(-1), 0, rats.Expired},
	} {
		p := attesteer.Policy{Roots: roots, MaxReportAge: tt.age}
		r, err := attesteer.Verify(attesteer.Evidence{Raw: report.JSON()}, nil, p, tt.at)
		if rats.KindOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, c := range r.Checks {
			if c.Name == "report_age" && (c.Outcome == rats.Skipped) != (tt.age == 0) {
				t.Errorf("%s: %+v", tt.name, c)
			}
		}
	}
	p, err := attesteer.ParsePolicy([]byte(`{"max_report_age":"1d"}`))
	if err != nil || p.MaxReportAge != 24*time.Hour {
		t.Errorf("%v (%v)", p.MaxReportAge, err)
	}
	if b, err := json.Marshal(p); err != nil || !strings.Contains(string(b), `"max_report_age":"1d"`) {
		t.Errorf("%s (%v)", b, err)
	}
	for _, age := range []time.Duration{-time.Second, time.Millisecond} {
		if (attesteer.Policy{MaxReportAge: age}).Validate() == nil {
			t.Errorf("%s is a demand", age)
		}
	}
}

func TestAnEnclaveIsTheSameWhoeverVouchesForItsQuote(t *testing.T) {
	raw := iasReport(t, "20210912")
	in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	m := in.Measurement.SGXMeasurement
	hardened := []rats.TCBStatus{rats.SWHardeningNeeded}
	prod := m.ISVProdID
	p := attesteer.Policy{
		AcceptTCB: hardened, ReportData: in.ReportData,
		ReferenceValues: []attesteer.ReferenceValue{{MRSigner: m.MRSigner, ISVProdID: &prod}, {MREnclave: m.MREnclave}},
		Attributes:      &attesteer.Bits{Mask: append([]byte{2}, make([]byte, 15)...), Value: make([]byte, 16)},
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw, Format: rats.IASReport}, nil, p, retired()); err != nil {
		t.Error(err)
	}
	p.ReferenceValues = []attesteer.ReferenceValue{{MREnclave: make([]byte, 32)}}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, p, retired()); rats.KindOf(err) != rats.MeasurementUnknown {
		t.Errorf("other code: %v", err)
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw, Format: rats.SGXQuoteV3}, nil, p, retired()); rats.KindOf(err) != rats.Malformed {
		t.Errorf("stated to be a quote: %v", err)
	}
	if in.Version != 4 || in.EPID.QuoteStatus != epid.SWHardeningNeeded || in.EPID.SignatureType != "linkable" || len(in.EPID.Pseudonym) != 128 {
		t.Errorf("%+v", in.EPID)
	}
}

// TestEveryEncodingOfAReportIsRecognised: as text and as bytes.
func TestEveryEncodingOfAReportIsRecognised(t *testing.T) {
	raw := iasReport(t, "20210912")
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(m["signature"])
	if err != nil {
		t.Fatal(err)
	}
	pair := simtee.IASReport{Body: []byte(m["report"]), Signature: signature}.Pair()
	p := attesteer.Policy{AcceptTCB: []rats.TCBStatus{rats.SWHardeningNeeded}}
	for _, text := range []string{string(raw), "\n " + string(raw) + "\n", "0x" + hex.EncodeToString(pair), base64.StdEncoding.EncodeToString(pair), string(pair), hex.EncodeToString(raw)} {
		b, err := attesteer.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if format, err := attesteer.Recognise(b); format != rats.IASReport || err != nil {
			t.Errorf("%.20q is %s (%v)", text, format, err)
		}
		if _, err := attesteer.Verify(attesteer.Evidence{Raw: b}, nil, p, retired()); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if needs, err := attesteer.Needs(attesteer.Evidence{Raw: raw}); err != nil || len(needs) != 0 {
		t.Errorf("it needs %v (%v)", needs, err)
	}
}

func TestWhatAReportSaidStaysSaid(t *testing.T) {
	p := attesteer.Policy{AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}
	r, err := attesteer.Verify(attesteer.Evidence{Raw: iasReport(t, "20231018")}, nil, p, retired())
	if err != nil {
		t.Fatal(err)
	}
	s := attesteer.Reappraise(r.Inputs, nil, p, retired().AddDate(20, 0, 0))
	if s.Err != nil || s.TCB.Status != rats.OutOfDate || s.Tier != rats.Warning || !s.ValidUntil.Equal(*r.ValidUntil) || len(s.TCB.Advisories) != 13 {
		t.Errorf("%+v", s)
	}
	p.Roots = []rats.TrustRoot{simtee.Root()}
	if s := attesteer.Reappraise(r.Inputs, nil, p, retired()); s.Err == nil || s.Err.Kind != rats.UntrustedRoot || s.Tier != rats.TierNone {
		t.Errorf("without its root: %+v", s)
	}
}
