// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
)

// realTDFingerprint is SHA-384 over MRTD and RTMR0 to RTMR3 of the real TD.
const realTDFingerprint = "fa13bff786ec94614334ea98d2b49c80d3d029670e86b5615c02afcf50ad9d7a3b02f453567bb20d598b5acf7014d598"

func realFolder(t *testing.T, dir string) *endorse.Folder {
	t.Helper()
	folder, err := endorse.ReadFolder(t.Context(), filepath.Join(dir, "dcap", "collateral"), attesteer.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestARealTDIsRecordedAndFound follows a real TDX quote over the API, beside a
// real SGX quote.
func TestARealTDIsRecordedAndFound(t *testing.T) {
	dir := vectors(t)
	at := time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)
	folder := realFolder(t, dir)
	h := open(t, "dev", func(lc *ledger.Config, gc *gateway.Config) { lc.Clock, gc.Source = at, folder })
	c := h.client("any")
	read := func(elem ...string) []byte {
		raw, err := os.ReadFile(filepath.Join(append([]string{dir}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if _, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: read("seed", "quote.bin")}); err != nil {
		t.Fatal(err)
	}
	raw := read("dcap", "quotes", "tdx", "td10_v4_B0C06F000000_plat_prod_f1c85033.bin")
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	if err != nil {
		t.Fatal(err)
	}
	r := got.Record
	if r.TEE != rats.TDX || r.Fingerprint != realTDFingerprint || r.MRSigner != "" || r.ISVProdID != 0 || r.ISVSVN != 0 ||
		r.Status != rats.UpToDate || r.Tier != rats.Affirming || r.BuildMode != rats.Production || r.FMSPC != "b0c06f000000" {
		t.Errorf("%+v", r)
	}
	if m := got.Result.Measurement.TDXMeasurement; m == nil || got.Result.Format != rats.TDXQuoteV4 || len(m.MRTD) != 48 {
		t.Errorf("%+v", got.Result)
	}
	for name, query := range map[string]url.Values{
		"by fingerprint":                   {"fingerprint": {realTDFingerprint}},
		"by fingerprint in capitals":       {"fingerprint": {"0x" + strings.ToUpper(realTDFingerprint)}},
		"by TEE":                           {"tee": {"tdx"}},
		"by the beginning of the search":   {"q": {realTDFingerprint[:20]}},
		"by the whole fingerprint, freely": {"q": {realTDFingerprint}},
		"by signer":                        {"signer": {r.Signer.Opaque}},
	} {
		page, err := c.List(t.Context(), query)
		if err != nil || len(page.Enclaves) != 1 || page.Enclaves[0].ID != r.ID {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
	if page, err := c.List(t.Context(), url.Values{"fingerprint": {realTDFingerprint[:64]}}); err != nil || len(page.Enclaves) != 0 {
		t.Errorf("a part of a fingerprint: %+v, %v", page, err)
	}
	t.Run("and appraised without recording", func(t *testing.T) {
		body := `{"evidence":"` + base64.StdEncoding.EncodeToString(raw) + `","format":"tdx-quote-v4"}`
		answer := h.post(t, "/v1/appraisals", "any", body)
		var result attesteer.Result
		if err := json.Unmarshal(answer.body, &result); err != nil || answer.status != 200 || !result.Accepted || result.TEE != rats.TDX {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	})
	t.Run("and forwarded in the original's way", func(t *testing.T) {
		other := read("dcap", "quotes", "tdx", "td10_v4_B0C06F000000_plat_prod_2f2344ea.bin")
		body := `{"quote":"` + hex.EncodeToString(other) + `","url":"td.example"}`
		answer := h.post(t, "/v1/attesteer/forward_dcap_quote", "any", body)
		if answer.status != 200 || !strings.Contains(string(answer.body), `"error_code":0`) {
			t.Errorf("%d %s", answer.status, answer.body)
		}
		page, err := c.List(t.Context(), url.Values{"url": {"td.example"}})
		if err != nil || len(page.Enclaves) != 1 || page.Enclaves[0].TEE != rats.TDX || len(page.Enclaves[0].Fingerprint) != 96 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func TestNumberListsAreTakenAndCertificatesOfPlatformsAreNot(t *testing.T) {
	dir := vectors(t)
	var numbers []rats.Endorsement
	for _, e := range realFolder(t, dir).All() {
		if e.Kind == rats.EvaluationNumbers {
			numbers = append(numbers, e)
		}
	}
	if len(numbers) == 0 {
		t.Fatal("no list of numbers")
	}
	text, err := os.ReadFile(filepath.Join(dir, "seed", "pck_chain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, rest := pem.Decode(text)
	ca, _ := pem.Decode(rest)
	platform := rats.Endorsement{Kind: rats.PCKCertificate, Body: leaf.Bytes, Issuers: [][]byte{ca.Bytes}}
	h := empty(t)
	c := h.client("")

	_, err = c.PushEndorsements(t.Context(), []rats.Endorsement{platform})
	var refusal *client.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, rats.Unsupported) || refusal.Status != 422 || refusal.Err.Detail == "" {
		t.Errorf("a certificate: %v", err)
	}
	pushed, err := c.PushEndorsements(t.Context(), []rats.Endorsement{platform, numbers[0]})
	if err != nil {
		t.Fatal(err)
	}
	if len(pushed.Taken) != 1 || pushed.Taken[0].Kind != rats.EvaluationNumbers || len(pushed.Refused) != 1 || pushed.Refused[0].Kind != rats.Unsupported {
		t.Errorf("%+v", pushed)
	}
	for name, query := range map[string]url.Values{
		"by kind": {"kind": {"tcb_evaluation_numbers"}}, "by TEE": {"tee": {"sgx"}},
	} {
		list, err := c.ListEndorsements(t.Context(), query)
		if err != nil || len(list.Endorsements) != 1 || list.Endorsements[0].Kind != rats.EvaluationNumbers ||
			list.Endorsements[0].TEE != rats.SGX || !list.Endorsements[0].Stale {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	if list, err := c.ListEndorsements(t.Context(), url.Values{"kind": {"pck_certificate"}}); err != nil || len(list.Endorsements) != 0 {
		t.Errorf("certificates: %+v, %v", list, err)
	}

	t.Run("whether their kind is said or not", func(t *testing.T) {
		body := func(e rats.Endorsement) string {
			b, err := json.Marshal(map[string]any{"endorsements": []map[string]any{{
				"body": e.Body, "issuers": e.Issuers,
			}}})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if r := h.post(t, "/v1/endorsements", "", body(numbers[0])); r.status != 200 || len(as[client.Pushed](t, r.body).Known) != 1 {
			t.Errorf("numbers: %d %s", r.status, r.body)
		}
		h.post(t, "/v1/endorsements", "", body(platform)).wants(t, 422, rats.Unsupported)
	})
}
