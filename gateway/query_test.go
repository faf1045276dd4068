// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestNoPartOfAQueryIsPassedOver: a list without the filter that its caller wrote
// would be taken for one with it.
func TestNoPartOfAQueryIsPassedOver(t *testing.T) {
	h := open(t, "dev", nil)
	for query, detail := range map[string]string{
		"tee=%zz":              `query: "tee=%zz" is not percent-encoded`,
		"tee=sgx&%":            `query: "%" is not percent-encoded`,
		"%zz=sgx":              `query: "%zz=sgx" is not percent-encoded`,
		"tee=sgx&t%65e=tdx":    "query.tee: given twice",
		"tee=sgx&tee=sgx;x":    "query.tee: given twice",
		"x;tee=sgx":            "query.x;tee: unknown query parameter",
		"tee;tee":              "query.tee;tee: unknown query parameter",
		"Tee=sgx":              "query.Tee: unknown query parameter",
		"tee=sgx;limit=1":      "tee: want one of ",
		"tee=sgx&limit=1&tee=": "query.tee: given twice",
	} {
		for _, path := range []string{"/v1/enclaves?", "/v1/events?"} {
			if path == "/v1/events?" && strings.Contains(query, "limit") {
				continue
			}
			if p := h.get(t, path+query).wants(t, http.StatusBadRequest, rats.Malformed); !strings.HasPrefix(p.Detail, detail) {
				t.Errorf("%s%s: %s, want %s", path, query, p.Detail, detail)
			}
		}
	}
	for _, query := range []string{"", "&", "tee=sgx&", "&t%65e=s%67x", "q=a;b", "q=%3B", "q=a+b"} {
		if r := h.get(t, "/v1/enclaves?"+query); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}

func TestBase64IsTakenInLinesAndSetOff(t *testing.T) {
	h := open(t, "dev", nil)
	text := base64.StdEncoding.EncodeToString(quote(t, 1, simtee.Enclave{}))
	for _, spelled := range []string{
		text[:76] + `\n` + text[76:] + `\n`, text[:64] + `\r\n\t` + text[64:], "  " + text + " ",
	} {
		if r := h.post(t, "/v1/appraisals", "", `{"evidence":"`+spelled+`"}`); r.status != http.StatusOK {
			t.Errorf("%.90s: %d %s", spelled, r.status, r.body)
		}
	}
	for _, spelled := range []string{strings.TrimRight(text, "=") + "A", text + "AA==", strings.NewReplacer("+", "-", "/", "_").Replace(text), text + `\u00a0`} {
		h.post(t, "/v1/appraisals", "", `{"evidence":"`+spelled+`"}`).wants(t, http.StatusBadRequest, rats.Malformed)
	}
}

func TestNoTypesOfGoAreNamedToCallers(t *testing.T) {
	h := open(t, "dev", nil)
	for path, body := range map[string]string{
		"/v1/appraisals":   `{"evidence":"AA==","policy":{"tcb":{"min_evaluation_data_number":1e2}}}`,
		"/v1/endorsements": `{"endorsements":1e999}`,
	} {
		p := h.post(t, path, "any", body).wants(t, http.StatusBadRequest, rats.Malformed)
		if strings.Contains(p.Detail, "Go ") || strings.Contains(p.Detail, "uint") || p.Detail == "" {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
}
