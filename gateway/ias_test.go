// SPDX-License-Identifier: Apache-2.0

package gateway_test

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
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const forwardIAS = "/v1/attesteer/forward_ias_attestation_report"

// iasDay is when a node of the past begins: minutes after two real reports.
func iasDay() time.Time { return time.Date(2023, time.January, 20, 20, 0, 0, 0, time.UTC) }

// realReport returns a real IAS report by the beginning of its name.
func realReport(t testing.TB, name string) simtee.IASReport {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectors(t), "ias", name+"*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v (%v)", files, err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(strings.TrimSuffix(files[0], ".json") + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return simtee.IASReport{Body: body, Signature: signature, Certificate: epid.SigningCertificate()}
}

// simulatedReport is one of the simulated service, made at a time.
func simulatedReport(t testing.TB, n byte, made time.Time) simtee.IASReport {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := pki.IASReport(simtee.IAS{Enclave: simtee.Enclave{MREnclave: [32]byte{n}}, Time: made, Nonce: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTheCompatibleCallTakesEveryFormOfAReport, on a node of the day of two real ones.
func TestTheCompatibleCallTakesEveryFormOfAReport(t *testing.T) {
	h := open(t, "dev", func(lc *ledger.Config, _ *gateway.Config) { lc.Clock = iasDay() })
	first, second := realReport(t, "20230120T194728"), realReport(t, "20230120T195020")
	call := func(id any) string {
		return jsonOf(t, map[string]any{"jsonrpc": "2.0", "id": 1, "method": "attesteer_forwardIasAttestationReport", "params": []any{id, "https://ias.example"}})
	}
	ok := func(what, text string) {
		t.Helper()
		if raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x")); err != nil || len(raw) < 100 || raw[len(raw)-1] != 0 {
			t.Errorf("%s: %.200s", what, text)
		}
	}
	// The pair that contracts take, over JSON-RPC.
	ok("a pair", *h.rpc(t, "", call("0x"+hex.EncodeToString(first.Pair()))).Result)
	// The members of the envelope, over REST.
	body := jsonOf(t, map[string]string{
		"report": string(second.Body), "signature": base64.StdEncoding.EncodeToString(second.Signature), "url": "https://ias.example",
	})
	got := as[envelope](t, h.post(t, forwardIAS, "any", body).body)
	if got.Code != 0 || got.Message != "null" {
		t.Errorf("members: %+v", got)
	}
	// The certificate that carries it, as the original takes it.
	carried, err := simulatedReport(t, 3, iasDay().Add(-time.Minute)).Carried("an enclave")
	if err != nil {
		t.Fatal(err)
	}
	got = as[envelope](t, h.post(t, forwardIAS, "any", jsonOf(t, map[string]string{"quote": hex.EncodeToString(carried)})).body)
	if got.Code != 0 {
		t.Errorf("a certificate: %+v", got)
	}
	// The envelope as an object, as a string, and in hex.
	for i, form := range []func([]byte) any{
		func(b []byte) any { return json.RawMessage(b) }, func(b []byte) any { return string(b) }, func(b []byte) any { return hex.EncodeToString(b) },
	} {
		report := simulatedReport(t, byte(10+i), iasDay().Add(-time.Minute))
		ok("an envelope", *h.rpc(t, "", call(form(report.JSON()))).Result)
	}
	page, err := h.client("").List(t.Context(), map[string][]string{"tee": {"epid"}})
	if err != nil || len(page.Enclaves) != 6 {
		t.Fatalf("%d enclaves (%v)", len(page.Enclaves), err)
	}
	for _, e := range page.Enclaves {
		real := e.BuildMode == rats.Debug
		if real != (e.TrustRoot == rats.IntelRoot) || real != (e.Status == rats.SWHardeningNeeded) || e.FMSPC != "" {
			t.Errorf("%+v", e)
		}
	}
	// Whatever form it comes in, it is the same evidence.
	if text := returnedText(t, *h.rpc(t, "", call(string(first.JSON()))).Result); !strings.HasPrefix(text, "replayed: ") {
		t.Errorf("again: %s", text)
	}
}

func TestReportsAreRecordedAndAppraisedAsAllEvidence(t *testing.T) {
	h := open(t, "dev", func(lc *ledger.Config, _ *gateway.Config) { lc.Clock = iasDay() })
	report := simulatedReport(t, 1, iasDay().Add(-time.Minute))
	got, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: report.JSON()})
	if err != nil {
		t.Fatal(err)
	}
	if got.Record.TEE != rats.EPID || got.Record.Status != rats.UpToDate || got.Result.EPID.Nonce != "0123456789abcdef" {
		t.Errorf("%+v", got)
	}
	stale := simulatedReport(t, 2, iasDay().Add(-25*time.Hour)).JSON()
	if _, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: stale}); rats.KindOf(err) != rats.Expired {
		t.Errorf("a day and an hour old: %v", err)
	}
	appraise := func(evidence []byte, policy string) attesteer.Result {
		t.Helper()
		body := `{"evidence":"` + base64.StdEncoding.EncodeToString(evidence) + `","policy":` + policy + `}`
		return as[attesteer.Result](t, h.post(t, "/v1/appraisals", "any", body).body)
	}
	if r := appraise(stale, `{}`); !r.Accepted || r.Tier != rats.Affirming || r.Format != rats.IASReport {
		t.Errorf("appraised without a bound on its age: %v, %s", r.Kind, r.Tier)
	}
	if r := appraise(stale, `{"max_report_age":"1d"}`); r.Kind != rats.Expired || r.Accepted {
		t.Errorf("appraised with one: %v", r.Kind)
	}
	if r := appraise(realReport(t, "20180824").JSON(), `{"allow_debug":true}`); r.Kind != rats.BadSignature {
		t.Errorf("what Intel calls invalid: %v", r.Kind)
	}
}

