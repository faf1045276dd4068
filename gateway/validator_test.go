// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

func TestWhatDidNotChangeIsNotSentAgain(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	got, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	if err != nil {
		t.Fatal(err)
	}
	enclave := "/v1/enclaves/" + got.Record.ID
	for path, keep := range map[string]string{
		"/v1/enclaves": "no-cache", enclave: "no-cache", enclave + "/history": "no-cache", enclave + "/evidence": "no-cache",
		"/v1/endorsements": "no-cache", "/v1/receipts/" + got.Tx: "no-cache",
		"/v1/evidence/" + got.Record.EvidenceSHA256: "public, max-age=31536000, immutable",
	} {
		first := h.get(t, path)
		tag := first.header.Get("Etag")
		if first.status != http.StatusOK || len(tag) < 18 || strings.HasPrefix(tag, "W/") || first.header.Get("Cache-Control") != keep {
			t.Errorf("%s: %d %v", path, first.status, first.header)
		}
		head := h.call(t, http.MethodHead, path, "", nil)
		if head.status != http.StatusOK || head.header.Get("Etag") != tag || len(head.body) != 0 ||
			head.header.Get("Content-Length") != strconv.Itoa(len(first.body)) || head.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
		for _, has := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				again := h.call(t, method, path, "", nil, "If-None-Match", has)
				if again.status != http.StatusNotModified || len(again.body) != 0 || again.header.Get("Etag") != tag ||
					again.header.Get("Cache-Control") != keep || again.header.Get("Content-Type") != "" {
					t.Errorf("%s %s with %s: %d %v", method, path, has, again.status, again.header)
				}
			}
		}
		for _, has := range []string{`"other"`, strings.Trim(tag, `"`), `"` + tag + `"`} {
			if again := h.get(t, path, "If-None-Match", has); again.status != http.StatusOK || !bytes.Equal(again.body, first.body) {
				t.Errorf("%s with %s: %d", path, has, again.status)
			}
		}
	}
	if r := h.get(t, "/v1/evidence/"+got.Record.EvidenceSHA256); !bytes.Equal(r.body, raw) || r.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d bytes of %s", len(r.body), r.header.Get("Content-Type"))
	}
	h.get(t, "/v1/evidence/"+got.Record.ID).wants(t, http.StatusNotFound, rats.NotFound)
	h.get(t, "/v1/evidence/12").wants(t, http.StatusBadRequest, rats.Malformed)
}

func TestAValidatorChangesWithWhatIsShown(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{
		"/v1/enclaves/" + got.Record.ID, "/v1/enclaves", "/v1/enclaves/" + got.Record.ID + "/history", "/v1/ledger",
	}
	before := make(map[string]string)
	for _, path := range paths {
		before[path] = h.get(t, path).header.Get("Etag")
	}
	if _, err := c.Withdraw(t.Context(), got.Record.ID, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		r := h.get(t, path, "If-None-Match", before[path])
		if r.status != http.StatusOK || r.header.Get("Etag") == before[path] || len(r.body) == 0 {
			t.Errorf("%s: %d %s", path, r.status, r.header.Get("Etag"))
		}
	}
}

// ahead is a registry whose ledger time is later.
type ahead struct {
	gateway.Registry
	by time.Duration
}

func (a ahead) Time() record.Millis { return record.MillisOf(a.Registry.Time().Time().Add(a.by)) }

// TestAValidatorChangesWithTime: a record that ran out reads otherwise, though
// nothing touched it.
func TestAValidatorChangesWithTime(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{}), ValidFor: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	path := "/v1/enclaves/" + got.Record.ID
	tag := h.get(t, path).header.Get("Etag")
	later := beside(t, h, func(gc *gateway.Config) { gc.Registry = ahead{gc.Registry, 2 * time.Hour} })
	if r := later.get(t, path, "If-None-Match", tag); r.status != http.StatusOK || !bytes.Contains(r.body, []byte(`"state":"expired"`)) {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.get(t, path, "If-None-Match", tag); r.status != http.StatusNotModified {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestTheTwoSpellingsOfAProofAreTwoAnswers(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	path := "/v1/enclaves/" + strings.Repeat("0f", 32) + "/proof"
	asJSON, asCBOR := h.get(t, path), h.get(t, path, "Accept", "application/cbor")
	if asJSON.header.Get("Vary") != "Accept" || asCBOR.header.Get("Vary") != "Accept" || asJSON.header.Get("Etag") == asCBOR.header.Get("Etag") {
		t.Errorf("%v and %v", asJSON.header, asCBOR.header)
	}
}

func TestAnswersThatTakeATokenAreNobodyElsesToKeep(t *testing.T) {
	h := open(t, "test", func(_ *ledger.Config, gc *gateway.Config) { gc.ReadsNeedToken = true })
	r := h.call(t, http.MethodGet, "/v1/enclaves", "secret-word", nil)
	tag := r.header.Get("Etag")
	if r.status != http.StatusOK || tag == "" || r.header.Get("Cache-Control") != "private, no-cache" || r.header.Get("Vary") != "Authorization" {
		t.Errorf("%d %v", r.status, r.header)
	}
	// To know the validator is no token.
	if r := h.get(t, "/v1/enclaves", "If-None-Match", tag); r.status != http.StatusUnauthorized {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestProblemsAreNotKept(t *testing.T) {
	h := open(t, "dev", nil)
	r := h.get(t, "/v1/enclaves/"+strings.Repeat("0f", 32), "If-None-Match", "*")
	r.wants(t, http.StatusNotFound, rats.NotFound)
	if r.header.Get("Etag") != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.header)
	}
}