func TestWhatIsNoReportIsRefusedBeforeItIsForwarded(t *testing.T) {
	h := open(t, "dev", nil)
	dcapQuote := hex.EncodeToString(quote(t, 1, simtee.Enclave{}))
	for params, want := range map[string]string{
		`[]`:                    "malformed: wrong number of parameters: 0, expected 1 or 2",
		`["00","u","x"]`:        "malformed: wrong number of parameters: 3, expected 1 or 2",
		`[1]`:                   "malformed: report: neither a string nor an object",
		`["00",1]`:              "malformed: url: not a string",
		`["zz"]`:                "malformed: report: not hex",
		`["000"]`:               "malformed: report: an odd number of hex digits",
		`[""]`:                  "malformed: report: empty",
		`["0x3082"]`:            "malformed: ",
		`[{}]`:                  "malformed: ",
		`["{}"]`:                "malformed: ",
		`["` + dcapQuote + `"]`: "malformed: evidence: recognised as sgx-quote-v3, not ias-report",
	} {
		got := h.rpc(t, "", `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardIasAttestationReport","params":`+params+`}`)
		if text := returnedText(t, *got.Result); !strings.HasPrefix(text, want) {
			t.Errorf("%.60s: %s, want %s", params, text, want)
		}
	}
	for body, want := range map[string]string{
		`{"quote":"3082"}`:                 "malformed: ",
		`{"quote":"xx"}`:                   "malformed: report: not hex",
		`{"quote":"","url":"u"}`:           "malformed: report: empty",
		`{}`:                               "malformed: give either quote, or report and signature",
		`{"quote":"00","report":"{}"}`:     "malformed: give either quote, or report and signature",
		`{"report":"{}","signature":"AA"}`: "malformed: ",
	} {
		got := as[envelope](t, h.post(t, forwardIAS, "any", body).body)
		if !strings.HasPrefix(got.Message, want) || got.Code != 14 {
			t.Errorf("%s: %s", body, got.Message)
		}
	}
}
